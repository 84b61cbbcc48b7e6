"""R5, R8: every limit of ACP-240 §2 holds to the unit, and ids are unique over the whole request."""

from __future__ import annotations

import copy
import json

import pytest

from local.client.encoding import b64, canonical
from tests.attacks.rewrap_answers import codes, faults, kao_refused, rebuild, released, with_client_key
from tests.kit import policy, refused

KAO = "requests[0].keyAccessObjects[0]"


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


def new_attempt(kit, **options):
    good = kit.attempt(**options)
    good.nonce = None
    return good


def change(attempt, member, value):
    attempt.kao[member] = value
    attempt.resign()


def nested(depth):
    """A value of this depth: a scalar has depth 1."""
    value = 0
    for _ in range(depth - 1):
        value = [value]
    return value


def test_attack_r05_a_wrapped_key_of_1700_characters_is_no_structural_fault(attempt):
    change(attempt, "wrappedKey", b64(bytes(1275)))
    assert len(attempt.kao["wrappedKey"]) == 1700
    kao_refused(attempt, "key_material_rejected")


def test_attack_r05_a_wrapped_key_of_a_million_characters_is_too_long(attempt):
    change(attempt, "wrappedKey", "A" * 10**6)
    assert faults(attempt) == [(f"{KAO}.wrappedKey", "too_long")]


def test_attack_r05_a_wrapped_key_at_its_limit_passes(attempt):
    change(attempt, "wrappedKey", "A" * 8192)
    kao_refused(attempt, "key_material_rejected")


def test_attack_r05_metadata_at_its_limit_passes(attempt):
    change(attempt, "encryptedMetadata", "A" * 65536)
    kao_refused(attempt, "key_material_rejected")


def test_attack_r05_a_url_at_its_limit_passes(attempt):
    base = "https://kas.example/"
    change(attempt, "url", base + "a" * (2048 - len(base)))
    kao_refused(attempt, "unknown_kas")


def test_attack_r05_a_kid_at_its_limit_passes(attempt):
    change(attempt, "kid", "k" * 256)
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize("member", ["keyAccessObjectId", "sid"])
def test_attack_r05_ids_at_their_limit_come_back_whole(attempt, member):
    change(attempt, member, "ü" * 256)
    answer = attempt.send()
    assert (answer.status, attempt.result(answer)[member]) == (200, "ü" * 256)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("wrappedKey", "A" * 8193),
        ("encryptedMetadata", "A" * 65537),
        ("url", "https://kas.example/" + "a" * 2029),
        ("kid", "k" * 257),
        ("keyAccessObjectId", "k" * 257),
        ("sid", "s" * 257),
        ("policyBinding", "A" * 1024),
        ("clientKeyHash", "A" * 1024),
        ("type", "t" * 1024),
        ("protocol", "p" * 1024),
    ],
)
def test_attack_r05_one_character_more_is_a_fault_with_its_place(attempt, member, value):
    change(attempt, member, value)
    assert faults(attempt) == [(f"{KAO}.{member}", "too_long")]


@pytest.mark.parametrize("member", ["alg", "sig"])
def test_attack_r05_the_members_of_a_signature_are_bounded(attempt, member):
    attempt.kao["signature"][member] = "A" * 2048
    assert faults(attempt) == [(f"{KAO}.signature.{member}", "too_long")]


def padded_key(attempt, size):
    """A JWK whose canonical form has ``size`` bytes."""
    jwk = attempt.receiving.jwk | {"unknown": ""}
    jwk["unknown"] = "x" * (size - len(canonical(jwk)))
    return jwk


def test_attack_r05_a_client_key_at_its_limit_passes(attempt):
    released(with_client_key(attempt, padded_key(attempt, 8192)))


@pytest.mark.parametrize("kind", ["jwk", "text"])
def test_attack_r05_a_client_key_beyond_its_limit_is_a_fault(attempt, kind):
    with_client_key(attempt, padded_key(attempt, 8193) if kind == "jwk" else "x" * 8193)
    assert faults(attempt) == [("clientPublicKey", "too_long")]


def padded_policy(size):
    label = {**policy(), "unknown": ""}
    label["unknown"] = "x" * (size - len(canonical(label)))
    return label


def test_attack_r05_a_policy_at_its_limit_passes(kit_without_nonces):
    released(new_attempt(kit_without_nonces, policies=[padded_policy(65536)]))


def test_attack_r05_a_policy_beyond_its_limit_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[padded_policy(65537)])
    assert faults(attempt) == [("requests[0].policy", "too_long")]


@pytest.mark.parametrize("length", [1, 256])
def test_attack_r05_a_policy_id_within_its_limit_passes(kit_without_nonces, length):
    released(new_attempt(kit_without_nonces, policies=[{**policy(), "policyId": "p" * length}]))


@pytest.mark.parametrize(
    ("policy_id", "code"),
    [("", "empty"), ("p" * 257, "too_long"), (7, "wrong_type"), (None, "wrong_type"), (["p"], "wrong_type")],
)
def test_attack_r05_a_policy_id_of_another_form_is_a_fault(kit_without_nonces, policy_id, code):
    attempt = new_attempt(kit_without_nonces)
    attempt.policy["policyId"] = policy_id
    assert faults(attempt) == [("requests[0].policy.policyId", code)]


def test_attack_r05_nesting_to_the_limit_passes(attempt):
    attempt.request["unknown"] = nested(31)
    released(attempt)


def test_attack_r05_nesting_beyond_the_limit_is_a_fault_with_its_place(attempt):
    attempt.request["unknown"] = {"deep": nested(31)}
    assert faults(attempt) == [("unknown.deep" + "[0]" * 30, "too_deep")]


def test_attack_r05_nesting_that_no_parser_follows_is_a_fault(attempt):
    attempt.body = b"[" * 400_000 + b"]" * 400_000
    (fault,) = faults(attempt)
    assert fault[1] == "too_deep"


def test_attack_r05_the_place_of_a_fault_is_bounded(attempt):
    attempt.request["u" * 10_000] = nested(32)
    ((place, code),) = faults(attempt)
    assert (len(place), code) == (256, "too_deep")


def test_attack_r05_a_body_at_its_limit_passes_and_one_byte_more_does_not(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.body = json.dumps(attempt.request).encode().ljust(2**20)
    released(attempt)
    attempt = new_attempt(kit_without_nonces)
    attempt.body = json.dumps(attempt.request).encode().ljust(2**20 + 1)
    refused(attempt.send(), 413, "content_too_large", "content_too_large")


def test_attack_r05_a_hundred_groups_pass(kit_without_nonces):
    released(new_attempt(kit_without_nonces, policies=[policy() for _ in range(100)]))


def test_attack_r05_a_group_more_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.request["requests"] *= 101
    assert faults(attempt) == [("requests", "too_many")]


def test_attack_r05_five_hundred_kaos_pass(kit_without_nonces):
    answer = released(new_attempt(kit_without_nonces, policies=[policy(), policy()], kaos=250))
    assert len(kit_without_nonces.events(answer.headers["X-Request-Id"])) == 500


@pytest.mark.parametrize("groups", [1, 3])
def test_attack_r05_a_kao_more_is_a_fault_however_they_are_grouped(kit_without_nonces, groups):
    attempt = new_attempt(kit_without_nonces)
    group = attempt.request["requests"][0]
    group["keyAccessObjects"] *= 501 // groups
    attempt.request["requests"] = [group] * groups
    place = "requests[0].keyAccessObjects" if groups == 1 else "requests"
    found = faults(attempt)
    assert found[0][1] == "too_many"
    assert found[0][0] in {place, "requests"}


def test_attack_r05_an_answer_lists_a_hundred_faults_at_most(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.request["requests"][0]["keyAccessObjects"] = [{} for _ in range(500)]
    assert len(faults(attempt)) == 100


def test_attack_r08_an_id_that_occurs_twice_in_a_group_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, kaos=3)
    attempt.request["requests"][0]["keyAccessObjects"][2]["keyAccessObjectId"] = "kao-0-0"
    attempt.resign()
    assert faults(attempt) == [("requests[0].keyAccessObjects[2].keyAccessObjectId", "duplicate_id")]


def test_attack_r08_an_id_that_occurs_in_two_groups_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[policy(), policy()])
    attempt.request["requests"][1]["keyAccessObjects"][0]["keyAccessObjectId"] = "kao-0-0"
    attempt.resign()
    assert faults(attempt) == [("requests[1].keyAccessObjects[0].keyAccessObjectId", "duplicate_id")]


def test_attack_r08_the_same_kao_twice_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.request["requests"][0]["keyAccessObjects"] *= 3
    kaos = "requests[0].keyAccessObjects"
    assert faults(attempt) == [(f"{kaos}[{n}].keyAccessObjectId", "duplicate_id") for n in (1, 2)]


def test_attack_r08_ids_that_differ_in_case_or_form_are_different(kit_without_nonces):
    """Ids are compared as sent: no normalisation makes two of them one."""
    attempt = new_attempt(kit_without_nonces, kaos=4)
    for kao, kao_id in zip(attempt.request["requests"][0]["keyAccessObjects"], ["é", "e\u0301", "E", "e"], strict=True):
        kao["keyAccessObjectId"] = kao_id
    attempt.resign()
    answer = attempt.send()
    assert (answer.status, codes(attempt, answer)) == (200, [None] * 4)


def test_attack_r08_the_place_of_a_duplicate_counts_what_is_no_object_too(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    kao = attempt.kao
    attempt.request["requests"][0]["keyAccessObjects"] = ["no object", kao, copy.deepcopy(kao)]
    assert faults(attempt) == [
        ("requests[0].keyAccessObjects[0]", "wrong_type"),
        ("requests[0].keyAccessObjects[2].keyAccessObjectId", "duplicate_id"),
    ]


def test_attack_r05_a_data_key_as_long_as_the_wrap_allows_is_not_released(attempt):
    rebuild(attempt, bytes(190))
    kao_refused(attempt, "key_material_rejected")
