"""DPoP (RFC 9449 §4.2) and how a bound token is asked for and sent.

A proof is made for one request and never used twice. It names method and address, and, once there is a token, the
token's hash; where the server demands it, the server's nonce.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode

from local.client.encoding import b64, b64url, sha256_b64url
from local.client.errors import AnswerInvalid, TokenRefused
from local.client.http import Answer, Http
from local.client.keys import ProofKey


def make_proof(
    key: ProofKey,
    method: str,
    url: str,
    now: float,
    *,
    token: str | None = None,
    nonce: str | None = None,
    claims: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
) -> str:
    """A proof for one request at ``now`` (seconds since 1970).

    ``claims`` and ``header`` replace members or, with None, remove them: tests make bad proofs that way.
    """
    content: dict[str, Any] = {"jti": secrets.token_urlsafe(18), "htm": method, "htu": url, "iat": int(now)}
    if token is not None:
        content["ath"] = sha256_b64url(token.encode("ascii"))
    if nonce is not None:
        content["nonce"] = nonce
    head: dict[str, Any] = {"typ": "dpop+jwt", "alg": key.alg, "jwk": key.jwk}
    return compact_jws(key, _changed(head, header), json.dumps(_changed(content, claims)).encode())


def _changed(members: dict[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members | dict(changes or {})).items() if value is not None}


def compact_jws(key: ProofKey, header: Mapping[str, Any], payload: bytes) -> str:
    """A compact JWS (RFC 7515 §3.1) over ``payload`` as it is."""
    signing_input = f"{b64url(json.dumps(header).encode())}.{b64url(payload)}"
    return f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks for tokens, and where."""

    token_url: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bound token and when it ends (seconds since 1970)."""

    text: str = field(repr=False)
    expires_at: float


def post_token(
    http: Http, credentials: Credentials, proof: str | None, extra: Mapping[str, str] | None = None
) -> Answer:
    """Asks once, with HTTP Basic (RFC 6749 §2.3.1); ``extra`` are further form parameters."""
    pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.secret)}"
    headers = [
        ("Authorization", f"Basic {b64(pair.encode('ascii'))}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        *([("DPoP", proof)] if proof is not None else []),
    ]
    form = urlencode({"grant_type": "client_credentials", **(extra or {})})
    return http("POST", credentials.token_url, headers, form.encode("ascii"))


def fetch_token(
    http: Http,
    credentials: Credentials,
    key: ProofKey,
    now: float,
    extra: Mapping[str, str] | None = None,
) -> AccessToken:
    """An access token bound to ``key``; answers one nonce challenge (RFC 9449 §8).

    Raises TokenRefused, and AnswerInvalid when the token is not said to be bound.
    """
    answer = post_token(http, credentials, make_proof(key, "POST", credentials.token_url, now), extra)
    nonce = answer.headers.get("DPoP-Nonce")
    if answer.status == HTTPStatus.BAD_REQUEST and nonce is not None and answer.json().get("error") == "use_dpop_nonce":
        proof = make_proof(key, "POST", credentials.token_url, now, nonce=nonce)
        answer = post_token(http, credentials, proof, extra)
    members = answer.json()
    if answer.status != HTTPStatus.OK:
        raise TokenRefused(answer.status, str(members.get("error")))
    text, kind, seconds = members.get("access_token"), members.get("token_type"), members.get("expires_in")
    if not isinstance(text, str) or not text.isascii() or str(kind).lower() != "dpop":
        raise AnswerInvalid("the token is not bound to the proof's key")
    return AccessToken(text, now + (seconds if isinstance(seconds, int) else 0))
