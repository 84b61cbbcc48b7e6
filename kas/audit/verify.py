"""Where a trail was changed or cut, as far as it can be seen from the trail alone and the service's public keys.

Said are lines that are not what was written, lines that are missing, a beginning that is, lines of a process that no
checkpoint vouches for, checkpoints that nobody of the service signed, and what is no line any more. The order of lines in a
file says nothing and is not judged. What comes after the last checkpoint of a process can have been cut, changed or invented
unseen: it is said how much that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final

from kas.audit.chain import Link, read_link
from kas.audit.keys import CheckpointKeys
from kas.audit.read import Found
from kas.audit.trail import Line, Lines, Trail
from kas.dataclass import dataclass
from kas.events import EVENTS

MAX_FAULTS: Final = 1000  # that are told; beyond, they are counted


@dataclass(frozen=True, slots=True)
class Verdict:
    """``processes`` and ``notes`` are no faults; ``untold`` faults are counted only."""

    processes: tuple[str, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]
    untold: int
    lines: int
    others: int  # values that are no lines of a trail


@dataclass(slots=True)
class Verification:
    """Reads logs one after the other; `verdict` is asked when all are read."""

    keys: CheckpointKeys
    processes: dict[str, Lines] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)  # the first of them
    suspected: int = 0
    untold: int = 0
    others: int = 0

    def add(self, log: Iterable[Found]) -> None:
        for found in log:
            if found.is_suspect:
                self._suspect(found)
            elif "chain" in found.payload or found.payload.get("event") in EVENTS:
                self._add_line(found)
            else:
                self.others += 1

    def verdict(self, *, is_part: bool) -> Verdict:
        """Of everything that was read; where it ``is_part`` of a trail, the beginning of a process may be missing.

        What cannot be read is the rest of a line that could not be written whole, where so many lines say so, or else of one
        that was written: the numbers in the chains show which of them are missing, but for the last of a process.
        """
        trails = [Trail(lines) for lines in self.processes.values()]
        is_explained = self.suspected <= sum(trail.excused for trail in trails)
        if not is_explained:
            for place in self.suspects:
                self._fault(f"{place}: it looks like a line of the trail, and cannot be read")
            self.untold += self.suspected - len(self.suspects)
        for trail in trails:
            for fault in trail.faults(is_part=is_part):
                self._fault(fault)
        return Verdict(
            processes=tuple(trail.summary() for trail in trails),
            notes=tuple(self._rests()) if is_explained else (),
            faults=tuple(self.faults),
            untold=self.untold,
            lines=sum(len(lines.by_number) for lines in self.processes.values()),
            others=self.others,
        )

    def _suspect(self, found: Found) -> None:
        self.suspected += 1
        if len(self.suspects) < MAX_FAULTS:
            self.suspects.append(found.place.text)

    def _rests(self) -> Iterator[str]:
        for place in self.suspects:
            yield f"{place}: the rest of a line"
        more = self.suspected - len(self.suspects)
        if more:
            yield f"{more} more rests of lines are not told"

    def _add_line(self, found: Found) -> None:
        line, place = found.payload, found.place.text
        if "chain" not in line:
            self._fault(f"{place}: it is an audit line without a place in any chain")
            return
        try:
            link = read_link(line, is_whole=not found.is_entry)
        except ValueError:
            self._fault(f"{place}: its place in the chain cannot be read")
            return
        lines = self.processes.setdefault(link.process, Lines(link.process))
        kept = Line(found.place, link, self._reason(line, link, place))
        if not link.is_sound:
            self._fault(f"{kept.text}: it was changed, its hash is another line's")
        if kept.held is not None:
            lines.note_maker(line)
        wrong = lines.add(kept)
        if wrong:
            self._fault(f"{kept.text}: {wrong}")

    def _reason(self, line: Mapping[str, Any], link: Link, place: str) -> str | None:
        """Of a checkpoint that holds; a line that claims to be one and is none is a fault."""
        kid, is_checkpoint = line.get("kid"), line.get("event") == "checkpoint"
        if not is_checkpoint and link.signature is None:
            return None
        if not is_checkpoint or link.signature is None:
            self._fault(f"{place}: it is half a checkpoint")
        elif not isinstance(kid, str) or not self.keys.is_known(kid):
            self._fault(f"{place}: it is a checkpoint by the key {kid!r}, which is not among those given")
        elif not self.keys.is_signed(kid, link.hash, link.signature):
            self._fault(f"{place}: it is a forged checkpoint, not signed with the key {kid!r}")
        elif link.is_sound:
            return str(line.get("reason"))
        return None

    def _fault(self, text: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)
        else:
            self.untold += 1
