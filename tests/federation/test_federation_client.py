"""Which signature a client takes for whose key access object: real answers, and others signed with real keys."""

from __future__ import annotations

import copy
import time

import pytest

from kas.crypto.signatures import ResultSigner
from local.client import AnswerInvalid
from local.client.encoding import b64, canonical
from local.client.keys import new_receiving_key
from local.client.results import open_any, verify_answer_of_several
from local.client.services import Services
from local.client.splits import combine, split
from local.nations import signing_key
from tests.federation.nations import Nations

SUCCESS = {"status": "success", "kasWrappedKey": "AAAA", "wrapAlg": "RSA-OAEP-256"}
ERROR = {"status": "error", "code": "peer_unavailable", "error": "a sentence"}


@pytest.fixture(scope="module")
def exchange(nations: Nations):
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    return attempt, attempt.send().json()


def replaced(nations, exchange, outcome, nation):
    """The answer with the result for the French key access object made and signed by the KAS of ``nation``."""
    _, members = exchange
    members = copy.deepcopy(members)
    results = members["responses"][0]["results"]
    place, old = nations.places[nation], results[1]
    key = signing_key(place)
    signature = {**old["signature"], "kid": key.kid, "kas": place.kas_id}
    del signature["sig"]
    unsigned = {"keyAccessObjectId": old["keyAccessObjectId"], "sid": old["sid"], **outcome, "signature": signature}
    sig = ResultSigner(place.kas_id, key.kid, key.private).sign(canonical(unsigned))
    results[1] = {**unsigned, "signature": {**signature, "sig": b64(sig)}}
    return members


def verify(nations, exchange, members, services=None):
    attempt, _ = exchange
    known = services or nations.services("usa")
    return verify_answer_of_several(members, attempt.request, str(attempt.proof), known, time.time())


@pytest.mark.parametrize(("outcome", "nation"), [(SUCCESS, "fra"), (ERROR, "fra"), (ERROR, "usa")])
def test_the_holder_answers_and_whoever_was_asked_may_refuse_in_its_place(nations, exchange, outcome, nation):
    result = verify(nations, exchange, replaced(nations, exchange, outcome, nation))["kao-fra-1"]
    assert result["signature"]["kas"] == f"kas-{nation}"


@pytest.mark.parametrize(("outcome", "nation"), [(SUCCESS, "usa"), (SUCCESS, "gbr"), (ERROR, "gbr")])
def test_nobody_else_answers_for_the_holder(nations, exchange, outcome, nation):
    """Whoever was asked does not release another's key, and a third does not even refuse it."""
    with pytest.raises(AnswerInvalid, match="does not answer for this key access object"):
        verify(nations, exchange, replaced(nations, exchange, outcome, nation))


def test_a_signature_in_the_name_of_the_holder_by_another_key_is_refused(nations, exchange):
    members = replaced(nations, exchange, SUCCESS, "usa")
    members["responses"][0]["results"][1]["signature"]["kas"] = "kas-fra"
    with pytest.raises(AnswerInvalid, match="unknown key"):
        verify(nations, exchange, members)


def test_an_answer_of_a_kas_that_the_client_does_not_know_is_refused(nations, exchange):
    _, members = exchange
    with pytest.raises(AnswerInvalid, match="does not answer"):
        verify(nations, exchange, members, Services(nations.kas("usa")))


def test_a_result_without_signature_is_refused(nations, exchange):
    _, members = exchange
    members = copy.deepcopy(members)
    del members["responses"][0]["results"][1]["signature"]
    with pytest.raises(AnswerInvalid, match="does not answer"):
        verify(nations, exchange, members)


def test_an_issuer_does_not_speak_for_another_nation(nations):
    """The French provider knows American clients; what it says of them is no reason to release."""
    attempt = nations.attempt("usa-secret", home="fra", holders=("usa",))
    result = nations.results(attempt, attempt.send())["kao-usa-0"]
    assert result["code"] == "issuer_not_for_country"


@pytest.mark.parametrize("number", [2, 3, 5])
def test_a_key_in_splits_needs_them_all(number):
    splits = split(bytes(range(32)), number)
    assert combine(splits[::-1]) == bytes(range(32))
    assert combine(splits[1:]) != bytes(range(32))
    with pytest.raises(AnswerInvalid):
        combine([splits[0], b"short"])


def test_of_alternatives_the_released_one_opens(nations):
    attempt = nations.attempt("usa-secret", holders=("gbr", "fra"), mode="anyOf", data_key=bytes(range(32)))
    results = nations.results(attempt, attempt.send())
    assert [result.get("code") for result in results.values()] == [None, "not_attempted"]
    assert open_any(results.values(), attempt.receiving) == bytes(range(32))
    with pytest.raises(AnswerInvalid):
        open_any(results.values(), new_receiving_key())
