"""The journal: times by stage, and the longest wait of what was refused."""

from __future__ import annotations

import dataclasses

import pytest

from kas.journal import Caller, Journal
from tests.unit.journals import journal


def ticking(*times: float) -> Journal:
    """A journal whose timer shows these times, one at each reading."""
    return journal(timer=iter(times).__next__)


def test_a_new_journal_knows_nothing() -> None:
    """No caller, no trace, nothing spent, nothing refused."""
    new = dataclasses.asdict(journal())
    assert {name for name, value in new.items() if value} == {"request_id", "method", "path", "timer"}
    assert new["retry_after"] is new["refusal"] is new["caller"] is None


def test_journals_share_nothing() -> None:
    """What one request learns, the next does not know."""
    first, second = journal(), journal()
    first.seconds["read"] = 1.0
    first.quotas.append(None)  # type: ignore[arg-type]
    assert (second.seconds, second.quotas) == ({}, [])


def test_stage_takes_as_long_as_its_block() -> None:
    """By the timer."""
    entry = ticking(10.0, 10.5)
    with entry.stage("read"):
        pass
    assert entry.seconds == {"read": 0.5}


def test_stages_of_one_name_add_up() -> None:
    """A request of many key access objects decides many times."""
    entry = ticking(0.0, 1.0, 5.0, 5.25, 7.0, 9.0)
    for name in ("decide", "unwrap", "decide"):
        with entry.stage(name):
            pass
    assert entry.seconds == {"decide": 3.0, "unwrap": 0.25}


def test_stage_that_fails_is_counted_too() -> None:
    """Else the refusals, which are of interest, would have no time."""
    entry = ticking(0.0, 2.0)
    with pytest.raises(KeyError), entry.stage("parse"):
        raise KeyError
    assert entry.seconds == {"parse": 2.0}


def test_operations_are_added_up_by_key() -> None:
    """A key operation of one key has another price than one of the next."""
    entry = journal()
    for spent in ({"a": 1}, {}, {"a": 2, "b": 1}):
        entry.spend(spent)
    assert (entry.operations, entry.key_operations) == ({"a": 3, "b": 1}, 4)


@pytest.mark.parametrize(
    ("waits", "longest"),
    [([], None), ([None], None), ([3.0], 3.0), ([3.0, 7.0, 5.0], 7.0), ([3.0, None], 3.0), ([None, 0.0], 0.0)],
)
def test_wait_is_the_longest(waits: list[float | None], longest: float | None) -> None:
    """Whoever comes again earlier is refused again for something."""
    entry = journal()
    for seconds in waits:
        entry.wait(seconds)
    assert entry.retry_after == longest


def test_caller_is_one_by_issuer_and_subject() -> None:
    """Whatever program asks for him; the subject of another issuer is another."""
    callers = [Caller("https://a", "s", None), Caller("https://a", "s", "reader"), Caller("https://b", "s", None)]
    assert [caller.identity for caller in callers] == ["https://a s", "https://a s", "https://b s"]
