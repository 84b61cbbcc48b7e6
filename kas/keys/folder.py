"""The folder of keys that local mode makes on first start and keeps: ``keys.json`` and one PEM file (PKCS #8) a key."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.errors import ConfigError
from kas.keys.index import INDEX

_LOCAL_RSA_BITS: Final = 2048
_EXPONENT: Final = 65537


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
