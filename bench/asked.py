"""Requests made beforehand for each route: their bytes, the check of the answer, and the floor below each."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bench.deployment import BASE, POLICY
from bench.floor import Floor, UnwrapKey
from bench.host import BenchFailed
from bench.load import raw_request
from local.client import Answer, ProofKey, new_receiving_key
from local.client.encoding import b64, canonical, from_b64
from local.client.keys import OAEP_SHA256, PrivateKey
from local.client.proofs import make_proof
from local.client.results import open_result, verify_answer
from local.client.rewrap import Json, bind_policy, build_request
from tests.opentdf import wire
from tests.opentdf.pieces import OAEP_SHA1, bind, open_key, pem, policy_text, request_token, wrap

Route = Literal["acp240", "rest", "proto"]
PATHS: Final[Mapping[Route, str]] = {
    "acp240": "/rewrap",
    "rest": "/kas/v2/rewrap",
    "proto": "/kas.AccessService/Rewrap",
}
_OAEP: Final[Mapping[Route, padding.OAEP]] = {"acp240": OAEP_SHA256, "rest": OAEP_SHA1, "proto": OAEP_SHA1}
_KEY_BYTES: Final = 32
_ATTRIBUTES: Final = (
    "https://kas.example/attr/classification/value/SECRET",
    "https://kas.example/attr/releasability/value/USA",
)


@dataclass(frozen=True, slots=True)
class User:
    """``proof_key`` proves possession of the key that ``token`` is bound to; ``issuer`` verifies the token."""

    token: str
    proof_key: ProofKey
    issuer: ec.EllipticCurvePublicKey

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        return ec_public(self.proof_key.private)


@dataclass(frozen=True, slots=True)
class Holder:
    """The service: its key ``kid``, which is here as well, and what signs its results."""

    kid: str
    private: UnwrapKey
    signing: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is sent. ``check`` raises BenchFailed, or whatever verifying raises, unless the answer is right."""

    raw: bytes
    check: Callable[[Answer], None]
    floor: Floor


@dataclass(frozen=True, slots=True)
class Document:
    """Data keys under one policy, in the form that a route takes; ``kaos`` are wrapped and bound, not signed."""

    route: Route
    holder: Holder
    keys: Sequence[bytes]
    policy: Any
    kaos: Sequence[Json]


def new_document(route: Route, holder: Holder, number: int) -> Document:
    """So many keys, all wrapped to ``holder``."""
    keys = [secrets.token_bytes(_KEY_BYTES) for _ in range(number)]
    if route == "acp240":
        bound = [{"url": f"{BASE}/rewrap", "policyBinding": bind_policy(one, POLICY)} for one in keys]
        policy: Any = POLICY
    else:
        policy = policy_text(_ATTRIBUTES)
        bound = [{"url": f"{BASE}/kas", "policyBinding": bind(one, policy)} for one in keys]
    own = {"protocol": "kas", "kid": holder.kid}
    kaos = [{**own, **_carry(route, holder, key), **binding} for key, binding in zip(keys, bound, strict=True)]
    return Document(route, holder, keys, policy, kaos)


def ask(user: User, document: Document, nonce: str | None) -> Asked:
    """For all keys of a document."""
    path, floor = PATHS[document.route], Floor()
    proof = make_proof(user.proof_key, "POST", BASE + path, time.time(), token=user.token, nonce=nonce)
    floor.verify_jws(user.issuer, user.token)
    floor.verify_jws(user.public, proof)
    _put_keys(floor, document)
    body, read = (_acp240 if document.route == "acp240" else _opentdf)(user, document, proof, floor)
    headers = {
        "Authorization": f"DPoP {user.token}",
        "DPoP": proof,
        "Content-Type": "application/proto" if document.route == "proto" else "application/json",
    }

    def check(answer: Answer) -> None:
        if answer.status != HTTPStatus.OK or read(answer) != list(document.keys):
            raise BenchFailed(f"{path}: {answer.status} {answer.body[:300]!r}")

    return Asked(raw_request("POST", path, headers, body), check, floor)


def _carry(route: Route, holder: Holder, data_key: bytes) -> Json:
    """The members of a key access object that carry a key."""
    public = holder.private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return {"type": "wrapped", "wrappedKey": b64(public.encrypt(data_key, _OAEP[route]))}
    return wrap(data_key, public)


def _put_keys(floor: Floor, document: Document) -> None:
    message = canonical(document.policy) if document.route == "acp240" else document.policy.encode()
    for kao, data_key in zip(document.kaos, document.keys, strict=True):
        sent = kao.get("ephemeralPublicKey")
        ephemeral: Any = None if sent is None else load_pem_public_key(sent.encode())
        floor.unwrap(document.holder.private, from_b64(kao["wrappedKey"]), ephemeral, _OAEP[document.route])
        floor.bind(data_key, message)


_Built = tuple[bytes, Callable[[Answer], list[bytes]]]


def _acp240(user: User, document: Document, proof: str, floor: Floor) -> _Built:
    receiving = new_receiving_key()
    kaos = [{"keyAccessObjectId": f"kao-{number}", **kao} for number, kao in enumerate(document.kaos)]
    request = build_request(receiving.jwk, [(document.policy, kaos)], user.proof_key)
    for kao in request["requests"][0]["keyAccessObjects"]:
        unsigned = {name: value for name, value in kao.items() if name != "signature"}
        floor.verify(user.public, canonical(unsigned), from_b64(kao["signature"]["sig"]))
        floor.sign_result()
    floor.wrap(ec_public(receiving.private), document.keys)

    def read(answer: Answer) -> list[bytes]:
        results = verify_answer(answer.json(), request, proof, document.holder.signing, time.time())
        return [open_result(result, receiving, answer.status) for result in results.values()]

    return json.dumps(request).encode(), read


def _opentdf(user: User, document: Document, _proof: str, floor: Floor) -> _Built:
    receiving = ec.generate_private_key(ec.SECP256R1())
    kaos = [{"keyAccessObjectId": f"kao-{number}", "keyAccessObject": kao} for number, kao in enumerate(document.kaos)]
    group = {"keyAccessObjects": kaos, "policy": {"id": "p", "body": document.policy}}
    text = json.dumps({"clientPublicKey": pem(receiving), "requests": [group]})
    token = request_token(user.proof_key, text, {}, {})
    floor.verify_jws(user.public, token)
    floor.wrap(receiving.public_key(), document.keys)
    if document.route == "rest":
        return json.dumps({"signedRequestToken": token}).encode(), lambda answer: _read_json(answer, receiving)
    return wire.message((1, token)), lambda answer: _read_proto(answer, receiving)


def _read_json(answer: Answer, receiving: ec.EllipticCurvePrivateKey) -> list[bytes]:
    members = answer.json()
    results = [result for group in members["responses"] for result in group["results"]]
    wrapped = [base64.b64decode(result.get("kasWrappedKey", "")) for result in results]
    return [open_key(receiving, one, members["sessionPublicKey"]) for one in wrapped]


def _read_proto(answer: Answer, receiving: ec.EllipticCurvePrivateKey) -> list[bytes]:
    members = wire.fields(answer.body)
    results = [result for group in wire.messages(members, 5) for result in wire.messages(group, 2)]
    return [open_key(receiving, _one(result[4]), wire.text(members, 3)) for result in results]


def _one(values: Sequence[bytes | int]) -> bytes:
    (value,) = values
    if not isinstance(value, bytes):
        raise BenchFailed("a number where a wrapped key should be")
    return value


def ec_public(private: PrivateKey) -> ec.EllipticCurvePublicKey:
    """The other half. Raises BenchFailed for a key of another kind: the floor is of ES256 and ECDH."""
    public = private.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise BenchFailed("not an EC key")
    return public
