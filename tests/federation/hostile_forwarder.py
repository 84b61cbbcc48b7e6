"""A service that forwards dishonestly: it speaks real HTTP to a real KAS and signs with its own registered key.

    forwarded = forward(nations)                    # what fra-secret asks of the US KAS, on its way to the French one
    forwarded.body["clientPublicKey"] = own.jwk     # one thing changed
    refused(forwarded.send(), 400, "invalid_request", "client_key_unbound")

Everything that the client sent is honest: his token names the federation, his proof is for the US KAS, each key access
object is signed.
"""

from __future__ import annotations

import copy
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.client import Answer, ProofKey
from local.client.encoding import sha256_b64url
from local.client.proofs import compact_jws
from local.client.results import open_result, verify_answer
from local.nations import Place, signing_key
from tests.federation.nations import Nations
from tests.kit import Attempt, Kit, refused

ABSENT = "absent"


def key_of(place: Place) -> ProofKey:
    """What the service there signs with."""
    return ProofKey("ES256", signing_key(place).private)


def kid_of(place: Place) -> str:
    return signing_key(place).kid


@dataclass
class Forwarded:
    """``attempt`` is the client's, asked of ``by``; it goes to ``to``. A test changes what it wants before `send`: of the
    assertion ``claims`` (None takes one away), ``header``, ``key``, or all of it as ``told``, where ABSENT sends none.
    """

    attempt: Attempt
    by: Place
    to: Place
    kit: Kit
    key: ProofKey
    body: Any
    token: str
    proof: str
    scheme: str = "DPoP"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    told: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def kaos(self) -> list[dict[str, Any]]:
        """Those of the first policy."""
        return self.body["requests"][0]["keyAccessObjects"]

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def assertion(self, body: bytes) -> str:
        """Of the forwarder about this body, the token and the client's key."""
        now = int(time.time())
        claims = {
            "iss": self.by.kas_id, "aud": self.to.kas_id, "iat": now, "exp": now + 20, "jti": secrets.token_urlsafe(16),
            "body_sha256": sha256_b64url(body), "ath": sha256_b64url(self.token.encode()),
            "jkt": self.attempt.key.thumbprint, "via": [self.by.kas_id], **self.claims,
        }  # fmt: skip
        said = {name: value for name, value in claims.items() if value is not None}
        header = {"typ": "kas-forward+jwt", "alg": "ES256", "kid": kid_of(self.by), **self.header}
        return compact_jws(self.key, header, json.dumps(said).encode())

    def send(self) -> Answer:
        body = self.bytes()
        told = self.assertion(body) if self.told is None else self.told
        headers = [
            ("Authorization", f"{self.scheme} {self.token}"),
            ("DPoP", self.proof),
            ("Content-Type", "application/json"),
            *([] if told == ABSENT else [("Forwarded-KAS", told)]),
            *self.headers,
        ]
        return self.kit.http("POST", self.kit.url, headers, body)

    def handed_to(self, nations: Nations, nation: str, via: Sequence[str]) -> Forwarded:
        """It is that nation's KAS that forwards it, and says that the request came along ``via``."""
        self.by = nations.places[nation]
        self.key = key_of(self.by)
        self.claims["via"] = [f"kas-{name}" for name in via]
        return self

    def again(self) -> Forwarded:
        """The same once more, before anything of it was changed or sent."""
        return copy.copy(self)

    def results(self, answer: Answer) -> dict[str, dict[str, Any]]:
        """By ``keyAccessObjectId``, each signed by the receiver."""
        return verify_answer(answer.json(), self.body, self.proof, self.kit.kas_keys().signing, time.time())

    def codes(self, answer: Answer) -> dict[str, str | None]:
        """Of each result its code, None for one that opens with the client's key and is the data key; nothing else is
        released.
        """
        found = {}
        for kao_id, result in self.results(answer).items():
            found[kao_id] = result.get("code")
            if result["status"] == "success":
                assert open_result(result, self.attempt.receiving) == self.attempt.data_keys[kao_id]
            else:
                assert not {"kasWrappedKey", "wrapAlg", "ephemeralPublicKey"} & result.keys()
        return found


def forward(
    nations: Nations,
    client: str = "fra-secret",
    *,
    by: str = "usa",
    to: str = "fra",
    holders: Sequence[str] | None = None,
    **asked: Any,
) -> Forwarded:
    """What ``client`` asks of ``by``, whose key access objects are of ``to``; ``asked`` is more for `Nations.attempt`."""
    attempt = nations.attempt(client, at=by, holders=holders or (to, to), **asked)
    return carry(nations, attempt, by=by, to=to)


def carry(nations: Nations, attempt: Attempt, *, by: str = "usa", to: str = "fra") -> Forwarded:
    """A client's request, in the hands of the one that he asked."""
    attempt.proof = attempt.proof or attempt.make_proof()
    return Forwarded(
        attempt,
        nations.places[by],
        nations.places[to],
        nations[to],
        key_of(nations.places[by]),
        copy.deepcopy(attempt.request),
        attempt.token,
        attempt.proof,
    )


def no_forwarding(forwarded: Forwarded, code: str) -> None:
    """Sends, and asserts that the whole request is refused for its assertion; one audit line says so."""
    no_authentication(forwarded, "invalid_forwarding", code)


def no_authentication(forwarded: Forwarded, error: str, code: str) -> None:
    body = refused(forwarded.send(), 401, error, code)
    events = forwarded.kit.events(body["requestId"])
    assert [(event["event"], event["code"]) for event in events] == [("refusal", code)]
