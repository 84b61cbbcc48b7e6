"""A client of OpenTDF for tests, of which every part may be broken: REST or Connect, JSON or protobuf, RSA or EC.

attempt = TdfAttempt.good(kit, "connect-proto")      # usa-secret asks for one key under a policy without demands
attempt.kao["kid"] = "nobody"                        # one thing broken
attempt.send()
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from local.client import Answer, ProofKey, new_proof_key
from local.client.proofs import make_proof
from tests.canaries import CANARIES
from tests.kit import Kit
from tests.opentdf import wire
from tests.opentdf.pieces import (
    RSA_CLIENT_KEY,
    Json,
    PrivateKey,
    PublicKey,
    bind,
    open_key,
    pem,
    policy_text,
    request_token,
    wrap,
)

Route = Literal["rest", "connect-json", "connect-proto"]
ROUTES: tuple[Route, ...] = ("rest", "connect-json", "connect-proto")
PATHS = {
    "rest": "/kas/v2/rewrap",
    "connect-json": "/kas.AccessService/Rewrap",
    "connect-proto": "/kas.AccessService/Rewrap",
}
CONTENT_TYPES = {
    "rest": "application/json",
    "connect-json": "application/json",
    "connect-proto": "application/proto",
}


@dataclass
class Result:
    """One result, whatever the codec. ``metadata`` is the raw map in JSON, its encoded entries in protobuf."""

    policy_id: str
    kao_id: str
    status: str
    error: str
    wrapped: bytes
    metadata: Any


@dataclass
class Rewrapped:
    """An answer to a rewrap, whatever the codec."""

    results: list[Result]
    session_key: str
    entity_key: bytes


@dataclass
class TdfAttempt:
    """One rewrap that would succeed; every field may be changed before `send`. ``key`` is None for a plain Bearer
    token. ``request`` is what goes into the request token, unless ``text`` is set; ``srt`` replaces the whole token,
    ``body`` the bytes of the request, ``proof`` the whole proof.
    """

    kit: Kit
    route: Route
    version: int
    key: ProofKey | None
    token: str
    client_key: PrivateKey
    data_keys: dict[str, bytes]
    request: Json
    srt_key: ProofKey
    text: str | None = None
    srt: str | None = None
    srt_claims: Json = field(default_factory=dict)
    srt_header: Json = field(default_factory=dict)
    proof: str | None = None
    proof_key: ProofKey | None = None
    proof_claims: Json = field(default_factory=dict)
    proof_header: Json = field(default_factory=dict)
    nonce: str | None = None
    scheme: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None

    @classmethod
    def good(
        cls,
        kit: Kit,
        route: Route = "rest",
        *,
        version: int = 2,
        algorithm: str = "rsa:2048",
        client: str = "usa-secret",
        client_key: PrivateKey = RSA_CLIENT_KEY,
        policies: Sequence[str] | None = None,
        kaos: int = 1,
        bound: bool = True,
        override: Mapping[str, Any] | None = None,
        key: ProofKey | None = None,
        share: bytes | None = None,
    ) -> TdfAttempt:
        """A good request of ``client``: ``kaos`` key access objects under each of ``policies``."""
        proof_key = key or (new_proof_key() if bound else None)
        kid, public = published_key(kit, algorithm)
        groups: list[Json] = []
        data_keys = {}
        for group, policy in enumerate(policies or [policy_text()]):
            built = []
            for index in range(kaos):
                name = f"kao-{index}" if group == 0 else f"kao-{group}-{index}"
                data_keys[name] = share or secrets.token_bytes(32)
                CANARIES.keep_key(name, data_keys[name])
                kao = build_kao(kit, data_keys[name], policy, kid, public)
                built.append({"keyAccessObjectId": name, "keyAccessObject": kao})
            groups.append({"keyAccessObjects": built, "policy": {"id": f"policy-{group + 1}", "body": policy}})
        request: Json = {"clientPublicKey": pem(client_key), "requests": groups}
        if version == 1:
            kao = groups[0]["keyAccessObjects"][0]["keyAccessObject"]
            request = {"clientPublicKey": pem(client_key), "keyAccess": kao, "policy": groups[0]["policy"]["body"]}
        token = kit.access_token(client, proof_key, override)
        srt_key = proof_key or new_proof_key()
        return cls(kit, route, version, proof_key, token, client_key, data_keys, request, srt_key)

    @property
    def path(self) -> str:
        return PATHS[self.route]

    @property
    def url(self) -> str:
        return self.kit.base + self.path

    @property
    def kao(self) -> Json:
        """The first key access object, as sent."""
        if self.version == 1:
            found: Json = self.request["keyAccess"]
        else:
            found = self.request["requests"][0]["keyAccessObjects"][0]["keyAccessObject"]
        return found

    @property
    def policy(self) -> str:
        return str(self.request["policy"] if self.version == 1 else self.request["requests"][0]["policy"]["body"])

    @policy.setter
    def policy(self, text: object) -> None:
        if self.version == 1:
            self.request["policy"] = text
        else:
            self.request["requests"][0]["policy"]["body"] = text

    def make_proof(self) -> str:
        key = self.proof_key or self.key
        assert key is not None
        return make_proof(
            key,
            "POST",
            self.url,
            time.time(),
            token=self.token,
            nonce=self.nonce,
            claims=self.proof_claims,
            header=self.proof_header,
        )

    def make_body(self) -> bytes:
        text = json.dumps(self.request) if self.text is None else self.text
        srt = request_token(self.srt_key, text, self.srt_claims, self.srt_header) if self.srt is None else self.srt
        return outer(self.route, srt)

    def credentials(self) -> list[tuple[str, str]]:
        """The headers that say who asks."""
        scheme = self.scheme or ("Bearer" if self.key is None else "DPoP")
        found = [("Authorization", f"{scheme} {self.token}")]
        if self.key is not None:
            self.proof = self.make_proof() if self.proof is None else self.proof
        return [*found, *([("DPoP", self.proof)] if self.proof else [])]

    def send(self) -> Answer:
        body = self.make_body() if self.body is None else self.body
        headers = [*self.credentials(), ("Content-Type", CONTENT_TYPES[self.route]), *self.headers]
        return self.kit.http("POST", self.url, headers, body)

    def read(self, answer: Answer) -> Rewrapped:
        """A success of the call, in its codec."""
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"] == CONTENT_TYPES[self.route]
        return _read_proto(answer.body) if self.route == "connect-proto" else _read_json(answer.json())

    def open(self, read: Rewrapped) -> dict[str, bytes]:
        """The data keys by KAO id."""
        return {
            result.kao_id: open_key(self.client_key, result.wrapped, read.session_key)
            for result in read.results
            if result.status == "permit"
        }


def build_kao(kit: Kit, share: bytes, policy: str, kid: str, public: PublicKey) -> Json:
    return {
        **wrap(share, public),
        "protocol": "kas",
        "url": f"{kit.base}/kas",
        "kid": kid,
        "policyBinding": bind(share, policy),
    }


def published_key(kit: Kit, algorithm: str) -> tuple[str, PublicKey]:
    """``kid`` and key that the KAS publishes for an algorithm."""
    found = kit.http("GET", f"{kit.base}/kas/v2/kas_public_key?algorithm={algorithm}").json()
    public = load_pem_public_key(found["publicKey"].encode())
    assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return found["kid"], public


def outer(route: Route, srt: str) -> bytes:
    """The body that carries a request token."""
    return wire.message((1, srt)) if route == "connect-proto" else json.dumps({"signedRequestToken": srt}).encode()


def _read_json(body: Json) -> Rewrapped:
    results = [
        Result(
            group["policyId"],
            result["keyAccessObjectId"],
            result["status"],
            result.get("error", ""),
            base64.b64decode(result.get("kasWrappedKey", "")),
            result["metadata"],
        )
        for group in body["responses"]
        for result in group["results"]
    ]
    return Rewrapped(results, body.get("sessionPublicKey", ""), base64.b64decode(body.get("entityWrappedKey", "")))


def _read_proto(body: bytes) -> Rewrapped:
    read = wire.fields(body)
    results = [
        Result(
            wire.text(group, 1),
            wire.text(result, 2),
            wire.text(result, 3),
            wire.text(result, 5),
            _bytes(result, 4),
            result.get(1, []),
        )
        for group in wire.messages(read, 5)
        for result in wire.messages(group, 2)
    ]
    return Rewrapped(results, wire.text(read, 3), _bytes(read, 2))


def _bytes(read: dict[int, list[bytes | int]], number: int) -> bytes:
    (value,) = read.get(number, [b""])
    assert isinstance(value, bytes)
    return value
