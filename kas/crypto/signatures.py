"""The key with which this KAS signs results (ACP-240 KAS-REQ-083, 091). It is never an unwrap key."""

from __future__ import annotations

from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import ec

from kas import jose
from kas.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ResultSigner:
    """Signs in the name ``kas`` with the P-256 key ``kid``."""

    algorithm: ClassVar[str] = "ES256"
    kas: str
    kid: str
    private_key: ec.EllipticCurvePrivateKey

    def sign(self, message: bytes) -> bytes:
        """64 bytes, R‖S (RFC 7518 §3.4)."""
        return jose.sign(self.algorithm, self.private_key, message)
