"""What tests of the rewrap ask of an answer: refused key access objects, structural faults, a post with own headers."""

from __future__ import annotations

import json
import time
from typing import Any

from local.client import Answer
from local.client.results import verify_answer
from local.client.rewrap import build_kao, client_key_hash
from tests.kit import Attempt, refused

CLASSES = {400: "invalid_request", 403: "forbidden", 503: "unavailable"}


def released(attempt: Attempt) -> Answer:
    """Sends and asserts that every data key arrives, verified; without words of error at the top."""
    answer = attempt.send()
    assert answer.status == 200, answer.body
    assert set(answer.json()) == {"responses"}
    assert attempt.open(answer) == attempt.data_keys
    return answer


def kao_refused(attempt: Attempt, code: str, status: int = 400, answer: Answer | None = None) -> dict[str, Any]:
    """Sends and asserts that the only KAO is refused with ``code``; returns its verified result.

    The status is the KAO's, the code stands at the top and in the audit event, and nothing is released.
    """
    answer = answer or attempt.send()
    body = refused(answer, status, CLASSES[status], code)
    result = attempt.result(answer)
    assert (result["status"], result["code"]) == ("error", code)
    assert isinstance(result["error"], str)
    assert result["error"]
    assert not {"kasWrappedKey", "wrapAlg", "ephemeralPublicKey"} & result.keys()
    assert [event_of(event) for event in attempt.kit.events(body["requestId"])] == [
        ("rewrap", "refused", code, result["keyAccessObjectId"])
    ]
    return result


def event_of(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["event"], event["outcome"], event["code"], event["kaoId"]


def codes(attempt: Attempt, answer: Answer) -> list[str | None]:
    """The code of each result in order, None for a success; every result verified and recorded as it says."""
    signing = attempt.kit.kas_keys().signing
    results = verify_answer(answer.json(), attempt.request, str(attempt.proof), signing, time.time()).values()
    for result in results:
        assert (result["status"] == "success") == ("kasWrappedKey" in result) == ("code" not in result)
    found = [result.get("code") for result in results]
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["event"], event["code"]) for event in events] == [("rewrap", code) for code in found]
    return found


def faults(attempt: Attempt) -> list[tuple[str, str]]:
    """Sends and asserts a structural refusal: the ``(field, code)`` of each fault, in order."""
    body = refused(attempt.send(), 400, "invalid_request", "invalid_structure")
    assert "responses" not in body
    for fault in body["validationErrors"]:
        assert fault.keys() == {"code", "message", "field"}
        assert fault["message"]
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == ["invalid_structure"]
    return [(fault["field"], fault["code"]) for fault in body["validationErrors"]]


def post(attempt: Attempt, headers: list[tuple[str, str]], *, body: bytes | None = None) -> Answer:
    """Posts with credentials and ``headers`` alone, ``Content-Type`` included or not."""
    attempt.proof = attempt.proof or attempt.make_proof()
    own = [("Authorization", f"{attempt.scheme} {attempt.token}"), ("DPoP", attempt.proof)]
    data = json.dumps(attempt.request).encode() if body is None else body
    return attempt.kit.http("POST", attempt.kit.url, [*own, *headers], data)


def rebuild(attempt: Attempt, data_key: bytes) -> None:
    """Puts ``data_key`` into the first KAO, whatever its length, bound and signed as it should be."""
    kao = attempt.kao
    built = build_kao(attempt.policy, data_key, attempt.kit.kas_keys(), kao["url"], kao_id=kao["keyAccessObjectId"])
    bound = {**built, "clientKeyHash": client_key_hash(attempt.request["clientPublicKey"])}
    attempt.request["requests"][0]["keyAccessObjects"][0] = bound
    attempt.data_keys[kao["keyAccessObjectId"]] = data_key
    attempt.resign()


def with_client_key(attempt: Attempt, client_public_key: object) -> Attempt:
    """Puts in another ``clientPublicKey``, its hash and the signatures in order."""
    attempt.request["clientPublicKey"] = client_public_key
    for group in attempt.request["requests"]:
        for kao in group["keyAccessObjects"]:
            kao["clientKeyHash"] = client_key_hash(client_public_key)
    attempt.resign()
    return attempt
