"""The evaluators of the two query languages know a part of them, do that right, and refuse the rest."""

from __future__ import annotations

import math
from typing import Any

import pytest

from deploy.preview.definitions import log_metrics
from deploy.preview.evaluate import Series, Store
from deploy.preview.log_metrics import Point, entry_of
from deploy.preview.logging_query import MISSING, QueryRefused, extract, field_of, parse_query
from deploy.preview.promql import FUNCTIONS, PromqlRefused, parse
from deploy.preview.stored import counter, histogram, promql_name

ENTRY: dict[str, Any] = {
    "logName": "projects/p/logs/run.googleapis.com%2Fstdout",
    "severity": "NOTICE",
    "resource": {"type": "cloud_run_revision", "labels": {"service_name": "kas-usa"}},
    "jsonPayload": {
        "event": "refusal",
        "status": 429,
        "cost": 2.5,
        "code": None,
        "isReady": True,
        "latencyMs": {"unwrap": 1.5},
    },
}

# ---- Cloud Logging


@pytest.mark.parametrize(
    "query",
    [
        'severity="NOTICE"',
        'jsonPayload.event="refusal" AND severity="NOTICE"',
        'jsonPayload.event=("rewrap" OR "refusal")',
        'NOT jsonPayload.event="rewrap"',
        '(jsonPayload.event="rewrap" OR severity="NOTICE") AND log_id("run.googleapis.com/stdout")',
        'resource.labels.service_name="kas-usa"',
        "jsonPayload.status>=429",
        "jsonPayload.latencyMs.unwrap>=1.5",
        "jsonPayload.event:*",
        "jsonPayload.code:*",
        "NOT jsonPayload.cost>=3",
    ],
)
def test_an_entry_that_matches(query: str) -> None:
    assert parse_query(query)(ENTRY)


@pytest.mark.parametrize(
    "query",
    [
        'severity="notice"',
        'jsonPayload.event="refusal" AND severity="ERROR"',
        'jsonPayload.event=("rewrap" OR "public_key")',
        'log_id("run.googleapis.com/stderr")',
        'log_id("stdout")',
        "jsonPayload.status>=430",
        'jsonPayload.status="429"',
        "jsonPayload.code>=0",
        "jsonPayload.isReady>=0",
        "jsonPayload.event>=0",
        "jsonPayload.missing>=0",
        "jsonPayload.missing:*",
        'jsonPayload.event.more="refusal"',
        "textPayload:*",
    ],
)
def test_an_entry_that_does_not_match(query: str) -> None:
    assert not parse_query(query)(ENTRY)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "severity",
        "severity=",
        "severity=NOTICE",
        'severity=="NOTICE"',
        'severity="NOTICE" severity="NOTICE"',
        'severity="A" AND severity="B" OR severity="C"',
        'severity=~"N.*"',
        'severity:"NOT"',
        "jsonPayload.status>428",
        'jsonPayload.status>="4"',
        '(severity="NOTICE"',
        'severity="NOTICE")',
        'severity=("A" AND "B")',
        'severity=("A"',
        "log_id(stdout)",
        'AND="a"',
        '"NOTICE"',
        'severity="a\\"b"',
        "-severity:*",
    ],
)
def test_what_is_not_known_of_the_language_is_refused(query: str) -> None:
    with pytest.raises(QueryRefused):
        parse_query(query)


def test_a_field_is_found_by_its_path_and_null_is_there() -> None:
    assert field_of(ENTRY, "jsonPayload.latencyMs.unwrap") == 1.5
    assert field_of(ENTRY, "jsonPayload.code") is None
    assert extract("EXTRACT(jsonPayload.missing)", ENTRY) is MISSING
    for extractor in ("jsonPayload.code", 'REGEXP_EXTRACT(jsonPayload.event, "(.*)")', "EXTRACT()", "EXTRACT(a) "):
        with pytest.raises(QueryRefused):
            extract(extractor, ENTRY)


def test_a_line_that_is_no_object_is_text() -> None:
    for line in ("Booting worker", "[1]", '"text"', '{"cut'):
        entry = entry_of(line, "stderr", service="s", project="p", received="2026-12-01T00:00:00Z")
        assert (entry["textPayload"], entry["severity"]) == (line, "DEFAULT")
        assert "jsonPayload" not in entry


def test_a_label_that_cannot_be_extracted_is_the_default_of_its_type() -> None:
    line = '{"event":"rewrap","outcome":3,"cacheHit":"yes"}'
    entry = entry_of(line, "stdout", service="s", project="p", received="2026-12-01T00:00:00Z")
    (metric,) = [one for one in log_metrics() if one.name == "kas_key_accesses"]
    labels = metric.labels(entry)
    assert {name: labels[name] for name in ("outcome", "code", "cache_hit")} == {
        "outcome": "3",
        "code": "",
        "cache_hit": "false",
    }
    refusals = next(one for one in log_metrics() if one.name == "kas_refusals")
    assert refusals.labels(entry)["status"] == "0"


# ---- PromQL

COUNTER = 'requests{service="a"}'


def store() -> Store:
    def points(code: str, values: list[float]) -> list[Point]:
        return [Point(60.0 * n, {"service": "a", "code": code}, value) for n, value in enumerate(values)]

    waits = [Point(60.0 * n, {"service": "a"}, value) for n, value in enumerate([1, 1, 3, 30])]
    return Store(
        [
            *counter("requests", [*points("200", [1, 2, 3, 4]), *points("500", [0, 0, 1, 0])]),
            Series("instances", frozenset({("service", "a")}), [0, 60, 120], [1, 3, 2]),
            *histogram("wait", waits, [2, 4]),
        ]
    )


def one(query: str, now: float = 180.0) -> float:
    (value,) = store().query(query, now, 60).values()
    return value


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5),
        ("(1 + 2) * 3", 9),
        (f"sum(increase({COUNTER}[2m]))", 8),  # what is two minutes old is not within
        (f"sum(increase({COUNTER}[3m]))", 10),
        (f"sum(increase({COUNTER}[1h]))", 11),
        (f"sum(rate({COUNTER}[2m]))", 8 / 120),
        (f"sum(increase({COUNTER}[${{__interval}}]))", 4),
        ('sum(increase(requests{service="a",code="500"}[1h]))', 1),
        ('sum(increase(requests{service="a",code=~"4..|5.."}[1h]))', 1),
        ('sum(increase(requests{service="a",code!~"5.."}[1h]))', 10),
        ('sum(increase(requests{service="a",code!="200"}[1h]))', 1),
        ('sum(increase(requests{service="a",none=""}[1h]))', 11),
        ('sum(max_over_time(instances{service="a"}[5m]))', 3),
        ('sum(instances{service="a"})', 2),
        ('max(increase(requests{service="a"}[1h]))', 10),
        ('count(increase(requests{service="a"}[1h]))', 2),
        ('sum(increase(requests{service="b"}[1h])) or vector(7)', 7),
        (f"sum(increase({COUNTER}[1h])) or vector(7)", 11),
        ('sum(increase(wait_sum{service="a"}[1h]))', 35),
        ('sum(increase(wait_count{service="a"}[1h]))', 4),
        ('histogram_quantile(0.5, sum by (le) (increase(wait_bucket{service="a"}[1h])))', 2),
        ('histogram_quantile(0.25, sum by (le) (increase(wait_bucket{service="a"}[1h])))', 1),
        ('histogram_quantile(0.99, sum by (le) (increase(wait_bucket{service="a"}[1h])))', 4),
        ("vector(1) / vector(0)", math.inf),
    ],
)
def test_a_query_gives(query: str, value: float) -> None:
    assert one(query) == pytest.approx(value)


def test_a_vector_is_by_its_labels() -> None:
    found = store().query(f"sum by (code) (increase({COUNTER}[1h]))", 180.0, 60)
    assert found == {frozenset({("code", "200")}): 10, frozenset({("code", "500")}): 1}


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("vector(2) > 1", True),
        ("vector(1) > 1", False),
        ("vector(1) >= 1", True),
        ("1 < vector(2)", True),
        ("vector(1) == 1", True),
        ("vector(1) != 1", False),
        ("vector(2) <= 1", False),
        ("vector(2) > 1 and vector(5) > 4", True),
        ("vector(2) > 1 and vector(5) > 6", False),
        ("vector(2) > 3 or vector(5) > 4", True),
        ("vector(2) unless vector(1)", False),
        ("vector(2) > 3 and vector(5) > 4 or vector(1) > 0", True),
        ("vector(1) > 0 or vector(5) > 4 and vector(2) > 3", True),
        (f"sum(increase({COUNTER}[1h])) > 4 * vector(2) + 2", True),
        (f"sum by (code) (increase({COUNTER}[1h])) > 10 and sum(increase({COUNTER}[1h]))", False),
    ],
)
def test_a_condition_holds_where_something_is_left(query: str, holds: bool) -> None:  # noqa: FBT001 - a column
    assert bool(store().query(query, 180.0, 60)) is holds


def test_what_is_not_measured_any_more_is_not_there() -> None:
    assert store().query('instances{service="a"}', 120 + 299, 60)
    assert store().query('instances{service="a"}', 120 + 301, 60) == {}
    assert math.isnan(one('histogram_quantile(0.5, sum by (le) (increase(wait_bucket{service="a"}[1h]) * 0))'))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "requests",
        "requests{}",
        "requests{service=a}",
        'requests{service"a"}',
        f"increase({COUNTER})",
        f"sum({COUNTER}[1m])",
        f"{COUNTER}[1m]",
        f"increase({COUNTER}[1x])",
        f"delta({COUNTER}[1m])",
        f"sum(increase({COUNTER}[1m])",
        f"sum without (code) (increase({COUNTER}[1m]))",
        "sum(1)",
        "1 > 2",
        "vector(vector(1))",
        "vector(1) or 1",
        "vector(1) + on (code) vector(2)",
        "vector(1) > bool 2",
        "vector(1) % 2",
        "vector(1) 2",
        f"histogram_quantile({COUNTER}, {COUNTER})",
        f"{COUNTER} offset 5m",
    ],
)
def test_what_is_not_known_of_promql_is_refused(query: str) -> None:
    with pytest.raises(PromqlRefused):
        store().query(query, 180.0, 60)


def test_names_are_those_that_google_gives_in_promql() -> None:
    """The table of https://cloud.google.com/monitoring/promql/promql-mapping."""
    for metric, name in (
        ("kubernetes.io/container/cpu/limit_cores", "kubernetes_io:container_cpu_limit_cores"),
        ("compute.googleapis.com/instance/cpu/utilization", "compute_googleapis_com:instance_cpu_utilization"),
        ("logging.googleapis.com/log_entry_count", "logging_googleapis_com:log_entry_count"),
        ("agent.googleapis.com/disk/io_time", "agent_googleapis_com:disk_io_time"),
    ):
        assert promql_name(metric) == name


def test_every_function_that_is_known_is_run() -> None:
    for function in sorted(FUNCTIONS - {"vector", "histogram_quantile"}):
        assert one(f"sum({function}({COUNTER}[1h]))") > 0
    assert parse("vector(1)", 60) is not None
