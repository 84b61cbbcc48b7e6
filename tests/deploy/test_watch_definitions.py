"""Dashboard and alerts name what exists: Google's own metrics, or ours, with labels that these have; each is shown once."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

import deploy.preview.promql as tree
from deploy.preview.day import simulated_day
from deploy.preview.definitions import FOLDER, conditions, dashboard, log_metrics, policies
from deploy.preview.log_metrics import entry_of, points
from kas.errors import leaves
from kas.state.guard import Trouble
from local.processes import ROOT
from tests.deploy.watch_queries import (
    GOOGLES,
    OURS,
    all_selectors,
    promql_of,
    queries,
    tiles,
    trees,
    type_of,
    types_in_filters,
)

DOCUMENT = (ROOT / "docs" / "WATCHING.md").read_text("utf-8")
COUNTED = {"increase", "rate"}


def test_every_metric_is_googles_or_ours_and_none_is_kept_for_nothing() -> None:
    named = {type_of(selector)[0] for selector in all_selectors()} | types_in_filters()
    assert named == GOOGLES["metrics"].keys() | OURS.keys()


def test_every_label_is_one_that_the_metric_or_its_resource_has() -> None:
    for selector in all_selectors():
        metric_type, suffix = type_of(selector)
        labels = {matcher.label: matcher.value for matcher in selector.matchers}
        assert set(labels) <= labels_of(metric_type) | {"monitored_resource"}, selector
        assert labels["monitored_resource"] == resource_of(metric_type)
        assert {"service_name", "service"} & set(labels), "of all services of the project"
        assert suffix != "_bucket" or "le" not in labels


def labels_of(metric_type: str) -> set[str]:
    if metric_type in OURS:
        own = [label["key"] for label in OURS[metric_type].definition["metricDescriptor"]["labels"]]
    else:
        own = GOOGLES["metrics"][metric_type]["labels"]
    return {*own, *GOOGLES["resources"][resource_of(metric_type)]}


def resource_of(metric_type: str) -> str:
    return "cloud_run_revision" if metric_type in OURS else str(GOOGLES["metrics"][metric_type]["resource"])


def test_what_is_summed_up_by_is_a_label_of_what_is_summed() -> None:
    for aggregate in nodes(tree.Aggregate):
        for selector in tree.selectors(aggregate):
            metric_type, suffix = type_of(selector)
            assert set(aggregate.by) <= labels_of(metric_type) | ({"le"} if suffix == "_bucket" else set())


def test_what_is_counted_is_asked_for_what_was_added_and_what_is_measured_for_its_most() -> None:
    """A quantile is of buckets, and keeps their bounds apart."""
    asked = [(call.function, selector) for call in nodes(tree.Call) for selector in direct(call)]
    assert len(asked) == len(all_selectors())
    for function, selector in asked:
        metric_type, _ = type_of(selector)
        is_measured = GOOGLES["metrics"].get(metric_type, {}).get("kind") == "GAUGE"
        assert function == "max_over_time" if is_measured else function in COUNTED, selector
    for call in nodes(tree.Call):
        if call.function == "histogram_quantile":
            (selector,) = tree.selectors(call)
            assert (type_of(selector)[1], call.arguments[1].by) == ("_bucket", ("le",))


def nodes(kind: type) -> list:
    """All nodes of this kind in all queries."""
    found, rest = [], list(trees())
    while rest:
        node = rest.pop()
        found += [node] if isinstance(node, kind) else []
        match node:
            case tree.Call(_, arguments):
                rest += arguments
            case tree.Aggregate(_, _, of):
                rest.append(of)
            case tree.Binary(_, left, right):
                rest += [left, right]
    return found


def direct(call: tree.Call) -> list[tree.Selector]:
    return [argument for argument in call.arguments if isinstance(argument, tree.Selector)]


def literals() -> set[str]:
    """Every text that the service's code writes."""
    return {
        node.value
        for path in (ROOT / "kas").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


CODES = {leaf.code for leaf in leaves()}
KNOWN = {
    "code": CODES,
    "event": literals() | {f"state_{trouble}" for trouble in get_args(Trouble)},
    "category": literals(),
    "outcome": {"released", "refused"},
    "severity": literals(),
    "status": {str(leaf.status) for leaf in leaves()},
    "cache_hit": {"true", "false"},
}


def test_every_value_that_is_asked_for_is_one_that_the_service_can_give() -> None:
    """Each alternative of a pattern for itself."""
    asked = 0
    for selector in all_selectors():
        metric_type, _ = type_of(selector)
        for matcher in selector.matchers if metric_type in OURS else ():
            if matcher.label in {"monitored_resource", "service_name"}:
                continue
            for alternative in matcher.value.split("|"):
                asked += 1
                assert any(re.fullmatch(alternative, value) for value in KNOWN[matcher.label]), (matcher, alternative)
    assert asked > 50


def test_every_refusal_by_a_limit_is_shown_among_those() -> None:
    """A new one is to be added there, and so is a new way to use a proof twice."""
    shown = pattern("Refused by limits, by code", "code")
    assert {leaf.code for leaf in leaves() if leaf.status == 429} | {"too_many_bodies", "replay_store_full"} == shown
    replayed = {code for code in CODES if code.endswith("_replayed")}
    assert pattern("Proofs that were used before", "code") == replayed


def pattern(title: str, label: str) -> set[str]:
    """The alternatives that a tile asks for."""
    found = [
        matcher
        for query in promql_of(dict(tiles())[title])
        for one in tree.selectors(tree.parse(query, 60))
        for matcher in one.matchers
    ]
    return {alternative for matcher in found if matcher.label == label for alternative in matcher.value.split("|")}


def test_tiles_neither_overlap_nor_stand_outside_and_each_has_its_own_title() -> None:
    layout = dashboard()["mosaicLayout"]
    boxes = [(tile["xPos"], tile["yPos"], tile["width"], tile["height"]) for tile in layout["tiles"]]
    assert all(x >= 0 and x + width <= layout["columns"] <= 48 for x, _, width, _ in boxes)
    for (x, y, width, height), (x2, y2, width2, height2) in combinations(boxes, 2):
        assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
    titles = [title for title, _ in tiles()]
    assert len(set(titles)) == len(titles)
    assert sum(width * height for _, _, width, height in boxes) == 48 * max(y + height for _, y, _, height in boxes)


def test_every_axis_says_what_it_counts_and_a_price_is_in_dollars() -> None:
    for title, widget in tiles():
        if "xyChart" not in widget:
            continue
        assert widget["xyChart"]["yAxis"]["label"], title
        if any("USD" in query or "0.0000" in query for query in promql_of(widget)):
            assert "USD" in title


def test_what_must_be_watched_is_there() -> None:
    """In the words of the tiles and the names of the alerts."""
    assert policies().keys() == {
        "errors", "latency", "denials", "kms", "integrity", "key-budget", "traffic", "daily-cost", "uptime", "state",
    }  # fmt: skip
    words = " ".join(title.lower() for title, _ in tiles())
    for word in (
        "requests", "failed", "denials", "p50, p95, p99", "cold starts", "instances", "billable instance time",
        "key operations", "without a key operation", "limits", "breakers", "used before", "integrity", "usd", "own cost",
    ):  # fmt: skip
        assert word in words


def test_each_condition_is_one_that_may_cost_and_they_are_counted() -> None:
    assert conditions("pilot") == conditions("shared") == len(list(FOLDER.glob("alerts/*.json"))) - 1 == 9
    assert f"{conditions()} conditions" in DOCUMENT


def test_the_document_names_every_tile_metric_and_alert() -> None:
    section = re.compile(r"^\| \*\*(.+?)\*\* \|", flags=re.MULTILINE)
    named = set(section.findall(DOCUMENT))
    shown = {title for title, widget in tiles() if "sectionHeader" not in widget}
    alerts = {policy["displayName"].partition(": ")[2] for policy in policies().values()}
    assert named == shown | alerts
    assert {metric.name for metric in log_metrics()} <= set(re.findall(r"`(kas_\w+)`", DOCUMENT))


def test_a_policy_points_at_its_place_in_the_document() -> None:
    for policy in policies().values():
        title = policy["displayName"].partition(": ")[2]
        assert policy["documentation"]["content"].endswith(f'See `docs/WATCHING.md`, "{title}".')


FREE_MIB = 150
A_MONTH = 60 * 24 * 31  # minutes


def test_log_based_metrics_stay_far_below_what_is_free() -> None:
    """A point of a counter is 8 bytes, of a distribution 80; there is at most one a minute of each series."""
    day, written, kept = simulated_day(), 0, 0
    entries = [
        entry_of(line, stream, service="kas-usa", project="p", received=datetime.fromtimestamp(at, UTC).isoformat())
        for at, stream, line in day.lines
    ]
    for metric in log_metrics():
        found = points(metric, entries)
        size = 80 if metric.is_distribution else 8
        written += size * len({(tuple(point.labels.items()), point.time // 60) for point in found}) * 31
        kept += size * len({tuple(point.labels.items()) for point in found}) * A_MONTH
    assert f"A pilot writes {written / 2**20:.1f} MiB;" in DOCUMENT
    assert f"a point every minute, {kept / 2**20:.0f} MiB." in DOCUMENT
    assert kept < FREE_MIB * 2**20


def test_the_cost_of_alerts_is_that_of_the_files() -> None:
    """Every query asks for some series at every evaluation."""
    asked = [
        one["conditionPrometheusQueryLanguage"]
        for policy in policies().values()
        for one in policy["conditions"]
        if "conditionPrometheusQueryLanguage" in one
    ]
    returned = sum(
        len(tree.selectors(tree.parse(one["query"], 60))) * A_MONTH * 60 / int(one["evaluationInterval"][:-1])
        for one in asked
    )
    assert f"some ${0.35 * returned / 1e6:.2f} a month" in DOCUMENT


@pytest.mark.parametrize("name", sorted(queries()))
def test_every_query_is_of_what_can_be_run_here(name: str) -> None:
    assert all(tree.selectors(tree.parse(query, 60)) for query in queries()[name])


def test_the_ready_route_is_what_is_probed() -> None:
    assert "--path=/health/ready" in (FOLDER / "uptime.json").read_text("utf-8")
    assert Path(ROOT / "kas" / "web" / "health.py").read_text("utf-8").count('"/health/ready"') == 1
