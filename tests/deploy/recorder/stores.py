"""The Firestore database and the server of Redis of the recorder's project."""

from __future__ import annotations

import secrets
from typing import Any

from tests.deploy.recorder.call import Call, Fault
from tests.deploy.recorder.keys import made

HOST, PORT = "10.20.30.3", 6378
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUX{}\n-----END CERTIFICATE-----\n"


def create_database(project: Any, call: Call) -> list[Any]:
    name, flags = call.flags["database"], call.flags
    if name in project.kind("databases"):
        raise Fault("ALREADY_EXISTS: Database already exists. Please use another database_id")
    project.kind("databases")[name] = {
        "name": f"projects/my-project/databases/{name}",
        "type": flags["type"].upper().replace("-", "_"),
        "locationId": flags["location"],
    }
    project.generating[f"database {name}"] = project.pending
    return []


def describe_database(project: Any, call: Call) -> list[Any]:
    name = call.flags["database"]
    if name not in project.kind("databases"):
        raise Fault(f"NOT_FOUND: Project 'my-project' or database '{name}' does not exist.")
    if project.generating.get(f"database {name}", 0) > 0:
        project.generating[f"database {name}"] -= 1
        raise Fault(f"NOT_FOUND: Project 'my-project' or database '{name}' does not exist.")
    return [project.kind("databases")[name]]


def set_expiry(project: Any, call: Call) -> list[Any]:
    """It begins, and takes its time."""
    (database,), field = describe_database(project, call), call.words[4]
    name = f"{database['name']}/collectionGroups/{call.flags['collection-group']}/fields/{field}"
    assert {"enable-ttl", "async"} <= call.flags.keys()
    project.kind("expiries")[name] = {"name": name, "ttlConfig": {"state": "CREATING"}}
    return []


def list_expiries(project: Any, call: Call) -> list[Any]:
    (database,) = describe_database(project, call)
    return [one for name, one in project.kind("expiries").items() if name.startswith(f"{database['name']}/")]


def create_server(project: Any, call: Call) -> list[Any]:
    (name,), flags = call.words[3:], call.flags
    if name in project.kind("servers"):
        raise Fault(f"ALREADY_EXISTS: Resource '{name}' already exists")
    project.servers_made += 1
    project.kind("servers")[name] = {
        "name": f"projects/my-project/locations/{flags['region']}/instances/{name}",
        "host": HOST,
        "port": PORT,
        "state": "READY",
        "createTime": made(project.servers_made),
        "tier": flags["tier"].upper(),
        "memorySizeGb": int(flags["size"]),
        "redisVersion": flags["redis-version"].upper(),
        "authorizedNetwork": f"projects/my-project/global/networks/{flags['network']}",
        "authEnabled": "enable-auth" in flags,
        "transitEncryptionMode": flags["transit-encryption-mode"].upper().replace("-", "_"),
        "redisConfigs": dict([flags["redis-config"].split("=", 1)]),
        "labels": dict([flags["labels"].split("=", 1)]),
        "serverCaCerts": [{"cert": AUTHORITY.format("a"), "createTime": "2024-12-31T23:00:00Z"}],
    }
    project.passwords[name] = f"canary-{secrets.token_hex(16)}"
    if project.pending:
        project.kind("servers")[name]["state"] = "CREATING"
        project.generating[f"redis {name}"] = project.pending
    return []


def _server(project: Any, call: Call) -> dict[str, Any]:
    name = call.words[3]
    if name not in project.kind("servers"):
        raise Fault(f"NOT_FOUND: Resource 'projects/my-project/instances/{name}' was not found")
    return project.kind("servers")[name]


def describe_server(project: Any, call: Call) -> list[Any]:
    server, waiting = _server(project, call), f"redis {call.words[3]}"
    if waiting in project.generating:
        project.generating[waiting] -= 1
        if project.generating[waiting] == 0:
            del project.generating[waiting]
            server["state"] = "READY"
    return [server]


def password(project: Any, call: Call) -> list[Any]:
    _server(project, call)
    return [{"authString": project.passwords[call.words[3]]}]


def delete_server(project: Any, call: Call) -> list[Any]:
    _server(project, call)
    del project.kind("servers")[call.words[3]]
    return []


HANDLERS = {
    "firestore databases create": create_database,
    "firestore databases describe": describe_database,
    "firestore fields ttls update": set_expiry,
    "firestore fields ttls list": list_expiries,
    "redis instances create": create_server,
    "redis instances describe": describe_server,
    "redis instances get-auth-string": password,
    "redis instances delete": delete_server,
}
