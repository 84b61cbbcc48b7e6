"""The token endpoint: client credentials (RFC 6749 §4.4) by HTTP Basic or form, bound by DPoP (RFC 9449 §5).

A proof that comes is checked as strictly as the KAS checks one, save the nonce; without a proof the token is a plain
bearer token, which `/rewrap` refuses. There is no list of scopes: an unknown parameter is ignored, as §3.2 says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from kas.auth.dpop import verify_possession
from kas.encoding import b64_decode
from kas.errors import InvalidProof, KasError
from kas.state.own_replay import MemoryReplayStore
from kas.uri import normalise_uri
from local.provider.clients import Client, find_client
from local.provider.override import Override, parse_override
from local.provider.refusal import Refusal, invalid_client, invalid_request
from local.provider.signing_key import SigningKey
from local.provider.tokens import LIFETIME_SECONDS, mint

_MAX_FIELDS: Final = 32
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A POST to ``path``; a header that did not come is None."""

    path: str
    query: str
    content_type: str
    authorization: str | None
    proof: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """What the endpoint needs; ``clock`` gives seconds since 1970."""

    issuer: str
    key: SigningKey
    replay: MemoryReplayStore
    clock: Callable[[], float]

    def answer(self, request: TokenRequest) -> dict[str, Any]:
        """The members of a success. Raises Refusal.

        1. A form without repetition, nothing in the query.
        2. One client, authenticated in one way.
        3. The one grant.
        4. The override can be read.
        5. The proof, where there is one, proves possession of its key for this request.
        6. The token is made; only then is the proof used up, once.
        """
        # 1.
        form = _parse_form(request)
        # 2.
        client = _authenticate(request.authorization, form)
        # 3.
        if "grant_type" not in form:
            raise invalid_request("grant_type is missing")
        if form["grant_type"] != "client_credentials":
            raise Refusal("unsupported_grant_type", "only client_credentials is supported")
        # 4.
        override = parse_override(form["override"]) if "override" in form else Override()
        # 5.
        now = self.clock()
        proof = None if request.proof is None else self._verify(request.proof, request.path, now)
        # 6.
        jkt = None if proof is None else proof[0]
        token = mint(self.issuer, client, self.key, now=now, jkt=jkt, override=override)
        if proof is not None:
            self._claim(*proof, client)
        kind = "Bearer" if proof is None else "DPoP"
        return {"access_token": token, "token_type": kind, "expires_in": LIFETIME_SECONDS}

    def _verify(self, unverified_proof: str, path: str, now: float) -> tuple[str, str]:
        uri = str(normalise_uri(self.issuer + path))
        try:
            proof = verify_possession(unverified_proof, required_jkt=None, method="POST", uris={uri}, now=now)
        except InvalidProof as error:
            raise Refusal("invalid_dpop_proof", error.message()) from error
        return proof.jkt, proof.jti

    def _claim(self, jkt: str, jti: str, client: Client) -> None:
        try:
            self.replay.claim(jkt=jkt, jti=jti, caller=client.client_id)
        except InvalidProof as error:
            raise Refusal("invalid_dpop_proof", error.message()) from error
        except KasError as error:
            raise Refusal("temporarily_unavailable", error.message(), error.status) from error


def _parse_form(request: TokenRequest) -> dict[str, str]:
    if request.query:
        raise invalid_request("parameters belong in the body")
    if request.content_type.partition(";")[0].strip().lower() != _FORM:
        raise invalid_request(f"the body must be {_FORM}")
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(request.body),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise invalid_request("the form is malformed") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise invalid_request("a parameter is repeated")
    return {name: value for name, value in form.items() if value}  # RFC 6749 §3.2: empty counts as omitted


def _authenticate(authorization: str | None, form: Mapping[str, str]) -> Client:
    if authorization is None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    elif "client_secret" in form:
        raise invalid_request("the client authenticates in two ways at once")
    else:
        client_id, secret = _parse_basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise invalid_request("client_id is not the client that authenticates")
    client = find_client(client_id, secret)
    if client is None:
        raise invalid_client()
    return client


def _parse_basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise invalid_client()
    try:
        client_id, _, secret = b64_decode(encoded.strip(" ")).decode("utf-8").partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError as error:
        raise invalid_client() from error
