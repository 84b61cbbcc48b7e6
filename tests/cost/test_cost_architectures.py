"""Which way to run the service suffices, which is the cheapest, and where the next one pays."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

import pytest

from kas.cost.architectures import (
    ARCHITECTURES,
    cheapest,
    crossing,
    is_sufficient,
    monthly,
    named,
    needed,
    one_instance_ends,
    shortcomings,
    steps,
)
from kas.cost.compute import KAO_SECONDS, REQUEST_SECONDS, capacity
from kas.cost.prices import load_prices
from kas.cost.scenario import Scenario
from local.processes import ROOT

PRICES = load_prices()
REPEATING = Scenario(hit_rate=0.8)


def test_an_instance_answers_what_was_measured_and_half_of_it_is_used():
    """docs/performance.md: processor time of a request of one and of ten key access objects."""
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    one, ten = (float(re.search(rf"^{number} here +([0-9.]+)", text, re.MULTILINE)[1]) for number in (1, 10))
    assert pytest.approx(one, rel=0.05) == 1000 * (REQUEST_SECONDS + KAO_SECONDS)
    assert pytest.approx(10 * ten, rel=0.05) == 1000 * (REQUEST_SECONDS + 10 * KAO_SECONDS)
    assert capacity(Scenario()) == pytest.approx(0.5 / (one / 1000), rel=0.05)


@pytest.mark.parametrize(
    ("changes", "answers"),
    [({"vcpu": 2}, 98.0), ({"host": "vm"}, 49.0), ({"billed_seconds": 1.0}, 32.0), ({"kaos": 10}, 31.4)],
)
def test_capacity_is_the_processors_or_the_threads(changes, answers):
    """A second processor is of no use to one Python process, and 32 requests wait at once."""
    assert capacity(replace(Scenario(), **changes)) == pytest.approx(answers, rel=0.01)


def test_more_than_one_instance_needs_a_store_that_all_share():
    """Else a proof is accepted once by each of them."""
    for state, enough in (("memory", False), ("firestore", True), ("valkey", True), ("redis", True)):
        scenario = Scenario(instances=2, state=state)
        assert is_sufficient(scenario) is enough
        assert bool(shortcomings(scenario)) is not enough
    assert "accepted once by each" in shortcomings(Scenario(instances=2))[0]


def test_too_few_instances_do_not_suffice_and_the_reason_says_how_many_would():
    scenario = Scenario(requests_per_day=10_000_000, state="redis", instances=2)
    assert needed(scenario) == 5
    (reason,) = shortcomings(scenario)
    assert "wants 5 instances" in reason
    assert shortcomings(replace(scenario, instances=5)) == []


def test_one_machine_is_one_instance():
    assert any("one machine" in reason for reason in shortcomings(Scenario(host="vm", state="redis", instances=2)))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.name)
def test_an_architecture_with_a_store_has_the_instances_that_it_needs(architecture):
    applied = architecture.applied(Scenario(requests_per_day=10_000_000))
    assert applied.instances == (5 if architecture.is_shared else 1)
    assert is_sufficient(applied) is architecture.is_shared


@pytest.mark.parametrize(
    ("scenario", "traffic", "name"),
    [
        (REPEATING, 1_000, "pilot"),
        (REPEATING, 150_000, "pilot"),
        (REPEATING, 200_000, "vm"),
        (REPEATING, 1_200_000, "pilot"),
        (REPEATING, 3_000_000, "valkey"),
        (replace(REPEATING, peak=50), 250_000, "firestore"),
        (replace(REPEATING, peak=20), 500_000, "valkey"),
        (replace(REPEATING, peak=20), 900_000, "valkey"),
    ],
)
def test_the_cheapest_that_suffices(scenario, traffic, name):
    assert cheapest(replace(scenario, requests_per_day=traffic), PRICES).name == name


def test_beyond_so_many_instances_nothing_suffices():
    assert cheapest(Scenario(requests_per_day=1e9), PRICES) is None


@pytest.mark.parametrize("scenario", [Scenario(), REPEATING, replace(REPEATING, peak=20, key="rsa-4096")])
def test_at_each_step_another_becomes_the_cheapest(scenario):
    """A little before it is the one before, a little after it the next."""
    found = list(steps(scenario, PRICES))
    assert found[0].architecture.name == "pilot"
    assert len(found) >= 4
    for before, step in itertools.pairwise(found):
        sides = [replace(scenario, requests_per_day=step.requests_per_day * side) for side in (0.9999, 1.0001)]
        assert [cheapest(one, PRICES) for one in sides] == [before.architecture, step.architecture]


def test_of_equals_the_simpler_one_is_the_cheapest():
    """Where writes to Firestore are free, the pilot is told."""
    quiet = Scenario(requests_per_day=0)
    costs = [monthly(named(name).applied(quiet), PRICES) for name in ("pilot", "firestore")]
    assert costs[0] == costs[1]
    assert cheapest(quiet, PRICES).name == "pilot"


def test_where_one_costs_less_than_another():
    """By the two bills there; where it never does, infinite."""
    border = crossing(REPEATING, PRICES, "firestore", "valkey")
    there = [replace(REPEATING, requests_per_day=border * side) for side in (0.999, 1.001)]
    firestore, valkey = (
        [monthly(named(name).applied(one), PRICES) for one in there] for name in ("firestore", "valkey")
    )
    assert firestore[0] < valkey[0]
    assert firestore[1] > valkey[1]
    assert math.isinf(crossing(REPEATING, PRICES, "valkey", "redis"))


def test_redis_never_costs_less_than_one_instance_that_keeps_its_own_keys():
    """Whatever the traffic and the hits."""
    for hit_rate in (0.0, 0.5, 0.99):
        assert math.isinf(crossing(replace(REPEATING, hit_rate=hit_rate), PRICES, "pilot", "redis"))


def test_one_instance_is_full_at_its_capacity_by_the_peak():
    assert one_instance_ends(Scenario()) == pytest.approx(capacity(Scenario()) * 86_400 / 4)
    at = replace(Scenario(), requests_per_day=one_instance_ends(Scenario()))
    assert needed(replace(at, requests_per_day=at.requests_per_day * 0.999)) == 1
    assert needed(replace(at, requests_per_day=at.requests_per_day * 1.001)) == 2
