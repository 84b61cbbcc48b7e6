"""Cloud Monitoring: dashboards, alert policies, uptime checks and whom they tell, and figures of what runs here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.logs import METRIC_KIND
from local.rehearsal.resources import Json
from local.rehearsal.standard import Collection, given_id, merged
from local.rehearsal.world import World

_CONDITIONS: Final = (
    "conditionThreshold",
    "conditionAbsent",
    "conditionMatchedLog",
    "conditionMonitoringQueryLanguage",
    "conditionPrometheusQueryLanguage",
    "conditionSql",
)
_LAYOUTS: Final = ("gridLayout", "mosaicLayout", "rowLayout", "columnLayout")
_USER_METRIC: Final = re.compile(r'logging\.googleapis\.com/user/([^"\s]+)')
_METRIC: Final = re.compile(r'metric\.type\s*=\s*"([^"]+)"')
_METHOD: Final = re.compile(r'resource\.labels\.method=monitoring\.regex\.full_match\("([^"]+)"\)')
_PERIODS: Final = ("60s", "300s", "600s", "900s")
_MINUTE: Final = 60
_LEAST_REGIONS: Final = 3


def exactly_one(value: Json, names: Iterable[str], what: str) -> str:
    found = [name for name in names if name in value]
    if len(found) != 1:
        raise invalid(f"{what} must have exactly one of {', '.join(names)}.")
    return found[0]


def check_policy(world: World, name: str, value: Json) -> Json:
    """Conditions have one kind each, metrics of logs that exist, and channels that exist."""
    if not value.get("conditions"):
        raise invalid("Field alert_policy.conditions must have one at least.")
    conditions = [_check_condition(world, name, number, one) for number, one in enumerate(value["conditions"])]
    for channel in value.get("notificationChannels", []):
        world.resources.find("monitoring.projects.notificationChannels", channel)
    return {**value, "name": name, "conditions": conditions, "enabled": value.get("enabled", True)}


def _check_condition(world: World, policy: str, number: int, value: Json) -> Json:
    kind = exactly_one(value, _CONDITIONS, "A condition")
    if not value.get("displayName"):
        raise invalid("Field displayName of a condition must be set.")
    if kind == "conditionThreshold":
        _check_threshold(value[kind])
    for text in _texts(value[kind]):
        for metric in _USER_METRIC.findall(text):
            check_user_metric(world, metric)
    return {**value, "name": value.get("name", f"{policy}/conditions/{number + 1}")}


def _check_threshold(value: Json) -> None:
    text = value.get("filter", "")
    if "metric.type" not in text or "resource.type" not in text:
        raise invalid("The filter of a threshold must name one metric.type and one resource.type.")
    if value.get("comparison") not in {"COMPARISON_GT", "COMPARISON_LT"}:
        raise invalid("Field comparison must be COMPARISON_GT or COMPARISON_LT.")
    for aggregation in value.get("aggregations", []):
        if _seconds(aggregation.get("alignmentPeriod", "0s")) < _MINUTE:
            raise invalid("Field alignment_period must be 60s at least.")
    if _seconds(value.get("duration", "0s")) % _MINUTE:
        raise invalid("Field duration must be a multiple of 60s.")


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def check_user_metric(world: World, metric: str) -> None:
    """Raises GoogleError (NOT_FOUND), as for one that was made a moment ago."""
    if not world.resources.has(METRIC_KIND, f"{world.project.name}/metrics/{metric}"):
        raise GoogleError(
            "NOT_FOUND", f'Cannot find metric that matches type = "logging.googleapis.com/user/{metric}".'
        )


def _texts(value: object) -> Iterable[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def check_channel(world: World, name: str, value: Json) -> Json:
    address = value.get("labels", {}).get("email_address", "")
    if value["type"] == "email" and "@" not in address:
        raise invalid("A channel of type email must have the label email_address.")
    return {**value, "name": name, "enabled": value.get("enabled", True)}


def check_uptime(world: World, name: str, value: Json) -> Json:
    exactly_one(value, ("monitoredResource", "resourceGroup", "syntheticMonitor"), "An uptime check")
    exactly_one(value, ("httpCheck", "tcpCheck", "syntheticMonitor"), "An uptime check")
    if value.get("period", "60s") not in _PERIODS or not 1 <= _seconds(value.get("timeout", "10s")) <= _MINUTE:
        raise invalid("The period must be 60s, 300s, 600s or 900s, and the timeout 1 to 60 s.")
    if 0 < len(value.get("selectedRegions", [])) < _LEAST_REGIONS:
        raise invalid(f"A check is made from {_LEAST_REGIONS} places at least.")
    return {"period": "60s", "timeout": "10s", **value, "name": name}


def uptime_id(world: World, call: Call) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", call.body.get("displayName", "").lower()).strip("-")
    return f"{words}-{given_id(world, call)[-8:]}"


def dashboard_id(world: World, call: Call) -> str:
    return str(call.body.get("name", "").rpartition("/")[2] or given_id(world, call))


def check_dashboard(world: World, name: str, value: Json) -> Json:
    exactly_one(value, _LAYOUTS, "A dashboard")
    return {**value, "name": f"projects/{world.project.number}/dashboards/{name.rpartition('/')[2]}"}


def list_series(world: World, call: Call) -> Json:
    """One point for the whole of the time: how often Cloud KMS and Secret Manager were asked, and nothing of all else."""
    text = call.one("filter")
    metric = _METRIC.search(text)
    if metric is None:
        raise invalid("The filter must name one metric.type.")
    method = _METHOD.search(text)
    if method is None:
        return {}
    count = sum(
        row["count"]
        for row in world.cloud.operations.rows()
        if re.fullmatch(method[1], f"google.cloud.any.v1.Service.{row['method']}")
    )
    interval = {"startTime": call.one("interval.startTime"), "endTime": call.one("interval.endTime", world.now())}
    point = {"interval": interval, "value": {"int64Value": str(count)}}
    return {"timeSeries": [{"metric": {"type": metric[1]}, "valueType": "INT64", "points": [point]}]}


MONITORING: Final = (
    Collection(
        prefix="monitoring.projects.alertPolicies",
        items="alertPolicies",
        complete=check_policy,
        required=("displayName", "combiner"),
    ),
    Collection(
        prefix="monitoring.projects.notificationChannels",
        items="notificationChannels",
        complete=check_channel,
        required=("type",),
    ),
    Collection(
        prefix="monitoring.projects.uptimeCheckConfigs",
        items="uptimeCheckConfigs",
        new_id=uptime_id,
        complete=check_uptime,
        required=("displayName",),
    ),
    Collection(
        prefix="monitoring.projects.dashboards",
        items="dashboards",
        new_id=dashboard_id,
        complete=check_dashboard,
        required=("displayName",),
        has_etag=True,
    ),
)
HANDLES: Final[Mapping[str, Handle]] = merged(
    *(one.handles() for one in MONITORING), {"monitoring.projects.timeSeries.list": list_series}
)
