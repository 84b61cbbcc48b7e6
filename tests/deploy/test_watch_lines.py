"""What dashboard and alerts read is what real services write: each log-based metric counts every line of its kind and none of
another, with the labels and values that the line has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from deploy.preview.day import simulated_day
from deploy.preview.definitions import EXAMPLE, log_metrics, policies
from deploy.preview.evaluate import Series, Store
from deploy.preview.log_metrics import LogMetric, Point, entry_of, points
from deploy.preview.logging_query import Entry, extract, parse_query
from deploy.preview.stored import of_log_metric
from local.ports import free_port
from tests.deploy.watch_queries import OURS, all_selectors, type_of
from tests.deploy.watched import (
    LIMITS,
    NO_STORE,
    PROJECT,
    RECEIVED,
    SERVICE,
    Written,
    drive_partner,
    drive_production,
    drive_without_store,
    written,
)
from tests.federation.among_fakes import running_among_fakes
from tests.interop.production import running_production

Line = dict[str, Any]
# Of which lines a metric is, by what our code says of them.
KINDS: dict[str, tuple[str, Callable[[Line], bool]]] = {
    "kas_key_accesses": ("stdout", lambda line: line["event"] == "rewrap"),
    "kas_refusals": ("stdout", lambda line: line["event"] == "refusal"),
    "kas_request_cost": ("stdout", lambda line: line.get("costMicroUsd") is not None),
    "kas_operator_lines": ("stderr", lambda line: "event" in line),
}
IN_KMS = {"kms_integrity", "kms_protection_level"}
METRICS = {metric.name: metric for metric in log_metrics()}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("watched")
    with running_production(folder, **LIMITS) as running:
        drive_production(running)
        return written(running.kit.log, folder / "stderr")


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("partner")
    with running_among_fakes(folder, real=("usa",), fakes=("fra",)) as world:
        drive_partner(world)
        return written(folder / "usa" / "log", folder / "stderr")


@pytest.fixture(scope="module")
def without_store(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("without-store")
    url = f"rediss://:hunter2@127.0.0.1:{free_port()}/0"
    with running_production(folder, **NO_STORE, KAS_REDIS_URL=url) as running:
        drive_without_store(running)
        return written(running.kit.log, folder / "stderr")


@pytest.fixture(scope="module")
def entries(production: Written, partner: Written, without_store: Written) -> list[Entry]:
    return [*production.entries(), *partner.entries(), *without_store.entries()]


@pytest.fixture(scope="module")
def stored(entries: list[Entry]) -> list[Series]:
    return [one for metric in METRICS.values() for one in of_log_metric(metric, points(metric, entries))]


def lines(*worlds: Written) -> Iterator[tuple[str, Line, Entry]]:
    """Each line as our code wrote it, beside the entry that became of it."""
    for world in worlds:
        for (stream, text), entry in zip(
            ((stream, line) for stream, own in world.lines.items() for line in own), world.entries(), strict=True
        ):
            yield stream, json.loads(text) if text.startswith("{") else {}, entry


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_counts_every_line_of_its_kind_and_no_other(name: str, production: Written, partner: Written) -> None:
    stream, is_of_kind = KINDS[name]
    counted, left_out = 0, 0
    for found_in, line, entry in lines(production, partner):
        is_expected = found_in == stream and bool(line) and is_of_kind(line)
        assert (METRICS[name].point(entry) is not None) is is_expected, line
        counted, left_out = counted + is_expected, left_out + (not is_expected)
    assert min(counted, left_out) > 0


def test_every_label_and_value_is_that_of_the_line(production: Written, partner: Written) -> None:
    for _, line, entry in lines(production, partner):
        for metric in METRICS.values():
            point = metric.point(entry)
            if point is not None:
                assert {name: point.labels[name] for name in expected(metric, line)} == expected(metric, line)
                assert point.value == (line["costMicroUsd"] if metric.is_distribution else 1)
                assert point.labels["service_name"] == SERVICE


def expected(metric: LogMetric, line: Line) -> dict[str, str]:
    """Labels as a chart shows them."""
    if metric.name == "kas_key_accesses":
        named = {name: line[name] or "" for name in ("outcome", "category", "code", "dialect")}
        return {**named, "cache_hit": str(line["cacheHit"]).lower()}
    if metric.name == "kas_refusals":
        return {"code": line["code"], "status": str(line["status"])}
    if metric.name == "kas_request_cost":
        return {"event": line["event"]}
    return {
        "event": line["event"],
        "severity": line["severity"],
        "peer": line.get("peer", ""),
        "state": line.get("state", ""),
    }


def test_the_worlds_wrote_what_they_were_driven_to(production: Written, partner: Written) -> None:
    """Else what follows would be about nothing."""
    accesses = [line for line in production.told("stdout") if line["event"] == "rewrap"]
    assert {line["code"] for line in accesses} == {
        None,
        "clearance_insufficient",
        "key_material_rejected",
        "key_unavailable",
        "budget_exhausted",
    }
    assert {line["cacheHit"] for line in accesses} == {True, False}
    refusals = {line["code"] for line in production.told("stdout") if line["event"] == "refusal"}
    assert {"proof_replayed", "nonce_required", "rewrap_limit", "health_limit"} <= refusals
    assert {(line["event"], line["severity"]) for line in production.told("stderr")} == {
        ("start", "INFO"),
        ("start", "WARNING"),
        ("kms_unavailable", "ERROR"),
        ("kms_integrity", "CRITICAL"),
        ("kms_protection_level", "CRITICAL"),
        ("key_budget_low", "WARNING"),
        ("readiness", "WARNING"),
    }
    told = [(line["event"], line.get("state")) for line in partner.told("stderr")]
    assert told == [("peer_failed", None), ("peer_breaker", "open"), ("peer_breaker", "closed")]


def test_a_store_that_is_not_there_is_told_once_an_episode(without_store: Written) -> None:
    told = [(line["event"], line["severity"]) for line in without_store.told("stderr")]
    assert [one for one in told if one[0] != "start"] == [
        ("state_unchecked", "WARNING"),
        ("state_unavailable", "ERROR"),
    ]


def test_a_start_says_what_it_took_and_that_a_worker_has_died(production: Written) -> None:
    first, second = (line for line in production.told("stderr") if line["event"] == "start")
    assert (first["worker"], second["worker"]) == (1, 2)
    assert first["ms"] > 0
    assert "ms" not in second


def test_every_query_of_ours_finds_something_that_was_written(stored: list[Series]) -> None:
    store = Store(stored)
    asked = [selector for selector in all_selectors() if type_of(selector)[0] in OURS]
    assert len(asked) > 20
    for selector in asked:
        assert store.find(selector), selector


def test_cloud_run_takes_its_own_members_out_of_a_line() -> None:
    """So a filter that asked ``jsonPayload.severity`` would find nothing."""
    line = json.dumps(
        {"severity": "ERROR", "time": "2026-12-01T10:00:00Z", "logging.googleapis.com/trace": "t", "event": "x"}
    )
    entry = entry_of(line, "stderr", service=SERVICE, project=PROJECT, received="2026-12-01T11:00:00Z")
    assert (entry["jsonPayload"], entry["severity"], entry["timestamp"]) == (
        {"event": "x"},
        "ERROR",
        "2026-12-01T10:00:00Z",
    )


POSERS = [
    ("stderr", {"event": "rewrap", "outcome": "refused", "category": "ACCESS_MODIFIED", "costMicroUsd": 1}),
    ("stderr", {"event": "refusal", "code": "proof_replayed", "costMicroUsd": 1}),
    ("stdout", {"event": "kms_integrity", "severity": "CRITICAL"}),
    ("stdout", {"event": "checkpoint", "severity": "INFO"}),
]


@pytest.mark.parametrize(("stream", "line"), POSERS)
def test_a_line_of_the_other_stream_is_of_no_kind_of_this_one(stream: Any, line: Line) -> None:
    entry = entry_of(json.dumps(line), stream, service=SERVICE, project=PROJECT, received="2026-12-01T11:00:00Z")
    counted = {name for name, metric in METRICS.items() if metric.point(entry) is not None}
    assert counted <= {"kas_operator_lines"}
    assert not matches("integrity", entry)


@pytest.mark.parametrize("name", METRICS)
def test_lines_of_other_resources_are_not_counted(name: str, entries: list[Entry]) -> None:
    for entry in entries:
        other = {**entry, "resource": {**entry["resource"], "type": "k8s_container"}}
        assert METRICS[name].point(other) is None


def matches(policy: str, entry: Entry) -> bool:
    (condition,) = policies()[policy]["conditions"]
    return parse_query(condition["conditionMatchedLog"]["filter"])(entry)


def test_an_integrity_failure_is_any_line_that_tells_of_one_and_no_other(production: Written, partner: Written) -> None:
    found = []
    for stream, line, entry in lines(production, partner):
        is_one = line.get("category") == "ACCESS_MODIFIED" if stream == "stdout" else line.get("event") in IN_KMS
        assert matches("integrity", entry) is is_one, line
        found += [line.get("code") or line["event"]] if is_one else []
    assert set(found) == {"key_material_rejected", *IN_KMS}


def test_the_notification_of_one_names_the_request_and_nobody(production: Written) -> None:
    (condition,) = policies()["integrity"]["conditions"]
    extractors = condition["conditionMatchedLog"]["labelExtractors"]
    assert extractors.keys() == {"event", "code", "requestId", "version"}
    for _, line, entry in lines(production):
        if matches("integrity", entry) and line["event"] == "rewrap":
            assert extract(extractors["requestId"], entry) == line["requestId"]
            assert extract(extractors["code"], entry) == line["code"]


def test_an_integrity_failure_of_another_service_is_not_ours(entries: list[Entry]) -> None:
    for entry in entries:
        labels = {**entry["resource"]["labels"], "service_name": "kas-fra"}
        assert not matches("integrity", {**entry, "resource": {**entry["resource"], "labels": labels}})


def test_the_lines_of_a_simulated_day_have_members_of_real_ones(production: Written, partner: Written) -> None:
    """What is drawn is of the shapes that are written."""
    real: dict[str, set[str]] = {}
    for _, line, _ in lines(production, partner):
        real.setdefault(line.get("event", ""), set()).update(line)
    for _, _, text in simulated_day().lines:
        line = json.loads(text)
        assert set(line) <= real[line["event"]], line


def test_alerts_fire_on_what_these_services_told(stored: list[Series]) -> None:
    """Lines on standard error have no time of their own: they are of when they were received."""
    store, now, names = Store(stored), datetime.fromisoformat(RECEIVED).timestamp(), {"kms", "key-budget", "state"}
    assert {name for name in names if store.query(query_of(name), now, 60)} == names


def query_of(name: str) -> str:
    (condition,) = policies()[name]["conditions"]
    return str(condition["conditionPrometheusQueryLanguage"]["query"])


def test_the_example_is_of_the_service_that_was_driven() -> None:
    assert (EXAMPLE["SERVICE"], EXAMPLE["PROJECT"]) == (SERVICE, PROJECT)


def test_a_cost_without_a_number_is_not_counted() -> None:
    for cost in (None, "3", True, -1):
        line = json.dumps({"event": "refusal", "costMicroUsd": cost})
        entry = entry_of(line, "stdout", service=SERVICE, project=PROJECT, received="2026-12-01T11:00:00Z")
        assert METRICS["kas_request_cost"].point(entry) is None
    line = json.dumps({"event": "refusal", "costMicroUsd": 2.9, "time": "2026-12-01T10:00:00.5Z"})
    entry = entry_of(line, "stdout", service=SERVICE, project=PROJECT, received="2026-12-01T11:00:00Z")
    point = METRICS["kas_request_cost"].point(entry)
    assert isinstance(point, Point)
    assert (point.value, point.time % 60) == (2.9, 0.5)
