"""R14: every member of every result is under a signature that names signer, policy, time and question."""

from __future__ import annotations

import copy
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jwt.algorithms import ECAlgorithm

from local.client import AnswerInvalid
from local.client.encoding import canonical, from_b64, sha256_b64url
from local.client.results import verify_answer, verify_result
from tests.kit import policy

KINDS = ["P-256", "P-384", "P-521", "RSA"]
SIGNATURE_MEMBERS = {"alg", "kid", "kas", "policyId", "iat", "proof", "sig"}


def make(kit, client, receiving):
    """An exchange: the attempt that was sent, the body of its answer, the verified result."""
    attempt = kit.attempt(client, receiving=receiving)
    attempt.nonce = None
    answer = attempt.send()
    return attempt, answer.json(), attempt.result(answer)


@pytest.fixture(
    scope="module", params=[("usa-secret", kind) for kind in KINDS] + [("usa-unclassified", "RSA")], ids=str
)
def exchange(request, kit_without_nonces):
    return make(kit_without_nonces, *request.param)


def places(value, path=()):
    """The path of every value in ``value`` that holds no other."""
    if isinstance(value, dict):
        return [found for name in value for found in places(value[name], (*path, name))]
    return [path]


def flipped(value):
    if isinstance(value, int):
        return value + 1
    return ("B" if value[0] == "A" else "A") + value[1:]


def changed(result, path, value):
    spoilt = copy.deepcopy(result)
    holder = spoilt
    for name in path[:-1]:
        holder = holder[name]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value(holder[path[-1]])
    return spoilt


def is_believed(exchange, result):
    attempt, body, _ = exchange
    members = {**body, "responses": [{**body["responses"][0], "results": [result]}]}
    try:
        verify_answer(members, attempt.request, attempt.proof, attempt.kit.kas_keys().signing, time.time())
    except AnswerInvalid:
        return False
    return True


def test_attack_r14_a_result_is_believed_as_it_came(exchange):
    assert is_believed(exchange, exchange[2])


@pytest.mark.parametrize("value", [flipped, None], ids=["flipped", "removed"])
def test_attack_r14_no_member_can_change_or_go(exchange, value):
    result = exchange[2]
    paths = places(result)
    assert {path[1] for path in paths if path[0] == "signature"} == SIGNATURE_MEMBERS
    assert len(paths) >= 12
    for path in paths:
        assert not is_believed(exchange, changed(result, path, value)), path


def test_attack_r14_no_member_can_be_added(exchange):
    assert not is_believed(exchange, {**exchange[2], "metadata": {}})
    signature = exchange[2]["signature"]
    assert not is_believed(exchange, {**exchange[2], "signature": {**signature, "added": 1}})


def test_attack_r14_the_signature_is_made_over_canonical_json_as_sent_without_sig_alone(exchange):
    """Verified here with nothing but the key set and the specification: ECDSA P-256 over RFC 8785, R‖S."""
    attempt, body, _ = exchange
    result = body["responses"][0]["results"][0]
    jwk = attempt.kit.kas_keys().signing[result["signature"]["kid"]]
    signature = dict(result["signature"])
    raw = from_b64(signature.pop("sig"))
    assert len(raw) == 64
    halves = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    message = canonical({**result, "signature": signature})
    ECAlgorithm.from_jwk(jwk).verify(encode_dss_signature(*halves), message, ec.ECDSA(hashes.SHA256()))


def test_attack_r14_a_signature_names_signer_policy_time_and_question(exchange):
    attempt, _, result = exchange
    signature = result["signature"]
    assert signature["alg"] == "ES256"
    assert signature["kas"] == "kas-local"
    assert signature["kid"] in attempt.kit.kas_keys().signing
    assert signature["policyId"] == attempt.policy["policyId"]
    assert signature["proof"] == sha256_b64url(attempt.proof.encode())
    assert isinstance(signature["iat"], int)
    assert abs(signature["iat"] - time.time()) < 60


def test_attack_r14_a_result_answers_no_other_proof_policy_or_time(exchange):
    attempt, _, result = exchange
    signing, policy_id, now = attempt.kit.kas_keys().signing, attempt.policy["policyId"], time.time()
    verify_result(result, policy_id, attempt.proof, signing, now)
    for wrong in [
        ("p-other", attempt.proof, signing, now),
        (policy_id, attempt.make_proof(), signing, now),
        (policy_id, attempt.proof, signing, now + 3600),
        (policy_id, attempt.proof, {}, now),
    ]:
        with pytest.raises(AnswerInvalid):
            verify_result(result, *wrong)


def test_attack_r14_the_signing_key_is_published_for_signatures_and_is_no_unwrap_key(kit_without_nonces):
    kit = kit_without_nonces
    keys = kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]
    by_use = {use: {key["kid"] for key in keys if key["use"] == use} for use in ("enc", "sig")}
    assert {use: len(kids) for use, kids in by_use.items()} == {"enc": 3, "sig": 1}
    assert not by_use["enc"] & by_use["sig"]
    assert [(key["kty"], key["alg"]) for key in keys if key["use"] == "sig"] == [("EC", "ES256")]
    assert [(key["kty"], key["alg"]) for key in keys if key["use"] == "enc"] == [
        ("RSA", "RSA-OAEP-256"),
        ("RSA", "RSA-OAEP"),
        ("EC", "ECDH-ES"),
    ]
    points = {(key["x"], key["y"]) for key in keys if key["kty"] == "EC"}
    assert len(points) == 2


def test_attack_r14_results_of_two_groups_cannot_change_places(kit_without_nonces):
    """Ids and sids are those of the other group: the signature alone tells them apart."""
    attempt = kit_without_nonces.attempt(policies=[policy(), policy()])
    attempt.nonce = None
    body = attempt.send().json()
    first, second = body["responses"]
    first["results"], second["results"] = second["results"], first["results"]
    groups = attempt.request["requests"]
    groups[0]["keyAccessObjects"], groups[1]["keyAccessObjects"] = (
        groups[1]["keyAccessObjects"],
        groups[0]["keyAccessObjects"],
    )
    with pytest.raises(AnswerInvalid, match="another question"):
        verify_answer(body, attempt.request, attempt.proof, attempt.kit.kas_keys().signing, time.time())


def test_attack_r14_one_response_has_one_ephemeral_key_and_the_next_another(kit_without_nonces):
    def ephemeral_keys():
        attempt = kit_without_nonces.attempt(kaos=3, data_key=bytes(32))
        attempt.nonce = None
        results = attempt.send().json()["responses"][0]["results"]
        assert len({result["kasWrappedKey"] for result in results}) == 3  # a nonce for each
        assert len({result["kasWrappedKey"][:16] for result in results}) == 3
        return {result["ephemeralPublicKey"]["x"] for result in results}

    first, second = ephemeral_keys(), ephemeral_keys()
    assert len(first) == len(second) == 1
    assert first != second


def test_attack_r12_the_audit_shows_no_checks_that_a_kao_did_not_reach(kit_without_nonces):
    """Another KAO of the same policy did; this one was refused for its signature."""
    attempt = kit_without_nonces.attempt(kaos=2)
    other = kit_without_nonces.attempt().kao["signature"]
    attempt.request["requests"][0]["keyAccessObjects"][1]["signature"] = other
    answer = attempt.send()
    released, refused_one = kit_without_nonces.events(answer.headers["X-Request-Id"])
    assert (released["outcome"], refused_one["code"]) == ("released", "kao_signature_invalid")
    assert all(released["checks"].values())
    assert refused_one["checks"] is None
