"""Every query of the dashboard and the alert policies, and what it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.preview.definitions import dashboard, log_metrics, policies
from deploy.preview.promql import Node, Selector, parse, selectors
from deploy.preview.stored import log_metric_type, promql_name

GOOGLES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("google_metrics.json").read_text("utf-8"))
OURS = {log_metric_type(metric.name): metric for metric in log_metrics()}
_SUFFIXES = ("_bucket", "_sum", "_count")


def tiles() -> Iterator[tuple[str, dict[str, Any]]]:
    """Widgets of the dashboard by their titles."""
    for tile in dashboard()["mosaicLayout"]["tiles"]:
        yield tile["widget"]["title"], tile["widget"]


def promql_of(widget: dict[str, Any]) -> list[str]:
    sets = widget.get("xyChart", {}).get("dataSets", [])
    shown = [widget["scorecard"]] if "scorecard" in widget else sets
    return [one["timeSeriesQuery"]["prometheusQuery"] for one in shown]


def queries() -> dict[str, list[str]]:
    """PromQL by who asks it."""
    found = {f"tile {title}": promql_of(widget) for title, widget in tiles()}
    for name, policy in policies().items():
        conditions = [condition.get("conditionPrometheusQueryLanguage") for condition in policy["conditions"]]
        found[f"alert {name}"] = [one["query"] for one in conditions if one]
    return {name: asked for name, asked in found.items() if asked}


def trees() -> list[Node]:
    return [parse(query, 60) for asked in queries().values() for query in asked]


def all_selectors() -> list[Selector]:
    return [one for tree in trees() for one in selectors(tree)]


def type_of(selector: Selector) -> tuple[str, str]:
    """The type of metric that a selector means, and the suffix that a distribution has there."""
    for metric_type, metric in {**GOOGLES["metrics"], **OURS}.items():
        is_distribution = metric["value"] == "DISTRIBUTION" if isinstance(metric, dict) else metric.is_distribution
        for suffix in _SUFFIXES if is_distribution else ("",):
            if selector.name == promql_name(metric_type) + suffix:
                return metric_type, suffix
    raise AssertionError(f"{selector.name} is no metric that is known")


def types_in_filters() -> set[str]:
    """Those that a condition names by a filter."""
    return set(re.findall(r'metric\.type=\\"([^"\\]+)\\"', json.dumps(policies())))
