"""Key operations in Cloud KMS as the audit has them: of each line with any, at which version and how many.

``keyOperations`` counts attempts that were begun, so a repeated call counts again, and one that never reached Google counts
too. A release by an operation had one that succeeded; a release of a kept key had none, nor one that another line counts.
Lines say the key's ``kid``, the key index says which version that is. A line without ``kid``, or of a key that is tried for
such lines, may count operations at the one key of its dialect in Cloud KMS that is tried for them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from kas.audit.chain import Link, read_count, read_link
from kas.audit.read import Found, Place
from kas.audit.times import Period, Span, seconds_of
from kas.dataclass import dataclass
from kas.events import EVENTS
from kas.keys.registry import KeyRecord, KeyRegistry

MAX_OPERATIONS: Final = 1000  # of one line: some attempts at each of a few keys


@dataclass(frozen=True, slots=True)
class Release:
    """A key that left by an operation, at a time in seconds since 1970."""

    time: float
    place: Place


@dataclass(slots=True)
class Audited:
    """What the lines say; ``period`` bounds which count. By version: the times of operations begun, and releases."""

    registry: KeyRegistry
    period: Period
    begun: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    releases: dict[str, list[Release]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter)  # operations with keys that Cloud KMS does not hold, by kid
    unknown: Counter[str] = field(default_factory=Counter)  # by kids that the key index does not have
    span: Span = field(default_factory=Span)
    lost: int = 0
    unread: int = 0
    seen: set[tuple[str, int]] = field(default_factory=set)

    def add(self, log: Iterable[Found]) -> None:
        """Reads a file. What its lines say is believed: whether they are what was written, `verify` says."""
        for found in log:
            if "chain" in found.payload:
                self._add_line(found)
            elif found.is_suspect or found.payload.get("event") in EVENTS:
                self.unread += 1

    def _add_line(self, found: Found) -> None:
        line = found.payload
        try:
            link = read_link(line, is_whole=False)
            time = seconds_of(link.time)
            count = read_count(line["keyOperations"], least=0) if line.get("event") == "rewrap" else 0
        except (KeyError, ValueError):
            self.unread += 1
            return
        if self._is_repeated(link) or time not in self.period:
            return
        self.span.note(time)
        self.lost += link.lost
        if count:
            self._add_operations(line, found.place, time, min(count, MAX_OPERATIONS))

    def _is_repeated(self, link: Link) -> bool:
        """Cloud Logging may deliver an entry twice."""
        known = len(self.seen)
        self.seen.add((link.process, link.number))
        return len(self.seen) == known

    def _add_operations(self, line: Mapping[str, Any], place: Place, time: float, count: int) -> None:
        kid, dialect = line.get("kid"), str(line.get("dialect"))
        record = next((record for record in self.registry.records if record.kid == kid), None)
        if record is None and kid is not None:
            self.unknown[str(kid)] += count
            return
        version = self._version(record, dialect)
        if version is not None:
            self.begun[version] += [time] * count
        if record is not None and not record.is_remote:
            self.left_out[record.kid] += count
        elif version is not None and line.get("outcome") == "released" and line.get("cacheHit") is False:
            self.releases[version].append(Release(time, place))

    def _version(self, record: KeyRecord | None, dialect: str) -> str | None:
        if record is not None and (record.is_remote or not record.is_legacy):
            return record.kms_version
        return next((other.kms_version for other in self.registry.legacy(dialect) if other.is_remote), None)
