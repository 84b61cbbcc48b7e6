"""Clients that send the largest request that the service takes, made and signed beforehand, in either dialect.

A request has as many policies as it may, each as long as makes the body one of the bound. Some key access objects have the
wrapped key of another, so that there are fewer key operations than objects.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Barrier
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bench.deployment import BASE, POLICY, Deployment
from bench.host import BenchFailed, Connection
from local.client import Answer, Http, ProofKey, new_proof_key, new_receiving_key
from local.client.proofs import fetch_token, make_proof
from local.client.results import open_result, verify_answer
from local.client.rewrap import KasKeys, build_kao, build_request
from tests.opentdf.pieces import bind, open_key, pem, policy_text, request_token, wrap

_KEY_BYTES: Final = 32
_BODY_BYTES: Final = 1_048_576  # of env.yaml, by default
_POLICIES: Final = 100  # likewise
_SAMPLE: Final = 1_000  # characters of filling, to see what they become
_START_SECONDS: Final = 300.0
# Of a service with more to do than it can: its memory is what is looked at.
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_TDF_PATH: Final = "/kas/v2/rewrap"
_TDF_ATTRIBUTES: Final = (
    "https://kas.example/attr/classification/value/SECRET",
    "https://kas.example/attr/releasability/value/USA",
)

Keys = Mapping[str, bytes]
# Takes how long the filling of each policy is; gives the body, and what reads the answer, given the proof.
Built = tuple[bytes, Callable[[Answer, str], Keys]]


@dataclass(slots=True)
class Client:
    """A caller of his own on a connection of his own. ``build`` makes a body, ``expected`` what must come back."""

    path: str
    key: ProofKey
    token: str
    connection: Connection
    build: Callable[[Keys, int], Built]
    expected: dict[str, bytes] = field(default_factory=dict)
    built: Built | None = None

    def prepare(self, kaos: int, wrapped: int) -> None:
        """Makes the request: so many key access objects, of so many different wrapped keys. Raises BenchFailed."""
        shares = [secrets.token_bytes(_KEY_BYTES) for _ in range(wrapped)]
        self.expected = {f"kao-{number}": shares[number % wrapped] for number in range(kaos)}
        least, more = (len(self.build(self.expected, filling)[0]) for filling in (0, _SAMPLE))
        self.built = self.build(self.expected, int(_SAMPLE * (0.99 * _BODY_BYTES - least) / (more - least)))
        if not 0.95 * _BODY_BYTES < len(self.built[0]) <= _BODY_BYTES:
            raise BenchFailed(f"a body of {len(self.built[0])} bytes")

    def ask(self, start: Barrier) -> Callable[[], str]:
        """Sends when all do; what it returns verifies the answer and says how it ended. Raises BenchFailed."""
        if self.built is None:
            raise BenchFailed("nothing is prepared")
        body, read = self.built
        self.connection.close()  # the host ends one that was idle
        nonce = self.connection("POST", "/rewrap").headers.get("DPoP-Nonce")
        proof = make_proof(self.key, "POST", BASE + self.path, time.time(), token=self.token, nonce=nonce)
        headers = [("Authorization", f"DPoP {self.token}"), ("DPoP", proof), ("Content-Type", "application/json")]
        start.wait(_START_SECONDS)
        answer = self.connection("POST", self.path, headers, body)

        def end() -> str:
            if answer.status in _BUSY:
                return str(answer.json()["code"])
            if answer.status != HTTPStatus.OK or read(answer, proof) != self.expected:
                raise BenchFailed(f"{self.path}: {answer.status} {answer.body[:300]!r}")
            return "released"

        return end

    def close(self) -> None:
        self.connection.close()


def acp240_client(deployment: Deployment, port: int, number: int) -> Client:
    """By ``POST /rewrap``, each object signed."""
    key, keys, receiving = new_proof_key(), deployment.client.keys, new_receiving_key()

    def build(expected: Keys, filling: int) -> Built:
        groups = [
            ({**POLICY, "policyId": f"p-{group}", "body": {"filling": "x" * filling}}, names)
            for group, names in enumerate(_groups(expected))
        ]
        ciphertexts: dict[bytes, str] = {}
        request = build_request(
            receiving.jwk,
            [
                (policy, [_acp240_kao(policy, name, expected[name], keys, ciphertexts) for name in of])
                for policy, of in groups
            ],
            key,
        )

        def read(answer: Answer, proof: str) -> Keys:
            results = verify_answer(answer.json(), request, proof, keys.signing, time.time())
            return {name: open_result(result, receiving, answer.status) for name, result in results.items()}

        return json.dumps(request).encode(), read

    return Client("/rewrap", key, _token(deployment, key, number), Connection(port), build)


def _acp240_kao(
    policy: Mapping[str, Any], name: str, share: bytes, keys: KasKeys, ciphertexts: dict[bytes, str]
) -> dict[str, Any]:
    kao = build_kao(dict(policy), share, keys, f"{BASE}/rewrap", kao_id=name)
    return {**kao, "wrappedKey": ciphertexts.setdefault(share, kao["wrappedKey"])}


def opentdf_client(deployment: Deployment, port: int, number: int) -> Client:
    """By REST, all of it in a signed request token."""
    key, receiving, connection = new_proof_key(), ec.generate_private_key(ec.SECP256R1()), Connection(port)
    published = connection("GET", "/kas/v2/kas_public_key?algorithm=rsa:2048").json()
    public = load_pem_public_key(published["publicKey"].encode())
    if not isinstance(public, rsa.RSAPublicKey):
        raise BenchFailed("the published key is of another kind")

    def build(expected: Keys, filling: int) -> Built:
        carried = {share: wrap(share, public) for share in set(expected.values())}
        requests = []
        for group, names in enumerate(_groups(expected)):
            policy = policy_text(_TDF_ATTRIBUTES, filling="x" * filling)
            own = {"protocol": "kas", "url": f"{BASE}/kas", "kid": published["kid"]}
            kaos = [
                {
                    "keyAccessObjectId": name,
                    "keyAccessObject": {
                        **carried[expected[name]],
                        **own,
                        "policyBinding": bind(expected[name], policy),
                    },
                }
                for name in names
            ]
            requests.append({"keyAccessObjects": kaos, "policy": {"id": f"p-{group}", "body": policy}})
        text = json.dumps({"clientPublicKey": pem(receiving), "requests": requests})

        def read(answer: Answer, _proof: str) -> Keys:
            members = answer.json()
            results = [result for group in members["responses"] for result in group["results"]]
            return {
                result["keyAccessObjectId"]: open_key(
                    receiving, base64.b64decode(result.get("kasWrappedKey", "")), members["sessionPublicKey"]
                )
                for result in results
            }

        return json.dumps({"signedRequestToken": request_token(key, text, {}, {})}).encode(), read

    return Client(_TDF_PATH, key, _token(deployment, key, number), connection, build)


def _groups(expected: Keys) -> list[list[str]]:
    names = list(expected)
    return [names[start::_POLICIES] for start in range(min(_POLICIES, len(names)))]


def _token(deployment: Deployment, key: ProofKey, number: int) -> str:
    extra = {"override": json.dumps({"claims": {"sub": f"large-{number}"}})}
    with contextlib.closing(Http()) as http:
        return fetch_token(http, deployment.credentials, key, time.time(), extra).text
