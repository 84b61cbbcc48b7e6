"""From lines of the service to points of log-based metrics: what Cloud Run's agent and Cloud Logging make of them.

The agent takes ``severity``, ``time`` and ``logging.googleapis.com/…`` out of the JSON; what is left is ``jsonPayload``, whose
numbers are all doubles. A line that is no JSON object is ``textPayload``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from deploy.preview.logging_query import MISSING, Entry, Predicate, extract, parse_query

Stream = Literal["stdout", "stderr"]
Labels = Mapping[str, str]

_SPECIAL: Final = ("severity", "time", "message")
_TRACE: Final = "logging.googleapis.com/"
_DEFAULTS: Final = {"STRING": "", "INT64": "0", "BOOL": "false"}


@dataclass(frozen=True, slots=True)
class Point:
    """One entry as a metric counts it; ``value`` is what a distribution extracts, 1 of a counter."""

    time: float
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class LogMetric:
    """One of ``deploy/metrics``; ``definition`` is the file."""

    definition: Mapping[str, Any]
    matches: Predicate = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", parse_query(self.definition["filter"]))

    @property
    def name(self) -> str:
        return str(self.definition["name"])

    @property
    def is_distribution(self) -> bool:
        return bool(self.definition["metricDescriptor"]["valueType"] == "DISTRIBUTION")

    def point(self, entry: Entry) -> Point | None:
        """What the entry counts as; None where it does not match, or where there is no value to extract."""
        if not self.matches(entry):
            return None
        value: Any = extract(self.definition["valueExtractor"], entry) if self.is_distribution else 1
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return Point(datetime.fromisoformat(entry["timestamp"]).timestamp(), self.labels(entry), float(value))

    def labels(self, entry: Entry) -> Labels:
        """Those of the resource, and ours: what is missing or of another type is the type's default."""
        descriptors = self.definition["metricDescriptor"]["labels"]
        extractors = self.definition["labelExtractors"]
        own = {one["key"]: _as(one["valueType"], extract(extractors[one["key"]], entry)) for one in descriptors}
        resource = entry["resource"]
        return {"monitored_resource": resource["type"], **resource["labels"], **own}

    def bounds(self) -> Sequence[float]:
        """The upper bounds of a distribution's buckets, but the last, which is infinite."""
        options = self.definition["bucketOptions"]["exponentialBuckets"]
        return [options["scale"] * options["growthFactor"] ** n for n in range(options["numFiniteBuckets"] + 1)]


def entry_of(line: str, stream: Stream, *, service: str, project: str, received: str) -> Entry:
    """The entry of one line; ``received`` is its time where the line has none."""
    entry: dict[str, Any] = {
        "logName": f"projects/{project}/logs/run.googleapis.com%2F{stream}",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"project_id": project, "service_name": service, "location": "us-central1"},
        },
        "timestamp": received,
        "severity": "DEFAULT",
    }
    try:
        members = json.loads(line)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        return {**entry, "textPayload": line}
    entry["severity"] = members.get("severity", "DEFAULT")
    entry["timestamp"] = members.get("time", received)
    kept = {name: value for name, value in members.items() if name not in _SPECIAL and not name.startswith(_TRACE)}
    return {**entry, "jsonPayload": kept}


def points(metric: LogMetric, entries: Iterable[Entry]) -> list[Point]:
    """Of every entry that the metric counts."""
    return [point for entry in entries if (point := metric.point(entry)) is not None]


def _as(kind: str, value: Any) -> str:
    """A label's value as PromQL shows it."""
    if value is MISSING or value is None:
        return _DEFAULTS[kind]
    if kind == "BOOL":
        return "true" if value is True else "false"
    if kind == "INT64":
        return str(int(value)) if isinstance(value, int | float) and not isinstance(value, bool) else "0"
    return value if isinstance(value, str) else json.dumps(value)
