"""A project of the stand-in as a deployment has one, and the settings of a KAS on it: for `make run KEYS=kms`, the
demonstration and the tests.

The private keys are in the stand-in alone. The service account of the KAS has roles on keys and secrets, none on the
project; who administers cannot open what is wrapped or sealed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.google.material import encrypt
from local.google.remote import Google, google
from local.processes import World, world

PROJECT: Final = "projects/kas-local"
NUMBER: Final = 123456789012
RING: Final = f"{PROJECT}/locations/us-central1/keyRings/kas"
SEALING_KEY: Final = f"{RING}/cryptoKeys/seal"
ACP240_VERSION: Final = f"{RING}/cryptoKeys/acp240/cryptoKeyVersions/1"
OPENTDF_VERSION: Final = f"{RING}/cryptoKeys/opentdf/cryptoKeyVersions/1"
SIGNING_SECRET: Final = f"{PROJECT}/secrets/kas-signing"
NONCE_SECRET: Final = f"{PROJECT}/secrets/kas-nonce"
SEALED_SECRET: Final = f"{PROJECT}/secrets/kas-ec"
KAS_MEMBER: Final = "serviceAccount:kas@kas-local.iam.gserviceaccount.com"
ADMIN_TOKEN: Final = "admin-token"
_ADMIN_MEMBER: Final = "user:admin@example.com"
_SETUP: Final = "setup.json"
_SETTINGS: Final = "settings.json"
_DECRYPTER: Final = "roles/cloudkms.cryptoKeyDecrypter"
_VIEWER: Final = "roles/cloudkms.publicKeyViewer"
_ACCESSOR: Final = "roles/secretmanager.secretAccessor"
_AES_BYTES: Final = 32
_RSA_BITS: Final = 2048
_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class Project:
    """``setup_path`` is what the stand-in starts with; ``settings`` name the KAS's keys and secrets in it."""

    setup_path: Path
    settings: Mapping[str, str]

    def environment(self, running: Google) -> dict[str, str]:
        """Everything that a KAS needs to use the project where it runs."""
        endpoints = {"KAS_KMS_ENDPOINT": running.base, "KAS_SECRETS_ENDPOINT": running.base}
        return {**self.settings, **endpoints, **running.metadata_environment()}


@dataclass(frozen=True, slots=True)
class GoogleWorld:
    """A KAS and its provider, on a stand-in that ``google.control`` drives."""

    pair: World
    google: Google
    project: Project


@contextlib.contextmanager
def google_world(
    folder: Path, env: Mapping[str, str] | None = None, log: IO[Any] | None = None
) -> Iterator[GoogleWorld]:
    """As `processes.world`, with the keys in a stand-in of its own; ``env`` are further settings of the KAS."""
    project = make_project(folder / "google")
    with (
        google(project.setup_path, log) as running,
        world(folder, {**project.environment(running), **(env or {})}, log) as pair,
    ):
        yield GoogleWorld(pair, running, project)


def make_project(folder: Path) -> Project:
    """Makes the project's keys and secrets in ``folder`` unless they are there: what is wrapped to them still opens
    when the stand-in is started again.
    """
    if not (folder / _SETUP).exists():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".google-"))  # mode 0700
        try:
            _write_project(draft)
            with contextlib.suppress(OSError):  # another process was first: its folder is not empty
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return Project(folder / _SETUP, json.loads((folder / _SETTINGS).read_text("utf-8")))


def _write_project(folder: Path) -> None:
    mark = secrets.token_hex(4)
    index = _index(mark)
    sealed_kid = index["unwrapKeys"][2]["kid"]
    settings = {"KAS_KEYS": json.dumps(index), "KAS_NONCE_SECRET": f"sm://{NONCE_SECRET}/versions/1"}
    for name, value in ((_SETUP, _setup(sealed_kid)), (_SETTINGS, settings)):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)


def _index(mark: str) -> dict[str, Any]:
    """What ``keys.json`` says elsewhere: an RSA key for each dialect, a sealed EC key for both, a signing key."""

    def entry(name: str, algorithm: str, *dialects: str, **where: object) -> dict[str, Any]:
        one = {"kid": f"kms-{name}-{mark}", "algorithm": algorithm, "status": "active", "dialects": dialects}
        return one | where

    sealed = {"sealed": f"sm://{SEALED_SECRET}/versions/1", "sealedBy": SEALING_KEY}
    return {
        "unwrapKeys": [
            entry("rsa", "RSA-2048", "acp240", kms=ACP240_VERSION),
            entry("tdf", "RSA-2048", "opentdf", kms=OPENTDF_VERSION, legacy=True),
            entry("ec", "P-256", "acp240", "opentdf", **sealed),
        ],
        "signingKeys": [{"kid": f"kms-sig-{mark}", "status": "current", "secret": f"sm://{SIGNING_SECRET}/versions/1"}],
    }


def _setup(sealed_kid: str) -> dict[str, Any]:
    """What `local.google` starts with."""
    sealing_key = secrets.token_bytes(_AES_BYTES)
    sealed = encrypt(sealing_key, 1, _private(_new_ec(), serialization.Encoding.DER), sealed_kid.encode("utf-8"))
    return {
        "projects": {PROJECT.partition("/")[2]: NUMBER},
        "tokens": {ADMIN_TOKEN: _ADMIN_MEMBER},
        "metadata": {"member": KAS_MEMBER},
        "keys": [
            _key("acp240", "RSA_DECRYPT_OAEP_2048_SHA256", "HSM", _new_rsa()),
            _key("opentdf", "RSA_DECRYPT_OAEP_2048_SHA1", "HSM", _new_rsa()),
            _key("seal", "GOOGLE_SYMMETRIC_ENCRYPTION", "SOFTWARE", _base64(sealing_key)),
        ],
        "secrets": [
            {"name": SIGNING_SECRET, "versions": [{"text": _private(_new_ec(), _PEM).decode("ascii")}]},
            {"name": NONCE_SECRET, "versions": [{"text": secrets.token_urlsafe(_AES_BYTES)}]},
            {"name": SEALED_SECRET, "versions": [{"data": _base64(sealed)}]},
        ],
        "bindings": _bindings(),
    }


def _bindings() -> list[dict[str, Any]]:
    def give(resource: str, member: str, *roles: str) -> list[dict[str, Any]]:
        return [{"resource": resource, "role": role, "members": [member]} for role in roles]

    unwrap_keys = (version.rpartition("/cryptoKeyVersions/")[0] for version in (ACP240_VERSION, OPENTDF_VERSION))
    return [
        *(binding for key in unwrap_keys for binding in give(key, KAS_MEMBER, _DECRYPTER, _VIEWER)),
        *give(SEALING_KEY, KAS_MEMBER, _DECRYPTER),
        *(
            binding
            for secret in (SIGNING_SECRET, NONCE_SECRET, SEALED_SECRET)
            for binding in give(secret, KAS_MEMBER, _ACCESSOR)
        ),
        *give(PROJECT, _ADMIN_MEMBER, "roles/cloudkms.admin", _VIEWER, "roles/secretmanager.admin"),
        *give(SEALING_KEY, _ADMIN_MEMBER, "roles/cloudkms.cryptoKeyEncrypter"),
    ]


_PEM: Final = serialization.Encoding.PEM


def _key(name: str, algorithm: str, level: str, material: str) -> dict[str, Any]:
    return {
        "name": f"{RING}/cryptoKeys/{name}",
        "algorithm": algorithm,
        "protectionLevel": level,
        "versions": [{"material": material}],
    }


def _new_rsa() -> str:
    return _private(rsa.generate_private_key(_EXPONENT, _RSA_BITS), _PEM).decode("ascii")


def _new_ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _private(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
