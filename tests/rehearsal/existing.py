"""What there is in the stand-in, as a reviewer would read it, and what was asked for, from the files of the checkout."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from deploy import env_file
from deploy.render import render
from local.rehearsal.world import World

Json = dict[str, Any]
ACCOUNT = "serviceAccount:kas-usa@my-project.iam.gserviceaccount.com"
BUILDER = "serviceAccount:kas-image@my-project.iam.gserviceaccount.com"
RING = "projects/my-project/locations/us-central1/keyRings/kas-usa"
SERVICE = "us-central1/namespaces/my-project/services/kas-usa"


def keys(world: World) -> dict[str, tuple[str, str, list[str]]]:
    """Of each key the algorithm, the level and the states of its versions."""
    found = {}
    for name, key in world.cloud.keys.keys.items():
        template = key.config.version_template
        states = [world.cloud.keys.state_of(version).name for version in key.versions.values()]
        found[name] = (template.algorithm.name, template.protection_level.name, states)
    return found


def roles(world: World, member: str) -> set[tuple[str, str]]:
    """Resource and role, of everything that the member was given."""
    return {
        (resource, binding.role)
        for resource in world.access._policies
        for binding in world.access.read(resource).bindings
        if member in binding.members
    }


def secrets(world: World) -> dict[str, list[str]]:
    """The states of the versions of each."""
    return {
        name.rpartition("/")[2]: [version.state.name for version in secret.versions.values()]
        for name, secret in world.cloud.secrets.secrets.items()
    }


def audit_configs(world: World) -> dict[str, set[str]]:
    policy = json_format.MessageToDict(world.access.read(world.project.name))
    return {
        one["service"]: {log["logType"] for log in one["auditLogConfigs"]} for one in policy.get("auditConfigs", [])
    }


def service(world: World) -> Json:
    return world.resources.find("run.namespaces.services", SERVICE)


def container(world: World) -> Json:
    (one,) = service(world)["spec"]["template"]["spec"]["containers"]
    return dict(one)


def settings(world: World) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(world)["env"]}


def key_index(world: World) -> list[tuple[str, str, list[str]]]:
    """Of each unwrap key the kid, its status and its dialects."""
    index = json.loads(settings(world)["KAS_KEYS"])
    return [(one["kid"], one["status"], one["dialects"]) for one in index["unwrapKeys"]]


def uploaded(world: World) -> dict[str, bytes]:
    """The files of the newest upload of the source."""
    objects = world.resources.all("storage.objects")
    newest = max(objects.values(), key=lambda one: one["generation"])
    data = (world.folder / "objects" / newest["bucket"]).glob("*")
    path = max(data, key=lambda one: one.stat().st_mtime_ns)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def made(world: World, kind: str) -> list[Json]:
    return list(world.resources.all(kind).values())


def asked_settings(checkout: Path) -> dict[str, str]:
    """Those of env.yaml."""
    return env_file.read(checkout / "env.yaml")


def asked(path: Path, **values: str) -> Json:
    """A file below `deploy/`, filled; what is a matter of numbers is left out."""
    text = path.read_text("utf-8")
    names = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)\}", text))
    return dict(render(json.loads(text), {name: values.get(name, "1") for name in names}))


def holds(existing: Any, wanted: Any, place: str = "") -> list[str]:
    """Where ``existing`` is not what is wanted; it may have more members."""
    if isinstance(wanted, dict) and isinstance(existing, dict):
        inner = [
            [f"{place}.{name} is missing"] if name not in existing else holds(existing[name], value, f"{place}.{name}")
            for name, value in wanted.items()
        ]
        return [text for texts in inner for text in texts]
    if isinstance(wanted, list) and isinstance(existing, list) and len(wanted) == len(existing):
        pairs = enumerate(zip(existing, wanted, strict=True))
        return [text for number, (one, other) in pairs for text in holds(one, other, f"{place}[{number}]")]
    return [] if existing == wanted else [f"{place}: {existing!r} in place of {wanted!r}"]
