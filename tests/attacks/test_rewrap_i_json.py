"""R15: numbers and text on which two readers could differ are refused when they are parsed, wherever they stand."""

from __future__ import annotations

import json

import pytest

from tests.attacks.not_i_json import INVALID_JSON, NOT_CANONICAL
from tests.attacks.rewrap_answers import released
from tests.kit import refused

# Where a value stands in the body: at the top, in a policy, in a KAO; each is a text with one placeholder.
PLACES = ["top", "policy", "kao"]
MARK = '"@@"'


@pytest.fixture
def attempt(kit_without_nonces):
    good = kit_without_nonces.attempt()
    good.nonce = None
    return good


def body_with(attempt, place, text):
    """The body with ``text`` as the value of an unknown member at ``place``."""
    holder = {"top": attempt.request, "policy": attempt.policy, "kao": attempt.kao}[place]
    holder["unknown"] = "@@"
    return json.dumps(attempt.request).replace(MARK, text).encode()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_attack_r15_what_is_no_i_json_is_not_canonical(attempt, place, text):
    attempt.body = body_with(attempt, place, text)
    body = refused(attempt.send(), 400, "invalid_request", "not_canonical")
    assert "responses" not in body


@pytest.mark.parametrize("member", ["requests", "clientPublicKey"])
def test_attack_r15_a_member_that_occurs_twice_is_not_canonical(attempt, member):
    text = json.dumps(attempt.request)
    attempt.body = f"{text[:-1]}, {json.dumps(member)}: {json.dumps(attempt.request[member])}}}".encode()
    refused(attempt.send(), 400, "invalid_request", "not_canonical")


@pytest.mark.parametrize("name", ["policyId", "keyAccessObjectId", "wrappedKey", "kty"])
def test_attack_r15_a_member_that_occurs_twice_further_in_is_not_canonical(attempt, name):
    text = json.dumps(attempt.request)
    attempt.body = text.replace(f'"{name}":', f'"{name}": "x", "{name}":', 1).encode()
    refused(attempt.send(), 400, "invalid_request", "not_canonical")


@pytest.mark.parametrize("body", INVALID_JSON.values(), ids=INVALID_JSON)
def test_attack_r15_what_is_no_json_in_utf_8_is_invalid_json(attempt, body):
    attempt.body = body
    refused(attempt.send(), 400, "invalid_request", "invalid_json")


def test_attack_r15_a_byte_order_mark_before_a_good_body_is_invalid_json(attempt):
    attempt.body = b"\xef\xbb\xbf" + json.dumps(attempt.request).encode()
    refused(attempt.send(), 400, "invalid_request", "invalid_json")


@pytest.mark.parametrize(
    "value",
    [2**53 - 1, -(2**53 - 1), 1e300, 1e-300, 5e-324, 0.1, -0.0, 1e21, True, None, "\U0001f511", "\u2028", "\x7f", ""],
)
def test_attack_r15_what_is_i_json_passes_under_signature(attempt, value):
    attempt.kao["unknown"] = {"ü": [value]}
    attempt.resign()
    released(attempt)


@pytest.mark.parametrize("text", ["9007199254740993.0", "1e2", "100.0", "1E+2", r'"\ud83d\udd11"', r'"\u0061"'])
def test_attack_r15_a_number_or_text_may_be_written_in_any_way_that_says_the_same(attempt, text):
    """What is signed is the value (RFC 8785), not its spelling."""
    attempt.kao["unknown"] = json.loads(text)
    attempt.resign()
    attempt.kao["unknown"] = "@@"
    attempt.body = json.dumps(attempt.request).replace(MARK, text).encode()
    released(attempt)


@pytest.mark.parametrize("value", [[], "text", 1, None, True])
def test_attack_r15_a_body_that_is_no_object_is_a_structural_fault(attempt, value):
    attempt.body = json.dumps(value).encode()
    body = refused(attempt.send(), 400, "invalid_request", "invalid_structure")
    assert [(fault["field"], fault["code"]) for fault in body["validationErrors"]] == [("", "wrong_type")]
