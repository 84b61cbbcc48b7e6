"""Memorystore for Redis: a server of the basic tier is a redis-server on this machine, with a password and TLS as they were asked
for. It has the address of a private network, where those find it that are connected to that.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from local.google.status import GoogleError, invalid, not_stood_in_for
from local.ports import HOST, free_port
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, new_id
from local.rehearsal.standard import get_operation
from local.rehearsal.world import World

SERVERS: Final = "redis.projects.locations.instances"
_PASSWORDS: Final = "redis.passwords"
_ID: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NETWORK: Final = "projects/{}/global/networks/default"
# As Google does where nothing else is asked for.
_EVICTS: Final = {"maxmemory-policy": "volatile-lru"}
ADDRESS: Final = "10.20.30.3"
PORT: Final = 6378
_COMPUTE: Final = "compute.googleapis.com"


def program() -> str | None:
    """The server, where it is installed."""
    return shutil.which("redis-server")


def create(world: World, call: Call) -> Json:
    """READY when the operation is done. Raises GoogleError."""
    name, asked = call.one("instanceId"), call.body
    full = f"{call.resource}/instances/{name}"
    if not _ID.fullmatch(name):
        raise invalid(f"Invalid instance id: {name}")
    if (asked.get("tier"), asked.get("transitEncryptionMode")) != ("BASIC", "SERVER_AUTHENTICATION"):
        raise not_stood_in_for("a server of another tier than BASIC, or without TLS")
    network = _NETWORK.format(world.project.id)
    if _COMPUTE not in world.project.enabled or asked.get("authorizedNetwork") != network:
        raise invalid(
            f"Network {asked.get('authorizedNetwork')} is not found: a project has {network} with Compute Engine."
        )
    made = {
        **{member: value for member, value in asked.items() if member != "name"},
        "name": full,
        "host": ADDRESS,
        "port": PORT,
        "state": "CREATING",
        "createTime": world.now(),
        "redisConfigs": {**_EVICTS, **asked.get("redisConfigs", {})},
        "serverCaCerts": [{"cert": world.authority.trust.read_text("ascii"), "createTime": world.now()}],
    }
    world.resources.add(SERVERS, full, made)
    world.resources.add(_PASSWORDS, full, {"authString": new_id()})
    return _operation(world, full, lambda: _started(world, full))


def _started(world: World, full: str) -> Json:
    server = world.resources.find(SERVERS, full)
    port, folder = free_port(), world.folder / f"redis-{new_id()}"
    folder.mkdir(mode=0o700)
    (folder / "server.pem").write_bytes(world.authority.certificate_for(ADDRESS))
    settings = {
        "bind": HOST,
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(folder / "server.pem"),
        "tls-key-file": str(folder / "server.pem"),
        "tls-auth-clients": "no",
        "save": '""',
        "dir": str(folder),
        **server["redisConfigs"],
        "maxmemory": f"{server['memorySizeGb']}gb",
    }
    if server.get("authEnabled"):
        settings["requirepass"] = world.resources.find(_PASSWORDS, full)["authString"]
    path = folder / "redis.conf"
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), "ascii")
    server_program = program()
    if server_program is None:
        raise not_stood_in_for("a server of Redis without redis-server")
    world.programs.start(full.rpartition("/")[2], [server_program, str(path)], port)
    world.fleet.private_ports[PORT] = port
    server["state"] = "READY"
    return {"done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Struct", "name": full}}


def get(world: World, call: Call) -> Json:
    return world.resources.find(SERVERS, call.resource)


def list_servers(world: World, call: Call) -> Json:
    return {"instances": world.resources.under(SERVERS, f"{call.resource}/instances")}


def auth_string(world: World, call: Call) -> Json:
    """Raises GoogleError while there is none."""
    name = call.resource
    if world.resources.find(SERVERS, name)["state"] != "READY":
        raise GoogleError("FAILED_PRECONDITION", "The instance is not ready.")
    return world.resources.find(_PASSWORDS, name)


def delete(world: World, call: Call) -> Json:
    """With all that it remembered. Raises GoogleError."""
    name = call.resource
    world.resources.remove(SERVERS, name)
    world.resources.remove(_PASSWORDS, name)
    world.programs.stop(name.rpartition("/")[2])
    world.fleet.private_ports.pop(PORT, None)
    return _operation(
        world, name, lambda: {"done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}
    )


def _operation(world: World, full: str, finish: Callable[[], Json]) -> Json:
    parent = "/".join(full.split("/")[:4])
    return world.operations.start("redis", f"{parent}/operations/{new_id()}", {"done": False}, finish)


HANDLES: Final[Mapping[str, Handle]] = {
    f"{SERVERS}.create": create,
    f"{SERVERS}.get": get,
    f"{SERVERS}.getAuthString": auth_string,
    f"{SERVERS}.list": list_servers,
    f"{SERVERS}.delete": delete,
    "redis.projects.locations.operations.get": get_operation,
}
