"""Faults of earlier systems in answers and records (security model, faults 19 and 22): nothing vanishes."""

from __future__ import annotations

import uuid

from local.client import Answer
from tests.kit import Kit


def test_fault_19_key_access_of_an_unknown_kas_is_in_the_answer(kit: Kit) -> None:
    """One of three names a KAS that nobody knows: three results, in order, and the other two are released."""
    attempt = kit.attempt(kaos=3)
    kaos = attempt.request["requests"][0]["keyAccessObjects"]
    kaos[1]["url"] = "https://other.example/rewrap"
    attempt.resign()
    answer = attempt.send()
    results = answer.json()["responses"][0]["results"]
    assert answer.status == 200
    assert [result["keyAccessObjectId"] for result in results] == [kao["keyAccessObjectId"] for kao in kaos]
    assert [result.get("code") for result in results] == [None, "unknown_kas", None]
    assert "kasWrappedKey" not in results[1]


def test_fault_22_every_key_access_object_leaves_an_event(kit: Kit) -> None:
    """Released or refused, each has one line under our request id, with who asked and why."""
    attempt = kit.attempt(kaos=2)
    attempt.request["requests"][0]["keyAccessObjects"][1]["sid"] = "changed"
    answer = attempt.send()
    events = kit.events(answer.headers["X-Request-Id"])
    assert [(event["kaoId"], event["outcome"], event["code"]) for event in events] == [
        ("kao-0-0", "released", None),
        ("kao-0-1", "refused", "kao_signature_invalid"),
    ]
    assert {event["subject"] for event in events} == {"usa-secret"}


HEAD = {"severity", "time", "event", "requestId", "issuer", "subject", "client", "category", "code", "latencyMs"}
HEAD |= {"costMicroUsd", "chain"}
REFUSED = HEAD | {"status", "method", "path"}
OUTCOME = HEAD | {"outcome", "dialect", "policyId", "policyHash", "kaoId", "kid", "checks", "keyOperations", "cacheHit"}
OUTCOME |= {"attempt", "forwardedTo", "via"}
TRACE = {"logging.googleapis.com/trace", "logging.googleapis.com/spanId", "logging.googleapis.com/trace_sampled"}


def test_fault_22_a_callers_request_id_and_trace_are_not_the_audits_id(kit: Kit) -> None:
    """Whatever was answered: each line has our id alone, members that are fixed, and the trace where it belongs."""
    theirs, trace = uuid.uuid4().hex, uuid.uuid4().hex
    headers = [("X-Request-Id", theirs), ("traceparent", f"00-{trace}-{'b' * 16}-01")]

    def line_of(answer: Answer) -> set[str]:
        assert answer.headers["X-Client-Request-Id"] == theirs
        assert answer.headers["X-Request-Id"] not in {theirs, trace}
        (event,) = kit.events(answer.headers["X-Request-Id"])
        assert event["logging.googleapis.com/trace"] == trace
        assert theirs not in str(event)
        return set(event) - TRACE

    good, denied = kit.attempt(), kit.attempt()
    good.headers = denied.headers = headers
    denied.kao["sid"] = "changed"
    assert line_of(good.send()) == OUTCOME
    assert line_of(denied.send()) == OUTCOME
    assert line_of(kit.http("POST", kit.url, headers)) == REFUSED
    assert line_of(kit.http("GET", f"{kit.base}/nowhere", headers)) == REFUSED
    assert kit.events(theirs) == kit.events(trace) == []
