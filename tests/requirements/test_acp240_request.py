"""ACP-240 §1, KAS-REQ-010 to 013 and 023: the shape of a request, and its faults."""

from __future__ import annotations

import json

import pytest

from local.client.encoding import b64, canonical, sha256_b64url
from local.client.rewrap import build_kao, build_request
from tests.attacks.rewrap_answers import codes, faults, released
from tests.kit import policy, refused

KAO = "requests[0].keyAccessObjects[0]"
REQUIRED = ["keyAccessObjectId", "wrappedKey", "url", "kid", "policyBinding", "signature"]


def new_attempt(kit, **options):
    good = kit.attempt(**options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


def test_kas_req_010_each_group_has_one_policy_and_the_kaos_that_it_governs(kit_without_nonces):
    """Groups and KAOs are answered in the order of the request, each group under its own policy."""
    labels = [policy(), policy(COI=[]), policy(classification="UNCLASSIFIED")]
    attempt = new_attempt(kit_without_nonces, policies=labels, kaos=3)
    responses = released(attempt).json()["responses"]
    assert [response["policyId"] for response in responses] == [label["policyId"] for label in labels]
    for number, response in enumerate(responses):
        assert [result["keyAccessObjectId"] for result in response["results"]] == [
            f"kao-{number}-{index}" for index in range(3)
        ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], [("requests", "empty")]),
        ({}, [("requests", "wrong_type")]),
        (None, [("requests", "wrong_type")]),
        ("text", [("requests", "wrong_type")]),
        ([1, None], [("requests[0]", "wrong_type"), ("requests[1]", "wrong_type")]),
    ],
)
def test_kas_req_010_requests_are_a_list_of_groups_that_is_not_empty(attempt, value, expected):
    attempt.request["requests"] = value
    assert faults(attempt) == expected


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("policy", None, "wrong_type"),
        ("policy", "text", "wrong_type"),
        ("policy", [], "wrong_type"),
        ("keyAccessObjects", [], "empty"),
        ("keyAccessObjects", {}, "wrong_type"),
        ("keyAccessObjects", None, "wrong_type"),
    ],
)
def test_kas_req_010_a_group_has_a_policy_and_kaos(attempt, member, value, code):
    attempt.request["requests"][0][member] = value
    assert faults(attempt) == [(f"requests[0].{member}", code)]


@pytest.mark.parametrize("member", ["policy", "keyAccessObjects"])
def test_kas_req_010_a_group_without_policy_or_kaos_is_a_fault(attempt, member):
    del attempt.request["requests"][0][member]
    assert faults(attempt) == [(f"requests[0].{member}", "missing")]


def test_kas_req_010_a_kao_is_an_object(attempt):
    attempt.request["requests"][0]["keyAccessObjects"] = [None, "text", []]
    kaos = "requests[0].keyAccessObjects"
    assert faults(attempt) == [(f"{kaos}[{number}]", "wrong_type") for number in range(3)]


def test_kas_req_010_faults_of_the_whole_body_are_told_at_once(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[policy(), policy()])
    first, second = attempt.request["requests"]
    attempt.request["clientPublicKey"] = 1
    del first["keyAccessObjects"][0]["kid"]
    first["policy"]["policyId"] = ""
    second["keyAccessObjects"][0]["wrappedKey"] = "?"
    second["keyAccessObjects"][0]["url"] = ""
    assert sorted(faults(attempt)) == sorted(
        [
            ("clientPublicKey", "wrong_type"),
            ("requests[0].policy.policyId", "empty"),
            ("requests[0].keyAccessObjects[0].kid", "missing"),
            ("requests[1].keyAccessObjects[0].wrappedKey", "not_base64"),
            ("requests[1].keyAccessObjects[0].url", "empty"),
        ]
    )


def test_kas_req_010_faults_of_kaos_are_told_also_where_the_policy_has_one(attempt):
    del attempt.request["requests"][0]["policy"]
    del attempt.kao["kid"]
    assert sorted(faults(attempt)) == [(f"{KAO}.kid", "missing"), ("requests[0].policy", "missing")]


def test_kas_req_010_an_absent_policy_id_is_derived_from_the_policy(kit_without_nonces):
    label = {name: value for name, value in policy().items() if name != "policyId"}
    attempt = new_attempt(kit_without_nonces, policies=[label])
    (response,) = released(attempt).json()["responses"]
    assert response["policyId"] == sha256_b64url(canonical(label))


def test_kas_req_010_one_policy_id_may_name_one_policy_twice(kit_without_nonces):
    label = policy()
    attempt = new_attempt(kit_without_nonces, policies=[label, dict(reversed(label.items()))])
    responses = released(attempt).json()["responses"]
    assert [response["policyId"] for response in responses] == [label["policyId"]] * 2


def test_kas_req_010_one_policy_id_does_not_name_two_policies(kit_without_nonces):
    label = policy()
    attempt = new_attempt(kit_without_nonces, policies=[label, {**policy(COI=[]), "policyId": label["policyId"]}])
    assert faults(attempt) == [("requests[1].policy.policyId", "policy_mismatch")]


def test_kas_req_010_a_derived_policy_id_is_no_disguise_for_another_policy(kit_without_nonces):
    label = {name: value for name, value in policy().items() if name != "policyId"}
    derived = {**policy(), "policyId": sha256_b64url(canonical(label))}
    attempt = new_attempt(kit_without_nonces, policies=[label, derived])
    assert faults(attempt) == [("requests[1].policy.policyId", "policy_mismatch")]


def test_kas_req_010_two_policies_without_readable_id_are_no_contradiction(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[policy(), policy(COI=[])])
    for group in attempt.request["requests"]:
        group["policy"]["policyId"] = 7
    assert faults(attempt) == [(f"requests[{number}].policy.policyId", "wrong_type") for number in (0, 1)]


def test_kas_req_011_an_id_is_unique_and_comes_back_in_its_result(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, kaos=2)
    kaos = attempt.request["requests"][0]["keyAccessObjects"]
    kaos[0]["keyAccessObjectId"], kaos[1]["keyAccessObjectId"] = "ид/1 \u2028", "-"
    attempt.resign()
    answer = attempt.send()
    (response,) = answer.json()["responses"]
    assert codes(attempt, answer) == [None, None]
    assert [result["keyAccessObjectId"] for result in response["results"]] == ["ид/1 \u2028", "-"]


def test_kas_req_011_a_duplicate_id_is_a_fault(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[policy(), policy()])
    attempt.request["requests"][1]["keyAccessObjects"][0]["keyAccessObjectId"] = "kao-0-0"
    assert faults(attempt) == [("requests[1].keyAccessObjects[0].keyAccessObjectId", "duplicate_id")]


@pytest.mark.parametrize("member", REQUIRED)
def test_kas_req_012_a_required_member_is_missed(attempt, member):
    del attempt.kao[member]
    assert faults(attempt) == [(f"{KAO}.{member}", "missing")]


@pytest.mark.parametrize("member", [name for name in REQUIRED if name != "signature"])
@pytest.mark.parametrize(
    ("value", "code"), [("", "empty"), (None, "wrong_type"), (1, "wrong_type"), ([], "wrong_type")]
)
def test_kas_req_012_a_required_member_is_text_that_is_not_empty(attempt, member, value, code):
    attempt.kao[member] = value
    assert faults(attempt) == [(f"{KAO}.{member}", code)]


@pytest.mark.parametrize("value", [None, 1, {}, ["s-1"], True])
def test_kas_req_012_a_sid_is_text(attempt, value):
    attempt.kao["sid"] = value
    assert faults(attempt) == [(f"{KAO}.sid", "wrong_type")]


def test_kas_req_012_an_empty_kao_has_all_its_faults(attempt):
    attempt.request["requests"][0]["keyAccessObjects"] = [{}]
    assert sorted(faults(attempt)) == sorted((f"{KAO}.{member}", "missing") for member in REQUIRED)


@pytest.mark.parametrize("member", ["wrappedKey", "policyBinding", "encryptedMetadata"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip("=") + "=" * 3,
        lambda text: text[:8] + "\n" + text[8:],
        lambda text: " " + text,
        lambda text: text[:-1],
        lambda text: "-_" + text[2:],
        lambda text: "é" + text[1:],
        lambda text: "AAB=",
    ],
    ids=["padding", "line-break", "space", "cut", "url-alphabet", "not-ascii", "trailing-bits"],
)
def test_kas_req_012_base64_is_canonical_with_padding(attempt, member, change):
    attempt.kao[member] = change(b64(bytes(32)))
    assert faults(attempt) == [(f"{KAO}.{member}", "not_base64")]


def test_kas_req_013_other_members_of_the_data_format_are_accepted_and_ignored(attempt):
    attempt.request["requests"][0]["unknown"] = {"any": [None]}
    attempt.request["unknown"] = 1
    attempt.kao.update({"type": "wrapped", "protocol": "kas", "schemaVersion": "1.0", "tdf_spec_version": 4})
    attempt.kao["signature"]["kid"] = "unknown"
    attempt.resign()
    attempt.kao["signature"]["kid"] = "not under the signature"
    released(attempt)


def test_kas_req_023_client_key_and_requests_are_at_the_top(attempt):
    attempt.body = b"{}"
    assert faults(attempt) == [("clientPublicKey", "missing"), ("requests", "missing")]


def test_kas_req_023_the_members_are_found_nowhere_else(attempt):
    attempt.body = json.dumps({"request": attempt.request}).encode()
    assert faults(attempt) == [("clientPublicKey", "missing"), ("requests", "missing")]


@pytest.mark.parametrize("token", ["e30.e30.e30", "", None, 1])
def test_kas_req_023_what_is_no_signed_request_token_is_not_taken_beside_or_in_place_of_them(attempt, token):
    attempt.request["signedRequestToken"] = token
    refused(attempt.send(), 400, "invalid_request", "signed_request_token_invalid")
    attempt.proof, attempt.body = None, json.dumps({"signedRequestToken": token}).encode()
    refused(attempt.send(), 400, "invalid_request", "signed_request_token_invalid")


def test_kas_req_023_a_body_that_a_client_builds_by_the_specification_is_one(kit_without_nonces):
    """The pieces of the client, put together by hand."""
    attempt = new_attempt(kit_without_nonces)
    label, keys = policy(), kit_without_nonces.kas_keys()
    kao = build_kao(label, bytes(32), keys, kit_without_nonces.url)
    attempt.request = build_request(attempt.receiving.jwk, [(label, [kao])], attempt.key)
    attempt.data_keys = {"kao-1": bytes(32)}
    assert "sid" not in released(attempt).json()["responses"][0]["results"][0]
