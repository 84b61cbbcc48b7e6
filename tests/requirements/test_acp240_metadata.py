"""ACP-240 §1, KAS-REQ-070 and 071: metadata that is encrypted beside a key comes back, or its key does not."""

from __future__ import annotations

import hashlib
import json
import secrets

import pytest

from local.client.encoding import b64, canonical, from_b64, sha256_b64url
from local.client.errors import AnswerInvalid
from local.client.results import verify_result
from tests.attacks.rewrap_answers import codes, faults, kao_refused, released
from tests.kit import policy
from tests.metadata import encrypt_metadata, with_metadata

FIELDS = {"title": "Ordre du jour – Übung", "pages": 12, "draft": False, "authors": [{"name": "A"}, None], "size": 1.5}
FULL = policy(COI=["NATO", "FVEY"])
DEEP = "[" * 40 + "]" * 40


def new_attempt(kit, value=None, *, under=None, data_key=None):
    good = kit.attempt(policies=[under or policy()], data_key=data_key)
    good.nonce = None
    return good if value is None else with_metadata(good, value)


def assertion(label):
    """What whoever encrypted says of the policy, all of it."""
    dissem = label["dissem"]
    return {
        "policyHash": b64(hashlib.sha256(canonical(label)).digest()),
        "classification": dissem["classification"],
        "releasabilityTo": dissem["releasabilityTo"],
        "COI": dissem["COI"],
        "createdAt": dissem["creationDate"],
    }


def metadata_of(attempt):
    """Sends, and asserts that the key arrives; what came beside it is under the signature."""
    return attempt.result(released(attempt)).get("metadata")


@pytest.mark.parametrize(
    ("plaintext", "metadata"),
    [({"fields": FIELDS}, FIELDS), (FIELDS, FIELDS), ({}, {}), ({"fields": {}}, {}), ({"fields": {}, "more": 1}, {})],
)
def test_kas_req_070_metadata_is_decrypted_and_its_fields_come_back_or_all_of_it(
    kit_without_nonces, plaintext, metadata
):
    assert metadata_of(new_attempt(kit_without_nonces, plaintext)) == metadata


def test_kas_req_070_without_metadata_there_is_none_in_the_result(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    assert "metadata" not in attempt.result(released(attempt))


def test_kas_req_070_metadata_is_under_the_signature_of_its_result(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, {"fields": FIELDS})
    result = attempt.result(attempt.send())
    signing, now = kit_without_nonces.kas_keys().signing, result["signature"]["iat"]
    changed = {**result, "metadata": {**FIELDS, "pages": 13}}
    for spoilt in (changed, {name: value for name, value in result.items() if name != "metadata"}):
        with pytest.raises(AnswerInvalid, match="signature"):
            verify_result(spoilt, attempt.policy["policyId"], str(attempt.proof), signing, now)


def test_kas_req_070_what_is_asserted_of_the_policy_may_be_all_or_some_of_it(kit_without_nonces):
    """Lists are sets; nothing of the assertion is in the fields."""
    whole = assertion(FULL)
    for told in (whole, {"COI": ["FVEY", "NATO"]}, {"classification": "SECRET"}, {}):
        plaintext = {"fields": FIELDS, "policyAssertion": told}
        assert metadata_of(new_attempt(kit_without_nonces, plaintext, under=FULL)) == FIELDS
    plaintext = {"policyAssertion": whole, "title": "T"}
    assert metadata_of(new_attempt(kit_without_nonces, plaintext, under=FULL)) == plaintext


def test_kas_req_070_each_key_access_object_has_metadata_of_its_own(kit_without_nonces):
    attempt = kit_without_nonces.attempt(kaos=3)
    attempt.nonce = None
    kaos = attempt.request["requests"][0]["keyAccessObjects"]
    for number in (0, 2):
        text = json.dumps({"fields": {"number": number}}).encode()
        kaos[number]["encryptedMetadata"] = encrypt_metadata(attempt.data_keys[f"kao-0-{number}"], text)
    attempt.resign()
    results = released(attempt).json()["responses"][0]["results"]
    assert [result.get("metadata") for result in results] == [{"number": 0}, None, {"number": 2}]


def test_kas_req_070_metadata_is_under_the_signature_of_its_key_access_object(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, {"fields": {"a": 1}})
    text = json.dumps({"fields": {"a": 2}}).encode()
    attempt.kao["encryptedMetadata"] = encrypt_metadata(attempt.data_keys["kao-0-0"], text)
    kao_refused(attempt, "kao_signature_invalid")


def test_kas_req_070_metadata_is_bounded_as_sent(kit_without_nonces):
    """65,536 characters, then the request is at fault."""
    place = [("requests[0].keyAccessObjects[0].encryptedMetadata", "too_long")]
    for characters, is_taken in ((49_152, True), (49_155, False)):  # bytes of 65,536 and 65,540 characters
        text = json.dumps({"fields": {"text": ""}}).encode()
        filled = text.replace(b'""', b'"' + b"x" * (characters - 28 - len(text)) + b'"')
        attempt = new_attempt(kit_without_nonces)
        attempt.kao["encryptedMetadata"] = encrypt_metadata(attempt.data_keys["kao-0-0"], filled)
        attempt.resign()
        if is_taken:
            assert len(metadata_of(attempt)["text"]) > 49_000
        else:
            assert faults(attempt) == place


@pytest.mark.parametrize("text", ["not base64!", "AAA", "AAAA\n", "AB=="])
def test_kas_req_070_metadata_in_another_form_is_a_structural_fault(kit_without_nonces, text):
    attempt = new_attempt(kit_without_nonces)
    attempt.kao["encryptedMetadata"] = text
    attempt.resign()
    assert faults(attempt) == [("requests[0].keyAccessObjects[0].encryptedMetadata", "not_base64")]


def sealed(data_key, plaintext):
    return encrypt_metadata(data_key, plaintext if isinstance(plaintext, bytes) else plaintext.encode())


def flipped(data_key, place):
    text = bytearray(from_b64(sealed(data_key, '{"fields":{}}')))
    text[place] ^= 1
    return b64(bytes(text))


SPOILT = {
    "of-another-key": lambda _key: sealed(secrets.token_bytes(32), '{"fields":{}}'),
    "iv-changed": lambda key: flipped(key, 0),
    "tag-changed": lambda key: flipped(key, 12),
    "ciphertext-changed": lambda key: flipped(key, -1),
    "empty": lambda _key: "",
    "without-tag": lambda key: b64(from_b64(sealed(key, "{}"))[:27]),
    "no-text-inside": lambda key: sealed(key, b""),
    "no-json": lambda key: sealed(key, "{"),
    "no-utf-8": lambda key: sealed(key, b'{"fields":{"a":"\xff"}}'),
    "duplicate-member": lambda key: sealed(key, '{"fields":{"a":1,"a":2}}'),
    "beyond-exact": lambda key: sealed(key, '{"fields":{"a":9007199254740993}}'),
    "list": lambda key: sealed(key, "[]"),
    "text": lambda key: sealed(key, '"fields"'),
    "fields-no-object": lambda key: sealed(key, '{"fields":[]}'),
    "too-deep": lambda key: sealed(key, f'{{"fields":{{"a":{DEEP}}}}}'),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_kas_req_071_metadata_that_does_not_open_as_it_should_fails_its_key(kit_without_nonces, spoil):
    attempt = new_attempt(kit_without_nonces)
    attempt.kao["encryptedMetadata"] = spoil(attempt.data_keys["kao-0-0"])
    attempt.resign()
    result = kao_refused(attempt, "key_material_rejected")
    assert result.keys() == {"keyAccessObjectId", "status", "code", "error", "sid", "signature"}


@pytest.mark.parametrize("length", [16, 24])
def test_kas_req_071_metadata_is_under_material_of_32_bytes(kit_without_nonces, length):
    attempt = new_attempt(kit_without_nonces, data_key=secrets.token_bytes(length))
    released(attempt)
    attempt = new_attempt(kit_without_nonces, {"fields": {}}, data_key=secrets.token_bytes(length))
    kao_refused(attempt, "key_material_rejected")


FALSE = {
    "another-policy": assertion(policy(classification="CONFIDENTIAL", COI=["NATO", "FVEY"])),
    "hash": {**assertion(FULL), "policyHash": b64(hashlib.sha256(b"{}").digest())},
    "hash-in-base64url": {"policyHash": sha256_b64url(canonical(FULL))},
    "classification": {"classification": "TOP_SECRET"},
    "wider": {"releasabilityTo": ["USA", "FRA", "GBR"]},
    "narrower": {"releasabilityTo": ["USA"]},
    "community": {"COI": ["NATO"]},
    "time": {"createdAt": "2026-01-02T00:00:00Z"},
    "unknown-member": {"owner": "USA"},
    "unknown-null": {"owner": None},
    "null": {"classification": None},
    "text-for-list": {"COI": "NATO"},
}


@pytest.mark.parametrize("told", FALSE.values(), ids=FALSE)
def test_kas_req_071_metadata_that_was_written_for_another_policy_fails_its_key(kit_without_nonces, told):
    attempt = new_attempt(kit_without_nonces, {"fields": FIELDS, "policyAssertion": told}, under=FULL)
    kao_refused(attempt, "key_material_rejected")


@pytest.mark.parametrize("told", [None, [], "SECRET", 1])
def test_kas_req_071_an_assertion_that_is_no_object_fails_its_key(kit_without_nonces, told):
    attempt = new_attempt(kit_without_nonces, {"fields": FIELDS, "policyAssertion": told})
    kao_refused(attempt, "key_material_rejected")


def test_kas_req_071_bad_metadata_fails_its_own_key_alone(kit_without_nonces):
    attempt = kit_without_nonces.attempt(kaos=3)
    attempt.nonce = None
    with_metadata(attempt, {"fields": FIELDS})
    attempt.request["requests"][0]["keyAccessObjects"][1]["encryptedMetadata"] = SPOILT["iv-changed"](bytes(32))
    attempt.resign()
    assert codes(attempt, attempt.send()) == [None, "key_material_rejected", None]


def test_kas_req_071_a_kept_key_whose_metadata_is_bad_stays_shut(kit_without_nonces):
    """It was opened before, without metadata; what comes with it is read every time."""
    data_key = secrets.token_bytes(32)
    attempt = new_attempt(kit_without_nonces, data_key=data_key)
    kao = dict(attempt.kao)
    released(attempt)
    again = new_attempt(kit_without_nonces, under=attempt.policy, data_key=data_key)
    again.kao.update(wrappedKey=kao["wrappedKey"], encryptedMetadata=SPOILT["tag-changed"](data_key))
    again.resign()
    kao_refused(again, "key_material_rejected")


def test_kas_req_071_an_unentitled_caller_learns_nothing_about_metadata(kit_without_nonces):
    """The policy is judged first: good or bad, it is the same denial, without a key operation."""
    for spoil in (None, SPOILT["tag-changed"]):
        attempt = kit_without_nonces.attempt("usa-unclassified")
        attempt.nonce = None
        with_metadata(attempt, {"fields": FIELDS})
        if spoil is not None:
            attempt.kao["encryptedMetadata"] = spoil(attempt.data_keys["kao-0-0"])
            attempt.resign()
        answer = attempt.send()
        kao_refused(attempt, "clearance_insufficient", 403, answer)
        assert [event["keyOperations"] for event in attempt.kit.events(answer.headers["X-Request-Id"])] == [0]
