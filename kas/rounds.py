"""In which order the key access objects of a request are tried (ACP-240 §2 *Splits and alternatives*; KAS-REQ-120).

All at once, in one round; but of a group of alternatives (``anyOf``) one in each round, in the order sent, until one
succeeds. What became of a round is known before the next begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar


class Attempt(Protocol):
    """One key access object and what became of it."""

    @property
    def is_alternative(self) -> bool:
        """Whether it is one of several of which one is enough."""

    @property
    def is_released(self) -> bool: ...

    def skip(self) -> None:
        """Notes that it is not needed any more."""


One = TypeVar("One", bound=Attempt)


def rounds(groups: Sequence[Sequence[One]]) -> Iterator[list[One]]:
    """What to try together, round by round; groups are never empty."""
    plans = [_alternatives(group) if group[0].is_alternative else iter([group]) for group in groups]
    while batch := [one for plan in plans for one in next(plan, ())]:
        yield batch


def _alternatives(group: Sequence[One]) -> Iterator[Sequence[One]]:
    for tried, one in enumerate(group, start=1):
        yield [one]
        if one.is_released:
            for other in group[tried:]:
                other.skip()
            return
