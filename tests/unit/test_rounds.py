"""What is tried together, and what alternatives leave untried."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from kas.rounds import rounds


@dataclass
class One:
    """An attempt that succeeds when it is made, or does not."""

    name: str
    succeeds: bool = False
    is_alternative: bool = False
    is_released: bool = False
    is_skipped: bool = False

    def skip(self) -> None:
        self.is_skipped = True


@dataclass
class Told:
    batches: list[list[str]] = field(default_factory=list)


def play(*groups: list[One]) -> list[list[str]]:
    """The names tried, round by round."""
    told = Told()
    for batch in rounds(groups):
        for one in batch:
            one.is_released = one.succeeds
        told.batches.append([one.name for one in batch])
    return told.batches


def alternatives(*outcomes: bool) -> list[One]:
    return [One(f"alternative-{n}", succeeds, is_alternative=True) for n, succeeds in enumerate(outcomes)]


def test_groups_without_alternatives_are_one_round() -> None:
    assert play([One("a"), One("b")], [One("c")]) == [["a", "b", "c"]]


def test_no_groups_are_no_round() -> None:
    assert play() == []


def test_alternatives_are_tried_in_order_until_one_succeeds_and_the_rest_is_skipped() -> None:
    group = alternatives(False, True, True)
    assert play(group) == [["alternative-0"], ["alternative-1"]]
    assert [one.is_skipped for one in group] == [False, False, True]


def test_alternatives_that_all_fail_are_all_tried_and_none_is_skipped() -> None:
    group = alternatives(False, False)
    assert play(group) == [["alternative-0"], ["alternative-1"]]
    assert not any(one.is_skipped for one in group)


def test_others_are_tried_beside_the_first_alternative() -> None:
    assert play([One("a")], alternatives(False, True), [One("b")]) == [["a", "alternative-0", "b"], ["alternative-1"]]


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), max_size=5))
def test_each_attempt_is_made_at_most_once_or_skipped(outcomes: list[list[bool]]) -> None:
    """And of each group exactly those before the first success are made, with it."""
    groups = [alternatives(*group) for group in outcomes]
    batches = play(*groups)
    assert sum(map(len, batches)) + sum(one.is_skipped for group in groups for one in group) == sum(map(len, outcomes))
    for group, expected in zip(groups, outcomes, strict=True):
        made = len(group) - sum(one.is_skipped for one in group)
        assert made == (expected.index(True) + 1 if True in expected else len(expected))
