"""What a rewrap leaves behind: times, key operations and cache hits of each KAO, counts, and no key in memory."""

from __future__ import annotations

import itertools

import pytest

from kas.errors import AuditUnavailable, TokenMalformed
from kas.keys.budget import KeyOperationBudget
from kas.keys.dek_cache import new_dek_cache
from kas.keys.opener import KeyOpener
from kas.ratelimit import Limit, SlidingWindow
from local.client.encoding import b64
from tests.unit.good_rewrap import NOW, World, codes, label, results
from tests.unit.test_rewrap import kaos_of, resign

STAGES = ["authenticate", "read", "parse", "decide", "unwrap", "wrap", "sign"]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def caching():
    return World(cache=new_dek_cache(capacity=100, ttl_seconds=60, clock=lambda: NOW))


def budget(per_minute=1000, per_day=1000):
    return KeyOperationBudget(per_minute=per_minute, per_day=per_day, clock=lambda: 0.0, warn=lambda _line: None)


def is_wiped(key):
    with pytest.raises(RuntimeError):
        key.reveal()
    return True


def costs(world):
    """Key operations and cache hit of each event."""
    return [(event["keyOperations"], event["cacheHit"]) for event in world.events()]


def test_each_stage_is_timed_and_recorded(world):
    """In order; with a timer that shows a second more at each reading, each block takes one. Each KAO is decided by
    itself, and all are opened together.
    """
    world.timer = itertools.count(0.0, 1.0).__next__
    world.answer(world.request(kaos=2))
    assert list(world.journal.seconds) == STAGES
    assert world.journal.seconds == dict.fromkeys(STAGES, 1.0) | {"decide": 2.0}
    latency = {stage: 1000 * seconds for stage, seconds in world.journal.seconds.items()}
    assert [event["latencyMs"] for event in world.events()] == [latency] * 2


@pytest.mark.parametrize(
    ("change", "last"),
    [
        ({"type": "hybrid-wrapped"}, []),
        ({"kid": "unknown"}, ["decide", "unwrap"]),
        ({"policyBinding": b64(bytes(32))}, ["decide", "unwrap"]),
    ],
)
def test_stages_end_where_the_kao_is_refused(world, change, last):
    request = world.request()
    kaos_of(request)[0].update(change)
    world.answer(resign(world, request))
    assert list(world.journal.seconds) == ["authenticate", "read", "parse", *last, "sign"]


def test_a_stranger_has_one_stage(world):
    with pytest.raises(TokenMalformed):
        world.answer(world.request(), token="no-token")
    assert list(world.journal.seconds) == ["authenticate"]


def test_key_operations_are_each_kaos_own(world):
    request = world.request(kaos=3)
    kaos_of(request)[1]["kid"] = "unknown"
    world.answer(resign(world, request))
    assert costs(world) == [(1, False), (0, False), (1, False)]
    assert world.journal.key_operations == 2


def test_a_hit_is_that_of_the_kao_which_had_it(caching):
    """Asked again between two that are new, each of which costs an operation."""
    request = caching.request(label(), label(), label())
    caching.answer({**request, "requests": request["requests"][1:2]})
    caching.lines.clear()
    caching.answer(request)
    assert costs(caching) == [(1, False), (0, True), (1, False)]
    assert (caching.journal.cache_hits, caching.journal.cache_misses) == (1, 2)
    assert caching.keys.unwrapped == ["rsa-1"] * 3


@pytest.mark.parametrize("name", ["world", "caching"])
def test_the_same_wrapped_key_twice_is_an_operation_of_the_first_and_a_hit_of_none(request, name):
    """What was opened for another at the same time was not kept; what is kept costs none of them anything."""
    asked = request.getfixturevalue(name)
    body = asked.request(kaos=3)
    first, second, _ = kaos_of(body)
    second.update({part: first[part] for part in ("wrappedKey", "policyBinding")})
    answer = asked.answer(resign(asked, body))
    assert codes(answer) == [None] * 3
    assert costs(asked) == [(1, False), (0, False), (1, False)]
    assert asked.journal.key_operations == len(asked.keys.unwrapped) == 2
    misses = 3 if name == "caching" else 0
    assert (asked.journal.cache_hits, asked.journal.cache_misses) == (0, misses)
    asked.lines.clear()
    asked.answer(body)
    again = [(0, True)] * 3 if name == "caching" else [(1, False), (0, False), (1, False)]
    assert costs(asked) == again


def test_a_refusal_is_no_hit(caching):
    """What is kept is not asked for him who may not have it."""
    request = caching.request()
    caching.answer(request)
    caching.lines.clear()
    caching.claims["clearance"] = "UNCLASSIFIED"
    assert codes(caching.answer(request)) == ["clearance_insufficient"]
    assert costs(caching) == [(0, False)]
    assert (caching.journal.cache_hits, caching.journal.cache_misses) == (0, 0)


@pytest.mark.parametrize("name", ["world", "caching"])
def test_a_key_is_wiped_once_it_is_wrapped(request, name, mocker):
    """Every one that the key service gave, and every copy but the one that is kept."""
    asked = request.getfixturevalue(name)
    opened = mocker.spy(KeyOpener, "open_all")
    asked.answer(asked.request(kaos=3))
    assert len(asked.keys.given) == len(opened.spy_return) == 3
    assert all(is_wiped(key) for key in asked.keys.given)
    assert all(is_wiped(one.outcome) for one in opened.spy_return)


def test_a_key_that_is_refused_is_wiped(world):
    request = world.request()
    kaos_of(request)[0]["policyBinding"] = b64(bytes(32))
    assert codes(world.answer(resign(world, request))) == ["key_material_rejected"]
    assert [is_wiped(key) for key in world.keys.given] == [True]


def test_a_key_is_wiped_though_it_cannot_be_wrapped(world, mocker):
    opened = mocker.spy(KeyOpener, "open_all")
    wraps = iter([None])  # the first of three

    def wrap(_key):
        try:
            return next(wraps)
        except StopIteration:
            raise MemoryError from None

    mocker.patch("kas.release.wrap_to", return_value=wrap)
    with pytest.raises(MemoryError):
        world.answer(world.request(kaos=3))
    assert len(world.keys.given) == len(opened.spy_return) == 3
    assert all(is_wiped(key) for key in world.keys.given)
    assert all(is_wiped(one.outcome) for one in opened.spy_return)


def test_a_key_is_wiped_though_the_record_cannot_be_written(world):
    def fail(_line):
        raise OSError

    world._write = fail
    with pytest.raises(AuditUnavailable):
        world.answer(world.request())
    assert [is_wiped(key) for key in world.keys.given] == [True]
    assert world.meter.kaos == []


def test_a_budget_that_ends_says_when_to_come_again(world):
    """The longest wait of all that were refused; what there was for is released."""
    world.budget = budget(per_minute=2)
    answer = world.answer(world.request(kaos=4))
    assert codes(answer) == [None, None, "budget_exhausted", "budget_exhausted"]
    assert world.journal.retry_after == 60.0
    assert costs(world) == [(1, False), (1, False), (0, False), (0, False)]
    assert len(world.keys.unwrapped) == 2


def test_without_a_wait_nothing_is_said_of_one(world):
    request = world.request()
    kaos_of(request)[0]["kid"] = "unknown"
    world.answer(resign(world, request))
    assert world.journal.retry_after is None


def test_a_hit_costs_nothing_of_the_budget(caching):
    caching.budget = budget(per_day=1)
    request = caching.request()
    assert [codes(caching.answer(request)) for _ in range(3)] == [[None]] * 3
    assert caching.budget.left() == 0


def test_the_meter_is_told_of_each_kao(world):
    """By dialect and code, as the answer says."""
    request = world.request(kaos=3)
    kaos_of(request)[1]["kid"] = "unknown"
    answer = world.answer(resign(world, request))
    assert world.meter.kaos == [("acp240", code) for code in codes(answer)]
    assert [code for _, code in world.meter.kaos] == [None, "unknown_key", None]
    assert len(results(answer)) == 3


def test_the_caller_and_what_he_has_left_are_known_to_the_journal(world):
    window = SlidingWindow(Limit("rewrap", 5, 60.0), lambda: 0.0, capacity=100, refusal=TokenMalformed)
    world.limit = window
    world.answer(world.request())
    assert (world.journal.caller.subject, world.journal.caller.client) == ("alice", "reader")
    assert [(quota.limit.name, quota.remaining) for quota in world.journal.quotas] == [("rewrap", 4)]
