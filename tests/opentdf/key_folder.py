"""A folder of unwrap keys of every kind that OpenTDF clients wrap to, for a KAS that serves them all."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# OpenTDF's name -> kid; all active.
ACTIVE = {
    "rsa:2048": "tdf-2048",
    "rsa:4096": "tdf-4096",
    "ec:secp256r1": "ec-256",
    "ec:secp384r1": "ec-384",
    "ec:secp521r1": "ec-521",
}
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


class KeyFolder:
    """Written once; ``private`` has every key by ``kid``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.private: dict[str, PrivateKey] = {}
        self._unwrap: list[dict[str, object]] = []
        path.mkdir(mode=0o700)

    def write(self) -> KeyFolder:
        self._rsa("acp", 2048, "acp240", "active")
        self._rsa("tdf-2048", 2048, "opentdf", "active", legacy=True)
        self._rsa("tdf-old", 2048, "opentdf", "decrypt-only", legacy=True)
        self._rsa("tdf-oldest", 2048, "opentdf", "decrypt-only")
        self._rsa("tdf-modern", 2048, "opentdf", "decrypt-only")
        self._rsa("tdf-off", 2048, "opentdf", "disabled", legacy=True)
        self._rsa("tdf-4096", 4096, "opentdf", "active")
        for kid, name in (("ec-256", "P-256"), ("ec-384", "P-384"), ("ec-521", "P-521")):
            self._add(kid, ec.generate_private_key(CURVES[name]), name, "active", ["opentdf"])
        signing = {"kid": "sig", "file": "sig.pem", "status": "current"}
        self._save("sig", ec.generate_private_key(CURVES["P-256"]))
        index = {"unwrapKeys": self._unwrap, "signingKeys": [signing]}
        (self.path / "keys.json").write_text(json.dumps(index), "utf-8")
        return self

    def _rsa(self, kid: str, bits: int, dialect: str, status: str, *, legacy: bool = False) -> None:
        self._add(kid, rsa.generate_private_key(65537, bits), f"RSA-{bits}", status, [dialect], legacy=legacy)

    def _add(self, kid: str, key: PrivateKey, name: str, status: str, dialects: list[str], **more: bool) -> None:
        self._save(kid, key)
        self.private[kid] = key
        record = {"kid": kid, "file": f"{kid}.pem", "algorithm": name, "status": status, "dialects": dialects}
        self._unwrap.append({**record, **more})

    def _save(self, kid: str, key: PrivateKey) -> None:
        path = self.path / f"{kid}.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
