"""Cloud Logging: metrics that count lines; the lines of what runs here, as Cloud Run hands them on; and, where the project
logs it, each use of a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local.google.status import invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json
from local.rehearsal.run_revisions import REVISIONS
from local.rehearsal.standard import Collection, merged
from local.rehearsal.world import World

METRIC_KIND: Final = "logging.projects.metrics"
_METRIC_NAME: Final = re.compile(r"[A-Za-z0-9_\-.,+!*',()%/]{1,100}")
# Of filters, terms of this form alone are read, joined by AND; times are not.
_TERM: Final = re.compile(r'(?P<field>[a-zA-Z_.]+)\s*(?P<sign>:|=|>=|>|<=|<)\s*"?(?P<value>[^"\s]+)"?')
_KMS: Final = "cloudkms.googleapis.com"
_PAGE: Final = 1000


def metric_id(world: World, call: Call) -> str:
    return str(call.body.get("name", ""))


def check_metric(world: World, name: str, value: Json) -> Json:
    """Labels and what they are extracted by belong together; a value needs a distribution to go to."""
    parent, _, own = name.partition("/metrics/")
    if not _METRIC_NAME.fullmatch(own) or not value.get("filter"):
        raise invalid("A log-based metric needs a name and a filter.")
    descriptor = value.get("metricDescriptor", {})
    described = {label["key"] for label in descriptor.get("labels", [])}
    if described != set(value.get("labelExtractors", {})):
        raise invalid("Each label of the descriptor must have an extractor, and no other.")
    is_distribution = descriptor.get("valueType") == "DISTRIBUTION"
    if is_distribution != ("valueExtractor" in value):
        raise invalid("A value extractor goes with a value type of DISTRIBUTION, and with no other.")
    if descriptor.get("metricKind", "DELTA") != "DELTA":
        raise invalid("The metric kind must be DELTA.")
    kept = {"metricKind": "DELTA", "valueType": "INT64", **descriptor, "type": f"logging.googleapis.com/user/{own}"}
    kept["name"] = f"{parent}/metricDescriptors/{kept['type']}"
    return {**value, "name": own, "metricDescriptor": kept, "createTime": value.get("createTime", world.now())}


def update_metric(world: World, call: Call) -> Json:
    """Makes it where there is none, as Logging does."""
    name = call.resource
    made = METRICS.made(world, name, call.body)
    write = world.resources.replace if world.resources.has(METRIC_KIND, name) else world.resources.add
    return write(METRIC_KIND, name, made)


def list_entries(world: World, call: Call) -> Json:
    """The newest first, those of the services before those of keys."""
    terms = [found.groupdict() for found in _TERM.finditer(call.body.get("filter", ""))]
    entries = [*list(_entries(world))[::-1], *_uses_of_keys(world)]
    found = [entry for entry in entries if all(_holds(entry, **term) for term in terms)]
    return {"entries": found[: call.body.get("pageSize") or _PAGE]}


def _holds(entry: Json, field: str, sign: str, value: str) -> bool:
    at = _at(entry, field)
    return value in str(at) if sign == ":" else at == value if sign == "=" else True


def _uses_of_keys(world: World) -> list[Json]:
    """Google keeps this record where the project's policy says so."""
    configs = world.access.read(world.project.name).audit_configs
    is_logged = any(config.service in {_KMS, "allServices"} for config in configs)
    return world.cloud.data_access.entries() if is_logged else []


def _entries(world: World) -> Iterator[Json]:
    """Of all revisions, one after the other."""
    for name, revision in world.resources.all(REVISIONS).items():
        labels = revision["metadata"]["labels"]
        own = {
            "project_id": world.project.id,
            "service_name": labels["serving.knative.dev/service"],
            "revision_name": name.rpartition("/")[2],
            "configuration_name": labels["serving.knative.dev/configuration"],
            "location": labels["cloud.googleapis.com/location"],
        }
        log = world.fleet.log_of(own["revision_name"])
        for number, line in enumerate(log.read_text("utf-8", "replace").splitlines() if log.exists() else ()):
            place = {"resource": {"type": "cloud_run_revision", "labels": own}, "insertId": f"{log.stem}-{number}"}
            yield {**place, "logName": f"{world.project.name}/logs/run.googleapis.com%2Fstdout", **_entry(world, line)}


def _entry(world: World, line: str) -> Json:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return {"textPayload": line, "timestamp": world.now(), "severity": "DEFAULT"}
    payload = {name: inner for name, inner in value.items() if name not in {"severity", "time"}}
    severity = value.get("severity", "DEFAULT")
    return {"jsonPayload": payload, "timestamp": value.get("time", world.now()), "severity": severity}


def _at(entry: Json, field: str) -> Any:
    value: Any = entry
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


METRICS: Final = Collection(
    prefix=METRIC_KIND, items="metrics", new_id=metric_id, complete=check_metric, required=("filter",), update="update"
)

HANDLES: Final[Mapping[str, Handle]] = merged(
    METRICS.handles(), {f"{METRIC_KIND}.update": update_metric, "logging.entries.list": list_entries}
)
