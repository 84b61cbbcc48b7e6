"""A registered KAS in hostile hands: its real keys, real HTTP, and whatever answer a test wants.

    with fake.answering(lambda asked: reply(b"{}", "500 Oops")):
        …

Otherwise it answers as an honest one would: a signed success for each key access object, but that what stands in
``kasWrappedKey`` opens for nobody. Whoever passes a result on cannot see that.
"""

from __future__ import annotations

import contextlib
import copy
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.client import ProofKey
from local.client.encoding import b64, canonical, sha256_b64url
from local.client.results import policy_id_of
from local.client.rewrap import KasKeys
from local.nations import Place, signing_key
from tests.federation.hostile_peer import hostile_peer, read_request, reply

CLOSE = "Connection: close\r\n"


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def request(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def proof(self) -> str:
        return self.headers["dpop"]


Answer = Callable[[Asked], bytes]


@dataclass
class FakeKas:
    """``asked`` are the requests that arrived whole; ``heard`` counts connections. ``talk`` takes the place of its answers."""

    place: Place
    key: ProofKey
    kid: str
    asked: list[Asked] = field(default_factory=list)
    answer: Answer | None = None
    talk: Callable[[Any, Any], None] | None = None
    peer: Any = None

    @property
    def heard(self) -> int:
        return int(self.peer.accepted)

    @property
    def keys(self) -> KasKeys:
        """What it publishes. All fakes have one key to wrap with: none of them unwraps."""
        return KasKeys("fake-rsa", wrapping_key(), {self.kid: {**self.key.jwk, "use": "sig", "alg": "ES256"}})

    @contextlib.contextmanager
    def answering(self, answer: Answer) -> Iterator[None]:
        """With these bytes instead of a good answer."""
        self.answer = answer
        try:
            yield
        finally:
            self.answer = None

    @contextlib.contextmanager
    def talking(self, talk: Callable[[Any, Any], None]) -> Iterator[None]:
        """Like that, on each connection (`tests.federation.hostile_peer`)."""
        self.talk = talk
        try:
            yield
        finally:
            self.talk = None

    def good(self, asked: Asked) -> dict[str, Any]:
        """An honest answer, signed."""
        return {"responses": [self._response(group, asked.proof) for group in asked.request["requests"]]}

    def spoilt(self, spoil: Callable[[dict[str, Any]], object]) -> Answer:
        """The honest answer, of whose one result a test makes another before it is signed."""

        def answer(asked: Asked) -> bytes:
            members = copy.deepcopy(self.good(asked))
            result = members["responses"][0]["results"][0]
            spoil(result)
            members["responses"][0]["results"][0] = self.sign(result)
            return self.reply(members)

        return answer

    def altered(self, alter: Callable[[dict[str, Any]], object]) -> Answer:
        """The honest answer, changed as a whole after it was signed."""

        def answer(asked: Asked) -> bytes:
            members = copy.deepcopy(self.good(asked))
            alter(members)
            return self.reply(members)

        return answer

    def sign(self, result: dict[str, Any], key: ProofKey | None = None) -> dict[str, Any]:
        """As it stands, whatever its ``signature`` says."""
        said = {name: value for name, value in result["signature"].items() if name != "sig"}
        sig = b64((key or self.key).sign(canonical({**result, "signature": said})))
        return {**result, "signature": {**said, "sig": sig}}

    @staticmethod
    def reply(members: object, status: str = "200 OK") -> bytes:
        return reply(json.dumps(members).encode(), status, CLOSE)

    def _response(self, group: dict[str, Any], proof: str) -> dict[str, Any]:
        policy_id = policy_id_of(group["policy"])
        said = {
            "alg": "ES256", "kid": self.kid, "kas": self.place.kas_id, "policyId": policy_id, "iat": int(time.time()),
            "proof": sha256_b64url(proof.encode()),
        }  # fmt: skip
        results = []
        for kao in group["keyAccessObjects"]:
            result = {
                "keyAccessObjectId": kao["keyAccessObjectId"],
                "status": "success",
                "kasWrappedKey": b64(secrets.token_bytes(60)),
                "wrapAlg": "RSA-OAEP-256",
                **({"sid": kao["sid"]} if "sid" in kao else {}),
                "signature": dict(said),
            }
            results.append(self.sign(result))
        return {"policyId": policy_id, "results": results}

    def serve(self, connection: Any, peer: Any) -> None:
        """One connection."""
        talk = self.talk or self._answer
        talk(connection, peer)

    def _answer(self, connection: Any, peer: Any) -> None:
        data = read_request(connection, peer)
        head, _, body = data.partition(b"\r\n\r\n")
        if not body:  # whoever wants a nonce first
            connection.sendall(self.reply({}, "401 Unauthorized"))
        else:
            pairs = [line.partition(": ") for line in head.decode("ascii").split("\r\n")[1:]]
            self.asked.append(Asked({name.lower(): value for name, _, value in pairs}, body))
            answer = self.answer or (lambda asked: self.reply(self.good(asked)))
            connection.sendall(answer(self.asked[-1]))


@cache
def wrapping_key() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65537, 2048).public_key()


def make_signing_key(folder: Path) -> None:
    """The keys of a fake: one that signs, in a folder like a real one's."""
    folder.mkdir(parents=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "sig.pem").write_bytes(pem)
    entry = {"kid": f"fake-sig-{secrets.token_hex(4)}", "file": "sig.pem", "status": "current"}
    (folder / "keys.json").write_text(json.dumps({"unwrapKeys": [], "signingKeys": [entry]}), "utf-8")


def fake_kas(place: Place, peer: Any) -> FakeKas:
    """With the keys that are in its folder; ``peer`` is the socket that it answers on."""
    signing = signing_key(place)
    return FakeKas(place, ProofKey("ES256", signing.private), signing.kid, peer=peer)


@contextlib.contextmanager
def listening(certificate: Path | None = None) -> Iterator[tuple[Any, list[FakeKas]]]:
    """A socket, and a list for the one fake that answers on it: its place is known only when there is a port."""
    behind: list[FakeKas] = []

    def talk(connection: Any, peer: Any) -> None:
        behind[0].serve(connection, peer)

    with hostile_peer(talk, certificate=certificate) as peer:
        yield peer, behind
