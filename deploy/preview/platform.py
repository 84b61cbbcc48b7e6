"""What Google keeps of a day by itself: the series of Cloud Run and of the APIs that a project calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from deploy.preview.day import DAY, MIDNIGHT, Happened
from deploy.preview.definitions import EXAMPLE, log_metrics
from deploy.preview.evaluate import Series, Store
from deploy.preview.log_metrics import Point, entry_of, points
from deploy.preview.stored import counter, gauge, histogram, of_log_metric, promql_name

_RUN: Final[Mapping[str, str]] = {
    "monitored_resource": "cloud_run_revision",
    "service_name": EXAMPLE["SERVICE"],
    "project_id": EXAMPLE["PROJECT"],
}
_KMS: Final[Mapping[str, str]] = {"monitored_resource": "consumed_api", "service": "cloudkms.googleapis.com"}
_METHOD: Final = "google.cloud.kms.v1.KeyManagementService"
_LATENCIES: Final = tuple(1.4**n for n in range(40))
_MEMORY: Final = tuple(n / 100 for n in range(101))
_MINUTE: Final = 60.0


def stored(day: Happened) -> Store:
    """Everything that the queries of dashboard and alerts may ask for."""
    return Store(all_series(day))


def all_series(day: Happened) -> list[Series]:
    """The same, to be stored with more."""
    entries = [
        entry_of(
            line,
            stream,
            service=EXAMPLE["SERVICE"],
            project=EXAMPLE["PROJECT"],
            received=datetime.fromtimestamp(at, UTC).isoformat(),
        )
        for at, stream, line in day.lines
    ]
    ours = [one for metric in log_metrics() for one in of_log_metric(metric, points(metric, entries))]
    return [*ours, *_cloud_run(day), *_cloud_kms(day)]


def _cloud_run(day: Happened) -> list[Series]:
    answered = [
        Point(at, {**_RUN, "response_code": str(status), "response_code_class": f"{status // 100}xx"}, ms)
        for at, status, ms in day.requests
    ]
    busy = [Point(at, _RUN, math.ceil(ms / 100) / 10) for at, _, ms in day.requests]
    return [
        *counter(_name("request_count"), [Point(one.time, one.labels, 1) for one in answered]),
        *histogram(_name("request_latencies"), answered, _LATENCIES),
        *counter(_name("container/billable_instance_time"), busy),
        *histogram(_name("container/startup_latencies"), [Point(at, _RUN, ms) for at, ms in day.starts], _LATENCIES),
        *gauge(_name("container/instance_count"), _instances(day)),
        *histogram(_name("container/memory/utilizations"), _memory(day), _MEMORY),
    ]


def _instances(day: Happened) -> list[Point]:
    """Once a minute: one instance is active, idle, or there is none."""
    found = []
    for minute in range(int(DAY // _MINUTE)):
        start, now = MIDNIGHT + minute * _MINUTE, MIDNIGHT + (minute + 1) * _MINUTE
        is_active = any(start < at <= now for at, _ in day.kept)
        is_kept = any(at <= now < until for at, until in day.kept)
        state = "active" if is_active else "idle" if is_kept else ""
        found += [Point(now, {**_RUN, "state": one}, float(one == state)) for one in ("active", "idle")]
    return found


def _memory(day: Happened) -> list[Point]:
    return [Point(at, _RUN, 0.17 + 0.05 * math.tanh(number / 500)) for number, (at, _, _) in enumerate(day.requests)]


def _cloud_kms(day: Happened) -> list[Series]:
    called = [
        Point(
            at,
            {**_KMS, "method": f"{_METHOD}.AsymmetricDecrypt", "response_code_class": f"{status // 100}xx"},
            ms / 1000,
        )
        for at, status, ms in day.key_operations
    ]
    asked = [
        Point(at, {**_KMS, "method": f"{_METHOD}.GetPublicKey", "response_code_class": "2xx"}, 0.03)
        for at, _ in day.starts
        for _ in range(2)
    ]
    name = promql_name("serviceruntime.googleapis.com/api/request_count")
    bounds = tuple(bound / 1000 for bound in _LATENCIES)
    return [
        *counter(name, [Point(one.time, one.labels, 1) for one in [*called, *asked]]),
        *histogram(promql_name("serviceruntime.googleapis.com/api/request_latencies"), called, bounds),
    ]


def _name(path: str) -> str:
    return promql_name(f"run.googleapis.com/{path}")
