"""Keys that an issuer should not have: RSA of any size and exponent, with signatures that are right all the same."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from local.client.encoding import b64url

_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def number(value: int) -> str:
    """An unsigned number as RFC 7518 §2 writes it."""
    return b64url(value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


@dataclass(frozen=True)
class RawRsa:
    """RS256 by hand, since no library makes such keys; ``d`` is the inverse of ``e``."""

    n: int
    e: int
    d: int
    alg: str = "RS256"

    @property
    def jwk(self) -> dict[str, Any]:
        return {"kty": "RSA", "n": number(self.n), "e": number(self.e)}

    def sign(self, message: bytes) -> bytes:
        length = (self.n.bit_length() + 7) // 8
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
        padded = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        return pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(length, "big")


def raw_rsa(bits: int = 2048, e: int = 65537) -> RawRsa:
    """A working key; large moduli are products of several small ones, which a verifier cannot tell.

    An even exponent has no inverse: then the signature is not right.
    """
    while True:
        parts = [rsa.generate_private_key(65537, min(bits, 2048)).private_numbers() for _ in range(-(-bits // 2048))]
        n = math.prod(part.p * part.q for part in parts)
        order = math.prod((part.p - 1) * (part.q - 1) for part in parts)
        if n.bit_length() == bits and (math.gcd(e, order) == 1 or e % 2 == 0):
            return RawRsa(n, e, pow(e, -1, order) if e % 2 else 1)
