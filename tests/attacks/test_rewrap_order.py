"""R11, R12 and ACP-240 §3: a KAO is the proven key's own, and the first thing wrong is what the caller learns."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from local.client.encoding import b64, canonical, from_b64
from local.client.keys import ProofKey, new_proof_key
from tests.attacks.rewrap_answers import faults, kao_refused, released
from tests.kit import policy

SIGNATURE = "requests[0].keyAccessObjects[0].signature"
ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


@pytest.fixture
def attempt(kit_without_nonces):
    good = kit_without_nonces.attempt()
    good.nonce = None
    return good


def unsigned(kao):
    return canonical({name: value for name, value in kao.items() if name != "signature"})


# What is wrong, in the order in which it is found. Each changes KAO and key that signs, or the request after that.
FAULTS = {
    "not_supported": (400, lambda kao: kao.update(protocol="other")),
    "unknown_kas": (400, lambda kao: kao.update(url="https://other.example/rewrap")),
    "kao_signature_invalid": (400, None),
    "client_key_unbound": (400, lambda kao: kao.update(clientKeyHash="A" * 43)),
    "clearance_insufficient": (403, None),
    "unknown_key": (400, lambda kao: kao.update(kid="unknown")),
    "key_material_rejected": (400, lambda kao: kao.update(policyBinding=b64(bytes(32)))),
}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FAULTS, 2)))
def test_attack_r11_of_two_faults_the_caller_learns_the_one_that_costs_and_tells_less(
    kit_without_nonces, first, second
):
    client = "usa-unclassified" if "clearance_insufficient" in {first, second} else "usa-secret"
    attempt = kit_without_nonces.attempt(client)
    attempt.nonce = None
    for name in (first, second):
        change = FAULTS[name][1]
        if change is not None:
            change(attempt.kao)
    attempt.resign(new_proof_key() if "kao_signature_invalid" in {first, second} else None)
    kao_refused(attempt, first, FAULTS[first][0])


@pytest.mark.parametrize("spoilt", ["kid", "wrappedKey", "policyBinding"])
def test_attack_r11_an_unentitled_caller_gets_the_same_answer_whatever_the_key_material(kit_without_nonces, spoilt):
    """Result and audit event are those of good key material, but for what names the request."""

    def seen(change):
        attempt = kit_without_nonces.attempt("usa-unclassified", policies=[{**policy(), "policyId": "p-1"}])
        attempt.nonce = None
        attempt.kao.update(change)
        attempt.resign()
        answer = attempt.send()
        result = kao_refused(attempt, "clearance_insufficient", 403, answer)
        for name in ("iat", "proof", "sig"):
            result["signature"].pop(name)
        (event,) = kit_without_nonces.events(answer.json()["requestId"])
        event["latencyMs"] = list(event["latencyMs"])  # the same stages, however long
        return result, {
            name: value for name, value in event.items() if name not in {"requestId", "time", "kid", "chain"}
        }

    value = {"kid": "unknown", "wrappedKey": b64(bytes(256)), "policyBinding": b64(bytes(32))}[spoilt]
    first, second = seen({}), seen({spoilt: value})
    assert first == second


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_kas_req_040_a_signature_of_the_proven_key_is_taken_under_each_algorithm(kit_without_nonces, alg):
    attempt = kit_without_nonces.attempt(key=new_proof_key(alg))
    attempt.nonce = None
    released(attempt)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "PS256"])
def test_attack_r12_a_signature_by_another_key_of_the_same_kind_is_refused(kit_without_nonces, alg):
    attempt = kit_without_nonces.attempt(key=new_proof_key(alg))
    attempt.nonce = None
    attempt.resign(new_proof_key(alg))
    kao_refused(attempt, "kao_signature_invalid")


def test_attack_r12_the_receiving_key_does_not_sign(attempt):
    attempt.resign(ProofKey("ES256", attempt.receiving.private))
    kao_refused(attempt, "kao_signature_invalid")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("keyAccessObjectId", "kao-other"),
        ("wrappedKey", b64(bytes(256))),
        ("kid", "other"),
        ("policyBinding", b64(bytes(32))),
        ("sid", "s-other"),
        ("clientKeyHash", "A" * 43),
        ("unknown", None),
        ("schemaVersion", {"of": ["another", "kind"]}),
    ],
)
def test_attack_r12_no_member_of_a_kao_can_change_or_be_added_after_its_signature(attempt, member, value):
    attempt.kao[member] = value
    kao_refused(attempt, "kao_signature_invalid")


def test_attack_r12_the_address_cannot_change_after_the_signature(attempt):
    """Not even to another form of our own."""
    attempt.kao["url"] = attempt.kit.base
    kao_refused(attempt, "kao_signature_invalid")


@pytest.mark.parametrize("member", ["sid", "clientKeyHash", "type", "protocol"])
def test_attack_r12_no_optional_member_can_be_taken_away(attempt, member):
    del attempt.kao[member]
    kao_refused(attempt, "kao_signature_invalid")


def test_attack_r12_nested_members_are_under_the_signature(attempt):
    """One canonicaliser signs and verifies everything, however deep."""
    attempt.kao["unknown"] = {"a": {"b": {"c": 1}}}
    attempt.resign()
    attempt.kao["unknown"] = {"a": {"b": {"c": 2}}}
    kao_refused(attempt, "kao_signature_invalid")


def test_attack_r12_a_signature_of_another_kao_is_refused(kit_without_nonces):
    attempt = kit_without_nonces.attempt(kaos=2)
    attempt.nonce = None
    first, second = attempt.request["requests"][0]["keyAccessObjects"]
    first["signature"] = second["signature"]
    attempt.request["requests"][0]["keyAccessObjects"] = [first]
    kao_refused(attempt, "kao_signature_invalid")


def der(attempt):
    return attempt.key.private.sign(unsigned(attempt.kao), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    "make",
    [
        der,
        lambda attempt: bytes(64),
        lambda attempt: b"\xff" * 64,
        lambda attempt: attempt.key.sign(unsigned(attempt.kao))[:-1],
        lambda attempt: attempt.key.sign(unsigned(attempt.kao)) + b"\0",
        lambda attempt: attempt.key.sign(canonical(attempt.kao)),
        lambda attempt: b"\0",
    ],
    ids=["der", "zeros", "ones", "short", "long", "with-itself", "byte"],
)
def test_attack_r12_a_signature_in_another_form_is_refused(attempt, make):
    attempt.kao["signature"]["sig"] = b64(make(attempt))
    kao_refused(attempt, "kao_signature_invalid")


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "ES256K", "RS256", "EdDSA", "es256", " ES256", "Ed448"])
def test_attack_r12_an_algorithm_that_does_not_fit_the_proven_key_is_refused(attempt, alg):
    attempt.kao["signature"]["alg"] = alg
    kao_refused(attempt, "kao_signature_invalid")


@pytest.mark.parametrize(("used", "said"), [("PS256", "RS256"), ("RS256", "PS256"), ("PS256", "PS384")])
def test_attack_r12_an_rsa_signature_is_verified_as_the_algorithm_that_it_names(kit_without_nonces, used, said):
    attempt = kit_without_nonces.attempt(key=new_proof_key(used))
    attempt.nonce = None
    attempt.kao["signature"]["alg"] = said
    kao_refused(attempt, "kao_signature_invalid")


def without(name):
    return lambda signature: {member: value for member, value in signature.items() if member != name}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda signature: "text", (SIGNATURE, "wrong_type")),
        (lambda signature: None, (SIGNATURE, "wrong_type")),
        (lambda signature: [signature], (SIGNATURE, "wrong_type")),
        (without("alg"), (f"{SIGNATURE}.alg", "missing")),
        (without("sig"), (f"{SIGNATURE}.sig", "missing")),
        (lambda signature: signature | {"alg": ""}, (f"{SIGNATURE}.alg", "empty")),
        (lambda signature: signature | {"alg": ["ES256"]}, (f"{SIGNATURE}.alg", "wrong_type")),
        (lambda signature: signature | {"sig": ""}, (f"{SIGNATURE}.sig", "empty")),
        (lambda signature: signature | {"sig": 1}, (f"{SIGNATURE}.sig", "wrong_type")),
        (lambda signature: signature | {"sig": "-_-_"}, (f"{SIGNATURE}.sig", "not_base64")),
        (lambda signature: signature | {"sig": signature["sig"].rstrip("=")}, (f"{SIGNATURE}.sig", "not_base64")),
    ],
)
def test_attack_r12_a_signature_of_another_structure_is_a_fault(attempt, change, fault):
    attempt.kao["signature"] = change(attempt.kao["signature"])
    assert faults(attempt) == [fault]


def test_attack_r12_a_missing_signature_is_a_fault(attempt):
    del attempt.kao["signature"]
    assert faults(attempt) == [(SIGNATURE, "missing")]


def test_attack_r12_a_signature_is_raw_and_not_der(attempt):
    assert len(from_b64(attempt.kao["signature"]["sig"])) == 64
    released(attempt)
