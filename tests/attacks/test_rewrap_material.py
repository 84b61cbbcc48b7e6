"""R1, R2, R7, R10: whatever is wrong with wrap, binding, length or metadata, the caller learns one thing, and gets nothing."""

from __future__ import annotations

import re
import secrets
import string

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.client.encoding import b64, from_b64
from local.client.rewrap import bind_policy
from tests.attacks.rewrap_answers import codes, faults, kao_refused, rebuild, released
from tests.kit import policy
from tests.metadata import encrypt_metadata, with_metadata

BINDING = "requests[0].keyAccessObjects[0].policyBinding"
OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


@pytest.fixture
def attempt(kit_without_nonces):
    good = kit_without_nonces.attempt()
    good.nonce = None
    return good


def bind(attempt, binding):
    attempt.kao["policyBinding"] = binding
    attempt.resign()


@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ("", "empty"),
        (b64(bytes(31)), "bad_length"),
        (b64(bytes(33)), "bad_length"),
        (bytes(32).hex(), "bad_length"),  # hexadecimal reads as base64, of another length
        (b64(bytes(32)).rstrip("="), "not_base64"),
        (b64(bytes(32))[:-2] + "B=", "not_base64"),  # trailing bits
        (b64(bytes(32)) + "\n", "not_base64"),
        ({"alg": "HS256", "hash": b64(bytes(32))}, "wrong_type"),
        (None, "wrong_type"),
        ([b64(bytes(32))], "wrong_type"),
        (0, "wrong_type"),
    ],
)
def test_attack_r01_a_binding_in_another_form_is_a_structural_fault(attempt, binding, code):
    bind(attempt, binding)
    assert faults(attempt) == [(BINDING, code)]


def test_attack_r01_a_binding_that_is_stripped_is_a_structural_fault(attempt):
    del attempt.kao["policyBinding"]
    attempt.resign()
    assert faults(attempt) == [(BINDING, "missing")]


@pytest.mark.parametrize(
    "binding",
    [
        lambda good, key, label: bytes(32),
        lambda good, key, label: bytes([good[0] ^ 1]) + good[1:],
        lambda good, key, label: good[:-1] + bytes([good[-1] ^ 1]),
        lambda good, key, label: from_b64(bind_policy(bytes(32), label)),  # what no key at all would make
    ],
    ids=["zeros", "first-bit", "last-bit", "dummy-key"],
)
def test_attack_r01_a_binding_by_another_key_names_possible_tampering(attempt, binding):
    good = from_b64(attempt.kao["policyBinding"])
    bind(attempt, b64(binding(good, attempt.data_keys["kao-0-0"], attempt.policy)))
    assert "possible policy tampering" in kao_refused(attempt, "key_material_rejected")["error"]


@pytest.mark.parametrize(
    "change",
    [
        lambda label: label.update(policyId="p-other"),
        lambda label: label.pop("policyId"),
        lambda label: label.update(body={"attribute": "value"}),
        lambda label: label["dissem"].update(classification="CONFIDENTIAL"),
        lambda label: label["dissem"].update(releasabilityTo=["USA"]),
        lambda label: label["dissem"].update(releasabilityTo=["FRA", "USA"]),
        lambda label: label["dissem"].update(COI=[]),
        lambda label: label["dissem"].update(creationDate="2025-01-01T00:00:00Z"),
        lambda label: label["dissem"].pop("creationDate"),
        lambda label: label.update(unknown=1),
        lambda label: label["dissem"].update(unknown=None),
    ],
    ids=string.ascii_lowercase[:11],
)
def test_attack_r02_no_member_of_a_policy_can_change_after_the_binding(attempt, change):
    change(attempt.policy)
    kao_refused(attempt, "key_material_rejected")


def test_attack_r02_an_unknown_member_is_under_the_binding(kit_without_nonces):
    label = {**policy(), "unknown": {"deep": [1.5, None, "ü"]}}
    good = kit_without_nonces.attempt(policies=[label])
    good.nonce = None
    released(good)
    good = kit_without_nonces.attempt(policies=[label])
    good.nonce = None
    del good.policy["unknown"]
    kao_refused(good, "key_material_rejected")


def test_attack_r02_a_policy_that_is_swapped_for_a_weaker_one_releases_nothing(kit_without_nonces):
    """The caller may read the second policy, and not the first."""
    strict = policy(classification="TOP_SECRET")
    attempt = kit_without_nonces.attempt(policies=[strict])
    attempt.nonce = None
    attempt.request["requests"][0]["policy"] = policy(classification="UNCLASSIFIED")
    kao_refused(attempt, "key_material_rejected")


def test_attack_r02_a_kao_that_is_moved_to_another_group_releases_nothing(kit_without_nonces):
    attempt = kit_without_nonces.attempt(policies=[policy(), policy(COI=[])])
    attempt.nonce = None
    first, second = (group["keyAccessObjects"] for group in attempt.request["requests"])
    second.append(first.pop())
    first.append(second.pop(0))
    answer = attempt.send()
    assert answer.status == 400
    assert codes(attempt, answer) == ["key_material_rejected"] * 2


def test_attack_r02_the_order_of_members_is_not_part_of_a_policy(attempt):
    label = dict(reversed(attempt.policy.items()))
    label["dissem"] = dict(reversed(label["dissem"].items()))
    attempt.request["requests"][0]["policy"] = label
    released(attempt)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_attack_r07_a_data_key_of_an_aes_length_is_released(attempt, length):
    rebuild(attempt, secrets.token_bytes(length))
    released(attempt)


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31, 33, 64, 190])
def test_attack_r07_a_data_key_of_another_length_is_refused(attempt, length):
    rebuild(attempt, secrets.token_bytes(length))
    kao_refused(attempt, "key_material_rejected")


def random_wrap(attempt):
    attempt.kao["wrappedKey"] = b64(b"\0" + secrets.token_bytes(255))


def short_wrap(attempt):
    attempt.kao["wrappedKey"] = b64(secrets.token_bytes(255))


def long_wrap(attempt):
    attempt.kao["wrappedKey"] = b64(secrets.token_bytes(1275))


def largest_wrap(attempt):
    attempt.kao["wrappedKey"] = b64(b"\xff" * 256)  # not below the modulus


def wrap_of_another_key(attempt):
    other = rsa.generate_private_key(65537, 2048).public_key()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    attempt.kao["wrappedKey"] = b64(other.encrypt(attempt.data_keys["kao-0-0"], oaep))


def sha1_wrap(attempt):
    wrapping = attempt.kit.kas_keys().wrapping
    attempt.kao["wrappedKey"] = b64(wrapping.encrypt(attempt.data_keys["kao-0-0"], OAEP_SHA1))


def bad_binding(attempt):
    attempt.kao["policyBinding"] = b64(bytes(32))


def bad_length(attempt):
    rebuild(attempt, secrets.token_bytes(17))
    attempt.kao["sid"] = "s-0"


def no_bytes(attempt):
    rebuild(attempt, b"")
    attempt.kao["sid"] = "s-0"


def dummy_key_binding(attempt):
    """A wrap that does not open, under the binding that the stand-in for its key would make."""
    random_wrap(attempt)
    attempt.kao["policyBinding"] = bind_policy(bytes(32), attempt.policy)


def metadata_of_another_key(attempt):
    with_metadata(attempt, {"fields": {}})
    rebuilt = attempt.kao["encryptedMetadata"]
    rebuild(attempt, secrets.token_bytes(32))
    attempt.kao.update(sid="s-0", encryptedMetadata=rebuilt)


def metadata_of_another_policy(attempt):
    with_metadata(attempt, {"policyAssertion": {"classification": "TOP_SECRET"}})


def metadata_that_is_no_json(attempt):
    attempt.kao["encryptedMetadata"] = encrypt_metadata(attempt.data_keys["kao-0-0"], b"{")


def bad_metadata_and_binding(attempt):
    metadata_that_is_no_json(attempt)
    bad_binding(attempt)


def good_metadata_beside_a_bad_wrap(attempt):
    with_metadata(attempt, {"fields": {}})
    random_wrap(attempt)


SPOILT = [
    random_wrap,
    short_wrap,
    long_wrap,
    largest_wrap,
    wrap_of_another_key,
    sha1_wrap,
    bad_binding,
    bad_length,
    no_bytes,
    dummy_key_binding,
    metadata_of_another_key,
    metadata_of_another_policy,
    metadata_that_is_no_json,
    bad_metadata_and_binding,
    good_metadata_beside_a_bad_wrap,
]


def spoilt_answer(kit, spoil):
    """Answer and audit events of a spoilt request, without what differs between any two requests."""
    attempt = kit.attempt(policies=[{**policy(), "policyId": "p-1"}])
    attempt.nonce = None
    spoil(attempt)
    attempt.resign()
    answer = attempt.send()
    kao_refused(attempt, "key_material_rejected", answer=answer)
    body = answer.json()
    request_id = body.pop("requestId")
    for name in ("iat", "proof", "sig"):
        body["responses"][0]["results"][0]["signature"].pop(name)
    events = kit.events(request_id)
    for event in events:
        event.pop("requestId")
        event.pop("time")
        event.pop("chain")
        event["latencyMs"] = list(event["latencyMs"])  # the same stages, however long
    headers = {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "Date"}}
    headers["RateLimit"] = re.sub(r"\d+", "…", headers["RateLimit"])  # the same limits, whatever is left
    return answer.status, headers, body, events


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_attack_r10_what_is_wrong_with_the_material_cannot_be_told(kit_without_nonces, spoil):
    """Answer and audit event are those of a bad wrap, whatever it was."""
    assert spoilt_answer(kit_without_nonces, spoil) == spoilt_answer(kit_without_nonces, random_wrap)
