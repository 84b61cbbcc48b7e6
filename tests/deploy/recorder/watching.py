"""Images, metrics, dashboards, alerts, uptime checks and budgets of the recorder's project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.deploy.recorder.call import Call, Fault


def create_repository(project: Any, call: Call) -> list[Any]:
    name = call.words[3]
    if name in project.kind("repositories"):
        raise Fault("ALREADY_EXISTS: the repository already exists")
    project.kind("repositories")[name] = {"name": name, "format": call.flags["repository-format"]}
    return []


def describe_repository(project: Any, call: Call) -> list[Any]:
    if call.words[3] not in project.kind("repositories"):
        raise Fault("NOT_FOUND: Requested entity was not found.")
    return [project.kind("repositories")[call.words[3]]]


def set_cleanup(project: Any, call: Call) -> list[Any]:
    (repository,) = describe_repository(project, call)
    policies = json.loads((Path(call.cwd) / call.flags["policy"]).read_text("utf-8"))
    repository["cleanupPolicies"] = {policy["name"]: policy for policy in policies}
    return []


def _sent(call: Call) -> dict[str, Any]:
    path = next(value for name, value in call.flags.items() if name.endswith("-from-file"))
    return dict(json.loads((Path(call.cwd) / path).read_text("utf-8")))


def _labels(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(","))


def from_file(kind: str) -> Any:
    """A resource that is a file's content, with a number of Google's for its name."""

    def create(project: Any, call: Call) -> list[Any]:
        name = f"projects/123456789012/{kind}/{project.next_number()}"
        project.kind(kind)[name] = {**_sent(call), "name": name}
        return []

    return create


def create_metric(project: Any, call: Call) -> list[Any]:
    if call.words[3] in project.kind("metrics"):
        raise Fault("ALREADY_EXISTS: the metric is there")
    project.kind("metrics")[call.words[3]] = _sent(call)
    return []


def update_metric(project: Any, call: Call) -> list[Any]:
    project.kind("metrics")[call.words[3]] = _sent(call)
    return []


def describe_metric(project: Any, call: Call) -> list[Any]:
    if call.words[3] not in project.kind("metrics"):
        raise Fault(f"NOT_FOUND: Metric {call.words[3]} does not exist.")
    return [project.kind("metrics")[call.words[3]]]


def create_channel(project: Any, call: Call) -> list[Any]:
    flags, name = call.flags, f"projects/my-project/notificationChannels/{project.next_number()}"
    labels = {"labels": _labels(flags["channel-labels"]), "userLabels": _labels(flags["user-labels"])}
    project.kind("channels")[name] = {"name": name, "displayName": flags["display-name"], **labels}
    return []


def create_uptime(project: Any, call: Call) -> list[Any]:
    flags, name = call.flags, f"projects/my-project/uptimeCheckConfigs/{project.next_number()}"
    kept = {flag: value for flag, value in flags.items() if flag != "user-labels"}
    project.kind("uptime")[name] = {"name": name, "userLabels": _labels(flags["user-labels"]), **kept}
    return []


def create_budget(project: Any, call: Call) -> list[Any]:
    flags, name = call.flags, f"billingAccounts/0X0X0X-0X0X0X-0X0X0X/budgets/{project.next_number()}"
    shares = [float(rule.removeprefix("percent=")) for rule in call.all("threshold-rule")]
    project.kind("budgets")[name] = {
        "name": name,
        "displayName": flags["display-name"],
        "amount": {
            "specifiedAmount": {"units": flags["budget-amount"][:-3], "currencyCode": flags["budget-amount"][-3:]}
        },
        "thresholdRules": [{"thresholdPercent": share} for share in shares],
        "projects": flags["filter-projects"],
    }
    return []


def delete(kind: str) -> Any:
    def remove(project: Any, call: Call) -> list[Any]:
        if call.words[3] not in project.kind(kind):
            raise Fault(f"NOT_FOUND: {call.words[3]}")
        del project.kind(kind)[call.words[3]]
        return []

    return remove


def every(kind: str) -> Any:
    return lambda project, call: list(project.kind(kind).values())


HANDLERS = {
    "artifacts repositories create": create_repository,
    "artifacts repositories describe": describe_repository,
    "artifacts repositories set-cleanup-policies": set_cleanup,
    "logging metrics create": create_metric,
    "logging metrics update": update_metric,
    "logging metrics describe": describe_metric,
    "logging metrics list": every("metrics"),
    "logging metrics delete": delete("metrics"),
    "monitoring dashboards create": from_file("dashboards"),
    "monitoring dashboards list": every("dashboards"),
    "monitoring dashboards delete": delete("dashboards"),
    "monitoring policies create": from_file("alertPolicies"),
    "monitoring policies list": every("alertPolicies"),
    "monitoring policies delete": delete("alertPolicies"),
    "monitoring channels create": create_channel,
    "monitoring channels list": every("channels"),
    "monitoring channels delete": delete("channels"),
    "monitoring uptime create": create_uptime,
    "monitoring uptime list-configs": every("uptime"),
    "monitoring uptime delete": delete("uptime"),
    "billing budgets create": create_budget,
    "billing budgets list": every("budgets"),
    "billing budgets delete": delete("budgets"),
}
