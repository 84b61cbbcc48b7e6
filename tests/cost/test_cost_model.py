"""The model against figures that were worked out by hand, to the cent; and against its own formula."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from kas.cost.architectures import (
    free_compute_ends,
    monthly,
    shared_cache_pays,
)
from kas.cost.compute import MONTH_SECONDS, busy_seconds, kept_hit_rate, run_lines, serving, starts_per_month
from kas.cost.lines import total
from kas.cost.prices import load_prices
from kas.cost.scenario import Scenario
from kas.cost.services import bill, kms_lines

PRICES = load_prices()
ONE_DIALECT = Scenario(dialects=("acp240",), sealed_ec=False)
UNWATCHED = replace(ONE_DIALECT, uptime_minutes=0, memory_mib=512)  # what the bounds of Cloud Run are stated for
TRAFFIC = (1_000, 10_000, 100_000, 1_000_000)
# Key and level -> a month of Cloud KMS at each traffic.
WORKED = {
    ("rsa-2048", "hsm"): (1.09, 1.90, 10.00, 91.00),
    ("rsa-4096", "hsm"): (2.95, 7.00, 47.50, 452.50),
    ("rsa-2048", "software"): (0.15, 0.96, 9.06, 90.06),
}
FIGURES = [
    (key, level, traffic, amount)
    for (key, level), amounts in WORKED.items()
    for traffic, amount in zip(TRAFFIC, amounts, strict=True)
]


def cents(amount):
    return round(amount, 2)


def run(scenario, **options):
    return total(run_lines(scenario, PRICES, **options))


def of(scenario, service):
    return total(line for line in bill(scenario, PRICES) if line.service == service)


@pytest.mark.parametrize(("key", "level", "traffic", "amount"), FIGURES)
def test_cloud_kms_costs_what_was_worked_out(key, level, traffic, amount):
    scenario = replace(ONE_DIALECT, key=key, protection=level, requests_per_day=traffic)
    assert cents(total(kms_lines(scenario, PRICES))) == amount


@pytest.mark.parametrize(
    ("dialects", "sealed_ec", "amount"),
    [(("acp240",), False, 1.09), (("acp240", "opentdf"), False, 2.09), (("acp240", "opentdf"), True, 2.15)],
)
def test_the_whole_bill_of_a_pilot_is_that_of_its_keys(dialects, sealed_ec, amount):
    """Everything else is below what is free."""
    assert cents(monthly(Scenario(dialects=dialects, sealed_ec=sealed_ec), PRICES)) == amount


def test_a_months_convention_is_the_one_that_gives_the_figures():
    """Thirty days of traffic: 0.09 for 1,000 a day. With 30.4 days it were 0.0913, and a million a day 91.25, not 91.00."""
    assert MONTH_SECONDS == 30 * 86_400
    assert cents(30 * 1e6 * PRICES.operation("rsa-2048", "hsm")) == 90.00


@pytest.mark.parametrize(("traffic", "least", "most"), [(30_000, 0, 0), (100_000, 9, 10.48), (1_000_000, 65, 157)])
def test_cloud_run_costs_what_its_bounds_say(traffic, least, most):
    """Within 1 %: 1 vCPU, 512 MiB, 200 ms; requests that overlap by chance, and none that do."""
    scenario = replace(UNWATCHED, requests_per_day=traffic)
    assert run(scenario) == pytest.approx(least, rel=0.01)
    assert run(scenario, overlapping=False) == pytest.approx(most, rel=0.01)


@pytest.mark.parametrize("traffic", [1_000, 123_456, 2_000_000])
@pytest.mark.parametrize(
    "changes", [{}, {"billed_seconds": 0.1}, {"nations": ("gbr",)}, {"vcpu": 2, "memory_mib": 2048}]
)
def test_cloud_run_costs_what_the_formula_says(traffic, changes):
    """The formula of `kas.cost.compute`, written down again."""
    scenario = replace(UNWATCHED, requests_per_day=traffic, **changes)
    rate, month = traffic / 86_400, 2_592_000
    factor = 1.4 if scenario.nations == ("gbr",) else 1.0
    busy = month * (1 - math.exp(-rate * scenario.billed_seconds)) + starts_per_month(scenario) * 3
    cpu = max(0.0, factor * busy * scenario.vcpu * 0.000024 - 180_000 * 0.000024)
    memory = max(0.0, factor * busy * scenario.memory_mib / 1024 * 0.0000025 - 360_000 * 0.0000025)
    requests = max(0.0, 30 * traffic - 2e6) * 0.40 / 1e6
    assert run(scenario) == pytest.approx(cpu + memory + requests, rel=1e-9, abs=1e-9)


def test_several_instances_share_the_load_and_not_their_time():
    """Two that serve half each are busy for longer than one that serves all."""
    scenario = replace(UNWATCHED, requests_per_day=10_000_000, instances=2, state="firestore")
    assert serving(scenario) == 2
    load = scenario.requests_per_second * 0.2
    assert busy_seconds(scenario) == pytest.approx(2 * MONTH_SECONDS * (1 - math.exp(-load / 2)))
    assert busy_seconds(replace(scenario, instances=1)) < busy_seconds(scenario)


def test_free_tiers_are_those_of_one_billing_account():
    """Three nations have them once, in dollars at the prices of tier 1."""
    lines = {
        line.item: line
        for line in run_lines(replace(UNWATCHED, requests_per_day=1e6, nations=("usa", "fra", "gbr")), PRICES)
    }
    assert lines["processor"].free == pytest.approx(4.32)
    assert lines["memory"].free == pytest.approx(0.90)
    assert lines["requests"].free == pytest.approx(0.80)
    one = {line.item: line for line in run_lines(replace(UNWATCHED, requests_per_day=1e6), PRICES)}
    assert lines["processor"].gross == pytest.approx(3.4 * one["processor"].gross)


def test_what_is_free_is_never_more_than_what_it_would_cost():
    assert all(0 <= line.free <= line.gross for line in bill(Scenario(), PRICES))
    assert all(line.cost >= 0 for line in bill(Scenario(requests_per_day=0), PRICES))


def test_the_free_tier_ends_where_the_bounds_say():
    assert free_compute_ends(Scenario(), PRICES) == pytest.approx(30_000)
    assert free_compute_ends(Scenario(nations=("gbr",)), PRICES) == pytest.approx(30_000 / 1.4)


@pytest.mark.parametrize(
    ("key", "state", "traffic"),
    [("rsa-2048", "redis", 496_806), ("rsa-4096", "redis", 99_361), ("rsa-2048", "valkey", 322_417)],
)
def test_a_shared_cache_pays_from_there_on_if_nothing_is_kept_without_it(key, state, traffic):
    """The figures 497,000 and 99,000: 80 % hits save what Redis costs, 35.77."""
    scenario = replace(ONE_DIALECT, key=key, hit_rate=0.8)
    assert shared_cache_pays(scenario, PRICES, state) == pytest.approx(traffic, abs=1)
    there = replace(scenario, requests_per_day=traffic)
    saved = total(kms_lines(replace(there, hit_rate=0), PRICES)) - total(kms_lines(there, PRICES))
    assert saved == pytest.approx(of(replace(there, state=state), "Memorystore"), abs=0.01)


@pytest.mark.parametrize("changes", [{"hit_rate": 0.0}, {"key": "sealed"}, {"kaos": 0}])
def test_a_shared_cache_that_saves_no_operation_never_pays(changes):
    assert math.isinf(shared_cache_pays(replace(Scenario(hit_rate=0.8), **changes), PRICES, "redis"))


@pytest.mark.parametrize(
    ("changes", "service", "amount"),
    [
        ({"state": "redis"}, "Memorystore", 35.77),
        ({"state": "valkey"}, "Memorystore", 23.21),
        ({"state": "redis", "nations": ("usa", "gbr")}, "Memorystore", 71.54),
        ({"tls13": True}, "Load balancer", 18.25),
        ({"alert_conditions": 9}, "Cloud Monitoring", 0.90),
        ({"secrets": 6}, "Secret Manager", 0.0),
        ({"secrets": 9}, "Secret Manager", 0.18),
        ({"host": "vm"}, "Compute Engine", 16.28),
        ({"retained": 2}, "Cloud KMS", 3.0),
        ({"retained": 2, "key": "rsa-4096"}, "Cloud KMS", 7.5),
        ({"key": "sealed"}, "Cloud KMS", 0.06),
        ({"key": "sealed", "retained": 5, "sealed_ec": True}, "Cloud KMS", 0.06),
        ({"nations": ("usa", "fra", "gbr")}, "Cloud KMS", 3.0),
        ({"min_instances": 1, "uptime_minutes": 0}, "Cloud Run", 10.53),
        ({"min_instances": 1, "uptime_minutes": 0, "nations": ("gbr",)}, "Cloud Run", 14.74),
        ({"state": "firestore", "requests_per_day": 20_000}, "Firestore", 0.60),  # a time to live deletes for money
        ({"state": "firestore", "requests_per_day": 120_000}, "Firestore", 6.93),
        ({"state": "firestore", "requests_per_day": 120_000, "hit_rate": 0.8}, "Firestore", 8.73),
        ({"log_bytes": 2**30 / 1000, "requests_per_day": 2_000}, "Cloud Logging", 5.0),
        ({"uptime_minutes": 1, "nations": ("usa", "fra", "gbr")}, "Cloud Monitoring", 0.0),
    ],
)
def test_what_is_added_costs_its_price(changes, service, amount):
    scenario = replace(ONE_DIALECT, **{"requests_per_day": 0, **changes})
    assert of(scenario, service) == pytest.approx(amount, abs=0.005)


def test_keys_that_each_instance_keeps_for_itself_are_found_less_often():
    """Five questions for a key within its time: one process hits four; of two, three on average, and a little more."""
    scenario = Scenario(requests_per_day=1e7, instances=2, state="firestore", hit_rate=0.8)
    assert serving(scenario) == 2
    assert kept_hit_rate(scenario) == pytest.approx((5 - 2 * (1 - 0.5**5)) / 5)
    assert kept_hit_rate(replace(scenario, instances=1)) == pytest.approx(0.8)
    assert kept_hit_rate(replace(scenario, hit_rate=0.0)) == pytest.approx(0.0)
    assert kept_hit_rate(replace(scenario, hit_rate=1.0)) == 1.0


def test_a_shared_cache_has_the_hits_of_one_process():
    """Whichever it is; several instances that each kept their own would pay for more operations."""
    scenario = Scenario(requests_per_day=1e7, instances=2, hit_rate=0.8)
    states = ("redis", "valkey", "firestore", "memory")
    *shared, apart = (of(replace(scenario, state=state), "Cloud KMS") for state in states)
    assert shared == [pytest.approx(2.06 + 0.2 * 3e8 * 3e-6, abs=0.01)] * 3
    assert apart > 1.5 * shared[0]


def test_starts_are_most_where_one_asks_a_few_times_an_hour():
    """Nobody asks: none. Many ask: one is always there. An uptime check every minute leaves none."""
    quiet = replace(UNWATCHED, requests_per_day=0)
    assert starts_per_month(quiet) == 0
    assert starts_per_month(replace(quiet, requests_per_day=96)) == pytest.approx(30 * 96 / math.e)
    assert starts_per_month(replace(quiet, requests_per_day=100_000)) == pytest.approx(0, abs=1e-6)
    assert starts_per_month(replace(quiet, requests_per_day=96, uptime_minutes=1)) < 1e-6
    assert starts_per_month(replace(quiet, requests_per_day=96, min_instances=1)) == 0
