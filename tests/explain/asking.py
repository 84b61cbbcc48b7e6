"""One good question to ``POST /explain``, of which a test breaks a part.

question = Question.of(kit)                  # usa-secret asks about NATO SECRET
question.proof_claims["htm"] = "GET"         # one thing broken
refused(question.send(), 401, "invalid_dpop_proof", "proof_method_mismatch")
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.client import Answer, ProofKey, new_proof_key
from local.client.explain import build_questions
from local.client.proofs import make_proof
from tests.canaries import CANARIES
from tests.kit import Kit, policy

Json = dict[str, Any]


@dataclass
class Question:
    """Every field may be changed before `send`. ``body`` replaces the bytes of ``request``, ``proof`` the whole proof."""

    kit: Kit
    key: ProofKey
    token: str
    request: Json
    proof_claims: Json = field(default_factory=dict)
    proof_header: Json = field(default_factory=dict)
    proof_key: ProofKey | None = None
    proof: str | None = None
    nonce: str | None = "fresh"
    scheme: str = "DPoP"
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "application/json"
    body: bytes | None = None

    @classmethod
    def of(
        cls,
        kit: Kit,
        client: str = "usa-secret",
        *policies: Json | str,
        override: Mapping[str, Any] | None = None,
    ) -> Question:
        """A question of ``client`` about ``policies``: objects of ACP-240, texts of OpenTDF."""
        key = new_proof_key()
        request = json.loads(build_questions(policies or [policy()]))
        return cls(kit, key, kit.access_token(client, key, override), request)

    @property
    def url(self) -> str:
        return f"{self.kit.base}/explain"

    def make_proof(self) -> str:
        nonce = self.kit.fresh_nonce() if self.nonce == "fresh" else self.nonce
        return make_proof(
            self.proof_key or self.key,
            "POST",
            self.url,
            time.time(),
            token=self.token,
            nonce=nonce,
            claims=self.proof_claims,
            header=self.proof_header,
        )

    def send(self) -> Answer:
        self.proof = self.make_proof() if self.proof is None else self.proof
        own = [("Authorization", f"{self.scheme} {self.token}"), ("Content-Type", self.content_type)]
        proof = [("DPoP", self.proof)] if self.proof else []
        body = json.dumps(self.request).encode() if self.body is None else self.body
        return self.kit.http("POST", self.url, [*own, *proof, *self.headers], body)


def head_of(question: Question, *more: str) -> bytes:
    """The head of a POST with a proof of its own; the body is the test's to send."""
    credentials = [("Authorization", f"{question.scheme} {question.token}"), ("DPoP", question.make_proof())]
    CANARIES.keep_credentials(credentials)
    lines = ["POST /explain HTTP/1.1", "Host: kas", *(f"{name}: {value}" for name, value in credentials)]
    return ("\r\n".join([*lines, f"Content-Type: {question.content_type}", *more]) + "\r\n\r\n").encode()


def explained(question: Question) -> list[Json]:
    """Sends, and asserts an explanation of each policy in order, each with its audit line and nothing of a key."""
    answer = question.send()
    assert answer.status == 200, answer.body
    found: list[Json] = answer.json()["explanations"]
    assert [one["dialect"] for one in found] == [one["dialect"] for one in question.request["policies"]]
    events = question.kit.events(answer.headers["X-Request-Id"])
    told = [(one["policyHash"], one["decision"], one.get("code"), verdicts(one)) for one in found]
    assert [(event["policyHash"], event["outcome"], event["code"], event["checks"]) for event in events] == told
    assert {(event["event"], event["category"], event["severity"]) for event in events} == {("explain", None, "INFO")}
    return found


def explained_one(question: Question) -> Json:
    (one,) = explained(question)
    return one


def verdicts(explanation: Json) -> dict[str, bool]:
    return {check["name"]: check["passed"] for check in explanation["checks"]}


def check(explanation: Json, name: str) -> tuple[str, str]:
    """What the check needed, and what it found."""
    (one,) = [found for found in explanation["checks"] if found["name"] == name]
    return one["needed"], one["found"]
