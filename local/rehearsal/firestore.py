"""Firestore's administration: databases, and fields by whose time documents are deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.emulator import emulator_port
from local.rehearsal.resources import Json, new_id
from local.rehearsal.standard import get_operation
from local.rehearsal.world import World

DATABASES: Final = "firestore.projects.databases"
_MAKING: Final = "firestore.making"
_FIELDS: Final = f"{DATABASES}.collectionGroups.fields"
_ID: Final = re.compile(r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]")
_LOCATIONS: Final = frozenset({"nam5", "eur3", "us-central1", "europe-west1", "europe-west2"})
_ANY_GROUP: Final = "-"


def create(world: World, call: Call) -> Json:
    """It is there a question later: gcloud does not wait for it."""
    name = call.one("databaseId")
    if not _ID.fullmatch(name):
        raise invalid(f"Invalid database id: {name}")
    if call.body.get("locationId") not in _LOCATIONS:
        raise invalid(f"Invalid location: {call.body.get('locationId')}")
    full = f"{call.resource}/databases/{name}"
    if world.resources.has(DATABASES, full):
        raise GoogleError("ALREADY_EXISTS", "Database already exists. Please use another database_id")
    is_first = not world.resources.all(DATABASES)
    asked = {field: value for field, value in call.body.items() if field != "cmekConfig"}
    made = {**asked, "name": full, "uid": new_id(), "createTime": world.now(), "freeTier": is_first, "etag": "1"}
    world.resources.add(DATABASES, full, made)
    world.resources.add(_MAKING, full, {})
    emulator_port(world.programs)
    return {"name": f"{full}/operations/{new_id()}", "done": False}


def get(world: World, call: Call) -> Json:
    """Raises GoogleError where there is none, or none yet."""
    if world.resources.has(_MAKING, call.resource):
        world.resources.remove(_MAKING, call.resource)
        raise _missing(call.resource)
    return find(world, call.resource)


def find(world: World, name: str) -> Json:
    """Raises GoogleError."""
    if not world.resources.has(DATABASES, name) or world.resources.has(_MAKING, name):
        raise _missing(name)
    return world.resources.find(DATABASES, name)


def _missing(name: str) -> GoogleError:
    _, project, _, database = name.split("/")
    return GoogleError("NOT_FOUND", f"Project '{project}' or database '{database}' does not exist.")


def list_databases(world: World, call: Call) -> Json:
    return {"databases": list(world.resources.all(DATABASES).values())}


def delete(world: World, call: Call) -> Json:
    """With what was said of its fields."""
    find(world, call.resource)
    for name in world.resources.all(_FIELDS):
        if name.startswith(f"{call.resource}/"):
            world.resources.remove(_FIELDS, name)
    world.resources.remove(DATABASES, call.resource)
    return {"name": f"{call.resource}/operations/{new_id()}", "done": True}


def patch_field(world: World, call: Call) -> Json:
    """Its time to live, which begins to be one."""
    name = call.resource
    find(world, _database_of(name))
    if call.one("updateMask") != "ttlConfig":
        raise invalid("Only ttlConfig is stood in for.")
    asked = call.body.get("ttlConfig")
    if world.resources.has(_FIELDS, name):
        world.resources.remove(_FIELDS, name)
    if asked is not None:
        world.resources.add(_FIELDS, name, {"name": name, "ttlConfig": {"state": "CREATING"}})
    return world.operations.start(
        "firestore", f"{_database_of(name)}/operations/{new_id()}", {"done": False}, lambda: {"done": True}
    )


def list_fields(world: World, call: Call) -> Json:
    """Those with a time to live, of one collection group or of all."""
    if call.one("filter") != "ttlConfig:*":
        raise invalid("Only the filter ttlConfig:* is stood in for.")
    find(world, _database_of(call.resource))
    group = call.resource.rpartition("/")[2]
    prefix = f"{_database_of(call.resource)}/collectionGroups/" + ("" if group == _ANY_GROUP else f"{group}/")
    return {"fields": [one for name, one in world.resources.all(_FIELDS).items() if name.startswith(prefix)]}


def _database_of(name: str) -> str:
    return "/".join(name.split("/")[:4])


HANDLES: Final[Mapping[str, Handle]] = {
    f"{DATABASES}.create": create,
    f"{DATABASES}.get": get,
    f"{DATABASES}.list": list_databases,
    f"{DATABASES}.delete": delete,
    f"{_FIELDS}.patch": patch_field,
    f"{_FIELDS}.list": list_fields,
    f"{DATABASES}.operations.get": get_operation,
}
