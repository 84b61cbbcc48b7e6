"""IAM's service accounts. One that is deleted leaves its roles behind, where a new one of its name does not find them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.projects import show_policy, write_policy
from local.rehearsal.resources import Json
from local.rehearsal.world import World

_ID: Final = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
_KIND: Final = "iam"


def create(world: World, call: Call) -> Json:
    account, project = call.body.get("accountId", ""), world.project
    if not _ID.fullmatch(account):
        raise invalid(f"Invalid account ID {account}: 6 to 30 lower-case letters, digits and dashes.")
    address = f"{account}@{project.id}.iam.gserviceaccount.com"
    name = f"{project.name}/serviceAccounts/{address}"
    if world.resources.has(_KIND, name):
        text = f"Service account {account} already exists within project {project.name}."
        raise GoogleError("ALREADY_EXISTS", text)
    return world.resources.add(_KIND, name, _account(world, address, **call.body.get("serviceAccount", {})))


def _account(world: World, address: str, **asked: str) -> Json:
    number = str(10**20 + world.resources.number())
    project = world.project
    return {
        **asked,
        "name": f"{project.name}/serviceAccounts/{address}",
        "projectId": project.id,
        "uniqueId": number,
        "email": address,
        "etag": "MDEwMjE5MjA=",
        "oauth2ClientId": number,
    }


def get(world: World, call: Call) -> Json:
    """The account that builds comes with the interfaces that need it."""
    name = call.resource
    is_default = name == f"{world.project.name}/serviceAccounts/{world.project.builder}"
    if is_default and "run.googleapis.com" in world.project.enabled:
        return _account(world, world.project.builder, displayName="Default compute service account")
    return world.resources.find(_KIND, name)


def list_accounts(world: World, call: Call) -> Json:
    return {"accounts": world.resources.under(_KIND, f"{call.resource}/serviceAccounts")}


def delete(world: World, call: Call) -> Json:
    gone = world.resources.remove(_KIND, call.resource)
    world.access.forget(gone["email"], gone["uniqueId"])
    return {}


def get_policy(world: World, call: Call) -> Json:
    get(world, call)
    return show_policy(world, call.resource)


def set_policy(world: World, call: Call) -> Json:
    get(world, call)
    return write_policy(world, call.resource, call.body)


HANDLES: Final[Mapping[str, Handle]] = {
    "iam.projects.serviceAccounts.create": create,
    "iam.projects.serviceAccounts.get": get,
    "iam.projects.serviceAccounts.list": list_accounts,
    "iam.projects.serviceAccounts.delete": delete,
    "iam.projects.serviceAccounts.getIamPolicy": get_policy,
    "iam.projects.serviceAccounts.setIamPolicy": set_policy,
}
