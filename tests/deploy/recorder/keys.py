"""Keys, secrets and accounts of the recorder's project."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.deploy.recorder.call import Call, Fault

ACCOUNT = "{}@my-project.iam.gserviceaccount.com"


def _key(project: Any, call: Call) -> dict[str, Any]:
    name = call.flags["key"]
    if name not in project.kind("kms keys"):
        raise Fault(f"NOT_FOUND: CryptoKey {call.flags['keyring']}/{name} not found.")
    return project.kind("kms keys")[name]


def made(number: int) -> str:
    """When a version was made: the first long ago, those of rotations just now."""
    return "2025-01-01T00:00:00Z" if number == 1 else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _version(key: dict[str, Any], number: int) -> dict[str, Any]:
    own = {"name": f"{key['name']}/cryptoKeyVersions/{number}", "state": "ENABLED", "createTime": made(number)}
    return {**own, **key["template"]}


def create_key(project: Any, call: Call) -> list[Any]:
    (name,), flags = call.words[3:], call.flags
    if flags["keyring"] not in project.kind("kms keyrings"):
        raise Fault(f"NOT_FOUND: KeyRing {flags['keyring']} not found.")
    if name in project.kind("kms keys"):
        raise Fault(f"ALREADY_EXISTS: CryptoKey {name} already exists.")
    algorithm = flags.get("default-algorithm", "google-symmetric-encryption").upper().replace("-", "_")
    full = f"projects/my-project/locations/{flags['location']}/keyRings/{flags['keyring']}/cryptoKeys/{name}"
    key = {"name": full, "template": {"algorithm": algorithm, "protectionLevel": flags["protection-level"].upper()}}
    project.kind("kms keys")[name] = {**key, "versions": [_version(key, 1)]}
    _generating(project, name)
    return []


def create_version(project: Any, call: Call) -> list[Any]:
    key = _key(project, call)
    key["versions"].append(_version(key, len(key["versions"]) + 1))
    _generating(project, call.flags["key"])
    return []


def _generating(project: Any, name: str) -> None:
    """Key versions in an HSM are made while others wait: here for some questions long."""
    if project.pending:
        project.kind("kms keys")[name]["versions"][-1]["state"] = "PENDING_GENERATION"
        project.generating[name] = project.pending


def list_versions(project: Any, call: Call) -> list[Any]:
    key, name = _key(project, call), call.flags["key"]
    if name in project.generating:
        project.generating[name] -= 1
        if project.generating[name] == 0:
            del project.generating[name]
            key["versions"][-1]["state"] = "ENABLED"
    return key["versions"]


def describe_key(project: Any, call: Call) -> list[Any]:
    if call.words[3] not in project.kind("kms keys"):
        raise Fault(f"NOT_FOUND: CryptoKey {call.words[3]} not found.")
    return [project.kind("kms keys")[call.words[3]]]


def describe_version(project: Any, call: Call) -> list[Any]:
    full = call.words[4]
    versions = [one for key in project.kind("kms keys").values() for one in key["versions"]]
    return [one for one in versions if one["name"] == full]


def _secret(project: Any, name: str) -> dict[str, Any]:
    if name not in project.kind("secrets"):
        raise Fault(f"NOT_FOUND: Secret [projects/123456789012/secrets/{name}] not found.")
    return project.kind("secrets")[name]


def create_secret(project: Any, call: Call) -> list[Any]:
    name = call.words[2]
    if name in project.kind("secrets"):
        raise Fault(f"ALREADY_EXISTS: Secret [{name}] already exists.")
    project.kind("secrets")[name] = {"name": f"projects/123456789012/secrets/{name}", "versions": []}
    _add(project, name, call.stdin)
    return []


def add_secret(project: Any, call: Call) -> list[Any]:
    _secret(project, call.words[3])
    _add(project, call.words[3], call.stdin)
    return []


def _add(project: Any, name: str, value: str) -> None:
    if not value:
        raise Fault("INVALID_ARGUMENT: a secret must not be empty")
    versions = _secret(project, name)["versions"]
    full = f"projects/123456789012/secrets/{name}/versions/{len(versions) + 1}"
    versions.append({"name": full, "state": "ENABLED", "createTime": made(len(versions) + 1)})
    project.secrets.setdefault(name, {})[len(versions)] = value


def list_secret_versions(project: Any, call: Call) -> list[Any]:
    """The newest first, and of each name the number alone."""
    versions = reversed(_secret(project, call.words[3])["versions"])
    return [{**version, "name": version["name"].rpartition("/")[2]} for version in versions]


def access(project: Any, call: Call) -> str:
    return project.secrets[call.flags["secret"]][int(call.words[3])]


def describe_secret_version(project: Any, call: Call) -> list[Any]:
    return [_secret(project, call.flags["secret"])["versions"][int(call.words[3]) - 1]]


def delete_secret(project: Any, call: Call) -> list[Any]:
    _secret(project, call.words[2])
    del project.kind("secrets")[call.words[2]], project.secrets[call.words[2]]
    return []


def create_account(project: Any, call: Call) -> list[Any]:
    email = ACCOUNT.format(call.words[3])
    if email in project.kind("accounts"):
        raise Fault("ALREADY_EXISTS: Service account already exists.")
    project.kind("accounts")[email] = {"email": email, "displayName": call.flags["display-name"]}
    return []


def describe_account(project: Any, call: Call) -> list[Any]:
    if call.words[3] not in project.kind("accounts"):
        raise Fault("NOT_FOUND: Unknown service account.")
    return [project.kind("accounts")[call.words[3]]]


def delete_account(project: Any, call: Call) -> list[Any]:
    describe_account(project, call)
    del project.kind("accounts")[call.words[3]]
    return []


def python(project: Any, call: Call) -> str:
    """Of the commands of this project that need more than the standard library."""
    if "deploy.smoke" in call.argv:
        if "measure" in call.flags and project.seen:
            text = "".join(f"{json.dumps(line)}\n" for line in project.seen)
            Path(call.flags["measure"]).write_text(text, "utf-8")
        return ""
    assert "kas.admin.sealed_keys" in call.argv
    value = dict(zip(call.argv, call.argv[1:], strict=False))
    name = value["--secret"].rpartition("/")[2]
    note = {
        "kid": value["--kid"],
        "algorithm": value["--algorithm"],
        "dialects": value["--dialects"].split(","),
        "sealedBy": value["--sealed-by"],
    }
    create_secret(project, Call("gcloud", ("secrets", "create", name), "canary-sealed", call.cwd))
    _secret(project, name)["annotations"] = {"kas-key-1": json.dumps(note)}
    return json.dumps(note)


HANDLERS = {
    "kms keys create": create_key,
    "kms keys describe": describe_key,
    "kms keys versions list": list_versions,
    "kms keys versions create": create_version,
    "kms keys versions describe": describe_version,
    "secrets create": create_secret,
    "secrets describe": lambda project, call: [_secret(project, call.words[2])],
    "secrets delete": delete_secret,
    "secrets versions add": add_secret,
    "secrets versions list": list_secret_versions,
    "secrets versions access": access,
    "secrets versions describe": describe_secret_version,
    "iam service-accounts create": create_account,
    "iam service-accounts describe": describe_account,
    "iam service-accounts delete": delete_account,
    "iam service-accounts list": lambda project, call: list(project.kind("accounts").values()),
}
