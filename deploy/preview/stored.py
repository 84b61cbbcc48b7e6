"""Series as Cloud Monitoring stores them, under the names and labels by which PromQL asks for them.

https://cloud.google.com/monitoring/promql/promql-mapping: the first ``/`` of a type becomes ``:``, whatever else is not a letter
or digit ``_``; of a distribution there are ``_bucket``, with ``le``, ``_sum`` and ``_count``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from deploy.preview.evaluate import Series
from deploy.preview.log_metrics import LogMetric, Point


def promql_name(metric_type: str) -> str:
    """As in ``run_googleapis_com:request_count``."""
    domain, _, path = metric_type.partition("/")
    return f"{re.sub(r'[^A-Za-z0-9]', '_', domain)}:{re.sub(r'[^A-Za-z0-9]', '_', path)}"


def log_metric_type(name: str) -> str:
    """The type of a log-based metric of ours."""
    return f"logging.googleapis.com/user/{name}"


def of_log_metric(metric: LogMetric, points: Iterable[Point]) -> list[Series]:
    """The series of a log-based metric that has counted these."""
    name = promql_name(log_metric_type(metric.name))
    return histogram(name, points, metric.bounds()) if metric.is_distribution else counter(name, points)


def counter(name: str, points: Iterable[Point]) -> list[Series]:
    """One series for each set of labels: the values that were added."""
    return [
        Series(name, labels, [point.time for point in own], [point.value for point in own])
        for labels, own in _grouped(points).items()
    ]


gauge = counter  # measured in place of added, and stored alike


def histogram(name: str, points: Iterable[Point], bounds: Sequence[float]) -> list[Series]:
    """The three kinds of series of a distribution."""
    found = []
    for labels, own in _grouped(points).items():
        times = [point.time for point in own]
        found += [
            Series(f"{name}_sum", labels, times, [point.value for point in own]),
            Series(f"{name}_count", labels, times, [1.0] * len(own)),
            Series(f"{name}_bucket", labels | {("le", "+Inf")}, times, [1.0] * len(own)),
        ]
        for bound in bounds:
            added = [float(point.value <= bound) for point in own]
            found.append(Series(f"{name}_bucket", labels | {("le", f"{bound:g}")}, times, added))
    return found


def _grouped(points: Iterable[Point]) -> Mapping[frozenset[tuple[str, str]], list[Point]]:
    groups: dict[frozenset[tuple[str, str]], list[Point]] = defaultdict(list)
    for point in sorted(points, key=lambda point: point.time):
        groups[frozenset(point.labels.items())].append(point)
    return groups
