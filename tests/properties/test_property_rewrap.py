"""Garbage at the real process: never a 5xx, always the one error form, never a key that the policy denies."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.client import Answer
from local.client.encoding import canonical
from tests.kit import Attempt, Kit, policy
from tests.properties.garbage import as_bytes, changed, damaged


def bounded(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


PERMITTED = policy()
DENIED = policy(classification="TOP_SECRET")
GROUP = ("requests", 0)
WITHIN = [GROUP, (*GROUP, "policy"), (*GROUP, "policy", "body"), (*GROUP, "keyAccessObjects", 0)]


@pytest.fixture(scope="module")
def permitted(kit_without_nonces: Kit) -> Attempt:
    return kit_without_nonces.attempt(policies=[PERMITTED], kaos=2)


@pytest.fixture(scope="module")
def denied(kit_without_nonces: Kit) -> Attempt:
    return kit_without_nonces.attempt(policies=[DENIED])


def send(good: Attempt, request: Any, body: bytes | None = None) -> Answer:
    """With a proof of its own each time; what is not JSON any more goes as bytes."""
    body = as_bytes(request) if body is None else body
    return dataclasses.replace(good, proof=None, nonce=None, body=body).send()


def resigned(good: Attempt, request: Any) -> Any:
    """The changed request with valid signatures, where it still has what is signed."""
    attempt = dataclasses.replace(good, request=request)
    try:
        attempt.resign()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
        return request
    return attempt.request


def has_one_form(answer: Answer) -> dict[str, Any]:
    """Not a failure of ours, JSON, and an error unless something was released or failures disagree."""
    body = answer.json()
    assert answer.status < 500, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    if answer.status != 200:
        assert {"error", "code", "message", "requestId"} <= set(body)
        assert body["requestId"] == answer.headers["X-Request-Id"]
        assert body["code"] != "internal"
        assert b"kasWrappedKey" not in answer.body
    return body


@bounded(100)
@given(data=st.data())
def test_changed_request_is_refused_or_unchanged_where_it_counts(permitted: Attempt, data: st.DataObject) -> None:
    """A key comes out only under the very policy that it was bound to, signed by the key that the token names."""
    request = data.draw(changed(permitted.request))
    body = has_one_form(send(permitted, request))
    for group, response in enumerate(body.get("responses", ())):
        if any("kasWrappedKey" in result for result in response["results"]):
            assert canonical(request["requests"][group]["policy"]) == canonical(PERMITTED)


@bounded(60)
@given(data=st.data())
def test_changed_and_signed_request_releases_under_the_bound_policy_alone(
    permitted: Attempt, data: st.DataObject
) -> None:
    """An entitled caller signs whatever he likes: the binding still holds the policy."""
    request = data.draw(st.sampled_from(WITHIN).flatmap(lambda place: changed(permitted.request, under=place)))
    request = resigned(permitted, request)
    body = has_one_form(send(permitted, request))
    for group, response in enumerate(body.get("responses", ())):
        if any("kasWrappedKey" in result for result in response["results"]):
            assert canonical(request["requests"][group]["policy"]) == canonical(PERMITTED)


@bounded(60)
@given(data=st.data())
def test_no_change_of_a_denied_request_gets_a_key(denied: Attempt, data: st.DataObject) -> None:
    """Signed again by the denied caller, with the policy, the key access object or anything else changed."""
    request = resigned(denied, data.draw(changed(denied.request)))
    answer = send(denied, request)
    has_one_form(answer)
    assert b"kasWrappedKey" not in answer.body


@bounded(60)
@given(data=st.data())
def test_damaged_bytes_are_refused(denied: Attempt, data: st.DataObject) -> None:
    """Cut, repeated and inserted bytes."""
    answer = send(denied, None, data.draw(damaged(json.dumps(denied.request).encode())))
    has_one_form(answer)
    assert answer.status in {400, 403}


HEADERS = ("Authorization", "DPoP", "Content-Type", "Accept", "X-Request-Id", "X-Forwarded-Proto", "Content-Encoding")
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
SCHEMES = st.sampled_from(["DPoP ", "Bearer ", "dpop ", "Basic ", ""])


@bounded(40)
@given(headers=st.dictionaries(st.sampled_from(HEADERS), st.builds(str.__add__, SCHEMES, VALUES)))
def test_stranger_with_any_headers_gets_401(kit_without_nonces: Kit, headers: dict[str, str]) -> None:
    """Nobody is let in, and nobody learns about the body or the headers that come after authentication."""
    sent = [(name, value.strip()) for name, value in headers.items()]
    answer = kit_without_nonces.http("POST", kit_without_nonces.url, sent, b"{")
    body = has_one_form(answer)
    assert (answer.status, body["error"]) in {(401, "unauthorized"), (401, "invalid_token")}
