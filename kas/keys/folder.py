"""A private folder of software keys: ``keys.json`` names them, one PEM file (PKCS #8) holds each.

Local mode makes the folder on first start and keeps it. Otherwise a missing folder, key or member stops the start:
nothing falls back to keys made on the spot.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.errors import ConfigError
from kas.jose import CURVES, check_rsa
from kas.keys.registry import ALGORITHMS, DIALECTS, STATUSES, KeyRecord
from kas.keys.software import UnwrapPrivateKey
from kas.schema import Node, load_document

INDEX: Final = "keys.json"
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_LOCAL_RSA_BITS: Final = 2048
_EXPONENT: Final = 65537
MAX_KID_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """What a folder holds: unwrap keys by ``kid``, and signing keys by ``kid``, the current one first."""

    records: tuple[KeyRecord, ...]
    unwrap_keys: Mapping[str, UnwrapPrivateKey]
    signing_keys: Mapping[str, ec.EllipticCurvePrivateKey]


def load_key_folder(folder: Path) -> KeyFolder:
    """Reads and checks a folder. Raises ConfigError, which names the file and the place in it."""

    def read(document: Node) -> KeyFolder:
        unwrap = [_read_unwrap_key(node, folder) for node in document["unwrapKeys"].items()]
        signing = [_read_signing_key(node, folder) for node in document["signingKeys"].items()]
        document.done()
        if not unwrap:
            document["unwrapKeys"].fail("must not be empty")
        _check_kids(document, [record.kid for record, _ in unwrap] + [kid for kid, _, _ in signing])
        _check_keys(document, [key for _, key in unwrap])
        if [status for _, status, _ in signing].count("current") != 1:
            document.fail("exactly one signing key must be current")
        signing.sort(key=lambda entry: entry[1] != "current")
        return KeyFolder(
            records=tuple(record for record, _ in unwrap),
            unwrap_keys={record.kid: key for record, key in unwrap},
            signing_keys={kid: key for kid, _, key in signing},
        )

    for path in (folder, folder / INDEX):
        if path.exists() and path.stat().st_mode & _OTHERS_WRITE:
            raise ConfigError(f"{path.name}: others can write it, and so change the keys (chmod go-w)")
    return load_document(folder / INDEX, read)


def make_local_keys(folder: Path) -> None:
    """Makes unwrap keys and a signing key in ``folder`` unless it is there already: RSA-2048 for each dialect, P-256
    for both, P-256 for signatures.

    The folder appears whole or not at all, also when two processes start at once. Raises ConfigError, which names it.
    """
    try:
        if not (folder / INDEX).exists():
            _make_folder(folder)
    except OSError as error:
        raise ConfigError(f"KAS_KEYS_DIR: {folder} cannot be made ({error.strerror})") from error


def _make_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".keys-"))  # mode 0700
    try:
        _write_local_keys(draft)
        with contextlib.suppress(OSError):  # another process was first: its folder is not empty
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_local_keys(folder: Path) -> None:
    mark = secrets.token_hex(4)
    _write_key(folder / "rsa.pem", rsa.generate_private_key(_EXPONENT, _LOCAL_RSA_BITS))
    _write_key(folder / "tdf.pem", rsa.generate_private_key(_EXPONENT, _LOCAL_RSA_BITS))
    _write_key(folder / "ec.pem", ec.generate_private_key(ec.SECP256R1()))
    _write_key(folder / "sig.pem", ec.generate_private_key(ec.SECP256R1()))

    def entry(name: str, **members: object) -> dict[str, object]:
        return {"kid": f"local-{name}-{mark}", "file": f"{name}.pem", **members}

    index = {
        "unwrapKeys": [
            entry("rsa", algorithm="RSA-2048", status="active", dialects=["acp240"]),
            entry("tdf", algorithm="RSA-2048", status="active", dialects=["opentdf"], legacy=True),
            entry("ec", algorithm="P-256", status="active", dialects=["acp240", "opentdf"]),
        ],
        "signingKeys": [entry("sig", status="current")],
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _write_key(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _read_unwrap_key(node: Node, folder: Path) -> tuple[KeyRecord, UnwrapPrivateKey]:
    legacy = node.get("legacy")
    record = KeyRecord(
        kid=_read_kid(node),
        algorithm=node["algorithm"].choice(ALGORITHMS),
        status=node["status"].choice(STATUSES),
        dialects=frozenset(dialect.choice(DIALECTS) for dialect in node["dialects"].items()),
        is_legacy=legacy is not None and legacy.boolean(),
    )
    if not record.dialects or (record.is_rsa and len(record.dialects) > 1):
        node["dialects"].fail("an RSA key serves one dialect (its OAEP hash is fixed), an EC key one or both")
    key = _read_key(node["file"], folder)
    node.done()
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or _algorithm(key) != record.algorithm:
        node.fail(f"the file holds no {record.algorithm} key")
    if isinstance(key, rsa.RSAPrivateKey):
        try:
            check_rsa(key.public_key())
        except ValueError as error:
            raise ConfigError(f"{node.place}: {error}") from error
    return record, key


def _algorithm(key: UnwrapPrivateKey) -> str | None:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return next((name for name, curve in CURVES.items() if curve.name == key.curve.name), None)
    return f"RSA-{key.key_size}"


def _read_signing_key(node: Node, folder: Path) -> tuple[str, str, ec.EllipticCurvePrivateKey]:
    kid, status = _read_kid(node), node["status"].choice(("current", "previous"))
    key = _read_key(node["file"], folder)
    node.done()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        node.fail("the file holds no P-256 key")
    return kid, status, key


def _read_kid(node: Node) -> str:
    kid = node["kid"].text()
    return kid if len(kid) <= MAX_KID_CHARS else node["kid"].fail("is too long")


def _read_key(node: Node, folder: Path) -> object:
    name = node.text()
    if Path(name).name != name:
        node.fail("must be a file of the same folder")
    path = folder / name
    try:
        if path.stat().st_mode & _OTHERS:
            node.fail("the file is readable by others (chmod 600)")
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{node.place}: cannot be read as a private key") from error


def _check_kids(document: Node, kids: list[str]) -> None:
    if len(set(kids)) != len(kids):
        document.fail("a kid is used twice; a signing key is never an unwrap key")


def _check_keys(document: Node, keys: list[UnwrapPrivateKey]) -> None:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if len({key.public_key().public_bytes(*form) for key in keys}) != len(keys):
        document.fail("one key is listed under two kids")
