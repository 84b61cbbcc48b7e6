"""What the audit says: fixed fields, ACP-240's categories, and no more than the answer where key material is judged."""

from __future__ import annotations

from typing import Any

import pytest

from kas.cost.marginal import Tariff
from kas.descriptor import MAX_LINE_BYTES
from kas.errors import (
    AuditUnavailable,
    BudgetExhausted,
    ClearanceInsufficient,
    ClientKeyUnbound,
    CoiNotSatisfied,
    CredentialsMissing,
    Internal,
    KaoRefusal,
    KaoSignatureInvalid,
    KeyMaterialRejected,
    KeyUnavailable,
    NetworkLimit,
    NotFound,
    UnknownKey,
    leaves,
)
from kas.events import EVENTS, KaoOutcome, checkpoint_event, explain_event, kao_event, public_key_event, refusal_event
from kas.federation.registry_file import MAX_DEPTH
from kas.journal import Caller, Journal, Trace
from kas.opa.answer import MAX_CHECKS
from kas.policy.decision import Check, Decision
from kas.protocol.explain import Asked, Explanation, Line
from kas.protocol.values import UnreadablePolicy
from tests.trails import audit_log, events_of
from tests.unit.journals import journal

NOW = 1_790_000_000.25
TIME = "2026-09-21T14:13:20.250Z"
CALLER = Caller("https://idp.example", "alice", "reader")
INTEGRITY = {KeyMaterialRejected, KaoSignatureInvalid, ClientKeyUnbound}
COST = {"costMicroUsd": 8.45}  # by the tariff below: the fee, two begun intervals of 100 ms, one operation
WHO = {"requestId": "request-1", "issuer": "https://idp.example", "subject": "alice", "client": "reader", **COST}
NOBODY = {"requestId": "request-1", "issuer": None, "subject": None, "client": None, **COST}
TARIFF = Tariff(request=0.4, second=25.25, operations={"k-1": 3.0, "k-2": 15.0, "local": 0.0})


def priced(**changes: Any) -> Journal:
    """A request that came 150 ms ago, and made an operation with one key."""
    return journal(**{"tariff": TARIFF, "timer": lambda: 7.15, "started": 7.0, "operations": {"k-1": 1}} | changes)


def outcome(refusal: type[KaoRefusal] | None = None, **changes: Any) -> KaoOutcome:
    """Of one key access object, released unless there is a ``refusal``."""
    known: dict[str, Any] = {
        "dialect": "acp240",
        "policy_id": "p-1",
        "policy_hash": "hash",
        "kao_id": "kao-1",
        "kid": "k-1",
        "refusal": refusal,
        "decision": Decision((Check("clearance", None), Check("coi", None if refusal is None else CoiNotSatisfied))),
        "key_operations": 1,
        "is_cache_hit": False,
    }
    return KaoOutcome(**known | changes)


def kao(refusal: type[KaoRefusal] | None = None, **changes: Any) -> Any:
    entry = priced(caller=CALLER, seconds={"authenticate": 0.0015, "decide": 0.25})
    return kao_event(entry, outcome(refusal, **changes), now=NOW)


def test_release_says_who_got_what_by_which_key() -> None:
    """Every field of it, and no other."""
    assert kao() == {
        "severity": "INFO",
        "time": TIME,
        "event": "rewrap",
        **WHO,
        "category": "DECRYPT",
        "outcome": "released",
        "code": None,
        "dialect": "acp240",
        "policyId": "p-1",
        "policyHash": "hash",
        "kaoId": "kao-1",
        "kid": "k-1",
        "checks": {"clearance": True, "coi": True},
        "keyOperations": 1,
        "cacheHit": False,
        "attempt": 1,
        "forwardedTo": None,
        "via": [],
        "latencyMs": {"authenticate": 1.5, "decide": 250.0},
    }


def test_release_and_refusal_have_the_same_fields() -> None:
    """A query over the log needs no cases."""
    assert kao().keys() == kao(ClearanceInsufficient, decision=None).keys()


def test_refused_before_a_decision_has_no_checks() -> None:
    """None is not an empty set of checks, all of which would have passed."""
    event = kao(UnknownKey, decision=None)
    assert (event["checks"], event["outcome"], event["code"]) == (None, "refused", "unknown_key")


def test_hit_of_the_cache_is_told_apart() -> None:
    """And costs no operation."""
    event = kao(key_operations=0, is_cache_hit=True)
    assert (event["keyOperations"], event["cacheHit"]) == (0, True)


@pytest.mark.parametrize("leaf", list(leaves(KaoRefusal)), ids=lambda leaf: leaf.code)
def test_category_of_a_refused_key_access(leaf: type[KaoRefusal]) -> None:
    """ACCESS_MODIFIED where what came is not what was bound or signed; ACCESS_DENIED for every other reason."""
    assert kao(leaf)["category"] == ("ACCESS_MODIFIED" if leaf in INTEGRITY else "ACCESS_DENIED")


@pytest.mark.parametrize(
    ("leaf", "severity"),
    [
        (KeyMaterialRejected, "WARNING"),
        (KaoSignatureInvalid, "WARNING"),
        (ClientKeyUnbound, "WARNING"),
        (ClearanceInsufficient, "NOTICE"),
        (UnknownKey, "NOTICE"),
        (BudgetExhausted, "NOTICE"),
        (KeyUnavailable, "ERROR"),
    ],
)
def test_severity_of_a_refused_key_access(leaf: type[KaoRefusal], severity: str) -> None:
    """What may be tampering stands out, and what is our own failure more so."""
    assert kao(leaf)["severity"] == severity


def test_refused_request_says_what_was_asked_and_why_not() -> None:
    """Every field of it, and no other; nobody is named whose token was not verified."""
    entry = priced(seconds={"authenticate": 0.002})
    assert refusal_event(entry, CredentialsMissing, now=NOW) == {
        "severity": "NOTICE",
        "time": TIME,
        "event": "refusal",
        **NOBODY,
        "category": "ACCESS_DENIED",
        "code": "credentials_missing",
        "status": 401,
        "method": "POST",
        "path": "/rewrap",
        "latencyMs": {"authenticate": 2.0},
    }


def test_refused_request_names_whose_token_was_genuine() -> None:
    """As soon as it is known."""
    assert WHO.items() <= refusal_event(priced(caller=CALLER), NotFound, now=NOW).items()


@pytest.mark.parametrize(
    ("leaf", "severity"),
    [(NotFound, "NOTICE"), (NetworkLimit, "NOTICE"), (Internal, "ERROR"), (AuditUnavailable, "ERROR")],
)
def test_severity_of_a_refused_request(leaf: Any, severity: str) -> None:
    """Our own failures are errors."""
    assert refusal_event(journal(), leaf, now=NOW)["severity"] == severity


ASKED = Asked("opentdf", UnreadablePolicy(), "h" * 43)


@pytest.mark.parametrize(
    ("refusal", "outcome", "code"), [(None, "permit", None), (CoiNotSatisfied, "deny", "coi_not_satisfied")]
)
def test_explanation_says_what_was_decided_and_is_no_access(
    refusal: type[KaoRefusal] | None, outcome: str, code: str | None
) -> None:
    """Of no category and no severity but that it happened; who asks after denials counts no questions."""
    entry = journal(caller=CALLER, seconds={"decide": 0.25})
    explanation = Explanation(ASKED, refusal, (Line("clearance", None, None), Line("coi", refusal, None)))
    event = explain_event(entry, explanation, now=NOW)
    assert {name: event[name] for name in event if name not in WHO} == {
        "severity": "INFO",
        "time": TIME,
        "event": "explain",
        "category": None,
        "outcome": outcome,
        "code": code,
        "dialect": "opentdf",
        "policyHash": "h" * 43,
        "checks": {"clearance": True, "coi": refusal is None},
        "latencyMs": {"decide": 250.0},
    }


def test_public_key_that_is_handed_out_is_an_encrypt() -> None:
    """Nobody is asked who he is."""
    event = public_key_event(priced(method="GET", path="/.well-known/jwks.json"), now=NOW)
    assert event == {
        "severity": "INFO",
        "time": TIME,
        "event": "public_key",
        **NOBODY,
        "category": "ENCRYPT",
        "method": "GET",
        "path": "/.well-known/jwks.json",
    }


def test_first_line_of_a_request_alone_has_its_cost() -> None:
    """Whatever the lines are, so that they can be added up; the others have null."""
    entry = priced(caller=CALLER)
    lines = [kao_event(entry, outcome(), now=NOW) for _ in range(3)]
    lines += [refusal_event(entry, AuditUnavailable, now=NOW), public_key_event(entry, now=NOW)]
    assert [line["costMicroUsd"] for line in lines] == [8.45, None, None, None, None]


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"operations": {}}, 0.4 + 2 * 2.525),
        ({"operations": {"k-1": 2, "k-2": 3, "local": 9}}, 0.4 + 2 * 2.525 + 2 * 3 + 3 * 15),
        ({"operations": {}, "timer": lambda: 7.0}, 0.4 + 2.525),
        ({"operations": {}, "timer": lambda: 7.1}, 0.4 + 2.525),
        ({"operations": {}, "timer": lambda: 7.1001}, 0.4 + 2 * 2.525),
        ({"operations": {}, "timer": lambda: 37.0}, 0.4 + 300 * 2.525),
    ],
)
def test_cost_is_the_fee_begun_intervals_and_operations_at_their_price(changes: Any, cost: float) -> None:
    """By the key of each operation; at least one interval."""
    assert kao_event(priced(**changes), outcome(), now=NOW)["costMicroUsd"] == pytest.approx(cost, abs=0.001)


def test_without_a_tariff_nobody_knows_the_cost() -> None:
    """The member is there all the same."""
    assert public_key_event(journal(), now=NOW)["costMicroUsd"] is None


@pytest.mark.parametrize("now", [0.0, 1_790_000_000.0, 1_790_000_000.9994])
def test_time_has_milliseconds_and_is_utc(now: float) -> None:
    """RFC 3339, of one length, so that lines sort."""
    time = public_key_event(journal(), now=now)["time"]
    assert len(time) == len(TIME)
    assert time.endswith("Z")


def test_every_kind_of_event_is_listed() -> None:
    """By the list a line is known for one of the audit, whatever else has become of it."""
    checkpoint = checkpoint_event("due", kas="kas-usa", kid="sig-1", revision="", now=NOW)
    made = [
        kao_event(journal(), outcome(None), now=NOW),
        refusal_event(journal(), NotFound, now=NOW),
        explain_event(journal(), Explanation(ASKED, None, ()), now=NOW),
        public_key_event(journal(), now=NOW),
        checkpoint,
    ]
    assert tuple(event["event"] for event in made) == EVENTS
    assert checkpoint == {
        "severity": "INFO",
        "time": TIME,
        "event": "checkpoint",
        "reason": "due",
        "kas": "kas-usa",
        "kid": "sig-1",
        "revision": None,
    }


def test_attack_g03_longest_events_stay_below_the_limit_of_a_line() -> None:
    """Whatever a caller chose is as long as a line shows it; the stages and checks are all there."""
    text = "x" * 258
    stages = ("authenticate", "read", "parse", "decide", "unwrap", "wrap", "forward", "sign")
    entry = priced(
        operations={"k-2": 10**9},
        caller=Caller(text, text, text),
        seconds=dict.fromkeys(stages, 12345.678901),
        path=text,
    )
    checks = tuple(Check(f"{number:x<40}", CoiNotSatisfied) for number in range(MAX_CHECKS + 1))
    decided = {"policy_id": text, "policy_hash": "h" * 43, "kao_id": text, "kid": text, "decision": Decision(checks)}
    decided |= {"via": tuple(f"{number:k<64}" for number in range(MAX_DEPTH)), "forwarded_to": "k" * 64}
    lines: list[bytes] = []
    log = audit_log(lambda line: lines.append(line) or len(line), project="p" * 30)  # type: ignore[func-returns-value]
    named = tuple(Line(check.name, CoiNotSatisfied, None) for check in checks)
    events = [
        kao_event(entry, outcome(ClearanceInsufficient, **decided), now=NOW),
        refusal_event(entry, NotFound, now=NOW),
        explain_event(entry, Explanation(ASKED, KeyMaterialRejected, named), now=NOW),
    ]
    log.record(events, Trace("t" * 32, "s" * 16, is_sampled=True))
    assert max(len(line) for line in lines) < MAX_LINE_BYTES
    assert [event["subject"] for event in events_of(lines)] == [text] * 3
