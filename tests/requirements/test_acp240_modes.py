"""ACP-240 §1, KAS-REQ-003 and 120: key access objects of a policy that are alternatives, or splits of one key.

`mode` is the group's; nobody signs it, so it decides in which order keys are opened and how they come back, and nothing
about who has them.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from functools import reduce
from itertools import permutations

import pytest

from local.client import Answer, new_proof_key
from local.client.encoding import b64
from local.client.results import open_result, verify_answer
from local.client.rewrap import build_kao, client_key_hash
from tests.attacks.rewrap_answers import codes
from tests.kit import Attempt, Kit, policy, refused
from tests.metadata import encrypt_metadata

ANY: dict[str, str] = {"mode": "anyOf"}
XOR = {"mode": "allOf", "combine": "xor"}
DENIED = policy(classification="TOP_SECRET")


def new_attempt(kit: Kit, how: dict[str, str], keys: Sequence[bytes], under: dict | None = None) -> Attempt:
    """One group of key access objects, each for one of ``keys``."""
    attempt = kit.attempt(policies=[under or policy()], kaos=len(keys))
    attempt.nonce = None
    attempt.request["requests"][0] |= how
    bound = {"clientKeyHash": client_key_hash(attempt.request["clientPublicKey"])}
    for number, data_key in enumerate(keys):
        named = {"kao_id": f"kao-0-{number}", "sid": f"s-{number}"}
        kaos_of(attempt)[number] = build_kao(attempt.policy, data_key, kit.kas_keys(), kit.url, **named) | bound
        attempt.data_keys[f"kao-0-{number}"] = data_key
    attempt.resign()
    return attempt


def some_keys(count: int, length: int = 32) -> list[bytes]:
    return [secrets.token_bytes(length) for _ in range(count)]


def kaos_of(attempt: Attempt) -> list[dict]:
    return attempt.request["requests"][0]["keyAccessObjects"]


def spoil(attempt: Attempt, number: int, **members: object) -> Attempt:
    """Puts in other members, or a binding of another key."""
    kaos_of(attempt)[number].update(members or {"policyBinding": b64(bytes(32))})
    attempt.resign()
    return attempt


def recorded(attempt: Attempt, answer: Answer) -> list[tuple]:
    """What the audit says of each: its code, when it was tried, key operations."""
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    return [(event["code"], event["attempt"], event["keyOperations"]) for event in events]


def xor(keys: Sequence[bytes]) -> bytes:
    return bytes(reduce(lambda one, other: one ^ other, column) for column in zip(*keys, strict=True))


def combined(attempt: Attempt, answer: Answer) -> bytes:
    """The key of all splits: in the first result, and in no other."""
    assert answer.status == 200, answer.body
    signing = attempt.kit.kas_keys().signing
    results = verify_answer(answer.json(), attempt.request, str(attempt.proof), signing, time.time())
    first, *others = results.values()
    assert first["combined"] is True
    assert all(result["status"] == "success" for result in others)
    assert not any({"kasWrappedKey", "wrapAlg", "ephemeralPublicKey", "combined"} & other.keys() for other in others)
    return open_result(first, attempt.receiving)


def nothing_combined(attempt: Attempt, code: str, expected: Sequence[str], status: int = 400) -> Answer:
    """Sends, and asserts that no result has a key."""
    answer = attempt.send()
    refused(answer, status, "forbidden" if status == 403 else "invalid_request", code)
    assert codes(attempt, answer) == list(expected)
    return answer


# ---- any of them


def test_kas_req_120_of_alternatives_the_first_that_opens_settles_the_group(kit_without_nonces):
    """In the order sent: the first does not open, the second does, the third is not touched."""
    attempt = spoil(new_attempt(kit_without_nonces, ANY, [secrets.token_bytes(32)] * 3), 0)
    answer = attempt.send()
    assert codes(attempt, answer) == ["key_material_rejected", None, "not_attempted"]
    assert (answer.status, set(answer.json())) == (200, {"responses"})
    assert recorded(attempt, answer) == [("key_material_rejected", 1, 1), (None, 2, 1), ("not_attempted", None, 0)]
    result = answer.json()["responses"][0]["results"][1]
    assert open_result(result, attempt.receiving) == attempt.data_keys["kao-0-1"]


def test_kas_req_120_where_the_first_alternative_opens_no_other_costs_anything(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, ANY, some_keys(3))
    answer = attempt.send()
    assert codes(attempt, answer) == [None, "not_attempted", "not_attempted"]
    assert recorded(attempt, answer) == [(None, 1, 1), ("not_attempted", None, 0), ("not_attempted", None, 0)]


def test_kas_req_120_where_no_alternative_opens_each_was_tried_in_turn(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, ANY, some_keys(3))
    spoil(spoil(attempt, 0), 1, kid="unknown")
    spoil(attempt, 2, url="https://other.example/rewrap")
    answer = attempt.send()
    refused(answer, 400, "invalid_request", "key_material_rejected")
    assert codes(attempt, answer) == ["key_material_rejected", "unknown_key", "unknown_kas"]
    assert recorded(attempt, answer) == [
        ("key_material_rejected", 1, 1),
        ("unknown_key", 2, 0),
        ("unknown_kas", 3, 0),
    ]


def test_kas_req_120_one_alternative_is_a_group_too(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, ANY, some_keys(1))
    assert codes(attempt, attempt.send()) == [None]


def test_kas_req_120_what_each_alternative_lacks_is_its_own(kit_without_nonces):
    """One that this service does not do, one that another key signed; the third has all it needs."""
    attempt = spoil(new_attempt(kit_without_nonces, ANY, some_keys(3)), 0, type="remote")
    good = kaos_of(attempt)[2]
    attempt.resign(new_proof_key())
    kaos_of(attempt)[2] = good
    assert codes(attempt, attempt.send()) == ["not_supported", "kao_signature_invalid", None]


def test_kas_req_120_a_policy_that_denies_denies_every_alternative(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, ANY, some_keys(2), DENIED)
    answer = attempt.send()
    refused(answer, 403, "forbidden", "clearance_insufficient")
    assert recorded(attempt, answer) == [("clearance_insufficient", 1, 0), ("clearance_insufficient", 2, 0)]


def test_kas_req_120_groups_are_settled_each_by_itself(kit_without_nonces):
    """Alternatives, single ones and splits in one request; alternatives of two groups in the same rounds."""
    attempt = new_attempt(kit_without_nonces, ANY, some_keys(2))
    spoil(attempt, 0)
    groups = []
    for number, how in enumerate((ANY, {}, XOR)):
        other = new_attempt(kit_without_nonces, how, some_keys(2))
        for kao in kaos_of(other):
            kao["keyAccessObjectId"] += f"-{number}"
        groups += other.request["requests"]
    attempt.request["requests"] += groups
    hashed = client_key_hash(attempt.request["clientPublicKey"])
    for group in groups:
        for kao in group["keyAccessObjects"]:
            kao["clientKeyHash"] = hashed
    attempt.resign()
    answer = attempt.send()
    said = [[one.get("code") for one in group["results"]] for group in answer.json()["responses"]]
    assert said == [["key_material_rejected", None], [None, "not_attempted"], [None, None], [None, None]]
    tried = [number for _, number, _ in recorded(attempt, answer)]
    assert tried == [1, 2, 1, None, 1, 1, 1, 1]


# ---- all of them


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_kas_req_120_splits_are_combined_into_the_one_key(kit_without_nonces, count):
    splits = some_keys(count)
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    answer = attempt.send()
    assert combined(attempt, answer) == xor(splits)
    assert recorded(attempt, answer) == [(None, 1, 1)] * count


@pytest.mark.parametrize("length", [16, 24, 32])
def test_kas_req_120_splits_have_any_length_of_an_aes_key(kit_without_nonces, length):
    splits = some_keys(2, length)
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    assert combined(attempt, attempt.send()) == xor(splits)


def test_kas_req_120_the_order_of_splits_does_not_matter(kit_without_nonces):
    splits = some_keys(3)
    opened = set()
    for order in permutations(splits):
        attempt = new_attempt(kit_without_nonces, XOR, order)
        opened.add(combined(attempt, attempt.send()))
    assert opened == {xor(splits)}


def test_kas_req_120_no_split_goes_out_by_itself(kit_without_nonces):
    """Neither in the clear nor wrapped."""
    attempt = new_attempt(kit_without_nonces, XOR, some_keys(3))
    answer = attempt.send()
    combined(attempt, answer)
    text = answer.body.decode()
    assert text.count("kasWrappedKey") == 1
    for split in attempt.data_keys.values():
        assert b64(split) not in text
        assert split.hex() not in text


@pytest.mark.parametrize("number", [0, 1, 2])
def test_kas_req_120_where_one_split_does_not_open_nothing_is_released(kit_without_nonces, number):
    attempt = spoil(new_attempt(kit_without_nonces, XOR, some_keys(3)), number)
    expected = ["not_attempted"] * 3
    expected[number] = "key_material_rejected"
    nothing_combined(attempt, "key_material_rejected", expected)


@pytest.mark.parametrize("number", [0, 2])
def test_kas_req_120_where_one_split_is_refused_before_the_others_cost_no_key_operation(kit_without_nonces, number):
    attempt = new_attempt(kit_without_nonces, XOR, some_keys(3))
    good = list(kaos_of(attempt))
    attempt.resign(new_proof_key())
    kaos_of(attempt)[:] = [kao if at == number else good[at] for at, kao in enumerate(kaos_of(attempt))]
    expected = ["not_attempted"] * 3
    expected[number] = "kao_signature_invalid"
    answer = nothing_combined(attempt, "kao_signature_invalid", expected)
    assert [operations for _, _, operations in recorded(attempt, answer)] == [0, 0, 0]


@pytest.mark.parametrize(
    "lengths", [(32, 16), (16, 16, 24), (32, 32, 32, 32, 16)], ids=["two", "three", "the-last-of-five"]
)
def test_kas_req_120_splits_of_unequal_length_are_no_key(kit_without_nonces, lengths):
    splits = [secrets.token_bytes(length) for length in lengths]
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    nothing_combined(attempt, "key_material_rejected", ["key_material_rejected"] * len(lengths))


def _pair(one: bytes, other: bytes) -> list[bytes]:
    return [one, other, xor([one, other])]


@pytest.mark.parametrize(
    "splits",
    [
        [bytes(range(32))] * 2,
        [bytes(range(32)), bytes(32)],
        _pair(*some_keys(2)),
        [*some_keys(1) * 2, bytes(range(32))],
    ],
    ids=["twice", "zeros", "cancelling", "twice-beside-another"],
)
def test_kas_req_120_splits_of_which_some_are_not_needed_are_no_key(kit_without_nonces, splits):
    """The rest alone would be the key."""
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    nothing_combined(attempt, "key_material_rejected", ["key_material_rejected"] * len(splits))


@pytest.mark.parametrize("count", [1, 6])
def test_kas_req_120_one_split_or_six_are_not_supported(kit_without_nonces, count):
    attempt = new_attempt(kit_without_nonces, XOR, some_keys(count))
    answer = nothing_combined(attempt, "not_supported", ["not_supported"] * count)
    assert [operations for _, _, operations in recorded(attempt, answer)] == [0] * count


@pytest.mark.parametrize("how", [{}, {"combine": "shamir"}, {"combine": ""}, {"combine": "XOR"}])
def test_kas_req_120_splits_that_are_combined_otherwise_are_not_supported(kit_without_nonces, how):
    attempt = new_attempt(kit_without_nonces, {"mode": "allOf", **how}, some_keys(2))
    nothing_combined(attempt, "not_supported", ["not_supported"] * 2)


@pytest.mark.parametrize("mode", ["allof", "oneOf", "", "anyOf "])
def test_kas_req_120_another_mode_is_not_supported(kit_without_nonces, mode):
    attempt = new_attempt(kit_without_nonces, {"mode": mode, "combine": "xor"}, some_keys(2))
    nothing_combined(attempt, "not_supported", ["not_supported"] * 2)


def test_kas_req_120_a_sid_that_two_splits_share_is_not_supported(kit_without_nonces):
    """They would be alternatives for one split."""
    attempt = spoil(new_attempt(kit_without_nonces, XOR, some_keys(3)), 2, sid="s-0")
    nothing_combined(attempt, "not_supported", ["not_supported"] * 3)


def test_kas_req_120_splits_without_sid_are_different_ones(kit_without_nonces):
    splits = some_keys(2)
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    for kao in kaos_of(attempt):
        del kao["sid"]
    attempt.resign()
    assert combined(attempt, attempt.send()) == xor(splits)


@pytest.mark.parametrize("number", [0, 1])
def test_kas_req_120_a_split_of_another_service_makes_none_of_them_combine(kit_without_nonces, number):
    attempt = spoil(new_attempt(kit_without_nonces, XOR, some_keys(2)), number, url="https://other.example/rewrap")
    nothing_combined(attempt, "not_supported", ["not_supported"] * 2)


def test_kas_req_120_a_policy_that_denies_denies_every_split(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, XOR, some_keys(2), DENIED)
    answer = nothing_combined(attempt, "clearance_insufficient", ["clearance_insufficient"] * 2, 403)
    assert [operations for _, _, operations in recorded(attempt, answer)] == [0, 0]


def test_kas_req_120_each_split_may_have_metadata_of_its_own(kit_without_nonces):
    """Under its own material; where that of one is bad there is no key."""
    splits = some_keys(2)
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    for number, split in enumerate(splits):
        kaos_of(attempt)[number]["encryptedMetadata"] = encrypt_metadata(split, json.dumps({"n": number}).encode())
    attempt.resign()
    answer = attempt.send()
    assert combined(attempt, answer) == xor(splits)
    results = answer.json()["responses"][0]["results"]
    assert [result["metadata"] for result in results] == [{"n": 0}, {"n": 1}]
    attempt = new_attempt(kit_without_nonces, XOR, splits)
    spoil(attempt, 1, encryptedMetadata=encrypt_metadata(xor(splits), b"{}"))
    nothing_combined(attempt, "key_material_rejected", ["not_attempted", "key_material_rejected"])


def test_kas_req_003_a_key_is_the_same_whether_client_or_service_combines_its_splits(kit_without_nonces):
    splits = some_keys(3)
    by_service = new_attempt(kit_without_nonces, XOR, splits)
    by_client = new_attempt(kit_without_nonces, {}, splits)
    opened = by_client.open(by_client.send())
    assert combined(by_service, by_service.send()) == xor(list(opened.values())) == xor(splits)
