"""Faults of earlier systems in answers and records (security model, faults 19 and 22): nothing vanishes."""

from __future__ import annotations

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
