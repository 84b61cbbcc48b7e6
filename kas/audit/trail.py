"""The lines of one process, and where its chain is broken.

Lines come in any order. What each says of itself is kept, less than a kilobyte, and not the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Final

from kas.audit.chain import Link
from kas.audit.log import EVERY_LINES
from kas.audit.read import Place
from kas.dataclass import dataclass

_START: Final = "start"
_END: Final = "end"


@dataclass(frozen=True, slots=True)
class Line:
    """``held`` is the reason of a checkpoint whose signature holds, else None."""

    place: Place
    link: Link
    held: str | None

    @property
    def text(self) -> str:
        """Where it is and what it is called, for whoever looks for it."""
        return f"{self.place.text}, line {self.link.number} of process {self.link.process}"


@dataclass(slots=True)
class Lines:
    """What there is of the process ``name``; ``maker`` is what a checkpoint that holds says of the service."""

    name: str
    by_number: dict[int, Line] = field(default_factory=dict)
    repeated: int = 0
    maker: str = ""

    def add(self, line: Line) -> str | None:
        """Takes a line; what is wrong where there is another one with its number."""
        number = line.link.number
        other = self.by_number.setdefault(number, line)
        if other is line:
            return None
        if other.link == line.link:  # Cloud Logging may deliver an entry twice
            self.repeated += 1
            return None
        if line.link.is_sound and not other.link.is_sound:
            self.by_number[number] = line
        return f"there is another line with this number, {other.place.text}, and it says something else"

    def note_maker(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes what a checkpoint that holds says of the service."""
        revision = checkpoint.get("revision")
        self.maker = f" of {checkpoint.get('kas')}" + (f", {revision}" if revision else "")


class Trail:
    """The lines of a process in the order of their numbers. There is one at least."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._ordered = [lines.by_number[number] for number in sorted(lines.by_number)]
        self._held = [line for line in self._ordered if line.held is not None]
        last = self._held[-1].link.number if self._held else 0
        self._tail = [line for line in self._ordered if line.link.number > last]  # that no checkpoint covers

    def faults(self, *, is_part: bool) -> Iterator[str]:
        """Where the chain is broken; where the file ``is_part`` of a trail, its beginning may be missing."""
        yield from self._beginning(self._ordered[0], is_part=is_part)
        for before, line in zip(self._ordered, self._ordered[1:], strict=False):
            yield from self._between(before, line)
        yield from self._ending()

    def _beginning(self, line: Line, *, is_part: bool) -> Iterator[str]:
        missing = line.link.number - line.link.lost - 1
        if (missing == 0) != (not line.link.previous) or missing < 0:
            yield f"{line.text}: it says both that it is the first and that it is not"
        elif missing == 0 and line.held != _START:
            yield f"{line.text}: it is the first, and no checkpoint that holds"
        elif missing and not is_part:
            yield f"{_named(1, missing)} missing, before {line.text}"

    def _between(self, before: Line, line: Line) -> Iterator[str]:
        last, first_lost = before.link.number, line.link.number - line.link.lost
        if first_lost <= last:
            yield f"{before.text}: it is there, and line {line.link.number} says that it was never written whole"
        elif first_lost > last + 1:
            yield f"{_named(last + 1, first_lost - 1)} missing, between {before.place.text} and {line.text}"
        elif line.link.previous != before.link.hash:
            yield f"{line.text}: it does not follow line {last}, {before.place.text}: one of them is another's"

    def _ending(self) -> Iterator[str]:
        if not self._held:
            yield f"process {self._lines.name}: no checkpoint of it holds: nobody vouches for its {counted(len(self._ordered), 'line')}"
        elif self._tail and self._held[-1].held == _END:
            yield f"{self._tail[0].text}: it comes after the end of its process, the first of {len(self._tail)}"
        elif len(self._tail) > EVERY_LINES:
            yield (
                f"process {self._lines.name}: {len(self._tail)} lines follow its last checkpoint, and it makes another after "
                f"{EVERY_LINES}: some are invented, or checkpoints are cut or could not be written: nobody vouches for them"
            )

    @property
    def lost(self) -> int:
        """Lines that could not be written, as those after them say."""
        return sum(line.link.lost for line in self._ordered)

    @property
    def excused(self) -> int:
        """So many of them may have left a rest: those before the last checkpoint that holds, and few of the tail, which can
        be invented.
        """
        of_tail = sum(line.link.lost for line in self._tail)
        return self.lost - of_tail + min(of_tail, EVERY_LINES)

    def summary(self) -> str:
        """In one line."""
        first, last, tail = self._ordered[0].link, self._ordered[-1].link, self._tail
        says = [
            f"process {self._lines.name}{self._lines.maker}: {counted(len(self._ordered), 'line')}, {first.time} to {last.time}",
            f"{counted(len(self._held), 'checkpoint')} held",
        ]
        if self._lines.repeated:
            says.append(f"{counted(self._lines.repeated, 'line')} repeated")
        if self.lost:
            says.append(f"{counted(self.lost, 'line')} could not be written")
        if tail:
            says.append(f"covered by none from line {tail[0].link.number} on")
        is_ended = not tail and self._held[-1].held == _END
        says.append("ended in order" if is_ended else "what may have followed is not known")
        return ", ".join(says)


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _named(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
