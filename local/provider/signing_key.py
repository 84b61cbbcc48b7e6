"""The provider's own key: P-256, made on first start in a private folder and kept.

Kept, because a KAS asks for an issuer's keys again only after a cool-down: with a new key at each start, every token
would be refused for a minute after a restart.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kas.errors import ConfigError
from kas.jose import parse_public_jwk, to_jwk

_FILE: Final = "provider-signing-key.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """``kid`` is the RFC 7638 thumbprint."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    kid: str

    def public_jwk(self) -> dict[str, str]:
        """What the key set publishes."""
        return {**to_jwk(self.private.public_key()), "kid": self.kid, "use": "sig", "alg": "ES256"}


def load_signing_key(folder: Path) -> SigningKey:
    """The key in ``folder``, which is made readable by its owner alone. Raises ConfigError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _FILE
    if not path.exists():
        _create(folder, path)
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: is not a private key in PEM; remove it to have a new one made") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ConfigError(f"{path}: is not a P-256 key; remove it to have a new one made")
    return SigningKey(private, parse_public_jwk(to_jwk(private.public_key())).thumbprint)


def _create(folder: Path, path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Written whole under another name (mode 0600) and then linked: a second provider that starts at the same moment
    # reads either nothing or the whole key, and both use the one that was first.
    handle, draft = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()
