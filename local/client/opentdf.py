"""One rewrap as OpenTDF's REST clients ask for it: a wrap to an RSA key, and the answer to an RSA key of the client's.

It shares token, proof key and clock with a `Session`, and nothing else: the request travels inside a signed token, and
the policy as base64 of its JSON.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from local.client.encoding import b64, from_b64
from local.client.errors import AnswerInvalid, RewrapRefused
from local.client.http import Answer, Http
from local.client.proofs import compact_jws, make_proof
from local.client.rewrap import Json
from local.client.session import Session

PATH: Final = "/kas/v2/rewrap"
_OAEP_SHA1: Final = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - OpenTDF's own
_TOKEN_SECONDS: Final = 60


def policy_text(attributes: Sequence[str]) -> str:
    """A policy that demands all of ``attributes``, by their full names."""
    body = {"dataAttributes": [{"attribute": name} for name in attributes], "dissem": []}
    return b64(json.dumps({"uuid": secrets.token_hex(8), "body": body}).encode())


def rewrap(http: Http, base: str, session: Session, attributes: Sequence[str], now: float) -> tuple[bytes, bytes]:
    """The data key that was wrapped, and the one that came back. Raises RewrapRefused, AnswerInvalid."""
    data_key, policy = secrets.token_bytes(32), policy_text(attributes)
    receiving = rsa.generate_private_key(65537, 2048)
    request = {"clientPublicKey": _pem(receiving), "requests": [_group(http, base, policy, data_key)]}
    claims = {"requestBody": json.dumps(request), "iat": int(now), "exp": int(now) + _TOKEN_SECONDS}
    signed = compact_jws(session.key, {"alg": session.key.alg, "typ": "JWT"}, json.dumps(claims).encode())
    answer = _post(http, base + PATH, session, {"signedRequestToken": signed}, now)
    return data_key, _open(answer, receiving)


def _group(http: Http, base: str, policy: str, data_key: bytes) -> Json:
    published = http("GET", f"{base}/kas/v2/kas_public_key?algorithm=rsa:2048").json()
    public = load_pem_public_key(str(published.get("publicKey")).encode())
    if not isinstance(public, rsa.RSAPublicKey):
        raise AnswerInvalid("the published key is no RSA key")
    kao = {
        "type": "wrapped",
        "protocol": "kas",
        "url": f"{base}/kas",
        "kid": published.get("kid"),
        "wrappedKey": b64(public.encrypt(data_key, _OAEP_SHA1)),
        "policyBinding": {"alg": "HS256", "hash": b64(hmac.digest(data_key, policy.encode(), "sha256").hex().encode())},
    }
    access = [{"keyAccessObjectId": "kao-1", "keyAccessObject": kao}]
    return {"keyAccessObjects": access, "policy": {"id": "policy-1", "body": policy}}


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _post(http: Http, url: str, session: Session, body: Json, now: float) -> Answer:
    """Answers one nonce challenge."""
    answer = _post_once(http, url, session, body, now, None)
    nonce = answer.headers.get("DPoP-Nonce")
    if answer.status == HTTPStatus.UNAUTHORIZED and nonce is not None:
        answer = _post_once(http, url, session, body, now, nonce)
    return answer


def _post_once(http: Http, url: str, session: Session, body: Json, now: float, nonce: str | None) -> Answer:
    token = session.token()
    proof = make_proof(session.key, "POST", url, now, token=token, nonce=nonce)
    headers = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("Content-Type", "application/json")]
    return http("POST", url, headers, json.dumps(body).encode())


def _open(answer: Answer, receiving: rsa.RSAPrivateKey) -> bytes:
    members: dict[str, Any] = answer.json()
    try:
        result = members["responses"][0]["results"][0]
    except (KeyError, IndexError, TypeError):
        raise RewrapRefused(answer.status, str(members.get("code")), str(members.get("message"))) from None
    if result.get("status") != "permit":
        raise RewrapRefused(answer.status, str(result.get("error")), "not permitted")
    try:
        return receiving.decrypt(from_b64(result.get("kasWrappedKey")), _OAEP_SHA1)
    except ValueError as error:
        raise AnswerInvalid("the wrapped key does not open") from error
