"""Checkpoints: what ties a chain to this service, by a signature over the hash of one of its lines.

The key is the one that signs results. What is signed begins with words and a line break, so it is neither the canonical JSON
of a result nor the signing input of a JWT, and no signature of one kind passes for one of another.
"""

from __future__ import annotations

from typing import Final, Protocol

from kas.encoding import b64url_decode, b64url_encode
from kas.jose import PublicJwk, is_valid_signature

ALGORITHM: Final = "ES256"
_PURPOSE: Final = b"kas audit checkpoint\n"


class Signer(Protocol):
    """Signs in the name ``kas`` with the key ``kid``."""

    @property
    def kas(self) -> str: ...
    @property
    def kid(self) -> str: ...
    def sign(self, message: bytes) -> bytes:
        """64 bytes, R‖S (RFC 7518 §3.4)."""


def sign(signer: Signer, line_hash: str) -> str:
    """The ``signature`` of the checkpoint with this hash."""
    return b64url_encode(signer.sign(_signed(line_hash)))


def is_signed(key: PublicJwk, line_hash: str, unverified_signature: str) -> bool:
    """Whether the checkpoint with this hash was signed with ``key``."""
    try:
        signature = b64url_decode(unverified_signature)
    except ValueError:
        return False
    return is_valid_signature(ALGORITHM, key, _signed(line_hash), signature)


def _signed(line_hash: str) -> bytes:
    return _PURPOSE + line_hash.encode("ascii")
