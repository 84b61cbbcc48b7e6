"""The floor: the cryptography of a request and nothing else, by `cryptography` itself in one thread.

What it is done on is there already: keys, messages, signatures in the form that the library takes. Nothing is parsed,
encoded, decided or checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UnwrapKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Operation = Callable[[], object]

_SALT: Final = hashlib.sha256(b"TDF").digest()
_ES256: Final = ec.ECDSA(hashes.SHA256())
_COORDINATE: Final = 32
_NONCE: Final = 12
_ANY_MESSAGE: Final = bytes(600)  # of a result, as long as most
_RESULT_KEY: Final = ec.generate_private_key(ec.SECP256R1())


@dataclass(slots=True)
class Floor:
    """The operations of one request: those of a repeat as well, and those that a kept key spares."""

    always: list[Operation] = field(default_factory=list)
    unwraps: list[Operation] = field(default_factory=list)

    def verify(self, key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> None:
        """An ES256 signature in JOSE form."""
        r, s = (int.from_bytes(half, "big") for half in (signature[:_COORDINATE], signature[_COORDINATE:]))
        der = encode_dss_signature(r, s)
        self.always.append(lambda: key.verify(der, message, _ES256))

    def verify_jws(self, key: ec.EllipticCurvePublicKey, text: str) -> None:
        signed, _, signature = text.rpartition(".")
        self.verify(key, signed.encode("ascii"), base64.urlsafe_b64decode(signature + "=="))

    def unwrap(
        self, key: UnwrapKey, wrapped: bytes, ephemeral: ec.EllipticCurvePublicKey | None, oaep: padding.OAEP
    ) -> None:
        if isinstance(key, rsa.RSAPrivateKey):
            self.unwraps.append(lambda: key.decrypt(wrapped, oaep))
        elif ephemeral is not None:
            self.unwraps.append(lambda: _sealer(key, ephemeral).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], None))

    def bind(self, data_key: bytes, message: bytes) -> None:
        self.unwraps.append(lambda: hmac.digest(data_key, message, hashlib.sha256))

    def wrap(self, client: ec.EllipticCurvePublicKey, data_keys: Sequence[bytes]) -> None:
        """To one client, with one ephemeral key for all."""

        def wrap() -> None:
            sealer = _sealer(ec.generate_private_key(client.curve), client)
            for data_key in data_keys:
                nonce = os.urandom(_NONCE)
                sealer.encrypt(nonce, data_key, None)

        self.always.append(wrap)

    def sign_result(self) -> None:
        self.always.append(lambda: _RESULT_KEY.sign(_ANY_MESSAGE, _ES256))


def cpu_of(floors: Sequence[Floor], *, repeated: bool) -> float:
    """Seconds of this thread's processor time for one request of many; of a repeat without what a kept key spares."""
    operations = [one for floor in floors for one in (floor.always if repeated else (*floor.always, *floor.unwraps))]
    began = time.thread_time()
    for operation in operations:
        operation()
    return (time.thread_time() - began) / len(floors)


def _sealer(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=_SALT, info=b"").derive(private.exchange(ec.ECDH(), public)))
