"""An OpenTDF request, without HTTP: what is absent, what is empty, and what is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.errors import InvalidStructure
from kas.jose import parse_public_jwk
from kas.protocol.bounds import JsonBounds
from kas.protocol.opentdf.request import Limits, parse_request
from kas.protocol.values import AttributePolicy, KeyAccess, RewrapRequest, UnreadablePolicy
from local.client import new_proof_key
from tests.opentdf.pieces import b64, bind, pem, policy_text, request_token, wrap

LIMITS = Limits(
    json=JsonBounds(32, 50_000, 2**17),
    groups=10,
    kaos=10,
    id_chars=256,
    url_chars=2048,
    client_key_chars=8192,
    wrapped_key_chars=8192,
    policy_chars=8192,
)
PROOF_KEY = new_proof_key()
PROVEN = parse_public_jwk(PROOF_KEY.jwk)
CLIENT_KEY = pem(ec.generate_private_key(ec.SECP256R1()))
SHARE = b"k" * 32
SEALED = wrap(SHARE, ec.generate_private_key(ec.SECP256R1()).public_key())
NOW = 1_790_000_000

WRONG_TYPES = [0, False, [], {}, 1, True, ["wrapped"], {"a": 1}, 0.0]


def parsed(policy: str | None = None, change: dict[str, Any] | None = None, **top: Any) -> RewrapRequest:
    """A good request of version 2 with members of its KAO, or of its own, replaced."""
    policy = policy_text() if policy is None else policy
    kao = {**SEALED, "url": "https://kas.example/kas", "kid": "k", "policyBinding": bind(SHARE, policy)}
    group = {
        "policy": {"id": "p", "body": policy},
        "keyAccessObjects": [{"keyAccessObjectId": "kao-0", "keyAccessObject": kao | (change or {})}],
    }
    request = {"clientPublicKey": CLIENT_KEY, "policy": policy, "requests": [group]} | top
    token = request_token(PROOF_KEY, json.dumps(request), {"iat": NOW, "exp": NOW + 60}, {})
    return parse_request(json.dumps({"signedRequestToken": token}).encode(), LIMITS, key=PROVEN, now=NOW)


def parsed_kao(**change: Any) -> KeyAccess:
    return parsed(change=change).groups[0].key_accesses[0]


def policy_of(**body: Any) -> AttributePolicy | UnreadablePolicy:
    policy = parsed(b64(json.dumps({"uuid": "x", "body": body}).encode())).groups[0].policy
    assert isinstance(policy, AttributePolicy | UnreadablePolicy)
    return policy


def test_the_request_has_no_hash_of_the_client_key() -> None:
    """No key access object of this dialect names it, so there is nothing to compare it with."""
    assert parsed().client_key_hash is None


# ---- Type and protocol


@pytest.mark.parametrize("absent", [None, ""])
def test_an_absent_protocol_is_kas(absent: str | None) -> None:
    assert parsed_kao(protocol=absent).is_supported


@pytest.mark.parametrize("absent", [None, ""])
def test_an_absent_type_is_wrapped(absent: str | None) -> None:
    kao = parsed_kao(type=absent)
    assert kao.is_supported
    assert kao.wrapped.ephemeral_key is None


@pytest.mark.parametrize("member", ["type", "keyType", "key_type", "protocol"])
@pytest.mark.parametrize("value", WRONG_TYPES, ids=repr)
def test_a_word_of_another_type_is_not_the_default(member: str, value: object) -> None:
    """False is not "absent": what cannot be understood is not supported."""
    change = {member: value} if member == "protocol" else {"type": None, member: value}
    assert not parsed_kao(**change).is_supported


# ---- Null


@pytest.mark.parametrize("name", ["keyType", "key_type"])
def test_null_under_one_name_does_not_hide_the_value_under_another(name: str) -> None:
    """Else a type that this service does not do would pass as the default."""
    assert not parsed_kao(**{"type": None, name: "remote"}).is_supported
    assert parsed_kao(**{"type": None, name: "ec-wrapped"}).wrapped.ephemeral_key is not None


@pytest.mark.parametrize("requests", [0, False, "", {}], ids=repr)
def test_requests_of_another_type_are_not_version_1(requests: object) -> None:
    with pytest.raises(InvalidStructure) as refused:
        parsed(requests=requests, policy=policy_text(), keyAccess=SEALED)
    assert [(fault.field, fault.code) for fault in refused.value.faults] == [("requests", "wrong_type")]


# ---- The binding


def test_a_binding_is_32_bytes_raw_or_in_lower_case_hexadecimal() -> None:
    for binding in (b"\x01" * 32, b"01" * 32):
        assert parsed_kao(policyBinding=b64(binding)).policy_binding == b"\x01" * 32


@pytest.mark.parametrize(
    "binding",
    [
        b"a" * 64 + b"g",
        b"a" * 64 + b"\n",
        b"a" * 64 + b"\xff",
        b"a" * 64 + b"aa",
        b"g" + b"a" * 64,
        b"a" * 63,
        b"A" * 64,
    ],
)
def test_attack_r01c_opentdf_hexadecimal_with_more_or_less_is_a_binding_that_never_holds(binding: bytes) -> None:
    """It is no fault of ours and no shorter binding: it fails as a wrong one does."""
    assert parsed_kao(policyBinding=b64(binding)).policy_binding == b""


# ---- The policy


@pytest.mark.parametrize("name", ["dataAttributes", "dissem"])
@pytest.mark.parametrize("value", [{}, 0, False, "", "abc", 1, True, {"attribute": "x"}, 0.0], ids=repr)
def test_only_a_list_says_what_a_policy_demands(name: str, value: object) -> None:
    """What is empty and no list is not "no demand", and a text is not a list of letters."""
    assert policy_of(**{name: value}) == UnreadablePolicy()


@pytest.mark.parametrize("body", [{}, {"dataAttributes": None, "dissem": None}, {"dataAttributes": [], "dissem": []}])
def test_null_an_empty_list_and_nothing_are_no_demand(body: dict[str, Any]) -> None:
    assert policy_of(**body) == AttributePolicy((), ())


def test_the_lists_of_a_policy_are_read_in_order() -> None:
    policy = policy_of(dataAttributes=[{"attribute": "b"}, {"attribute": "a", "more": 1}], dissem=["y", "x"])
    assert policy == AttributePolicy(("b", "a"), ("y", "x"))


@pytest.mark.parametrize("name", ["DataAttributes", "data_attributes", "dataattributes", "Dissem", "DISSEM", "dis_sem"])
def test_attack_r15_opentdf_a_demand_that_is_misspelt_is_no_policy_without_demands(name: str) -> None:
    """Readers that fold names would see a demand where we see none."""
    assert policy_of(**{name: []}) == UnreadablePolicy()


@pytest.mark.parametrize("top", ["Body", "BODY", "bo_dy"])
def test_attack_r15_opentdf_a_second_body_is_no_body(top: str) -> None:
    policy = parsed(b64(json.dumps({"body": {}, top: {}}).encode())).groups[0].policy
    assert policy == UnreadablePolicy()


def test_other_members_of_a_policy_are_ignored() -> None:
    assert policy_of(attributes=[], note="x") == AttributePolicy((), ())


# ---- Names


def two_names(place: str, **parts: Any) -> None:
    with pytest.raises(InvalidStructure) as refused:
        parsed(**parts)
    assert [(fault.field, fault.code) for fault in refused.value.faults] == [(place, "two_names")]


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"keyType": "wrapped"}, "type"),
        ({"wrapped_key": "AAAA"}, "wrappedKey"),
        ({"kasUrl": "https://kas.example/kas"}, "url"),
        ({"policy_binding": "AAAA"}, "policyBinding"),
        ({"policyBinding": {"alg": "HS256", "algorithm": "HS256", "hash": "AAAA"}}, "policyBinding.alg"),
        ({"ephemeral_public_key": "AAAA"}, "ephemeralPublicKey"),
    ],
)
def test_attack_r15_opentdf_a_member_under_two_of_its_names_is_a_fault(change: dict[str, Any], member: str) -> None:
    """Readers would differ in which of them they see."""
    two_names(f"requests[0].keyAccessObjects[0].keyAccessObject.{member}", change=change)
    kao = SEALED | {"url": "https://kas.example/kas", "policyBinding": "AAAA"} | change
    two_names(f"keyAccess.{member}", requests=[], keyAccess=kao)


def test_attack_r15_opentdf_a_member_around_a_key_access_object_has_one_name_too() -> None:
    two_names("clientPublicKey", client_public_key=CLIENT_KEY)
    group = {"policy": {"id": "p", "body": policy_text()}, "keyAccessObjects": [{}], "key_access_objects": [{}]}
    two_names("requests[0].keyAccessObjects", requests=[group])
