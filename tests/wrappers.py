"""The two other forms of a request to ``/rewrap``: material sealed to an EC key, and a signed request token.

Written from the specification with a library's primitives; nothing of the service is used.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

from local.client import ProofKey
from local.client.encoding import b64
from local.client.keys import public_jwk
from local.client.proofs import compact_jws
from tests.kit import Attempt, Kit


def published_ec_key(kit: Kit) -> tuple[str, ec.EllipticCurvePublicKey]:
    """The first EC key that the KAS publishes to seal to, with its ``kid``."""
    listed = kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]
    jwk = next(key for key in listed if (key["use"], key["alg"]) == ("enc", "ECDH-ES"))
    key = ECAlgorithm.from_jwk(jwk)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return jwk["kid"], key


def seal(
    public_key: ec.EllipticCurvePublicKey, material: bytes, ephemeral: ec.EllipticCurvePrivateKey | None = None
) -> dict[str, Any]:
    """The members of an ``ec-wrapped`` KAO that hold ``material``: nonce(12) ‖ ciphertext ‖ tag(16)."""
    ephemeral = ephemeral or ec.generate_private_key(public_key.curve)
    salt, nonce = hashlib.sha256(b"TDF").digest(), secrets.token_bytes(12)
    key = HKDF(hashes.SHA256(), 32, salt=salt, info=b"").derive(ephemeral.exchange(ec.ECDH(), public_key))
    sealed = nonce + AESGCM(key).encrypt(nonce, material, None)
    return {"type": "ec-wrapped", "wrappedKey": b64(sealed), "ephemeralPublicKey": public_jwk(ephemeral)}


def seal_all(attempt: Attempt, kid: str, public_key: ec.EllipticCurvePublicKey) -> Attempt:
    """Every KAO of the request holds its data key sealed to ``public_key`` in place of wrapped by RSA."""
    for group in attempt.request["requests"]:
        for kao in group["keyAccessObjects"]:
            kao.update(seal(public_key, attempt.data_keys[kao["keyAccessObjectId"]]), kid=kid)
    attempt.resign()
    return attempt


def request_token(attempt: Attempt, key: ProofKey | None = None, header: Any = None, **claims: Any) -> str:
    """A token around the request, by ``key`` or the proven one; ``claims`` replace or, with None, remove."""
    key, now = key or attempt.key, int(time.time())
    made = {"requestBody": json.dumps(attempt.request), "iat": now, "exp": now + 60} | claims
    payload = {name: value for name, value in made.items() if value is not None}
    return compact_jws(key, {"alg": key.alg, **(header or {})}, json.dumps(payload).encode())


def send_in_token(attempt: Attempt, token: object, **beside: Any) -> Attempt:
    """Puts the token in place of the body, with members ``beside`` it."""
    attempt.body = json.dumps({"signedRequestToken": token, **beside}).encode()
    return attempt
