"""ACP-240 §1, KAS-REQ-090 to 103: the form of answers, and their statuses."""

from __future__ import annotations

import json

import pytest

from tests.attacks.rewrap_answers import codes, kao_refused, released
from tests.kit import policy, refused
from tests.unit.good_edge import EdgeFixture

SIGNATURE = {"alg", "kid", "kas", "policyId", "iat", "proof", "sig"}
SUCCESS = {"keyAccessObjectId", "status", "kasWrappedKey", "wrapAlg", "ephemeralPublicKey", "sid", "signature"}
REFUSAL = {"keyAccessObjectId", "status", "code", "error", "sid", "signature"}


def new_attempt(kit, client="usa-secret", **options):
    good = kit.attempt(client, **options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


def test_kas_req_090_an_answer_has_one_response_per_group_with_policy_id_and_results(kit_without_nonces):
    answer = released(new_attempt(kit_without_nonces, policies=[policy(), policy()], kaos=2))
    body = answer.json()
    assert body.keys() == {"responses"}
    assert [response.keys() for response in body["responses"]] == [{"policyId", "results"}] * 2
    assert [len(response["results"]) for response in body["responses"]] == [2, 2]


def test_kas_req_090_an_answer_may_be_stored_by_nobody(attempt):
    answer = released(attempt)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


def test_kas_req_091_a_success_has_its_members_and_no_other(attempt):
    result = attempt.result(released(attempt))
    assert result.keys() == SUCCESS
    assert result["status"] == "success"
    assert result["signature"].keys() == SIGNATURE


def test_kas_req_091_a_refusal_has_its_members_and_no_other(kit_without_nonces):
    result = kao_refused(new_attempt(kit_without_nonces, "usa-unclassified"), "clearance_insufficient", 403)
    assert result.keys() == REFUSAL
    assert result["signature"].keys() == SIGNATURE


def test_kas_req_092_an_error_is_a_sentence_for_people(kit_without_nonces):
    result = kao_refused(new_attempt(kit_without_nonces, "usa-unclassified"), "clearance_insufficient", 403)
    assert result["error"] == "The clearance is below the classification."


@pytest.mark.parametrize("sid", ["", "s-1", " ", "\u0000", 'sid with "quotes" and ü', "0"])
@pytest.mark.parametrize("client", ["usa-secret", "usa-unclassified"])
def test_kas_req_093_a_sid_comes_back_as_it_was_sent(kit_without_nonces, sid, client):
    attempt = new_attempt(kit_without_nonces, client)
    attempt.kao["sid"] = sid
    attempt.resign()
    assert attempt.result(attempt.send())["sid"] == sid


@pytest.mark.parametrize("client", ["usa-secret", "usa-unclassified"])
def test_kas_req_093_a_result_has_no_sid_when_its_kao_had_none(kit_without_nonces, client):
    attempt = new_attempt(kit_without_nonces, client, kaos=2)
    del attempt.kao["sid"]
    attempt.resign()
    first, second = attempt.send().json()["responses"][0]["results"]
    assert "sid" not in first
    assert second["sid"] == "s-1"


def test_kas_req_100_a_refused_kao_alone_is_400_with_full_response_and_the_error_at_the_top(attempt):
    attempt.kao["kid"] = "unknown"
    attempt.resign()
    answer = attempt.send()
    body = refused(answer, 400, "invalid_request", "unknown_key")
    assert body.keys() == {"error", "code", "message", "requestId", "responses"}
    assert codes(attempt, answer) == ["unknown_key"]


def test_kas_req_100_a_faulty_structure_is_400_with_its_faults(attempt):
    attempt.body = b"{}"
    body = refused(attempt.send(), 400, "invalid_request", "invalid_structure")
    assert body.keys() == {"error", "code", "message", "requestId", "validationErrors"}


@pytest.mark.parametrize(("body", "code"), [(b"{", "invalid_json"), (b'{"a":1e999}', "not_canonical")])
def test_kas_req_100_what_is_no_json_is_400(attempt, body, code):
    attempt.body = body
    assert refused(attempt.send(), 400, "invalid_request", code).keys() == {"error", "code", "message", "requestId"}


def test_kas_req_101_without_credentials_the_answer_is_401(kit_without_nonces):
    answer = kit_without_nonces.http("POST", kit_without_nonces.url)
    body = refused(answer, 401, "unauthorized", "credentials_missing")
    assert answer.headers["WWW-Authenticate"].startswith('DPoP algs="')
    assert body.keys() == {"error", "code", "message", "requestId"}


def test_kas_req_102_a_denial_is_403_with_full_response_and_the_error_at_the_top(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified", kaos=2)
    answer = attempt.send()
    body = refused(answer, 403, "forbidden", "clearance_insufficient")
    assert body.keys() == {"error", "code", "message", "requestId", "responses"}
    assert codes(attempt, answer) == ["clearance_insufficient"] * 2


def test_kas_req_103_what_is_unexpected_is_500_without_a_word_of_what_it_was(capfd):
    fixture = EdgeFixture(RuntimeError("the canary"))
    answer = fixture.send()
    body = json.loads(answer.get_data())
    assert (answer.status_code, body["error"], body["code"]) == (500, "internal", "internal")
    assert body["requestId"] == answer.headers["X-Request-Id"]
    assert [(event["code"], event["requestId"]) for event in fixture.events] == [("internal", body["requestId"])]
    logged = capfd.readouterr()
    assert "canary" not in answer.get_data(as_text=True) + str(fixture.events) + logged.out + logged.err
    assert body["requestId"] in logged.err


@pytest.mark.parametrize("theirs", ["abc-1.2:3_", "a", "x" * 128])
def test_kas_req_090_the_request_id_is_ours_and_the_callers_comes_back_beside_it(attempt, theirs):
    attempt.headers = [("X-Request-Id", theirs)]
    answer = attempt.send()
    assert answer.headers["X-Client-Request-Id"] == theirs
    assert answer.headers["X-Request-Id"] != theirs
    assert len(attempt.kit.events(answer.headers["X-Request-Id"])) == 1


@pytest.mark.parametrize("theirs", ["x" * 129, "a b", "<script>", "a,b", "é".encode().decode("latin-1")])
def test_kas_req_090_an_odd_request_id_of_the_caller_is_dropped(attempt, theirs):
    attempt.headers = [("X-Request-Id", theirs)]
    answer = attempt.send()
    assert answer.status == 200
    assert "X-Client-Request-Id" not in answer.headers
