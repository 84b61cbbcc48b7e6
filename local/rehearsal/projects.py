"""The project itself: what it is, which interfaces are enabled in it, its policy, who pays, and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.iam.v1 import policy_pb2
from google.protobuf import json_format

from local.google.status import GoogleError, invalid, precondition
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, new_id
from local.rehearsal.world import BILLING_ACCOUNT, Project, World

# Interfaces that there are, and those of them that are not enabled without a billing account.
_PAID: Final = frozenset(
    f"{name}.googleapis.com"
    for name in (
        "artifactregistry",
        "cloudbuild",
        "cloudfunctions",
        "cloudkms",
        "compute",
        "redis",
        "run",
        "secretmanager",
    )
)
_KNOWN: Final = _PAID | frozenset(
    f"{name}.googleapis.com"
    for name in (
        "billingbudgets",
        "cloudbilling",
        "cloudresourcemanager",
        "eventarc",
        "firestore",
        "iam",
        "iamcredentials",
        "logging",
        "monitoring",
        "pubsub",
        "serviceusage",
        "storage",
    )
)


# Of a policy, whoever reads and writes it.
_WITH_CONDITIONS: Final = 3


def get_project(world: World, call: Call) -> Json:
    return {
        "projectId": world.project.id,
        "projectNumber": str(world.project.number),
        "name": world.project.id,
        "lifecycleState": "ACTIVE",
        "createTime": "2026-01-01T00:00:00.000Z",
    }


def list_projects(world: World, call: Call) -> Json:
    return {"projects": [get_project(world, call)]}


def get_policy(world: World, call: Call) -> Json:
    return show_policy(world, world.project.name)


def set_policy(world: World, call: Call) -> Json:
    """The whole policy is replaced; audit configurations are kept when the mask does not name them."""
    return write_policy(world, world.project.name, call.body)


def show_policy(world: World, resource: str) -> Json:
    policy = world.access.read(resource)
    policy.version = _version_of(policy)
    shown: Json = json_format.MessageToDict(policy)
    return shown


def _version_of(policy: policy_pb2.Policy) -> int:
    return _WITH_CONDITIONS if any(binding.HasField("condition") for binding in policy.bindings) else 1


def write_policy(world: World, resource: str, body: Json) -> Json:
    """Raises GoogleError."""
    paths = set((body.get("updateMask") or "bindings,etag,version").split(","))
    sent = json_format.ParseDict(body["policy"], policy_pb2.Policy())
    policy = world.access.read(resource)
    if sent.version < _version_of(sent):
        raise invalid(f"Policies with conditions must be of version {_WITH_CONDITIONS}.")
    if "bindings" in paths:
        policy.ClearField("bindings")
        policy.bindings.extend(sent.bindings)
    if paths & {"auditConfigs", "audit_configs"}:
        policy.ClearField("audit_configs")
        policy.audit_configs.extend(sent.audit_configs)
    policy.etag = sent.etag
    world.access.write(resource, policy)
    return show_policy(world, resource)


def get_service(world: World, call: Call) -> Json:
    name = call.parameters["name"].rpartition("/")[2]
    if name not in _KNOWN:
        text = f"Not found or permission denied for service(s): {name}."
        raise GoogleError("PERMISSION_DENIED", text)
    return _show_service(world.project, name)


def list_services(world: World, call: Call) -> Json:
    names = world.project.enabled if call.one("filter") == "state:ENABLED" else _KNOWN | world.project.enabled
    return {"services": [_show_service(world.project, name) for name in sorted(names)]}


def _show_service(project: Project, name: str) -> Json:
    return {
        "name": f"projects/{project.number}/services/{name}",
        "config": {"name": name},
        "parent": f"projects/{project.number}",
        "state": "ENABLED" if name in project.enabled else "DISABLED",
    }


def enable_service(world: World, call: Call) -> Json:
    return _enable(world, [call.parameters["name"].rpartition("/")[2]])


def enable_services(world: World, call: Call) -> Json:
    return _enable(world, call.body["serviceIds"])


def _enable(world: World, names: list[str]) -> Json:
    """Raises GoogleError; nothing is enabled unless everything can be."""
    project, unknown = world.project, sorted(set(names) - _KNOWN)
    if unknown:
        raise GoogleError("PERMISSION_DENIED", f"Not found or permission denied for service(s): {', '.join(unknown)}.")
    if not project.billing and set(names) & _PAID:
        text = (
            f"Billing account for project '{project.number}' is not found. Billing must be enabled for activation of "
        )
        raise precondition(f"{text}service(s) '{','.join(sorted(set(names) & _PAID))}' to proceed.")
    if project.enabled >= set(names):
        return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": {}}
    project.enabled |= set(names)
    shown = [_show_service(project, name) for name in names]
    response = {"@type": "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse"}
    name = f"operations/acf.p2-{project.number}-{new_id()}"
    return world.operations.start(
        "serviceusage", name, {"done": False}, lambda: {"done": True, "response": {**response, "services": shown}}
    )


def disable_service(world: World, call: Call) -> Json:
    name = call.parameters["name"].rpartition("/")[2]
    world.project.enabled.discard(name)
    return {"name": f"operations/acf.p2-{world.project.number}-{new_id()}", "done": True, "response": {}}


def get_operation(world: World, call: Call) -> Json:
    return world.operations.poll(call.method.api, call.parameters["name"])


def get_billing(world: World, call: Call) -> Json:
    project = world.project
    account = f"billingAccounts/{project.billing}" if project.billing else ""
    return {
        "name": f"{project.name}/billingInfo",
        "projectId": project.id,
        "billingAccountName": account,
        "billingEnabled": bool(account),
    }


def set_billing(world: World, call: Call) -> Json:
    account = call.body.get("billingAccountName", "")
    if account not in {"", f"billingAccounts/{BILLING_ACCOUNT}"}:
        raise _no_account()
    world.project.billing = account.rpartition("/")[2]
    return get_billing(world, call)


def _no_account() -> GoogleError:
    return GoogleError("PERMISSION_DENIED", "The caller does not have permission")


def list_accounts(world: World, call: Call) -> Json:
    return {"billingAccounts": [_ACCOUNT]}


def get_account(world: World, call: Call) -> Json:
    if call.parameters["name"] != _ACCOUNT["name"]:
        raise _no_account()
    return _ACCOUNT


_ACCOUNT: Final[Json] = {
    "name": f"billingAccounts/{BILLING_ACCOUNT}",
    "open": True,
    "displayName": "My Billing Account",
    "currencyCode": "USD",
    "masterBillingAccount": "",
}

HANDLES: Final[Mapping[str, Handle]] = {
    "cloudresourcemanager.projects.get": get_project,
    "cloudresourcemanager.projects.list": list_projects,
    "cloudresourcemanager.projects.getIamPolicy": get_policy,
    "cloudresourcemanager.projects.setIamPolicy": set_policy,
    "serviceusage.services.get": get_service,
    "serviceusage.services.list": list_services,
    "serviceusage.services.enable": enable_service,
    "serviceusage.services.batchEnable": enable_services,
    "serviceusage.services.disable": disable_service,
    "serviceusage.operations.get": get_operation,
    "cloudbilling.projects.getBillingInfo": get_billing,
    "cloudbilling.projects.updateBillingInfo": set_billing,
    "cloudbilling.billingAccounts.list": list_accounts,
    "cloudbilling.billingAccounts.get": get_account,
}
