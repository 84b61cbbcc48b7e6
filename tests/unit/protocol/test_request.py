"""The parser of ``POST /rewrap``: what it makes of a body, and each fault with its place."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.encoding import canonical_json, sha256_b64url
from kas.errors import InvalidRequest
from kas.keys.registry import WrappedMaterial
from kas.protocol.bounds import JsonBounds
from kas.protocol.values import KaoSignature, LabelPolicy
from local.client.encoding import b64, canonical, from_b64
from tests.unit.good_rewrap import NOW, URL, World, label
from tests.unit.protocol.parsing import KAO, PROVEN, faults, first, good_request, parse, parser


@pytest.fixture
def request_():
    return good_request()


def test_a_body_becomes_values_with_the_bytes_that_are_bound_and_signed(request_):
    parsed = parse(request_)
    (group,), (sent,) = parsed.groups, request_["requests"]
    assert parsed.client_key_hash == sha256_b64url(canonical(request_["clientPublicKey"]))
    assert (group.policy_id, group.policy) == (sent["policy"]["policyId"], LabelPolicy(sent["policy"]))
    assert parsed.version == 1
    assert group.policy_hash == sha256_b64url(canonical(sent["policy"]))
    assert len(group.key_accesses) == 2
    for access, kao in zip(group.key_accesses, sent["keyAccessObjects"], strict=True):
        assert (access.id, access.kid, access.url, access.sid) == (kao["keyAccessObjectId"], "rsa-1", URL, None)
        assert access.wrapped == WrappedMaterial(from_b64(kao["wrappedKey"]))
        assert access.policy_binding == from_b64(kao["policyBinding"])
        assert access.binding_message == canonical(sent["policy"])
        unsigned = {name: value for name, value in kao.items() if name != "signature"}
        assert access.origin == KaoSignature(
            algorithm="ES256",
            signature=from_b64(kao["signature"]["sig"]),
            message=canonical(unsigned),
            client_key_hash=kao["clientKeyHash"],
        )
        assert access.is_supported


def test_unknown_members_are_in_what_is_bound_and_signed(request_):
    group = request_["requests"][0]
    group["policy"]["unknown"] = {"deep": {"er": [1]}}
    group["keyAccessObjects"][0]["unknown"] = {"deep": {"er": [2]}}
    access = parse(request_).groups[0].key_accesses[0]
    assert b'"unknown":{"deep":{"er":[1]}}' in access.binding_message
    assert b'"unknown":{"deep":{"er":[2]}}' in access.origin.message
    assert b'"signature"' not in access.origin.message


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"groups": 1}, []),
        ({"kaos": 2}, []),
        ({"kaos": 1}, [("requests", "too_many")]),
        ({"json": JsonBounds(7, 1000, 5000)}, []),
        ({"json": JsonBounds(6, 1000, 5000)}, [("requests[0].policy.dissem.releasabilityTo[0]", "too_deep")]),
        ({"url_chars": len(URL)}, []),
        ({"url_chars": len(URL) - 1}, [(f"requests[0].keyAccessObjects[{n}].url", "too_long") for n in (0, 1)]),
    ],
)
def test_limits_hold_to_the_unit(request_, limits, expected):
    assert (faults(request_, **limits) if expected else parse(request_, **limits) and []) == expected


def test_a_small_limit_on_ids_does_not_touch_members_of_fixed_length(request_):
    """A binding has 44 characters and a hash 43, whatever the limit on ids, which may be as low as 16."""
    assert parse(request_, id_chars=16)


def test_the_metadata_limit_may_be_zero(request_):
    request_["requests"][0]["keyAccessObjects"][0]["encryptedMetadata"] = "AAAA"
    assert faults(request_, metadata_chars=0) == [(f"{KAO}.encryptedMetadata", "too_long")]
    assert parse(request_, metadata_chars=4).groups[0].key_accesses[0].encrypted_metadata == bytes(3)


def test_an_address_that_may_not_be_named_is_a_fault(request_):
    request_["requests"][0]["keyAccessObjects"][1]["url"] = "http://kas.example/rewrap"
    assert faults(request_) == [("requests[0].keyAccessObjects[1].url", "bad_url")]


def test_a_group_that_is_no_object_does_not_hide_the_others(request_):
    request_["requests"] = [1, *request_["requests"]]
    del request_["requests"][1]["keyAccessObjects"][0]["kid"]
    assert sorted(faults(request_)) == [
        ("requests[0]", "wrong_type"),
        ("requests[1].keyAccessObjects[0].kid", "missing"),
    ]


@pytest.mark.parametrize(
    ("change", "limits", "expected"),
    [
        (lambda body: body.pop("clientPublicKey"), {}, ("clientPublicKey", "missing")),
        (lambda body: None, {"client_key_chars": 50}, ("clientPublicKey", "too_long")),
        (lambda body: body.update(clientPublicKey="x" * 60), {"client_key_chars": 59}, ("clientPublicKey", "too_long")),
        (lambda body: None, {"policy_bytes": 50}, ("requests[0].policy", "too_long")),
        (lambda body: body["requests"][0].pop("policy"), {}, ("requests[0].policy", "missing")),
        (lambda body: body["requests"][0].update(policy=[]), {}, ("requests[0].policy", "wrong_type")),
        (lambda body: first(body).pop("signature"), {}, (f"{KAO}.signature", "missing")),
        (lambda body: first(body).update(clientKeyHash="?"), {}, (f"{KAO}.clientKeyHash", "bad_hash")),
        (lambda body: first(body).update(clientKeyHash="AAAA"), {}, (f"{KAO}.clientKeyHash", "bad_hash")),
        (
            lambda body: first(body).update(keyAccessObjectId="kao-0-1"),
            {},
            ("requests[0].keyAccessObjects[1].keyAccessObjectId", "duplicate_id"),
        ),
    ],
)
def test_one_thing_wrong_is_one_fault(request_, change, limits, expected):
    change(request_)
    assert faults(request_, **limits) == [expected]


def test_one_policy_id_for_two_policies_is_a_fault_of_the_second():
    one = label()
    two = World().request(one, label(COI=[]) | {"policyId": one["policyId"]})
    assert faults(two) == [("requests[1].policy.policyId", "policy_mismatch")]


def test_a_faulty_id_is_no_duplicate_of_another(request_):
    for kao in request_["requests"][0]["keyAccessObjects"]:
        kao["keyAccessObjectId"] = ""
    expected = [(f"requests[0].keyAccessObjects[{n}].keyAccessObjectId", "empty") for n in (0, 1)]
    assert faults(request_) == expected


NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=9)
LISTS = st.lists(SCALARS, max_size=3)
JSON = SCALARS | LISTS | st.dictionaries(st.text(max_size=9), SCALARS | LISTS, max_size=3)
MEMBERS = st.sampled_from(
    ["clientPublicKey", "requests", "policy", "keyAccessObjects", "policyId", "kid", "url", "signature", "sid", "mode"]
)


@settings(deadline=None)
@given(data=st.data(), value=JSON)
def test_any_value_in_any_place_is_parsed_or_refused(data, value):
    """Whatever stands where, the answer is a request or a 400: never another exception."""
    request = World.request(WORLD, LABEL)
    holders = [
        request,
        request["requests"][0],
        request["requests"][0]["policy"],
        *request["requests"][0]["keyAccessObjects"],
    ]
    holder = data.draw(st.sampled_from(holders))
    holder[data.draw(MEMBERS)] = value
    parsed = None
    with contextlib.suppress(InvalidRequest):
        parsed = parse(request)
    assert parsed is None or parsed.groups


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_refused_and_nothing_else(body):
    with pytest.raises(InvalidRequest):
        parser().parse(body, key=PROVEN, now=NOW)


WORLD, LABEL = World(), label()


def test_what_is_hashed_is_what_any_reader_of_the_specification_would_hash(request_):
    assert parse(request_).groups[0].policy_hash == sha256_b64url(canonical_json(request_["requests"][0]["policy"]))


def test_a_binding_in_fewer_bytes_is_a_fault_of_its_kao_alone(request_):
    request_["requests"][0]["keyAccessObjects"][0]["policyBinding"] = b64(bytes(16))
    assert faults(request_) == [(f"{KAO}.policyBinding", "bad_length")]
