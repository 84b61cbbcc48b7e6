"""Alerts over simulated time: none on an ordinary day of a pilot, each on what it is for, at its threshold and not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from deploy.preview.day import DAY, MIDNIGHT, Happened, simulated_day
from deploy.preview.definitions import EXAMPLE, policies
from deploy.preview.evaluate import Series, Store
from deploy.preview.log_metrics import Point
from deploy.preview.platform import all_series, stored
from deploy.preview.stored import counter, promql_name

QUERIES = {
    name: condition["conditionPrometheusQueryLanguage"]
    for name, policy in policies().items()
    for condition in policy["conditions"]
    if "conditionPrometheusQueryLanguage" in condition
}
NOON = MIDNIGHT + DAY / 2
KIND = "acp240"


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def fires(name: str, store: Store, now: float) -> bool:
    """Whether the condition has held for as long as it must."""
    condition = QUERIES[name]
    every = seconds(condition["evaluationInterval"])
    moments = [now - ago for ago in range(0, seconds(condition["duration"]) + 1, every)]
    return all(store.query(condition["query"], moment, 60) for moment in moments)


def firing(store: Store, now: float) -> set[str]:
    return {name for name in QUERIES if fires(name, store, now)}


@pytest.fixture(scope="module")
def hours() -> dict[str, tuple[float, float]]:
    """The first and the last hour of the simulated day at which each alert fires, looked at every five minutes."""
    store, found = stored(simulated_day()), {}
    for step in range(int(DAY // 300)):
        now = MIDNIGHT + 300 * (step + 1)
        for name in firing(store, now):
            hour = (now - MIDNIGHT) / 3600
            found[name] = (found.get(name, (hour, hour))[0], hour)
    return found


def test_on_the_simulated_day_each_alert_fires_at_its_own_trouble_and_none_before(
    hours: dict[str, tuple[float, float]],
) -> None:
    """Cloud KMS is away from 10:39 to 10:48, a broken client repeats itself from 14:05 to 14:18; until then it is an ordinary
    day, of cold starts, denials and challenges.
    """
    assert hours.keys() == {"errors", "kms", "latency", "denials"}
    assert 10.65 <= hours["errors"][0] <= hours["errors"][1] <= 11.0
    assert 10.65 <= hours["kms"][0] <= hours["kms"][1] <= 11.0
    assert 10.65 <= hours["latency"][0] <= hours["latency"][1] <= 11.8
    assert 14.08 <= hours["denials"][0] <= hours["denials"][1] <= 14.5


# ---- Thresholds


def requests(number: int, status: int = 200, ms: float = 50.0, over: float = 600.0) -> Happened:
    """So many, evenly, in the last ``over`` seconds before noon."""
    return Happened(requests=[(NOON - over * (n + 0.5) / number, status, ms) for n in range(number)])


def both(*happened: Happened | list[Series]) -> Store:
    joined, series = Happened(), []
    for one in happened:
        if isinstance(one, Happened):
            joined.lines += one.lines
            joined.requests += one.requests
        else:
            series += one
    return Store([*all_series(joined), *series])


def told(number: int, over: float = 600.0, **members: object) -> Happened:
    day = Happened()
    for n in range(number):
        day.tell(NOON - over * (n + 0.5) / number, {"severity": "WARNING", **members})
    return day


def audited(number: int, over: float = 600.0, **members: object) -> Happened:
    day = Happened()
    for n in range(number):
        day.audit(NOON - over * (n + 0.5) / number, {"severity": "NOTICE", **members})
    return day


def operations(number: int) -> list[Series]:
    """Of Cloud KMS, within the day."""
    method = "google.cloud.kms.v1.KeyManagementService.AsymmetricDecrypt"
    labels = {"monitored_resource": "consumed_api", "service": "cloudkms.googleapis.com", "method": method}
    name = promql_name("serviceruntime.googleapis.com/api/request_count")
    return counter(name, [Point(NOON - DAY / 2, labels, number)])


def denied(number: int, code: str = "clearance_insufficient", over: float = 600.0) -> Happened:
    members = {"event": "rewrap", "outcome": "refused", "category": "ACCESS_DENIED", "cacheHit": False}
    return audited(number, over, code=code, dialect=KIND, **members)


def refused(number: int, code: str, status: int) -> Happened:
    return audited(number, event="refusal", code=code, status=status)


LIMIT = int(EXAMPLE["KEY_OPERATIONS_PER_DAY"])
PERMISSION = {"event": "kms_unavailable", "severity": "ERROR", "status": "PERMISSION_DENIED"}
PASSING = {"event": "kms_unavailable", "status": "UNAVAILABLE"}
# Name of the alert, what happened, whether it fires. Beside each that does stands one that does not.
CASES: Sequence[tuple[str, str, Sequence[Happened | list[Series]], bool]] = [
    ("errors", "one in ten", [requests(90), requests(10, 503)], True),
    ("errors", "one in twenty", [requests(95), requests(5, 503)], False),
    ("errors", "two of two", [requests(2, 500)], False),
    ("errors", "what is not implemented is the caller's", [requests(10), requests(10, 501)], False),
    ("latency", "slow", [requests(40, 200, 2000.0, 3600.0)], True),
    ("latency", "a cold start among thirty", [requests(40, over=3600.0), requests(1, 200, 3000.0)], False),
    ("latency", "few", [requests(29, 200, 2000.0, 3600.0)], False),
    ("denials", "a burst", [denied(31)], True),
    ("denials", "a burst of tokens", [refused(31, "token_expired", 401)], True),
    ("denials", "a burst beyond limits", [refused(31, "network_limit", 429)], True),
    ("denials", "both together", [denied(16), refused(16, "token_expired", 401)], True),
    ("denials", "few", [denied(29)], False),
    ("denials", "as always", [denied(40), denied(40 * 144, over=DAY)], False),
    ("denials", "who has no nonce yet", [refused(90, "nonce_required", 401)], False),
    ("denials", "who has shown nothing yet", [refused(90, "credentials_missing", 401)], False),
    ("denials", "addresses that do not exist", [refused(90, "not_found", 404)], False),
    ("denials", "alternatives", [denied(90, "not_attempted")], False),
    ("denials", "what is away", [denied(90, "key_unavailable")], False),
    ("kms", "a lasting failure", [told(1, **PERMISSION)], True),
    ("kms", "five that pass", [told(5, **PASSING)], True),
    ("kms", "four that pass", [told(4, **PASSING)], False),
    ("kms", "five, of which most are long past", [told(5, 3000.0, **PASSING)], False),
    ("kms", "something else", [told(9, event="peer_failed", severity="ERROR")], False),
    ("state", "it does not answer once", [told(1, event="state_unavailable", severity="ERROR")], True),
    ("state", "it has no room", [told(1, event="state_full", severity="ERROR")], True),
    ("state", "somebody else writes to it", [told(1, event="state_altered", severity="ERROR")], True),
    ("state", "instances contend", [told(9, event="state_busy", severity="ERROR")], False),
    ("state", "it answers again", [told(9, event="state_available", severity="NOTICE")], False),
    ("state", "long past", [told(1, 3000.0, event="state_unavailable", severity="ERROR")], False),
    ("key-budget", "a process tells", [told(1, event="key_budget_low")], True),
    ("key-budget", "Google counts", [operations(LIMIT * 8 // 10 + 2)], True),
    ("key-budget", "Google counts less", [operations(LIMIT * 8 // 10 - 1)], False),
    ("traffic", "six a minute for an hour", [requests(360, over=3600.0)], True),
    ("traffic", "six a minute for half an hour", [requests(180, over=1800.0)], False),
    ("traffic", "four a minute", [requests(240, over=3600.0)], False),
    ("daily-cost", "an instance that is never done", [requests(280, 200, 100_000.0, DAY - 60)], True),
    ("daily-cost", "a little less", [requests(270, 200, 100_000.0, DAY - 60)], False),
    ("daily-cost", "key operations", [operations(240_000)], True),
    ("daily-cost", "fewer key operations", [operations(220_000)], False),
]


@pytest.mark.parametrize(("name", "what", "days", "is_firing"), CASES, ids=[f"{one[0]}: {one[1]}" for one in CASES])
def test_an_alert_fires_at_its_threshold_and_not_before(
    name: str,
    what: str,
    days: Sequence[Happened | list[Series]],
    is_firing: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert fires(name, both(*days), NOON) is is_firing


def test_every_alert_over_metrics_has_a_case_on_each_side() -> None:
    sides: Mapping[str, set[bool]] = {name: {one[3] for one in CASES if one[0] == name} for name in QUERIES}
    assert sides == {name: {True, False} for name in QUERIES}
