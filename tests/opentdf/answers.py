"""What tests of this dialect ask of an answer: a release, a refusal of the call, a refusal of one key access object."""

from __future__ import annotations

from typing import Any

from local.client import Answer
from tests.kit import refused
from tests.opentdf.tdf_client import Rewrapped, TdfAttempt

BAD_REQUEST = "rpc error: code = InvalidArgument desc = bad request"
# Our status -> Connect's code and the status that it gives it.
CONNECT = {
    400: ("invalid_argument", 400),
    401: ("unauthenticated", 401),
    403: ("permission_denied", 403),
    404: ("not_found", 404),
    405: ("unimplemented", 405),
    413: ("resource_exhausted", 429),
    415: ("invalid_argument", 415),
    429: ("resource_exhausted", 429),
    501: ("unimplemented", 501),
    503: ("unavailable", 503),
}


def forbidden(code: str) -> str:
    """The text of a policy's denial."""
    return f"rpc error: code = PermissionDenied desc = forbidden: {code}"


def released(attempt: TdfAttempt) -> Rewrapped:
    """Sends, and asserts that every data key arrives and is recorded as released."""
    answer = attempt.send()
    read = attempt.read(answer)
    assert attempt.open(read) == attempt.data_keys
    assert {result.status for result in read.results} == {"permit"}
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["event"], event["outcome"]) for event in events] == [("rewrap", "released")] * len(read.results)
    return read


def connect_error(answer: Answer, status: int, text: str) -> dict[str, Any]:
    """Asserts Connect's form of an error: two members, in JSON whatever the codec; ``status`` is ours."""
    code, expected = CONNECT[status]
    body = answer.json()
    assert (answer.status, body.get("code")) == (expected, code), answer.body
    assert set(body) == {"code", "message"}
    assert body["message"].startswith(text), answer.body
    assert answer.headers["Content-Type"] == "application/json"
    return body


def refused_call(attempt: TdfAttempt, status: int, error: str, code: str, answer: Answer | None = None) -> Answer:
    """Sends, and asserts that the whole call is refused in the form of its route, and recorded."""
    answer = attempt.send() if answer is None else answer
    if attempt.route == "rest":
        refused(answer, status, error, code)
    else:
        connect_error(answer, status, f"{code}: ")
    if status == 401 and error != "unauthorized":
        assert answer.headers["WWW-Authenticate"].startswith(f'DPoP error="{error}", ')
    assert b"bad request" not in answer.body
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["event"], event["code"], event["path"]) for event in events] == [("refusal", code, attempt.path)]
    return answer


def refused_proof(attempt: TdfAttempt, code: str) -> Answer:
    return refused_call(attempt, 401, "invalid_dpop_proof", code)


def offered_nonce(attempt: TdfAttempt) -> str:
    """The nonce that every answer of the route offers, refusals included."""
    return attempt.kit.http("POST", attempt.url).headers["DPoP-Nonce"]


def refused_kao(attempt: TdfAttempt, code: str, text: str, status: int = 400) -> Answer:
    """Sends, and asserts that the only KAO is refused with exactly ``text``, in the way of the request's version."""
    answer = attempt.send()
    if attempt.version == 1:
        _refused_version_1(attempt, answer, code, text, status)
    else:
        read = attempt.read(answer)
        (result,) = read.results
        assert (result.status, result.error, result.wrapped) == ("fail", text, b"")
        assert (read.session_key, read.entity_key) == ("", b"")
        assert result.metadata == NO_OBLIGATIONS[attempt.route]
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["event"], event["outcome"], event["code"]) for event in events] == [("rewrap", "refused", code)]
    return answer


def _refused_version_1(attempt: TdfAttempt, answer: Answer, code: str, text: str, status: int) -> None:
    if attempt.route == "rest":
        error = "forbidden" if status == 403 else "invalid_request"
        assert refused(answer, status, error, code)["message"] == text
    else:
        assert connect_error(answer, status, text)["message"] == text


# One entry, "X-Required-Obligations", whose value (field 2) is an empty list (field 6 of Value).
_ENTRY = b"\x0a\x16X-Required-Obligations\x12\x02\x32\x00"
NO_OBLIGATIONS: dict[str, Any] = {
    "rest": {"X-Required-Obligations": []},
    "connect-json": {"X-Required-Obligations": []},
    "connect-proto": [_ENTRY],
}
