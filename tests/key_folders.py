"""A folder of keys as an operator makes one: any algorithm, status and dialect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.keys.index import read_index
from kas.keys.private_keys import Keys, fetch_keys

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# kid -> (algorithm, status, dialects).
Records = Mapping[str, tuple[str, str, Sequence[str]]]

CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def new_key(algorithm: str) -> PrivateKey:
    """A fresh key of one of the algorithms of ``keys.json``."""
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    return rsa.generate_private_key(65537, int(algorithm.removeprefix("RSA-")))


def write_pem(path: Path, key: PrivateKey) -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.touch(0o600)
    path.write_bytes(key.private_bytes(*form))


def write_key_folder(folder: Path, records: Records, signing: Mapping[str, str]) -> dict[str, PrivateKey]:
    """Makes the keys and their index; ``signing`` gives each signing key its status. Returns the unwrap keys."""
    keys = {kid: new_key(algorithm) for kid, (algorithm, _, _) in records.items()}
    for kid, key in {**keys, **{kid: new_key("P-256") for kid in signing}}.items():
        write_pem(folder / f"{kid}.pem", key)
    unwrap = [
        {"kid": kid, "algorithm": algorithm, "status": status, "dialects": list(dialects), "file": f"{kid}.pem"}
        for kid, (algorithm, status, dialects) in records.items()
    ]
    signers = [{"kid": kid, "status": status, "file": f"{kid}.pem"} for kid, status in signing.items()]
    (folder / "keys.json").write_text(json.dumps({"unwrapKeys": unwrap, "signingKeys": signers}), "utf-8")
    return keys


def load_key_folder(folder: Path) -> Keys:
    """The keys of a folder whose index names files alone."""
    return fetch_keys(read_index("", folder, takes_files=True), folder, dict, lambda _: {})
