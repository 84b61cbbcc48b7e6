"""The answer: one status for the whole (ACP-240 §4), each result signed over what is sent."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.crypto.signatures import ResultSigner
from kas.crypto.wrapping import WrappedKey
from kas.encoding import b64_decode, canonical_json
from kas.errors import (
    ClearanceInsufficient,
    CoiNotSatisfied,
    KaoRefusal,
    KeyMaterialRejected,
    KeyUnavailable,
    NotAttempted,
    UnknownKas,
    leaves,
)
from kas.jose import is_valid_signature, parse_public_jwk, to_jwk
from kas.keys.registry import WrappedMaterial
from kas.protocol.acp240.response import render, shared_refusal
from kas.protocol.values import (
    AnswerContext,
    CoveredByRequestToken,
    GroupResult,
    KeyAccess,
    KeyAccessResult,
    PassedOn,
    Released,
)

NOW = 1_790_000_000.9
SUCCESS = WrappedKey("RSA-OAEP-256", b"\1\2\3")
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = ResultSigner("kas-usa", "sig-1", KEY)
STANDING = [refusal for refusal in leaves(KaoRefusal) if refusal is not NotAttempted]


def result(outcome, kao_id="kao-1", sid=None):
    access = KeyAccess(kao_id, WrappedMaterial(b""), "", "", sid, b"", b"", CoveredByRequestToken(), is_supported=True)
    return KeyAccessResult(access, Released(outcome) if isinstance(outcome, WrappedKey) else outcome)


def answer(*groups):
    made = [GroupResult(f"p-{number}", tuple(results)) for number, results in enumerate(groups)]
    return render(made, SIGNER, AnswerContext("request-1", "hash", NOW))


@pytest.mark.parametrize(
    ("outcomes", "status", "code"),
    [
        ([SUCCESS], 200, None),
        ([SUCCESS, ClearanceInsufficient], 200, None),
        ([ClearanceInsufficient, SUCCESS], 200, None),
        ([ClearanceInsufficient], 403, "clearance_insufficient"),
        ([CoiNotSatisfied, ClearanceInsufficient], 403, "coi_not_satisfied"),
        ([KeyMaterialRejected, UnknownKas], 400, "key_material_rejected"),
        ([UnknownKas, KeyMaterialRejected], 400, "unknown_kas"),
        ([KeyUnavailable, KeyUnavailable], 503, "key_unavailable"),
        ([ClearanceInsufficient, KeyMaterialRejected], 200, None),
        ([KeyUnavailable, KeyMaterialRejected, ClearanceInsufficient], 200, None),
        ([NotAttempted, SUCCESS], 200, None),
        ([NotAttempted, ClearanceInsufficient], 403, "clearance_insufficient"),
        ([ClearanceInsufficient, Released()], 200, None),
        ([ClearanceInsufficient, PassedOn({}, None)], 200, None),
        ([ClearanceInsufficient, PassedOn({}, CoiNotSatisfied)], 403, "clearance_insufficient"),
        ([PassedOn({}, CoiNotSatisfied), ClearanceInsufficient], 403, "coi_not_satisfied"),
        ([KeyMaterialRejected, PassedOn({}, CoiNotSatisfied)], 200, None),
    ],
)
def test_the_status_is_that_of_the_failures_when_nothing_succeeded_and_all_agree(outcomes, status, code):
    for split in range(len(outcomes)):
        made = answer([result(one) for one in outcomes[:split]], [result(one) for one in outcomes[split:]])
        assert made.status == status
        assert made.body.get("code") == code
        assert ("error" in made.body) == ("message" in made.body) == ("requestId" in made.body) == (code is not None)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(STANDING, repeat=2)))
def test_any_two_refusals_share_a_status_exactly_when_they_have_the_same(first, second):
    expected = first if first.status == second.status else None
    assert shared_refusal([first, second]) is expected
    assert shared_refusal([first, None, second]) is None


def test_of_nothing_nothing_failed():
    assert shared_refusal([]) is None


@pytest.mark.parametrize("refusal", STANDING)
def test_what_was_not_attempted_stands_for_no_status_and_changes_none(refusal):
    assert NotAttempted.status == 0
    for refusals in itertools.permutations([refusal, NotAttempted, NotAttempted]):
        assert shared_refusal(refusals) is refusal
    assert shared_refusal([NotAttempted, refusal, None]) is None


@pytest.mark.parametrize("count", [1, 2])
def test_where_nothing_was_attempted_there_is_no_refusal_to_share(count):
    assert shared_refusal([NotAttempted] * count) is None


def test_what_was_not_attempted_does_not_make_failures_agree():
    assert shared_refusal([KeyUnavailable, NotAttempted, ClearanceInsufficient]) is None


def is_signed(sent):
    signature = dict(sent["signature"])
    sig = b64_decode(signature.pop("sig"))
    message = canonical_json({**sent, "signature": signature})
    return is_valid_signature("ES256", parse_public_jwk(to_jwk(KEY.public_key())), message, sig) and len(sig) == 64


@pytest.mark.parametrize(
    "outcome",
    [
        SUCCESS,
        ClearanceInsufficient,
        KeyMaterialRejected,
        NotAttempted,
        Released(),
        Released(SUCCESS, {"a": 1.5}, combined=True),
    ],
)
def test_success_and_error_alike_are_signed_with_their_context(outcome):
    (sent,) = answer([result(outcome)]).body["responses"][0]["results"]
    context = {name: value for name, value in sent["signature"].items() if name != "sig"}
    assert context == {
        "alg": "ES256",
        "kid": "sig-1",
        "kas": "kas-usa",
        "policyId": "p-0",
        "iat": 1_790_000_000,
        "proof": "hash",
    }
    assert is_signed(sent)


def test_a_success_has_its_wrap_and_an_ephemeral_key_where_there_is_one():
    ephemeral = KEY.public_key()
    made = answer([result(SUCCESS, sid=""), result(WrappedKey("ECDH-HKDF-A256GCM", b"\0", ephemeral))])
    first, second = made.body["responses"][0]["results"]
    assert (first["kasWrappedKey"], first["wrapAlg"], first["sid"]) == ("AQID", "RSA-OAEP-256", "")
    assert "ephemeralPublicKey" not in first
    assert second["ephemeralPublicKey"] == to_jwk(ephemeral)
    assert "sid" not in second


def test_an_error_has_code_and_sentence_and_no_key():
    (sent,) = answer([result(ClearanceInsufficient)]).body["responses"][0]["results"]
    assert (sent["status"], sent["code"]) == ("error", "clearance_insufficient")
    assert sent["error"] == ClearanceInsufficient.message()
    assert "kasWrappedKey" not in sent


def test_groups_and_results_keep_their_order():
    made = answer([result(SUCCESS, "b"), result(SUCCESS, "a")], [result(SUCCESS, "c")])
    responses = made.body["responses"]
    assert [response["policyId"] for response in responses] == ["p-0", "p-1"]
    ids = [[one["keyAccessObjectId"] for one in response["results"]] for response in responses]
    assert ids == [["b", "a"], ["c"]]


def sent_for(outcome, sid=None):
    (sent,) = answer([result(outcome, sid=sid)]).body["responses"][0]["results"]
    return sent


def test_a_released_key_without_more_is_what_a_wrapped_key_is():
    one, other = sent_for(SUCCESS, "s"), sent_for(Released(SUCCESS), "s")
    del one["signature"]["sig"], other["signature"]["sig"]
    assert one == other


@pytest.mark.parametrize("metadata", [{}, {"title": "Ü", "deep": {"er": [1, None]}}])
def test_kas_req_070_metadata_stand_in_the_result_and_under_its_signature(metadata):
    sent = sent_for(Released(SUCCESS, metadata))
    assert sent["metadata"] == metadata
    assert sent["kasWrappedKey"] == "AQID"
    assert not is_signed(sent | {"metadata": metadata | {"more": 1}})


def test_a_combined_key_says_so_under_its_signature():
    sent = sent_for(Released(SUCCESS, combined=True))
    assert (sent["status"], sent["combined"], sent["kasWrappedKey"]) == ("success", True, "AQID")
    del sent["combined"]
    assert not is_signed(sent)


def test_a_success_without_a_key_has_no_member_of_one():
    """The key stands in the first result of the group."""
    sent = sent_for(Released(), "s-2")
    assert set(sent) == {"keyAccessObjectId", "status", "sid", "signature"}
    assert (sent["status"], sent["sid"]) == ("success", "s-2")


def test_what_was_not_attempted_is_an_error_with_its_code_and_signed():
    sent = sent_for(NotAttempted, "s")
    assert (sent["status"], sent["code"], sent["sid"]) == ("error", "not_attempted", "s")


FOREIGN = {
    "keyAccessObjectId": "kao-1",
    "status": "success",
    "kasWrappedKey": "b64",
    "unknown": {"x": [1.0]},
    "signature": {"alg": "ES256", "kid": "fra-1", "kas": "kas-fra", "sig": "b64"},
}


@pytest.mark.parametrize("refusal", [None, ClearanceInsufficient])
def test_kas_req_083_a_result_of_another_service_is_passed_on_as_it_came(refusal):
    """In its place among ours, with nothing added: neither our sid nor our signature."""
    made = answer([result(SUCCESS, "a"), result(PassedOn(FOREIGN, refusal), "b", sid="ours"), result(SUCCESS, "c")])
    ours, passed, last = made.body["responses"][0]["results"]
    assert passed == FOREIGN
    assert list(passed) == list(FOREIGN)
    assert is_signed(ours)
    assert is_signed(last)
    assert made.status == 200


@pytest.mark.parametrize(
    ("outcome", "wrapped", "refusal"),
    [
        (SUCCESS, SUCCESS, None),
        (Released(SUCCESS), SUCCESS, None),
        (Released(), None, None),
        (PassedOn(FOREIGN, None), None, None),
        (PassedOn(FOREIGN, CoiNotSatisfied), None, CoiNotSatisfied),
        (CoiNotSatisfied, None, CoiNotSatisfied),
    ],
)
def test_an_outcome_has_the_key_that_was_wrapped_here_or_a_refusal_or_neither(outcome, wrapped, refusal):
    made = result(outcome)
    assert made.wrapped is wrapped
    assert made.refusal is refusal
