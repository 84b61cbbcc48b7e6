"""R15 on the routes of OpenTDF: what two JSON readers could read differently is refused wherever JSON comes in.

That is in the message (REST, Connect's JSON), in header and claims of the request token, in its ``requestBody``, and
in the policy, where it is answered as every policy that cannot be read.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.attacks.not_i_json import INVALID_JSON, NOT_CANONICAL
from tests.attacks.proof_requests import sign_text
from tests.kit import Kit
from tests.opentdf import wire
from tests.opentdf.answers import BAD_REQUEST, connect_error, refused_call, refused_kao, released
from tests.opentdf.pieces import b64
from tests.opentdf.procedures import NAMES, PROCEDURES, Procedure, get, post
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

MARK = '"@@"'
TEXTS = pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
JSON_ROUTES = pytest.mark.parametrize("json_route", ["rest", "connect-json"])
# What may stand there: the edges of what every reader reads alike.
EXACT = ["9007199254740991", "-9007199254740991", "1e308", "-0.0", r'"\ud83d\udd11"', '{"a": 1, "A": 1}', "null"]


def marked(value: dict[str, Any], text: str) -> str:
    """The JSON of ``value``, with ``text`` where the mark stands."""
    written = json.dumps(value)
    assert written.count(MARK) == 1
    return written.replace(MARK, text)


def holders(attempt: TdfAttempt) -> list[dict[str, Any]]:
    """The objects of a request, from the outermost to the innermost."""
    group = attempt.request["requests"][0]
    return [attempt.request, group, group["policy"], group["keyAccessObjects"][0], attempt.kao]


# ---- The request inside the request token


@TEXTS
def test_attack_r15_opentdf_a_request_body_that_is_no_i_json(tdf_kit: Kit, route: Route, text: str) -> None:
    """In an unknown member of each object, which nobody would look at."""
    for place in range(5):
        attempt = TdfAttempt.good(tdf_kit, route)
        holders(attempt)[place]["later"] = "@@"
        attempt.text = marked(attempt.request, text)
        refused_call(attempt, 400, "invalid_request", "not_canonical")


@TEXTS
def test_attack_r15b_opentdf_a_request_body_of_version_1_that_is_no_i_json(
    tdf_kit: Kit, route: Route, text: str
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=1)
    attempt.kao["later"] = "@@"
    attempt.text = marked(attempt.request, text)
    refused_call(attempt, 400, "invalid_request", "not_canonical")


@pytest.mark.parametrize("name", ["clientPublicKey", "requests", "policy", "body", "wrappedKey", "policyBinding"])
def test_attack_r15c_opentdf_a_member_of_the_request_that_occurs_twice(tdf_kit: Kit, route: Route, name: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.text = json.dumps(attempt.request).replace(f'"{name}": ', f'"{name}": "x", "{name}": ', 1)
    refused_call(attempt, 400, "invalid_request", "not_canonical")


IN_UTF_8 = {name: body.decode() for name, body in INVALID_JSON.items() if name[:5] not in {"utf-8", "utf-1", "latin"}}


@pytest.mark.parametrize("text", IN_UTF_8.values(), ids=IN_UTF_8)
def test_attack_r15d_opentdf_a_request_body_that_is_no_json(tdf_kit: Kit, route: Route, text: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.text = text
    refused_call(attempt, 400, "invalid_request", "invalid_json")


@pytest.mark.parametrize("text", EXACT)
def test_attack_r15e_opentdf_what_every_reader_reads_alike_is_taken(tdf_kit: Kit, route: Route, text: str) -> None:
    """The requests of these tests are good but for the text that is put into them."""
    for place in range(5):
        attempt = TdfAttempt.good(tdf_kit, route)
        holders(attempt)[place]["later"] = "@@"
        attempt.text = marked(attempt.request, text)
        released(attempt)


# ---- The request token


@TEXTS
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])
def test_attack_r15f_opentdf_a_request_token_that_is_no_i_json(
    tdf_kit: Kit, route: Route, text: str, *, bound: bool
) -> None:
    """Header or claims, rightly signed."""
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    for part in (0, 1):
        attempt.proof, attempt.srt = None, signed(attempt, part, text)
        refused_call(attempt, 400, "invalid_request", "signed_request_token_invalid")


def signed(attempt: TdfAttempt, part: int, text: str) -> str:
    """A request token with ``text`` as an unknown member of its header or of its claims."""
    now = int(time.time())
    claims = {"requestBody": json.dumps(attempt.request), "iat": now, "exp": now + 60}
    parts: list[dict[str, Any]] = [{"alg": attempt.srt_key.alg}, claims]
    parts[part]["later"] = "@@"
    header, payload = (marked(value, text) if "later" in value else json.dumps(value) for value in parts)
    return sign_text(attempt.srt_key, header, payload)


@pytest.mark.parametrize("text", EXACT)
def test_attack_r15g_opentdf_a_request_token_that_every_reader_reads_alike_is_taken(
    tdf_kit: Kit, route: Route, text: str
) -> None:
    for part in (0, 1):
        attempt = TdfAttempt.good(tdf_kit, route)
        attempt.srt = signed(attempt, part, text)
        released(attempt)


# ---- The message


@JSON_ROUTES
@TEXTS
def test_attack_r15h_opentdf_a_message_that_is_no_i_json(tdf_kit: Kit, json_route: Route, text: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, json_route)
    outer = json.loads(attempt.make_body()) | {"later": "@@"}
    attempt.body = marked(outer, text).encode()
    refused_call(attempt, 400, "invalid_request", "not_canonical")


@JSON_ROUTES
def test_attack_r15i_opentdf_a_message_with_two_request_tokens(tdf_kit: Kit, json_route: Route) -> None:
    """A gateway that reads the first sees another request than we would by reading the last."""
    attempt = TdfAttempt.good(tdf_kit, json_route)
    text = attempt.make_body().decode()
    attempt.body = f"{text[:-1]}, {text[1:]}".encode()
    refused_call(attempt, 400, "invalid_request", "not_canonical")


@JSON_ROUTES
@pytest.mark.parametrize("body", INVALID_JSON.values(), ids=INVALID_JSON)
def test_attack_r15j_opentdf_a_message_that_is_no_json(tdf_kit: Kit, json_route: Route, body: bytes) -> None:
    attempt = TdfAttempt.good(tdf_kit, json_route)
    attempt.body = body
    refused_call(attempt, 400, "invalid_request", "invalid_json")


@pytest.mark.parametrize("data", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"], ids=bytes.hex)
def test_attack_r15k_opentdf_a_protobuf_text_that_is_no_utf_8(tdf_kit: Kit, data: bytes) -> None:
    attempt = TdfAttempt.good(tdf_kit, "connect-proto")
    attempt.body = wire.message((1, data))
    refused_call(attempt, 400, "invalid_request", "message_invalid")


@pytest.mark.parametrize("procedure", PROCEDURES, ids=NAMES)
@TEXTS
def test_attack_r15l_opentdf_a_message_to_any_procedure_that_is_no_i_json(
    tdf_kit: Kit, procedure: Procedure, text: str
) -> None:
    """By POST and by GET."""
    data = marked(procedure.asked | {"later": "@@"}, text).encode()
    connect_error(post(tdf_kit, procedure.path, "json", data), 400, "not_canonical: ")
    connect_error(get(tdf_kit, procedure.path, "json", data), 400, "not_canonical: ")


# ---- The policy


@TEXTS
@pytest.mark.parametrize("version", [1, 2])
def test_attack_r15m_opentdf_a_policy_that_is_no_i_json(tdf_kit: Kit, route: Route, version: int, text: str) -> None:
    """Rightly bound; it demands nothing, to those who read on past what is odd."""
    policy = b64(marked({"uuid": "x", "later": "@@", "body": {}}, text).encode())
    attempt = TdfAttempt.good(tdf_kit, route, version=version, policies=[policy])
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@pytest.mark.parametrize("text", EXACT)
def test_attack_r15n_opentdf_a_policy_that_every_reader_reads_alike_is_taken(
    tdf_kit: Kit, route: Route, text: str
) -> None:
    policy = b64(marked({"uuid": "x", "later": "@@", "body": {}}, text).encode())
    released(TdfAttempt.good(tdf_kit, route, policies=[policy]))
