"""The explanation as a use case: whose decision it is, what it cannot reach, and that nothing leaves unrecorded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from kas.auth.authenticator import Credentials
from kas.engine import Decider, PolicyEngine
from kas.errors import (
    AuditUnavailable,
    CoiNotSatisfied,
    ForwarderUnknown,
    PolicyDenied,
    PolicyUnavailable,
    TokenSignatureInvalid,
)
from kas.explain import Explain
from kas.findings.finder import Finder
from kas.policy.decision import Decision, check
from kas.protocol.explain import ExplainParser
from kas.protocol.values import Answer, LabelPolicy
from local.client.explain import build_questions
from local.client.proofs import make_proof
from local.processes import ROOT
from tests.trails import audit_log, events_of
from tests.unit.good_rewrap import CLAIMS, ISSUER, LIMITS, NOW, RULES, URL, World, label
from tests.unit.journals import journal
from tests.unit.policy.good_attributes import DEFINITIONS
from tests.unit.protocol.test_opentdf_request import LIMITS as OPENTDF_LIMITS

OWN = PolicyEngine(RULES, DEFINITIONS, allow_empty_policy=False)


@dataclass
class Another:
    """An engine of a test: what it says, and what it was asked."""

    says: Callable[[], Decision]
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    requests: int = 0

    def for_request(self) -> Decider:
        self.requests += 1
        return self

    def check(self) -> None: ...

    def decide(self, claims: Mapping[str, Any], sub: str, issuer: object, policy: object, *, now: float) -> Decision:
        self.asked.append((claims["clearance"], sub, issuer, policy, now))
        return self.says()


@dataclass
class Asked:
    """One question, of the caller of `good_rewrap` unless the token is another."""

    engine: Any = OWN
    write: Callable[[bytes], int] = len
    world: World = field(default_factory=World)
    reads: int = 0

    def about(self, *policies: Any, token: str | None = None, forwarded: str | None = None) -> Answer:
        def read_body() -> bytes:
            self.reads += 1
            return build_questions(policies)

        token = self.world.token() if token is None else token
        proof = make_proof(self.world.proof_key, "POST", URL, NOW, token=token)
        explain = Explain(
            authenticator=self.world.rewrap().authenticator,
            parser=ExplainParser(LIMITS, OPENTDF_LIMITS),
            engine=self.engine,
            finder=Finder(RULES, DEFINITIONS, allow_empty_policy=False),
            audit=audit_log(self.write),
            clock=lambda: NOW,
        )
        return explain.answer(Credentials(f"DPoP {token}", proof, forwarded), read_body, journal())


def explanations(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.body["explanations"]
    return found


def test_the_engine_is_asked_what_a_rewrap_asks_it() -> None:
    """Claims, subject, issuer, policy and time; one decider for all policies of a request."""
    one, other = label(), label(COI=["FVEY"])
    engine = Another(lambda: Decision((check("coi", CoiNotSatisfied, passed=True),)))
    Asked(engine).about(one, other)
    expected = [(CLAIMS["clearance"], "alice", ISSUER, LabelPolicy(policy), NOW) for policy in (one, other)]
    assert (engine.asked, engine.requests) == (expected, 1)
    rewraps = Another(engine.says)
    world = World(engine=rewraps)
    world.answer(world.request(one, other))
    assert rewraps.asked == engine.asked


def test_what_the_engine_says_is_what_is_told_whatever_the_rules_here_would() -> None:
    """There is no second opinion; a check that nobody here knows has no words."""
    lines = (check("opa", PolicyDenied, passed=False), check("coi", PolicyDenied, passed=False))
    (one,) = explanations(Asked(Another(lambda: Decision(lines))).about(label()))
    assert (one["decision"], one["code"], one["message"]) == ("deny", "policy_denied", PolicyDenied.message())
    assert one["checks"][0] == {"name": "opa", "passed": False, "code": "policy_denied"}
    assert (one["checks"][1]["needed"], one["checks"][1]["found"]) == ("all of NATO", "NATO")
    passing = (check("opa", PolicyDenied, passed=True),)
    (one,) = explanations(Asked(Another(lambda: Decision(passing))).about(label(classification="TOP_SECRET")))
    assert one["decision"] == "permit"


def test_without_any_check_nobody_is_permitted() -> None:
    (one,) = explanations(Asked(Another(lambda: Decision(()))).about(label()))
    assert (one["decision"], one["code"]) == ("deny", "subject_incomplete")


def test_where_no_decision_can_be_had_nothing_is_explained() -> None:
    """Of none of them, and nothing is recorded as explained."""
    answers = iter([Decision((check("coi", CoiNotSatisfied, passed=True),))])

    def says() -> Decision:
        found = next(answers, None)
        if found is None:
            raise PolicyUnavailable
        return found

    lines: list[bytes] = []
    with pytest.raises(PolicyUnavailable):
        Asked(Another(says), lambda line: lines.append(line) or len(line)).about(label(), label())
    assert lines == []


@pytest.mark.parametrize(("taken", "explained"), [(0, 0), (1, 0), (2, 1)])
def test_what_cannot_be_recorded_is_not_explained(taken: int, explained: int) -> None:
    """A checkpoint, and one line for each policy before the answer leaves; the first that is not taken ends it."""
    lines: list[bytes] = []

    def write(line: bytes) -> int:
        if len(lines) == taken:
            raise OSError
        lines.append(line)
        return len(line)

    with pytest.raises(AuditUnavailable):
        Asked(write=write).about(label(), label())
    assert [event["event"] for event in events_of(lines)] == ["explain"] * explained


def test_nothing_of_a_strangers_body_is_read() -> None:
    asked = Asked()
    with pytest.raises(TokenSignatureInvalid):
        asked.about(label(), token=asked.world.token()[:-8] + "AAAAAAAA")
    assert asked.reads == 0


def test_whoever_forwards_is_refused_before_the_caller_is_looked_at() -> None:
    asked = Asked()
    with pytest.raises(ForwarderUnknown):
        asked.about(label(), forwarded="a.b.c")
    assert (asked.reads, asked.world.keys.unwrapped) == (0, [])


def test_it_knows_nothing_of_keys() -> None:
    """What it is made of, and what is loaded with it."""
    assert [one.name for one in fields(Explain)] == ["authenticator", "parser", "engine", "finder", "audit", "clock"]
    code = "import sys, kas.explain; print(*sorted(name for name in sys.modules if name.startswith('kas.')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "kas.policy.decision" in loaded
    assert {name for name in loaded if name.startswith("kas.keys.")} == {"kas.keys.registry"}  # names of kinds
    assert not loaded & {"kas.release", "kas.rewrap", "kas.cases", "kas.google.kms", "kas.federation"}
