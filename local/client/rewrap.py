"""The request of ACP-240 §2, piece by piece: key access objects, their binding and signature, the body, the post.

The pieces are public, so that a client author can compare bytes and a test can spoil exactly one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWTError
from jwt.algorithms import RSAAlgorithm

from local.client.encoding import b64, canonical, sha256_b64url
from local.client.errors import AnswerInvalid, TransportFailed
from local.client.http import Answer, Http
from local.client.keys import OAEP_SHA256, ProofKey

Json = dict[str, Any]
Mode = Literal["anyOf", "allOf"]
_MODES: Final[Mapping[Mode, Json]] = {"anyOf": {"mode": "anyOf"}, "allOf": {"mode": "allOf", "combine": "xor"}}


@dataclass(frozen=True, slots=True)
class KasKeys:
    """What a KAS publishes: the key that data keys are wrapped to, and the keys that sign results, by ``kid``."""

    wrapping_kid: str
    wrapping: rsa.RSAPublicKey
    signing: Mapping[str, Json]


def fetch_kas_keys(http: Http, base: str) -> KasKeys:
    """The keys of the KAS whose public base is ``base``. Raises AnswerInvalid when one kind is missing."""
    answer = http("GET", f"{base}/.well-known/jwks.json")
    if answer.status != HTTPStatus.OK:
        raise TransportFailed(f"the key set answers {answer.status}")
    return parse_kas_keys(answer.json())


def parse_kas_keys(jwks: Json) -> KasKeys:
    """Picks the first RSA-OAEP-256 key for wrapping, and every key whose use is ``sig``."""
    listed = jwks.get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    signing = {str(key.get("kid")): key for key in keys if key.get("use") == "sig"}
    wrapping = [key for key in keys if (key.get("use"), key.get("alg")) == ("enc", "RSA-OAEP-256")]
    if not wrapping or not signing:
        raise AnswerInvalid("the key set has no wrapping key or no signing key")
    try:
        public = RSAAlgorithm.from_jwk(wrapping[0])
    except (PyJWTError, ValueError, TypeError) as error:
        raise AnswerInvalid("the wrapping key is malformed") from error
    if not isinstance(public, rsa.RSAPublicKey):
        raise AnswerInvalid("the wrapping key is not public")
    return KasKeys(str(wrapping[0].get("kid")), public, signing)


def bind_policy(data_key: bytes, policy: Json) -> str:
    """``policyBinding``: whoever does not know the data key cannot change the policy unnoticed."""
    return b64(hmac.digest(data_key, canonical(policy), hashlib.sha256))


def build_kao(
    policy: Json, data_key: bytes, keys: KasKeys, url: str, *, kao_id: str = "kao-1", sid: str | None = None
) -> Json:
    """A key access object for ``data_key`` under ``policy``, not signed yet."""
    kao = {
        "keyAccessObjectId": kao_id,
        "type": "wrapped",
        "protocol": "kas",
        "url": url,
        "kid": keys.wrapping_kid,
        "wrappedKey": b64(keys.wrapping.encrypt(data_key, OAEP_SHA256)),
        "policyBinding": bind_policy(data_key, policy),
    }
    return kao if sid is None else {**kao, "sid": sid}


def client_key_hash(client_public_key: object) -> str:
    """``clientKeyHash``: puts the receiving key under the signature, so that nobody on the way can swap it."""
    return sha256_b64url(canonical(client_public_key))


def sign_kao(kao: Json, key: ProofKey) -> Json:
    """The object with its signature by the key that the token is bound to; an old signature is replaced."""
    unsigned = {name: value for name, value in kao.items() if name != "signature"}
    return {**unsigned, "signature": {"alg": key.alg, "sig": b64(key.sign(canonical(unsigned)))}}


def build_request(
    client_public_key: object,
    groups: Iterable[tuple[Json, Sequence[Json]]],
    key: ProofKey,
    mode: Mode | None = None,
) -> Json:
    """A whole body: every key access object gets ``clientKeyHash`` and a signature by ``key``.

    With ``mode`` the key access objects of each policy are alternatives, or splits that the KAS combines.
    """
    bound = {"clientKeyHash": client_key_hash(client_public_key)}
    how = {} if mode is None else _MODES[mode]
    requests = [
        {"policy": policy, **how, "keyAccessObjects": [sign_kao({**kao, **bound}, key) for kao in kaos]}
        for policy, kaos in groups
    ]
    return {"clientPublicKey": client_public_key, "requests": requests}


def post_rewrap(
    http: Http,
    url: str,
    body: bytes,
    *,
    token: str,
    proof: str,
    scheme: str = "Bearer",
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Posts once. ``scheme`` is ``Bearer``, as ACP-240 writes it, or ``DPoP``; the proof is sent with either."""
    own = [("Authorization", f"{scheme} {token}"), ("DPoP", proof), ("Content-Type", "application/json")]
    return http("POST", url, [*own, *headers], body)
