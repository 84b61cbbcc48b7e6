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
    UnknownKas,
    leaves,
)
from kas.jose import is_valid_signature, parse_public_jwk, to_jwk
from kas.keys.registry import WrappedMaterial
from kas.protocol.acp240.response import render, shared_refusal
from kas.protocol.values import AnswerContext, CoveredByRequestToken, GroupResult, KeyAccess, KeyAccessResult

NOW = 1_790_000_000.9
SUCCESS = WrappedKey("RSA-OAEP-256", b"\1\2\3")
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = ResultSigner("kas-usa", "sig-1", KEY)


def result(outcome, kao_id="kao-1", sid=None):
    access = KeyAccess(kao_id, WrappedMaterial(b""), "", "", sid, b"", b"", CoveredByRequestToken(), is_supported=True)
    return KeyAccessResult(access, outcome)


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
    ],
)
def test_the_status_is_that_of_the_failures_when_nothing_succeeded_and_all_agree(outcomes, status, code):
    for split in range(len(outcomes)):
        made = answer([result(one) for one in outcomes[:split]], [result(one) for one in outcomes[split:]])
        assert made.status == status
        assert made.body.get("code") == code
        assert ("error" in made.body) == ("message" in made.body) == ("requestId" in made.body) == (code is not None)


@pytest.mark.parametrize(("first", "second"), list(itertools.product([*leaves(KaoRefusal)], repeat=2)))
def test_any_two_refusals_share_a_status_exactly_when_they_have_the_same(first, second):
    expected = first if first.status == second.status else None
    assert shared_refusal([first, second]) is expected
    assert shared_refusal([first, None, second]) is None


def test_of_nothing_nothing_failed():
    assert shared_refusal([]) is None


def is_signed(sent):
    signature = dict(sent["signature"])
    sig = b64_decode(signature.pop("sig"))
    message = canonical_json({**sent, "signature": signature})
    return is_valid_signature("ES256", parse_public_jwk(to_jwk(KEY.public_key())), message, sig) and len(sig) == 64


@pytest.mark.parametrize("outcome", [SUCCESS, ClearanceInsufficient, KeyMaterialRejected])
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
