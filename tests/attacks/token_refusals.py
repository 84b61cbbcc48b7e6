"""What every refused caller has in common: answer, challenge or signed result, audit line, and no key."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from tests.kit import Attempt, Kit, refused


def refuse_token(attempt: Attempt, code: str) -> None:
    """Sends the attempt and asserts that its token is refused with ``code``, and recorded as such."""
    answer = attempt.send()
    body = refused(answer, 401, "invalid_token", code)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert [event.get("code") for event in attempt.kit.events(body["requestId"])] == [code]


def refuse_override(kit: Kit, code: str, **override: Any) -> None:
    """The same for a token that the provider makes as ``override`` says."""
    refuse_token(kit.attempt(override=override), code)


def admit(attempt: Attempt) -> None:
    """Sends the attempt and asserts that it opens every key that it asks for."""
    assert attempt.open(attempt.send()) == attempt.data_keys


def deny(attempt: Attempt, code: str) -> None:
    """Sends the attempt and asserts that its caller is authenticated and gets nothing, for the reason ``code``."""
    answer = attempt.send()
    body = answer.json()
    assert (answer.status, body["error"], body["code"]) == (403, "forbidden", code), answer.body
    result = attempt.result(answer)
    assert (result["status"], result["code"]) == ("error", code)
    assert b"kasWrappedKey" not in answer.body
    (event,) = attempt.kit.events(body["requestId"])
    assert (event["outcome"], event["code"]) == ("refused", code)


def decoded(part: str) -> bytes:
    """The bytes of one part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def with_parts(kit: Kit, change: Callable[..., Iterable[str]]) -> Attempt:
    """A request whose token has its three parts replaced by what ``change`` makes of them."""
    attempt = kit.attempt()
    attempt.token = ".".join(change(*attempt.token.split(".")))
    return attempt
