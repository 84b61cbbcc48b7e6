"""Times in logs, RFC 3339 in UTC, and stretches of them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Final

from kas.dataclass import dataclass

# The years 1 to 9999 in UTC, of which there is a text.
_FIRST: Final = -62_135_596_800
_BEYOND: Final = 253_402_300_800


def seconds_of(text: object) -> float:
    """Seconds since 1970 of a time with an offset; Google's have up to nine digits after the point. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("no time")  # noqa: TRY004 - one error for whatever is wrong
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    seconds = time.timestamp()
    if not _FIRST <= seconds < _BEYOND:
        raise ValueError("a time outside of all years")
    return seconds


def text_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Period:
    """From a time to another, both included, in seconds since 1970."""

    first: float = -inf
    last: float = inf

    def __contains__(self, time: float) -> bool:
        return self.first <= time <= self.last

    def wider(self, seconds: float) -> Period:
        return Period(self.first - seconds, self.last + seconds)


@dataclass(slots=True)
class Span:
    """The first and the last of the times that were noted."""

    first: float = inf
    last: float = -inf

    def note(self, time: float) -> None:
        self.first, self.last = min(self.first, time), max(self.last, time)

    @property
    def text(self) -> str:
        return "nothing" if self.last < self.first else f"{text_of(self.first)} to {text_of(self.last)}"
