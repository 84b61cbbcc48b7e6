"""A file under a policy: a ZIP archive of ``manifest.json`` and ``payload``, both stored as they are.

The payload is IV(12) ‖ ciphertext ‖ tag(16), AES-256-GCM under a data key of its own, with the canonical policy as
additional data: a payload cannot be moved under another policy. The manifest holds the policy and one key access
object, without signature; whoever opens the file signs it anew. This is a format of this client, not part of ACP-240.
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local.client.encoding import canonical, parse_json
from local.client.errors import ContainerInvalid
from local.client.rewrap import Json, KasKeys, build_kao

MAX_MANIFEST_BYTES: Final = 256 * 1024
MAX_PAYLOAD_BYTES: Final = 256 * 2**20
_MANIFEST: Final = "manifest.json"
_PAYLOAD: Final = "payload"
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_DATA_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Container:
    """An opened archive, still encrypted; nothing in it is verified yet."""

    policy: Json
    key_access: Json
    payload: bytes


def seal(data: bytes, policy: Json, keys: KasKeys, url: str) -> bytes:
    """Encrypts ``data`` under ``policy`` for the KAS at ``url``: the archive's bytes."""
    if len(data) > MAX_PAYLOAD_BYTES - _IV_BYTES - _TAG_BYTES:
        raise ContainerInvalid("the file is too large for this format")
    data_key = new_data_key()
    payload = encrypt(data, policy, data_key)
    return write_container(Container(policy, build_kao(policy, data_key, keys, url), payload))


def new_data_key() -> bytes:
    return secrets.token_bytes(_DATA_KEY_BYTES)


def encrypt(data: bytes, policy: Json, data_key: bytes) -> bytes:
    """The payload of a container."""
    iv = secrets.token_bytes(_IV_BYTES)
    return iv + AESGCM(data_key).encrypt(iv, data, canonical(policy))


def write_container(container: Container) -> bytes:
    manifest = {"version": 1, "policy": container.policy, "keyAccess": container.key_access}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False))
        archive.writestr(_PAYLOAD, container.payload)
    return buffer.getvalue()


def read_container(data: bytes) -> Container:
    """Reads an archive of exactly these two members. Raises ContainerInvalid."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.namelist() != [_MANIFEST, _PAYLOAD]:
                raise ContainerInvalid("not the two members of a container")
            manifest = parse_json(_read(archive, _MANIFEST, MAX_MANIFEST_BYTES))
            payload = _read(archive, _PAYLOAD, MAX_PAYLOAD_BYTES)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as error:
        raise ContainerInvalid("not a readable container") from error
    return _container(manifest, payload)


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    # Stored, so the size that is read is a size that is there: no small file that unpacks to a large one.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise ContainerInvalid("a member is compressed or too large")
    return archive.read(info)


def _container(manifest: object, payload: bytes) -> Container:
    members = manifest if isinstance(manifest, dict) else {}
    policy, key_access = members.get("policy"), members.get("keyAccess")
    if members.get("version") != 1 or not isinstance(policy, dict) or not isinstance(key_access, dict):
        raise ContainerInvalid("the manifest is not one of this format")
    return Container(policy, key_access, payload)


def decrypt(container: Container, data_key: bytes) -> bytes:
    """The file. Raises ContainerInvalid when payload, policy and key do not belong together."""
    try:
        iv, sealed = container.payload[:_IV_BYTES], container.payload[_IV_BYTES:]
        return AESGCM(data_key).decrypt(iv, sealed, canonical(container.policy))
    except (ValueError, InvalidTag) as error:
        raise ContainerInvalid("payload, policy and key do not belong together") from error
