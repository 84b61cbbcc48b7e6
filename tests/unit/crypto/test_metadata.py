"""Encrypted metadata opens under its own material for its own policy; whatever else happens has one answer."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.crypto.metadata import open_metadata
from kas.datakey import DataKey
from kas.encoding import canonical_json
from kas.errors import InvalidStructure, KeyMaterialRejected
from kas.protocol.bounds import JsonBounds, check_bounds

KEY = bytes(range(32))
POLICY = {
    "policyId": "p-1",
    "dissem": {
        "classification": "SECRET",
        "releasabilityTo": ["USA", "FRA"],
        "COI": ["NATO"],
        "creationDate": "2026-01-01T00:00:00Z",
    },
}
ASSERTION = {
    "policyHash": base64.b64encode(hashlib.sha256(canonical_json(POLICY)).digest()).decode(),
    "classification": "SECRET",
    "releasabilityTo": ["USA", "FRA"],
    "COI": ["NATO"],
    "createdAt": "2026-01-01T00:00:00Z",
}
FIELDS = {"title": "Überblick", "pages": 3, "of": {"deep": [1.5, None]}}
BOUNDS = JsonBounds(depth=5, values=30, string_chars=100)


def seal(plaintext, key=KEY, aad=None):
    """By the words of the specification: IV(12) ‖ tag(16) ‖ ciphertext."""
    iv = secrets.token_bytes(12)
    sealed = AESGCM(key).encrypt(iv, plaintext, aad)
    return iv + sealed[-16:] + sealed[:-16]


def open_bytes(encrypted, key=KEY, policy=POLICY):
    return open_metadata(
        DataKey(key),
        encrypted,
        policy=policy,
        policy_canonical=canonical_json(policy),
        check_bounds=lambda value: check_bounds(value, BOUNDS),
    )


def open_value(value, **how):
    return open_bytes(seal(json.dumps(value).encode()), **how)


def rejected(action):
    """The one refusal, with nothing in it or behind it that a caller or a log could tell cases apart by."""
    with pytest.raises(KeyMaterialRejected) as refused:
        action()
    assert refused.value.code == "key_material_rejected"
    assert refused.value.args == ()


def test_kas_req_070_fields_are_the_metadata():
    assert open_value({"fields": FIELDS, "policyAssertion": ASSERTION, "more": 1}) == FIELDS
    assert open_value({"fields": {}}) == {}


@pytest.mark.parametrize("whole", [{}, {"title": "x"}, {"policyAssertion": ASSERTION, "title": "x"}])
def test_without_fields_the_whole_object_is_the_metadata(whole):
    assert open_value(whole) == whole


def test_the_material_stays_the_caller_s():
    key = DataKey(KEY)
    open_metadata(key, seal(b"{}"), policy=POLICY, policy_canonical=b"", check_bounds=lambda _: None)
    assert key.reveal() == KEY


GOOD = seal(b'{"fields":{}}')


@pytest.mark.parametrize("length", [0, 1, 12, 27, 28, len(GOOD) - 1])
def test_kas_req_071_what_is_cut_off_is_rejected(length):
    rejected(lambda: open_bytes(GOOD[:length]))


@pytest.mark.parametrize("place", [0, 11, 12, 27, 28, len(GOOD) - 1])
def test_kas_req_071_no_bit_can_change(place):
    changed = bytearray(GOOD)
    changed[place] ^= 1
    rejected(lambda: open_bytes(bytes(changed)))


def test_the_tag_stands_before_the_ciphertext():
    rejected(lambda: open_bytes(GOOD[:12] + GOOD[28:] + GOOD[12:28]))


def test_there_are_no_further_authenticated_data():
    rejected(lambda: open_bytes(seal(b"{}", aad=b"x")))


@pytest.mark.parametrize("length", [16, 24])
def test_material_for_a_weaker_cipher_opens_nothing_although_it_would(length):
    rejected(lambda: open_bytes(seal(b"{}", KEY[:length]), key=KEY[:length]))


@pytest.mark.parametrize("length", [0, 15, 31, 33, 64])
def test_material_of_a_length_that_no_cipher_has_is_rejected_like_any_other(length):
    rejected(lambda: open_bytes(GOOD, key=bytes(length)))


def test_other_material_opens_nothing():
    rejected(lambda: open_bytes(GOOD, key=bytes(32)))


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b'{"a":1,"a":1}',
        b'{"a":9007199254740992}',
        b'{"a":1e999}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"[" * 100_000,
        b"null",
        b"[]",
        b'"fields"',
        b"1",
        b'{"fields":null}',
        b'{"fields":[]}',
        b'{"fields":"x"}',
    ],
)
def test_kas_req_071_attack_r10_what_is_no_json_object_is_rejected_like_a_bad_tag(plaintext):
    rejected(lambda: open_bytes(seal(plaintext)))


@pytest.mark.parametrize(
    ("inside", "beyond"),
    [
        ({"a": {"b": {"c": {"d": 1}}}}, {"a": {"b": {"c": {"d": [1]}}}}),
        ({"a": [1] * 28}, {"a": [1] * 29}),
        ({"a": "x" * 100}, {"a": "x" * 101}),
        ({"x" * 100: 1}, {"x" * 101: 1}),
    ],
    ids=["depth", "values", "text", "name"],
)
def test_what_is_beyond_a_bound_is_rejected_like_a_bad_tag(inside, beyond):
    assert open_value(inside) == inside
    with pytest.raises(InvalidStructure):
        check_bounds(beyond, BOUNDS)
    rejected(lambda: open_value(beyond))


@pytest.mark.parametrize("plaintext", [b'{"canary', b'{"canary":1,"canary":1}', b'{"canary":{"a":{"b":{"c":[1]}}}}'])
def test_a_refusal_does_not_show_what_was_inside(plaintext):
    """The library's exceptions quote what they could not read; they are neither cause nor printed."""
    with pytest.raises(KeyMaterialRejected) as refused:
        open_bytes(seal(plaintext))
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("left", [[], *[[name] for name in ASSERTION], list(ASSERTION)])
def test_whatever_an_assertion_says_holds_and_it_may_leave_anything_out(left):
    assertion = {name: value for name, value in ASSERTION.items() if name not in left}
    assert open_value({"fields": FIELDS, "policyAssertion": assertion}) == FIELDS


@pytest.mark.parametrize(
    "change",
    [{"releasabilityTo": ["FRA", "USA"]}, {"releasabilityTo": ["FRA", "USA", "FRA"]}, {"COI": ["NATO", "NATO"]}],
)
def test_lists_are_compared_as_sets(change):
    assert open_value({"fields": FIELDS, "policyAssertion": ASSERTION | change}) == FIELDS


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("policyHash", ["", ASSERTION["policyHash"][:-1], ASSERTION["policyHash"].lower(), None, 1, []]),
        ("classification", ["CONFIDENTIAL", "secret", "", None, ["SECRET"], {}]),
        ("releasabilityTo", [["USA"], ["USA", "FRA", "GBR"], [], "USA", None, {"USA": 1, "FRA": 1}, ["USA", "FRA", 1]]),
        ("COI", [[], ["FVEY"], ["NATO", "FVEY"], "NATO", None, [["NATO"]]]),
        ("createdAt", ["2026-01-01T00:00:00.0Z", "2026-01-01", "", None, 0]),
        ("unknown", ["", None, []]),
        ("creationDate", ["2026-01-01T00:00:00Z"]),
    ],
)
def test_kas_req_071_an_assertion_that_does_not_hold_is_rejected_like_a_bad_tag(name, values):
    """Each member by itself, and beside others that hold."""
    for value in values:
        rejected(lambda value=value: open_value({"fields": FIELDS, "policyAssertion": {name: value}}))
        rejected(lambda value=value: open_value({"fields": FIELDS, "policyAssertion": ASSERTION | {name: value}}))


@pytest.mark.parametrize("assertion", [None, [], "", 1, True, ASSERTION["policyHash"]])
def test_an_assertion_that_is_no_object_is_rejected(assertion):
    rejected(lambda: open_value({"fields": FIELDS, "policyAssertion": assertion}))


@pytest.mark.parametrize("policy", [{}, {"dissem": None}, {"dissem": []}, {"dissem": {}}])
@pytest.mark.parametrize("name", ["classification", "releasabilityTo", "COI", "createdAt"])
def test_nothing_holds_of_a_policy_that_says_nothing(policy, name):
    rejected(lambda: open_value({"policyAssertion": {name: ASSERTION[name]}}, policy=policy))


@pytest.mark.parametrize(("name", "value"), [("classification", None), ("createdAt", None), ("COI", None)])
def test_null_in_both_is_no_match(name, value):
    policy = {"dissem": {"classification": value, "creationDate": value, "COI": value}}
    rejected(lambda: open_value({"policyAssertion": {name: value}}, policy=policy))


def test_a_wrong_type_in_both_is_no_match():
    policy = {"dissem": {"classification": ["SECRET"], "releasabilityTo": "USA"}}
    rejected(lambda: open_value({"policyAssertion": {"classification": ["SECRET"]}}, policy=policy))
    rejected(lambda: open_value({"policyAssertion": {"releasabilityTo": "USA"}}, policy=policy))


def test_no_coi_and_an_empty_list_of_them_say_the_same():
    """As the decision reads labels."""
    policy = {"dissem": {"classification": "SECRET", "releasabilityTo": ["USA"]}}
    assert open_value({"fields": FIELDS, "policyAssertion": {"COI": []}}, policy=policy) == FIELDS


@pytest.mark.parametrize("change", [{"policyId": "p-2"}, {"unknown": 1}, {"dissem": POLICY["dissem"] | {"COI": []}}])
def test_metadata_moved_to_another_policy_is_rejected(change):
    rejected(lambda: open_value({"fields": FIELDS, "policyAssertion": ASSERTION}, policy=POLICY | change))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_rejected_and_nothing_else(encrypted):
    rejected(lambda: open_bytes(encrypted))


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_plaintext_is_metadata_or_rejected(plaintext):
    try:
        opened = open_bytes(seal(plaintext))
    except KeyMaterialRejected:
        return
    assert isinstance(opened, dict)
