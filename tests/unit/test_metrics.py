"""Metrics: what is counted, that Prometheus can read it, and that no caller can make a series."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flask
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import EnvironBuilder

from kas.cache import Counts
from kas.errors import leaves
from kas.journal import Journal
from kas.metrics import CONTENT_TYPE, MAX_DIALECTS, MAX_ROUTES, MAX_STAGES, Metrics, NoMetrics, Readings
from kas.web.metrics import metrics_route

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = ["", "GET /", 'a"} 1\nkas_forged 1\n#', "\x00\x1b[31m", "\u202e", "x" * 10_000, "\ud800", "get", "\\", "PRI"]


def journal(method: str = "POST", path: str = "/rewrap", **values: Any) -> Journal:
    return Journal(request_id="0123", method=method, path=path, timer=lambda: 0.0, **values)


def samples_of(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, values of its labels in the order of their names) -> value, as Prometheus' own parser reads the text."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return {labels: value for (found, labels), value in samples_of(metrics).items() if found == name}


def test_nothing_happened_yet() -> None:
    """The text is readable from the start and says nothing of the process or of times of making."""
    names = {name for name, _ in samples_of(Metrics(Readings()))}
    assert names == {"kas_key_operations_total"}


def test_request_is_counted_by_route_method_and_status() -> None:
    """With its time by route."""
    metrics = Metrics(Readings())
    metrics.answered(journal(), "/rewrap", 200, 0.02)
    metrics.answered(journal(), "/rewrap", 200, 0.2)
    metrics.answered(journal("GET"), None, 404, 0.001, "not_found")
    assert series(metrics, "kas_requests_total") == {("POST", "/rewrap", "200"): 2, ("GET", "other", "404"): 1}
    assert series(metrics, "kas_request_seconds_count") == {("/rewrap",): 2, ("other",): 1}
    assert series(metrics, "kas_request_seconds_sum")["/rewrap",] == pytest.approx(0.22)
    buckets = series(metrics, "kas_request_seconds_bucket")
    assert [buckets[bound, "/rewrap"] for bound in ("0.01", "0.025", "0.1", "0.25", "+Inf")] == [0, 1, 1, 2, 2]


def test_stages_and_key_operations_come_from_the_journal() -> None:
    """Each stage by its name."""
    metrics = Metrics(Readings())
    one = journal(operations={"k-1": 2, "k-2": 1})
    one.seconds.update({"authenticate": 0.5, "unwrap": 0.25})
    metrics.answered(one, "/rewrap", 200, 1.0)
    assert series(metrics, "kas_stage_seconds_sum") == {("authenticate",): 0.5, ("unwrap",): 0.25}
    assert series(metrics, "kas_key_operations_total") == {(): 3}


def test_questions_for_kept_keys_come_from_the_journal() -> None:
    """Where keys are kept, from the start; else there is no such series."""
    metrics = Metrics(Readings(caches={"jwks": lambda: Counts(7, 2)}, keeps_keys=True))
    assert series(metrics, "kas_cache_hits_total") == {("dek",): 0, ("jwks",): 7}
    metrics.answered(journal(cache_hits=2, cache_misses=1), "/rewrap", 200, 1.0)
    metrics.answered(journal(cache_hits=1, cache_misses=3), "/rewrap", 200, 1.0)
    assert series(metrics, "kas_cache_hits_total") == {("dek",): 3, ("jwks",): 7}
    assert series(metrics, "kas_cache_misses_total") == {("dek",): 4, ("jwks",): 2}
    without = Metrics(Readings())
    without.answered(journal(cache_hits=2, cache_misses=1), "/rewrap", 200, 1.0)
    assert series(without, "kas_cache_hits_total") == {}


@pytest.mark.parametrize("code", ["network_limit", "rewrap_limit", "proof_replayed", "audit_unavailable"])
def test_refusals_are_counted_by_code(code: str) -> None:
    """Limits, replays, and audit lines that cannot be written are among them."""
    metrics = Metrics(Readings())
    metrics.answered(journal(), "/rewrap", 429, 0.1, code)
    metrics.answered(journal(), "/rewrap", 200, 0.1)
    assert series(metrics, "kas_refusals_total") == {(code,): 1}


def test_key_accesses_are_counted_by_dialect_outcome_and_code() -> None:
    """A released one has no code."""
    metrics = Metrics(Readings())
    for dialect, code in [("acp240", None), ("acp240", None), ("opentdf", "budget_exhausted")]:
        metrics.kao(dialect, code)
    assert series(metrics, "kas_key_accesses_total") == {
        ("none", "acp240", "released"): 2,
        ("budget_exhausted", "opentdf", "refused"): 1,
    }


def test_readings_are_read_at_each_scrape() -> None:
    """Caches by name, and what is left of the budget; without a budget there is no such series."""
    left = 20_000
    metrics = Metrics(Readings(caches={"jwks": lambda: Counts(7, 2)}, budget_left=lambda: left))
    assert series(metrics, "kas_cache_hits_total") == {("jwks",): 7}
    assert series(metrics, "kas_cache_misses_total") == {("jwks",): 2}
    assert series(metrics, "kas_key_operations_left") == {(): 20_000}
    left = 19_999
    assert series(metrics, "kas_key_operations_left") == {(): 19_999}
    assert series(Metrics(Readings()), "kas_key_operations_left") == {}


def test_callers_text_makes_no_series() -> None:
    """Whatever method and path are sent: one series, of `other`, and nothing of the text."""
    metrics = Metrics(Readings())
    for text in HOSTILE:
        metrics.answered(journal(text, f"/{text}"), None, 404, 0.1, "not_found")
    assert series(metrics, "kas_requests_total") == {("other", "other", "404"): len(HOSTILE)}
    assert not {name for name, _ in samples_of(metrics) if "forged" in name}
    assert b"x" * 100 not in metrics.text()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_known_methods_are_counted_by_name(method: str) -> None:
    """Those that callers send by mistake too."""
    metrics = Metrics(Readings())
    metrics.answered(journal(method), "/rewrap", 405, 0.1)
    assert series(metrics, "kas_requests_total") == {(method, "/rewrap", "405"): 1}


def test_names_are_bounded_even_if_somebody_passes_what_was_sent() -> None:
    """A thousand routes, stages and dialects: no more series than there is room for, and one for the rest."""
    metrics = Metrics(Readings())
    for number in range(1000):
        one = journal()
        one.seconds[f"stage-{number}"] = 0.1
        metrics.answered(one, f"/{number}", 200, 0.1)
        metrics.kao(f"dialect-{number}", None)
    assert len(series(metrics, "kas_request_seconds_count")) == MAX_ROUTES + 1
    assert len(series(metrics, "kas_requests_total")) == MAX_ROUTES + 1
    assert len(series(metrics, "kas_stage_seconds_count")) == MAX_STAGES + 1
    assert len(series(metrics, "kas_key_accesses_total")) == MAX_DIALECTS + 1
    assert series(metrics, "kas_request_seconds_count")["other",] == 1000 - MAX_ROUTES


def test_codes_are_those_of_the_table_of_errors() -> None:
    """Every leaf by its own code; anything else is `other`, for requests and for key access objects."""
    metrics = Metrics(Readings())
    codes = {leaf.code for leaf in leaves()}
    for code in [*codes, *HOSTILE]:
        metrics.answered(journal(), "/rewrap", 400, 0.1, code)
        metrics.kao("acp240", code)
    assert {code for (code,) in series(metrics, "kas_refusals_total")} == codes | {"other"}
    assert {labels[0] for labels in series(metrics, "kas_key_accesses_total")} == codes | {"other"}


def test_counts_of_many_threads_add_up() -> None:
    """None is lost."""
    metrics = Metrics(Readings())

    def work(_number: int) -> None:
        for _ in range(100):
            metrics.answered(journal(operations={"k-1": 1}), "/rewrap", 200, 0.1)
            metrics.kao("acp240", None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert series(metrics, "kas_requests_total") == {("POST", "/rewrap", "200"): 800}
    assert series(metrics, "kas_key_operations_total") == {(): 800}
    assert series(metrics, "kas_key_accesses_total") == {("none", "acp240", "released"): 800}


def test_two_services_in_one_process_do_not_share_counts() -> None:
    """Each has a registry of its own, and the library's common one has nothing of ours."""
    one, other = Metrics(Readings()), Metrics(Readings())
    one.kao("acp240", None)
    assert series(other, "kas_key_accesses_total") == {}
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("kas")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_route_answers_in_prometheus_media_type(method: str) -> None:
    """Not stored, with the version of the format."""
    metrics = Metrics(Readings())
    metrics.kao("acp240", None)
    route = metrics_route(metrics.text)
    reply = route.answer(flask.Request(EnvironBuilder("/metrics", method=method).get_environ()), journal(method))
    assert (reply.status, reply.content_type, reply.body) == (200, CONTENT_TYPE, metrics.text())
    assert reply.headers == {"Cache-Control": "no-store"}
    assert method in route.allowed


def test_no_metrics_take_what_metrics_take() -> None:
    """And count nothing."""
    nothing = NoMetrics()
    assert nothing.answered(journal(), "/rewrap", 200, 0.1, None) is None
    assert nothing.kao("acp240", None) is None


def test_library_is_not_imported_before_metrics_are_made() -> None:
    """A cold start without them does not pay for it."""
    code = "import kas.metrics, kas.web.metrics, sys; kas.metrics.NoMetrics(); sys.exit('prometheus_client' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")


def test_labels_are_never_more_than_these() -> None:
    """Whoever adds one thinks about its bound."""
    metrics = Metrics(Readings(caches={"jwks": lambda: Counts(0, 0)}, keeps_keys=True, budget_left=lambda: 1))
    one = journal()
    one.seconds["read"] = 0.1
    metrics.answered(one, "/rewrap", 429, 0.1, "rewrap_limit")
    metrics.kao("acp240", None)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        names: Mapping[str, str] = {name: value for sample in family.samples for name, value in sample.labels.items()}
        found[family.name] = set(names) - {"le"}
    assert found == {
        "kas_requests": {"route", "method", "status"},
        "kas_request_seconds": {"route"},
        "kas_stage_seconds": {"stage"},
        "kas_refusals": {"code"},
        "kas_key_accesses": {"dialect", "outcome", "code"},
        "kas_key_operations": set(),
        "kas_cache_hits": {"cache"},
        "kas_cache_misses": {"cache"},
        "kas_key_operations_left": set(),
    }
