"""What goes to another service is what was sent; what comes back has the shape of a response or is nothing."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.encoding import canonical_json, parse_json
from kas.protocol.acp240.forward import forwarded_body, read_forwarded_answer
from kas.protocol.bounds import JsonBounds
from tests.unit.good_rewrap import World, label
from tests.unit.protocol.parsing import parse, parser

BOUNDS = JsonBounds(depth=10, values=100, string_chars=200)
RESULT = {
    "keyAccessObjectId": "kao-1",
    "status": "success",
    "kasWrappedKey": "b64",
    "sid": "s-1",
    "metadata": {"title": "Ü"},
    "signature": {
        "alg": "ES256",
        "kid": "k",
        "kas": "kas-fra",
        "policyId": "p-1",
        "iat": 1,
        "proof": "h",
        "sig": "b64",
    },
}
ANSWER = {"responses": [{"policyId": "p-1", "results": [RESULT, RESULT | {"keyAccessObjectId": "kao-2"}]}]}
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=9,
)


def parsed_with(sent):
    return parser().parse(json.dumps(sent).encode(), key=None, now=0)


def forwarded(parsed):
    groups = [(group.sent_policy, [kao.sent for kao in group.key_accesses]) for group in parsed.groups]
    return forwarded_body(parsed.sent_client_key, groups)


def test_kas_req_080_another_service_reads_what_the_client_sent():
    """Every value that something is bound to or signed over is the same there as here."""
    request = World().request(label(), label(COI=[]), kaos=2)
    for sent in request["requests"]:
        sent["policy"]["unknown"] = [1.0, -0.5, 1e21, "Ü ", None]
        sent["keyAccessObjects"][0] |= {"unknown": {"2": 1, "10": 2, "ä": 3}}
    here = parse(request)
    assert parsed_with(parse_json(forwarded(here))) == here


def test_there_is_no_mode_in_what_is_forwarded():
    request = World().request(label(), kaos=2)
    request["requests"][0] |= {"mode": "allOf", "combine": "xor", "unknown": 1}
    body = json.loads(forwarded(parse(request)))
    assert set(body) == {"clientPublicKey", "requests"}
    assert set(body["requests"][0]) == {"policy", "keyAccessObjects"}


def test_some_kaos_of_some_groups_may_be_forwarded_in_their_order():
    request = World().request(label(), label(COI=[]), kaos=3)
    sent = request["requests"][1]
    kaos = [sent["keyAccessObjects"][2], sent["keyAccessObjects"][0]]
    body = json.loads(forwarded_body("PEM", [(sent["policy"], kaos)]))
    assert body == {"clientPublicKey": "PEM", "requests": [{"policy": sent["policy"], "keyAccessObjects": kaos}]}


def test_the_body_is_compact_and_utf_8():
    assert forwarded_body("ü", [({"a": 1}, [])]) == (
        '{"clientPublicKey":"ü","requests":[{"policy":{"a":1},"keyAccessObjects":[]}]}'.encode()
    )


@settings(deadline=None)
@given(JSON)
def test_any_value_has_one_canonical_form_before_and_after(value):
    body = parse_json(forwarded_body(value, [({"x": value}, [{"y": value}])]))
    assert canonical_json(body["clientPublicKey"]) == canonical_json(value)
    assert canonical_json(body["requests"][0]["keyAccessObjects"][0]["y"]) == canonical_json(value)


def read(answer, bounds=BOUNDS):
    return read_forwarded_answer(answer if isinstance(answer, bytes) else json.dumps(answer).encode(), bounds)


def test_an_answer_is_its_results_as_they_came_by_policy():
    two = {"responses": [*ANSWER["responses"], {"policyId": "p-2", "results": [RESULT]}, ANSWER["responses"][0]]}
    results = ANSWER["responses"][0]["results"]
    assert read(two) == [("p-1", results), ("p-2", [RESULT]), ("p-1", results)]


@pytest.mark.parametrize("besides", [{"code": "x", "error": "y", "message": "z", "requestId": "r"}, {"unknown": [1]}])
def test_members_beside_the_responses_are_ignored(besides):
    """Those of an answer in which nothing succeeded among them."""
    assert read(ANSWER | besides) == read(ANSWER)


@pytest.mark.parametrize("answer", [{"responses": []}, {"responses": [{"policyId": "p-1", "results": []}]}])
def test_results_may_be_missing(answer):
    """Which of those that were asked for are there is not judged here."""
    assert [results for _, results in read(answer)] in ([], [[]])


@pytest.mark.parametrize("result", [{"keyAccessObjectId": "k"}, RESULT | {"status": 1, "signature": None}])
def test_what_else_a_result_says_is_not_judged_here(result):
    assert read({"responses": [{"policyId": "p", "results": [result]}]}) == [("p", [result])]


NO_OBJECT = [None, 1, True, "x", []]
NO_LIST = [None, 1, True, "x", {}]
NO_TEXT = [None, 1, True, "", [], {}]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ((), NO_OBJECT),
        (("responses",), NO_LIST),
        (("responses", 0), NO_OBJECT),
        (("responses", 0, "policyId"), NO_TEXT),
        (("responses", 0, "results"), NO_LIST),
        (("responses", 0, "results", 1), NO_OBJECT),
        (("responses", 0, "results", 1, "keyAccessObjectId"), NO_TEXT),
    ],
)
def test_another_shape_anywhere_is_no_answer(path, values):
    for value in values:
        answer = copy.deepcopy(ANSWER)
        if path:
            at(answer, path[:-1])[path[-1]] = value
        with pytest.raises(ValueError):
            read(answer if path else value)


@pytest.mark.parametrize(
    "path",
    [
        ("responses",),
        ("responses", 0, "policyId"),
        ("responses", 0, "results"),
        ("responses", 0, "results", 0, "keyAccessObjectId"),
    ],
)
def test_a_missing_member_is_no_answer(path):
    answer = copy.deepcopy(ANSWER)
    del at(answer, path[:-1])[path[-1]]
    with pytest.raises(ValueError):
        read(answer)


def at(value, path):
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"<html></html>",
        b"\xef\xbb\xbf" + json.dumps(ANSWER).encode(),
        b'{"responses":[],"responses":[]}',
        b'{"responses":[],"x":NaN}',
        b'{"responses":[],"x":9007199254740992}',
        b'{"responses":[],"x":"\\ud800"}',
        b'{"responses":' + b"[" * 100_000,
    ],
)
def test_what_is_no_i_json_is_no_answer(body):
    with pytest.raises(ValueError):
        read(body)


@pytest.mark.parametrize(
    ("inside", "beyond"),
    [
        (JsonBounds(7, 100, 200), JsonBounds(6, 100, 200)),
        (JsonBounds(10, 35, 200), JsonBounds(10, 34, 200)),
        (JsonBounds(10, 100, 17), JsonBounds(10, 100, 16)),
    ],
    ids=["depth", "values", "text"],
)
def test_an_answer_is_bounded_to_the_unit(inside, beyond):
    assert read(ANSWER, inside) == read(ANSWER)
    with pytest.raises(ValueError):
        read(ANSWER, beyond)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_an_answer_or_none(value):
    try:
        found = read(value)
    except ValueError:
        return
    assert all(isinstance(policy_id, str) for policy_id, _ in found)


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_no_answer_and_nothing_else_happens(body):
    with pytest.raises(ValueError):
        read(body)
