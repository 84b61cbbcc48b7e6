"""Secrets that hold sealed keys, in Secret Manager: found by a label, each version with a note on its key.

Names that are handed out say the project as it was named, although Google answers with its number. A note is written
before its version is added, under the secret's etag, so of two administrators at the same time one is refused; a version
of this command is never without its note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.cloud.secretmanager_v1 import Secret, SecretManagerServiceClient, SecretVersion

from kas.admin.calls import ONCE, CommandFailed, call
from kas.admin.sealed_key import SealedKey, read_note
from kas.google.checksums import crc32c

LABEL: Final = "kas-sealed"
_NOTE: Final = "kas-key-"
_LABELS: Final = {LABEL: "true"}


@dataclass(frozen=True, slots=True)
class Held:
    """One version of a secret; ``key`` is what is noted of it, None where that is nothing."""

    name: str
    state: str
    key: SealedKey | None


def find_secret(secrets: SecretManagerServiceClient, name: str) -> Secret | None:
    """None where there is none. Raises CommandFailed, also for a secret that holds something else."""
    try:
        secret = call(name, partial(secrets.get_secret, request={"name": name}, **ONCE))
    except CommandFailed as refusal:
        if refusal.status == "NOT_FOUND":
            return None
        raise
    if not is_ours(secret) and versions_of(secrets, name, secret):
        raise CommandFailed(f"{name}: holds something else than sealed keys (it has no label {LABEL}=true)")
    return secret


def get_secret(secrets: SecretManagerServiceClient, name: str) -> Secret:
    """As `find_secret`, where there must be one."""
    secret = find_secret(secrets, name)
    if secret is None:
        raise CommandFailed(f"{name}: NOT_FOUND: there is no such secret", "NOT_FOUND")
    return secret


def is_ours(secret: Secret) -> bool:
    return bool(secret.labels.get(LABEL) == _LABELS[LABEL])


def secrets_of(secrets: SecretManagerServiceClient, project: str) -> Iterator[tuple[str, Secret]]:
    """Those that hold sealed keys, by name. Raises CommandFailed."""
    request = {"parent": project}
    for secret in call(project, lambda: list(secrets.list_secrets(request=request, **ONCE))):
        if is_ours(secret):
            yield f"{project}/secrets/{_last(secret.name)}", secret


def versions_of(secrets: SecretManagerServiceClient, name: str, secret: Secret) -> list[Held]:
    """The newest first. Raises CommandFailed."""
    request = {"parent": name}
    found = call(name, lambda: list(secrets.list_secret_versions(request=request, **ONCE)))
    numbers = sorted(((int(_last(one.name)), one) for one in found), key=lambda pair: pair[0], reverse=True)
    return [_held(f"{name}/versions/{number}", one, secret) for number, one in numbers]


def _held(name: str, version: SecretVersion, secret: Secret) -> Held:
    note = secret.annotations.get(f"{_NOTE}{_last(name)}")
    return Held(name, _state_of(version), None if note is None else read_note(note, name))


def next_version(name: str, held: Sequence[Held], kid: str) -> str:
    """The name of the version that is added next. Raises CommandFailed when ``kid`` is that of another."""
    for one in held:
        if one.key is not None and one.key.kid == kid:
            raise CommandFailed(f"{one.name}: has a key of this kid already")
    return f"{name}/versions/{int(_last(held[0].name)) + 1 if held else 1}"


def create(secrets: SecretManagerServiceClient, version: str, key: SealedKey, locations: Sequence[str]) -> None:
    """A secret for sealed keys, whose first version will hold ``key``; at ``locations``, or wherever Google has it."""
    name = _secret_of(version)
    replicas = {"user_managed": {"replicas": [{"location": location} for location in locations]}}
    replication: dict[str, Any] = replicas if locations else {"automatic": {}}
    secret = {"replication": replication, "labels": _LABELS, "annotations": {f"{_NOTE}{_last(version)}": key.note()}}
    parent, _, secret_id = name.partition("/secrets/")
    request = {"parent": parent, "secret_id": secret_id, "secret": secret}
    call(name, partial(secrets.create_secret, request=request, **ONCE))


def note(secrets: SecretManagerServiceClient, version: str, key: SealedKey, secret: Secret) -> None:
    """Notes ``key`` of a version that is added next, on the secret as it was read. Raises CommandFailed."""
    if not secret.etag:
        raise CommandFailed(f"{_secret_of(version)}: the answer has no etag, without which notes could be lost")
    name = _secret_of(version)
    changed = {
        "name": name,
        "etag": secret.etag,
        "labels": dict(secret.labels) | _LABELS,
        "annotations": dict(secret.annotations) | {f"{_NOTE}{_last(version)}": key.note()},
    }
    request = {"secret": changed, "update_mask": {"paths": ["labels", "annotations"]}}
    call(name, partial(secrets.update_secret, request=request, **ONCE))


def add(secrets: SecretManagerServiceClient, version: str, ciphertext: bytes) -> None:
    """Adds the version that was noted. Raises CommandFailed, which names the version where another came of it."""
    payload = {"data": ciphertext, "data_crc32c": crc32c(ciphertext)}
    request = {"parent": _secret_of(version), "payload": payload}
    added = call(version, partial(secrets.add_secret_version, request=request, **ONCE), ciphertext)
    if _last(added.name) != _last(version):
        raise CommandFailed(
            f"{version}: became version {_last(added.name)}, because somebody else added one: destroy it and begin anew"
        )
    if not added.client_specified_payload_checksum:
        raise CommandFailed(f"{version}: Secret Manager did not verify the checksum: destroy it and begin anew")


def access(secrets: SecretManagerServiceClient, version: str) -> bytes:
    """What is stored. Raises CommandFailed."""
    answer = call(version, partial(secrets.access_secret_version, request={"name": version}, **ONCE))
    if answer.name.partition("/secrets/")[2] != version.partition("/secrets/")[2]:
        raise CommandFailed(f"{version}: the answer is that of another version")
    if not answer.payload.data or answer.payload.data_crc32c != crc32c(answer.payload.data):
        raise CommandFailed(f"{version}: what is stored and its checksum differ, or there is none")
    return bytes(answer.payload.data)


def disable(secrets: SecretManagerServiceClient, version: str) -> str:
    """The state afterwards. Raises CommandFailed."""
    changed = call(version, partial(secrets.disable_secret_version, request={"name": version}, **ONCE))
    return _state_of(changed)


def destroy(secrets: SecretManagerServiceClient, version: str) -> str:
    """The state afterwards: DISABLED where the secret delays destruction. Raises CommandFailed."""
    changed = call(version, partial(secrets.destroy_secret_version, request={"name": version}, **ONCE))
    return _state_of(changed)


def _state_of(version: SecretVersion) -> str:
    """The name of its state; of one that the library does not know, the number."""
    return str(getattr(version.state, "name", version.state))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _secret_of(version: str) -> str:
    return version.rpartition("/versions/")[0]
