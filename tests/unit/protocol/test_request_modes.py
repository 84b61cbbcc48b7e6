"""What a group asks of its KAOs together, encrypted metadata, and what is kept as it was sent."""

from __future__ import annotations

import json

import pytest

from kas.encoding import parse_json
from kas.protocol.values import Mode
from local.client.encoding import b64
from tests.unit.good_rewrap import World, label
from tests.unit.protocol.parsing import KAO, faults, first, good_request, parse

XOR = {"mode": "allOf", "combine": "xor"}


@pytest.fixture
def request_():
    return good_request()


def group_of(request, **members):
    request["requests"][0] |= members
    (group,) = parse(request).groups
    return group


def with_kaos(count):
    return World().request(label(), kaos=count)


def is_done(group):
    """Whether all of its KAOs are for this service to do; there is no third case."""
    supported = {access.is_supported for access in group.key_accesses}
    assert len(supported) == 1
    return supported == {True}


@pytest.mark.parametrize(
    ("members", "mode"),
    [
        ({}, Mode.EACH),
        ({"combine": "xor"}, Mode.EACH),
        ({"combine": "other"}, Mode.EACH),
        ({"mode": "anyOf"}, Mode.ANY_OF),
        ({"mode": "anyOf", "combine": "xor"}, Mode.ANY_OF),
        (XOR, Mode.ALL_OF),
    ],
)
def test_kas_req_120_a_group_has_the_mode_it_names(request_, members, mode):
    group = group_of(request_, **members)
    assert group.mode is mode
    assert is_done(group)


@pytest.mark.parametrize(
    "members",
    [
        {"mode": ""},
        {"mode": "other"},
        {"mode": "anyof"},
        {"mode": "AnyOf"},
        {"mode": "each"},
        {"mode": "any of"},
        {"mode": "allOf"},
        {"mode": "allOf", "combine": ""},
        {"mode": "allOf", "combine": "XOR"},
        {"mode": "allOf", "combine": "shamir"},
    ],
)
def test_another_word_is_a_mode_that_is_not_done_here(request_, members):
    group = group_of(request_, **members)
    assert group.mode is Mode.UNSUPPORTED
    assert not is_done(group)


@pytest.mark.parametrize(
    ("count", "mode"), [(1, Mode.UNSUPPORTED), (2, Mode.ALL_OF), (5, Mode.ALL_OF), (6, Mode.UNSUPPORTED)]
)
def test_two_to_five_splits_are_combined(count, mode):
    group = group_of(with_kaos(count), **XOR)
    assert group.mode is mode
    assert is_done(group) == (mode is Mode.ALL_OF)


@pytest.mark.parametrize("count", [1, 6])
def test_alternatives_may_be_as_many_as_there_are(count):
    assert group_of(with_kaos(count), mode="anyOf").mode is Mode.ANY_OF


@pytest.mark.parametrize(
    ("sids", "mode"),
    [
        ((None, None, None), Mode.ALL_OF),
        (("a", "b", "c"), Mode.ALL_OF),
        (("a", None, "b"), Mode.ALL_OF),
        (("a", "a", "b"), Mode.UNSUPPORTED),
        (("a", "b", "a"), Mode.UNSUPPORTED),
        ((None, "", ""), Mode.UNSUPPORTED),
    ],
)
def test_alternatives_of_one_split_are_not_combined_with_each_other(sids, mode):
    request = with_kaos(3)
    for kao, sid in zip(request["requests"][0]["keyAccessObjects"], sids, strict=True):
        kao.update({} if sid is None else {"sid": sid})
    assert group_of(request, **XOR).mode is mode


def test_one_split_may_have_alternatives_otherwise(request_):
    for kao in request_["requests"][0]["keyAccessObjects"]:
        kao["sid"] = "a"
    assert is_done(group_of(request_))
    assert group_of(request_, mode="anyOf").mode is Mode.ANY_OF


def test_a_mode_is_that_of_its_group_alone():
    request = World().request(label(), label(COI=[]), kaos=2)
    request["requests"][0]["mode"] = "other"
    one, other = parse(request).groups
    assert (one.mode, other.mode) == (Mode.UNSUPPORTED, Mode.EACH)
    assert is_done(other)


@pytest.mark.parametrize("member", ["mode", "combine"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["anyOf"]])
def test_a_mode_that_is_no_text_is_a_fault(request_, member, value):
    request_["requests"][0] |= XOR | {member: value}
    assert faults(request_) == [(f"requests[0].{member}", "wrong_type")]


@pytest.mark.parametrize("sid", [None, 1, [], {}])
def test_a_sid_that_is_no_text_is_a_fault_in_a_mode_too(request_, sid):
    request_["requests"][0] |= XOR
    first(request_)["sid"] = sid
    assert faults(request_) == [(f"{KAO}.sid", "wrong_type")]


@pytest.mark.parametrize("data", [b"", b"x", bytes(60)])
def test_kas_req_012_encrypted_metadata_are_bytes_of_their_kao(request_, data):
    """Empty ones are there: that they do not open is found where they are opened."""
    first(request_)["encryptedMetadata"] = b64(data)
    one, other = parse(request_).groups[0].key_accesses
    assert (one.encrypted_metadata, other.encrypted_metadata) == (data, None)
    assert one.is_supported


@pytest.mark.parametrize("text", ["AAA", "AA==\n", "A===", "AB==", "_-8="])
def test_encrypted_metadata_are_canonical_base64(request_, text):
    first(request_)["encryptedMetadata"] = text
    assert faults(request_) == [(f"{KAO}.encryptedMetadata", "not_base64")]


@pytest.mark.parametrize(("chars", "expected"), [(80, None), (79, [(f"{KAO}.encryptedMetadata", "too_long")])])
def test_encrypted_metadata_are_bounded_to_the_character(request_, chars, expected):
    first(request_)["encryptedMetadata"] = b64(bytes(60))
    if expected is None:
        assert parse(request_, metadata_chars=chars)
    else:
        assert faults(request_, metadata_chars=chars) == expected


def test_kas_req_081_what_was_sent_is_kept_for_whoever_it_is_forwarded_to(request_):
    """Members that nobody here knows among it."""
    request_["requests"][0]["policy"]["unknown"] = {"deep": [1.0, None]}
    first(request_)["unknown"] = {"x": "Ü"}
    sent = parse_json(json.dumps(request_).encode())
    parsed = parse(request_)
    (group,) = parsed.groups
    assert parsed.sent_client_key == sent["clientPublicKey"]
    assert group.sent_policy == sent["requests"][0]["policy"]
    assert [access.sent for access in group.key_accesses] == sent["requests"][0]["keyAccessObjects"]


def test_a_kao_that_is_no_object_is_a_fault_in_a_mode_too(request_):
    request_["requests"][0] |= XOR
    request_["requests"][0]["keyAccessObjects"][0] = 1
    assert faults(request_) == [(KAO, "wrong_type")]
