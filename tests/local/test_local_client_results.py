"""What the client believes: one good answer of the real KAS, and one thing in it changed."""

from __future__ import annotations

import copy
import dataclasses
import json
import time

import pytest

from local.client import AnswerInvalid, Credentials, RewrapRefused, Session, new_receiving_key
from local.client.encoding import b64, canonical
from local.client.keys import new_proof_key
from local.client.results import open_result, verify_answer, verify_result
from local.client.rewrap import build_kao, build_request, parse_kas_keys

POLICY = {"policyId": "p-1", "dissem": {"classification": "SECRET", "releasabilityTo": ["USA"], "COI": ["NATO"]}}
DATA_KEY = bytes(range(32))


@dataclasses.dataclass(frozen=True)
class Exchange:
    request: dict
    proof: str
    signing: dict
    members: dict
    receiving: object
    now: float


def exchange(pair, http, client_id, kind="P-256"):
    session = Session(http, pair.kas.base, Credentials(f"{pair.provider.base}/token", client_id, "dev"), time.time)
    receiving = new_receiving_key(kind)
    kaos = [
        build_kao(POLICY, DATA_KEY, session.kas_keys(), session.url, kao_id="kao-1", sid="s-1"),
        build_kao(POLICY, DATA_KEY, session.kas_keys(), session.url, kao_id="kao-2"),
    ]
    request = build_request(receiving.jwk, [(POLICY, kaos)], session.key)
    answer, proof = session.post(json.dumps(request).encode())
    return Exchange(request, proof, session.kas_keys().signing, answer.json(), receiving, time.time())


@pytest.fixture(scope="module")
def success(pair, http):
    return exchange(pair, http, "usa-secret")


@pytest.fixture(scope="module")
def refusal(pair, http):
    return exchange(pair, http, "usa-unclassified")


def verify(made, members):
    return verify_answer(members, made.request, made.proof, made.signing, made.now)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA"])
def test_a_good_answer_passes_and_opens_with_every_kind_of_receiving_key(pair, http, kind):
    made = exchange(pair, http, "usa-secret", kind)
    results = verify(made, made.members)
    assert [open_result(result, made.receiving) for result in results.values()] == [DATA_KEY, DATA_KEY]


def test_a_good_refusal_passes_and_tells_its_reason(refusal):
    result = verify(refusal, refusal.members)["kao-1"]
    with pytest.raises(RewrapRefused) as refused:
        open_result(result, refusal.receiving, 403)
    assert (refused.value.status, refused.value.code) == (403, "clearance_insufficient")
    assert refused.value.sentence == result["error"]


def places(value, path=()):
    """The path of every scalar in ``value``."""
    if isinstance(value, dict):
        return [found for name in value for found in places(value[name], (*path, name))]
    return [path]


def spoilt(value):
    if isinstance(value, int):
        return value + 1
    swap = {"A": "B"}.get(value[0], "A")
    return swap + value[1:]


@pytest.mark.parametrize("made", ["success", "refusal"])
def test_r14_each_member_of_a_result_is_covered(made, request):
    made = request.getfixturevalue(made)
    paths = places(made.members["responses"][0]["results"][0])
    assert ("signature", "sig") in paths
    assert len(paths) >= 10
    for path in paths:
        members = copy.deepcopy(made.members)
        holder = members["responses"][0]["results"][0]
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = spoilt(holder[path[-1]])
        with pytest.raises(AnswerInvalid):
            verify(made, members)


def test_a_member_that_is_added_is_noticed(success):
    members = copy.deepcopy(success.members)
    members["responses"][0]["results"][0]["metadata"] = {}
    with pytest.raises(AnswerInvalid):
        verify(success, members)


def test_a_member_that_is_missing_is_noticed(success):
    for name in success.members["responses"][0]["results"][0]:
        members = copy.deepcopy(success.members)
        del members["responses"][0]["results"][0][name]
        with pytest.raises(AnswerInvalid):
            verify(success, members)


def without_last(results):
    return results[:-1]


@pytest.mark.parametrize(
    "change",
    [without_last, lambda results: results[::-1], lambda results: results + results[:1], lambda results: []],
    ids=["dropped", "reordered", "repeated", "none"],
)
def test_results_are_those_that_were_asked_for(success, change):
    members = copy.deepcopy(success.members)
    members["responses"][0]["results"] = change(members["responses"][0]["results"])
    with pytest.raises(AnswerInvalid):
        verify(success, members)


@pytest.mark.parametrize(
    "responses", [None, [], {}, [None], [{"policyId": "p-1"}], [{"policyId": "p-1", "results": [1]}]]
)
def test_responses_have_their_structure(success, responses):
    with pytest.raises(AnswerInvalid):
        verify(success, {"responses": responses})


def test_the_response_names_the_policy_that_was_sent(success):
    members = copy.deepcopy(success.members)
    members["responses"][0]["policyId"] = "p-2"
    with pytest.raises(AnswerInvalid):
        verify(success, members)


@pytest.mark.parametrize("fault", ["proof", "past", "future", "policy", "keys", "use", "alg"])
def test_a_genuine_result_to_another_question_is_refused(success, fault):
    result = success.members["responses"][0]["results"][0]
    arguments = {"policy_id": "p-1", "proof": success.proof, "signing": success.signing, "now": success.now}
    verify_result(result, **arguments)
    ((kid, jwk),) = success.signing.items()
    arguments |= {
        "proof": {"proof": success.proof + "A"},
        "past": {"now": success.now + 3600},
        "future": {"now": success.now - 3600},
        "policy": {"policy_id": "p-2"},
        "keys": {"signing": {kid: {**jwk, **new_proof_key().jwk}}},
        "use": {"signing": {kid: {**jwk, "use": "enc"}}},
        "alg": {"signing": {kid: {**jwk, "alg": "ES384"}}},
    }[fault]
    with pytest.raises(AnswerInvalid):
        verify_result(result, **arguments)


def resigned(key, result, **changes):
    """``result`` signed by ``key``, as a KAS with that key would."""
    signature = {name: value for name, value in {**result["signature"], **changes}.items() if name != "sig"}
    sig = b64(key.sign(canonical({**result, "signature": signature})))
    return {**result, "signature": {**signature, "sig": sig}}


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"kas": None},
        {"iat": "now"},
        {"iat": None},
        {"kid": "other"},
    ],
)
def test_even_a_genuine_signature_must_say_the_right_things(success, changes):
    key, result = new_proof_key(), success.members["responses"][0]["results"][0]
    signing = {result["signature"]["kid"]: {**key.jwk, "use": "sig"}}
    verify_result(resigned(key, result), "p-1", success.proof, signing, success.now)
    with pytest.raises(AnswerInvalid):
        verify_result(resigned(key, result, **changes), "p-1", success.proof, signing, success.now)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
def test_a_key_that_is_wrapped_for_someone_else_does_not_open(success, kind):
    result = success.members["responses"][0]["results"][0]
    with pytest.raises(AnswerInvalid):
        open_result(result, new_receiving_key(kind))


@pytest.mark.parametrize("change", [{"kasWrappedKey": "AAAA"}, {"kasWrappedKey": "!"}, {"ephemeralPublicKey": None}])
def test_a_malformed_success_does_not_open(success, change):
    with pytest.raises(AnswerInvalid):
        open_result({**success.members["responses"][0]["results"][0], **change}, success.receiving)


@pytest.mark.parametrize(
    "jwks",
    [{}, {"keys": []}, {"keys": [{"use": "sig", "kid": "s"}]}, {"keys": [1]}, {"keys": {"use": "sig"}}],
)
def test_a_key_set_needs_both_kinds_of_key(jwks):
    with pytest.raises(AnswerInvalid):
        parse_kas_keys(jwks)
