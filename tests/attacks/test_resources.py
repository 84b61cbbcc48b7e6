"""What a caller sends costs no more than its bounds allow, on every route; what he calls himself breaks no log line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.client import Answer
from tests.host.functions import exchange, refused_in_form
from tests.kit import Attempt, Kit, refused
from tests.opentdf.answers import refused_call
from tests.opentdf.answers import released as tdf_released
from tests.opentdf.tdf_client import ROUTES, TdfAttempt

DIALECTS = ("acp240", *ROUTES)
Either = Attempt | TdfAttempt


def new(kit: Kit, dialect: str, **options: Any) -> Either:
    """A good request in any dialect; both read ``request["unknown"]`` and ignore it."""
    return kit.attempt(**options) if dialect == "acp240" else TdfAttempt.good(kit, dialect, **options)


def refuse(attempt: Either, status: int, error: str, code: str) -> Answer:
    """Sends, and asserts that all of it is refused, in the form of its route and with one event."""
    if isinstance(attempt, TdfAttempt):
        return refused_call(attempt, status, error, code)
    answer = attempt.send()
    body = refused(answer, status, error, code)
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == [code]
    return answer


def faulty(attempt: Either, place: str, fault: str) -> None:
    """Sends, and asserts one structural fault."""
    answer = refuse(attempt, 400, "invalid_request", "invalid_structure")
    if isinstance(attempt, Attempt) or attempt.route == "rest":
        assert [(one["field"], one["code"]) for one in answer.json()["validationErrors"]] == [(place, fault)]
    else:
        assert answer.json()["message"].endswith(f" {place}: {fault}")


def release(attempt: Either) -> Answer | None:
    """Sends, and asserts that every data key arrives."""
    if isinstance(attempt, TdfAttempt):
        tdf_released(attempt)
        return None
    answer = attempt.send()
    assert answer.status == 200, answer.body
    assert attempt.open(answer) == attempt.data_keys
    return answer


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels - 1):
        value = [value]
    return value


# ---- JSON


# Name -> an unknown member that passes, one that does not, and the place and code of its fault.
BEYOND: dict[str, tuple[Callable[[], Any], Callable[[], Any], str, str]] = {
    "depth": (lambda: nested(31), lambda: nested(32), "unknown" + "[0]" * 31, "too_deep"),
    "text": (lambda: "x" * 2**17, lambda: "x" * (2**17 + 1), "unknown", "too_long"),
    "name": (lambda: {"x" * 2**17: 0}, lambda: {"x" * (2**17 + 1): 0}, "", "too_long"),
    "items": (lambda: [0] * 49_000, lambda: [0] * 50_000, "", "too_many"),
    "members": (
        lambda: {f"{number:x}": 0 for number in range(49_000)},
        lambda: {f"{number:x}": 0 for number in range(50_000)},
        "",
        "too_many",
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", BEYOND)
def test_attack_z01_json_beyond_a_bound_is_refused_and_within_it_passes(kit: Kit, dialect: str, case: str) -> None:
    """Also where nobody reads it."""
    within, beyond, place, fault = BEYOND[case]
    attempt = new(kit, dialect)
    attempt.request["unknown"] = within()
    release(attempt)
    attempt = new(kit, dialect)
    attempt.request["unknown"] = beyond()
    if place:
        faulty(attempt, place, fault)
    else:
        answer = refuse(attempt, 400, "invalid_request", "invalid_structure")
        assert fault in answer.body.decode()
        assert len(answer.body) < 2000


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("number", ["9" * 100_000, "-1e999", "1." + "0" * 100_000 + "e400", "1e-100000000000"])
def test_attack_z01_numbers_cost_nothing_however_long(kit: Kit, dialect: str, number: str) -> None:
    """One that no I-JSON reader keeps is refused; what is only small is a number."""
    attempt = new(kit, dialect)
    text = json.dumps({**attempt.request, "unknown": 4711}).replace("4711", number)
    if isinstance(attempt, TdfAttempt):
        attempt.text = text
    else:
        attempt.body = text.encode()
    if number == "1e-100000000000":
        release(attempt)
    else:
        refuse(attempt, 400, "invalid_request", "not_canonical")


@pytest.mark.parametrize("dialect", ["acp240", "rest"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_attack_z02_a_compressed_body_is_never_unpacked(kit: Kit, dialect: str, encoding: str) -> None:
    """These routes take none; Connect's, which do, have their tests beside them."""
    attempt = new(kit, dialect)
    attempt.body = gzip.compress(b" " * 2**22)
    attempt.headers.append(("Content-Encoding", encoding))
    refuse(attempt, 415, "unsupported_media_type", "unsupported_media_type")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_attack_z06_many_key_access_objects_are_refused_before_any_is_opened(kit: Kit, dialect: str) -> None:
    """501 are one refusal and one line, and the data key of none is touched."""
    attempt = new(kit, dialect)
    kaos = attempt.request["requests"][0]["keyAccessObjects"]
    kaos[:] = [{**kaos[0], "keyAccessObjectId": f"kao-{number}"} for number in range(501)]
    faulty(attempt, "requests" if dialect == "acp240" else "requests[0].keyAccessObjects", "too_many")


# ---- Log lines

HOSTILE = 'x\r\n{"event":"rewrap","outcome":"released"}\r\n\x1b[31m\x1b]0;x\x07\x00\x7f\x85\u2028\u202e\u2066\ud7ff'


def lines_with(kit: Kit, text: str) -> list[dict[str, Any]]:
    """The log's lines that contain a text, each whole and of printable ASCII."""
    lines = [line for line in kit.log.read_bytes().split(b"\n") if text.encode() in line]
    for line in lines:
        assert line.isascii()
        assert min(line) >= 0x20
        assert 0x7F not in line
        assert len(line) < 4000
    return [json.loads(line) for line in lines]


def all_events(kit: Kit, answer: Answer) -> list[dict[str, Any]]:
    """The events of one request, none of them torn and none beside them."""
    found = lines_with(kit, answer.headers["X-Request-Id"])
    assert found == kit.events(answer.headers["X-Request-Id"])
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_attack_g01_control_characters_in_claims_and_ids_stay_in_their_line(kit: Kit, dialect: str) -> None:
    """They are recorded as they are, escaped: one line that says what the caller calls himself and his objects."""
    marker = f"marker-{dialect}"
    claims = {"claims": {"sub": marker + HOSTILE, "client_id": HOSTILE}}
    attempt = new(kit, dialect, override=claims)
    group = attempt.request["requests"][0]
    group["policy"]["id" if dialect != "acp240" else "policyId"] = HOSTILE
    attempt.kao["kid"] = HOSTILE
    group["keyAccessObjects"][0]["keyAccessObjectId"] = HOSTILE
    if isinstance(attempt, Attempt):
        attempt.resign()
    answer = attempt.send()
    (event,) = all_events(kit, answer)
    assert lines_with(kit, marker) == [event]
    assert (event["subject"], event["client"]) == (marker + HOSTILE, HOSTILE)
    assert (event["policyId"], event["kaoId"]) == (HOSTILE, HOSTILE)
    assert (event["outcome"], event["code"]) == ("refused", "unknown_key")


ESCAPED = "%0d%0a%7B%22event%22:1%7D%1b%5b31m%00%7f%e2%80%ae%ff"
HEADERS = (
    "X-Request-Id",
    "traceparent",
    "X-Cloud-Trace-Context",
    "User-Agent",
    "X-Forwarded-For",
    "Forwarded",
    "Referer",
)


@pytest.mark.parametrize("base", ["/nowhere", "/kas.AccessService/", "/rewrap"])
def test_attack_g01_paths_and_headers_write_no_line_of_their_own(kit: Kit, base: str) -> None:
    """A path is recorded escaped; of a header with anything but its form nothing is."""
    hostile = 'canary-h \t"event":1 \xe2\x80\xae \xff'
    headers = "".join(f"{name}: {hostile}\r\n" for name in HEADERS)
    answer = exchange(
        kit.base, f"POST {base}{ESCAPED} HTTP/1.1\r\nHost: kas\r\n{headers}Content-Length: 0\r\n\r\n", "POST"
    )
    (event,) = all_events(kit, answer)
    assert event["path"] == f'{base}\r\n{{"event":1}}\x1b[31m\x00\x7f\u202e\ufffd'
    assert "canary-h" not in json.dumps(event)
    assert not [name for name in event if name.startswith("logging.")]
    assert "X-Client-Request-Id" not in answer.headers
    assert b"canary-h" not in answer.body


@pytest.mark.parametrize("control", ["\x1b", "\x00", "\x07", "\r", "\n", "\x7f"], ids=lambda text: f"{ord(text):02x}")
def test_attack_g01_a_header_with_a_control_character_never_comes_to_be_logged(kit: Kit, control: str) -> None:
    """The host refuses it, or its value is no trace and no request id; nothing of it is in a log."""
    name = f"canary-{ord(control):02x}"
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    lines = f"X-Request-Id: {name}{control}[31m\r\ntraceparent: {trace}{control}{name}\r\nContent-Length: 0\r\n"
    answer = exchange(kit.base, f"POST /nowhere HTTP/1.1\r\nHost: kas\r\n{lines}\r\n", "POST")
    assert answer.status in {400, 404}
    assert "X-Client-Request-Id" not in answer.headers
    for log in (kit.log, kit.log.with_name("stderr")):
        assert name.encode() not in log.read_bytes()


READABLE = '"' * 129  # 260 bytes as written: the longest text that is not hashed
WIDE = "\U0001f600" * 256  # the longest id in characters; twelve times that as written


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", [READABLE, WIDE], ids=["readable", "wide"])
def test_attack_g03_lines_stay_whole_with_the_longest_of_everything_at_once(kit: Kit, dialect: str, text: str) -> None:
    """Eight callers at a time, with three lines each; every line is read back and has at most 4,000 bytes."""
    assert kit.attempt().send().status == 200  # the issuer's keys are there: few may wait for the first fetch
    traced = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")]
    claims = {"claims": {"sub": text[:255], "client_id": text[:129]}}
    attempts = [new(kit, dialect, override=claims, kaos=3) for _ in range(8)]
    for attempt in attempts:
        attempt.headers += traced
        group = attempt.request["requests"][0]
        group["policy"]["id" if dialect != "acp240" else "policyId"] = text
        for number, kao in enumerate(group["keyAccessObjects"]):
            kao["keyAccessObjectId"] = text[:-1] + str(number)
            (kao if dialect == "acp240" else kao["keyAccessObject"])["kid"] = text
        if isinstance(attempt, Attempt):
            attempt.resign()
            attempt.proof = attempt.make_proof()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda attempt: attempt.send(), attempts))
    for answer in answers:
        events = all_events(kit, answer)
        assert [event["code"] for event in events] == ["unknown_key"] * 3
        for event in events:
            assert event["policyId"] == text if text == READABLE else event["policyId"].startswith("sha256:")
            assert len(event["kaoId"]) in {129, 50}
            assert event["logging.googleapis.com/trace"] == "a" * 32
    assert all(json.loads(line) for line in kit.log.read_bytes().split(b"\n") if line.startswith(b"{"))


def test_attack_g03_a_long_path_is_one_short_line(kit: Kit) -> None:
    path = "/" + "%f0%9f%98%80" * 600
    answer = exchange(kit.base, f"POST {path} HTTP/1.1\r\nHost: kas\r\nContent-Length: 0\r\n\r\n", "POST")
    refused_in_form(answer, 404, "not_found")
    (event,) = all_events(kit, answer)
    assert event["path"].startswith("sha256:")


def test_a_path_is_in_the_record_as_it_was_sent_and_its_query_is_not(kit: Kit) -> None:
    """So a secret that a client writes into a path is in the log, as the security model says; nowhere else."""
    answer = exchange(kit.base, "GET /a/word-in-the-path?b=word-in-the-query HTTP/1.1\r\nHost: kas\r\n\r\n", "GET")
    refused_in_form(answer, 404, "not_found")
    (event,) = all_events(kit, answer)
    assert event["path"] == "/a/word-in-the-path"
    assert "word-in-the-query" not in json.dumps(event)
