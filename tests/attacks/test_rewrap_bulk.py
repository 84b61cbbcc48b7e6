"""R9: one bad part of many fails alone, and the status of the whole says what all of them have in common."""

from __future__ import annotations

import pytest

from local.client.encoding import b64, from_b64
from tests.attacks.rewrap_answers import codes
from tests.kit import policy, refused


def spoil_binding(kao):
    kao["policyBinding"] = b64(bytes(32))


def spoil_kid(kao):
    kao["kid"] = "unknown"


def spoil_url(kao):
    kao["url"] = "https://other.example/rewrap"


def spoil_type(kao):
    kao["type"] = "hybrid-wrapped"


def spoil_hash(kao):
    kao["clientKeyHash"] = "A" * 43


@pytest.fixture
def bulk(kit_without_nonces):
    def build(*labels, kaos=2, client="usa-secret"):
        attempt = kit_without_nonces.attempt(client, policies=list(labels), kaos=kaos)
        attempt.nonce = None
        return attempt

    return build


def kaos_of(attempt):
    return [kao for group in attempt.request["requests"] for kao in group["keyAccessObjects"]]


SPOILERS = [
    (spoil_binding, "key_material_rejected"),
    (spoil_kid, "unknown_key"),
    (spoil_url, "unknown_kas"),
    (spoil_type, "not_supported"),
    (spoil_hash, "client_key_unbound"),
]


@pytest.mark.parametrize(("spoil", "code"), SPOILERS)
def test_attack_r09_a_bad_kao_fails_alone(bulk, spoil, code):
    attempt = bulk(policy(), policy())
    spoil(kaos_of(attempt)[1])
    attempt.resign()
    answer = attempt.send()
    assert answer.status == 200
    assert set(answer.json()) == {"responses"}
    assert codes(attempt, answer) == [None, code, None, None]


def test_attack_r09_every_second_of_many_kaos_fails_alone_and_the_others_open(bulk):
    attempt = bulk(policy(), policy(classification="TOP_SECRET"), policy(), kaos=20)
    for kao in attempt.request["requests"][2]["keyAccessObjects"][::2]:
        spoil_binding(kao)
    attempt.resign()
    answer = attempt.send()
    expected = [None] * 20 + ["clearance_insufficient"] * 20 + ["key_material_rejected", None] * 10
    assert (answer.status, codes(attempt, answer)) == (200, expected)
    for group, response in zip(attempt.request["requests"], answer.json()["responses"], strict=True):
        assert response["policyId"] == group["policy"]["policyId"]
        for kao, result in zip(group["keyAccessObjects"], response["results"], strict=True):
            if result["status"] == "success":
                opened = attempt.receiving.open(
                    result["wrapAlg"], from_b64(result["kasWrappedKey"]), result["ephemeralPublicKey"]
                )
                assert opened == attempt.data_keys[kao["keyAccessObjectId"]]


def test_attack_r09_a_bad_signature_fails_alone(bulk):
    attempt = bulk(policy())
    kaos_of(attempt)[0]["unknown"] = "added on the way"
    answer = attempt.send()
    assert (answer.status, codes(attempt, answer)) == (200, ["kao_signature_invalid", None])


def test_attack_r09_failures_of_one_status_are_the_status_of_the_whole_with_the_first_code(bulk):
    attempt = bulk(policy(), kaos=len(SPOILERS))
    for kao, (spoil, _) in zip(kaos_of(attempt), SPOILERS, strict=True):
        spoil(kao)
    attempt.resign()
    answer = attempt.send()
    refused(answer, 400, "invalid_request", SPOILERS[0][1])
    assert codes(attempt, answer) == [code for _, code in SPOILERS]


def test_attack_r09_different_denials_are_403_with_the_first_code(bulk):
    attempt = bulk(policy(releasabilityTo=["FRA"]), policy(classification="TOP_SECRET"), kaos=1)
    answer = attempt.send()
    body = refused(answer, 403, "forbidden", "country_not_releasable")
    assert codes(attempt, answer) == ["country_not_releasable", "clearance_insufficient"]
    assert body["message"] == body["responses"][0]["results"][0]["error"]


@pytest.mark.parametrize("denied_first", [True, False])
def test_attack_r09_failures_of_different_statuses_are_200_without_words_of_error_at_the_top(bulk, denied_first):
    labels = [policy(), policy(classification="TOP_SECRET")]
    attempt = bulk(*(labels[::-1] if denied_first else labels), kaos=1)
    for kao in kaos_of(attempt):
        if kao["keyAccessObjectId"] == ("kao-1-0" if denied_first else "kao-0-0"):
            spoil_binding(kao)
    attempt.resign()
    answer = attempt.send()
    assert answer.status == 200
    assert set(answer.json()) == {"responses"}
    found = codes(attempt, answer)
    assert found == (["clearance_insufficient", "key_material_rejected"][:: 1 if denied_first else -1])


def test_attack_r09_a_group_that_is_denied_does_not_touch_the_next(bulk):
    attempt = bulk(policy(classification="TOP_SECRET"), policy())
    answer = attempt.send()
    assert (answer.status, codes(attempt, answer)) == (200, ["clearance_insufficient"] * 2 + [None] * 2)


def test_attack_r09_a_structural_fault_in_one_part_releases_no_other(bulk):
    """What cannot be read cannot be answered part by part."""
    attempt = bulk(policy(), policy())
    del kaos_of(attempt)[3]["kid"]
    attempt.resign()
    body = refused(attempt.send(), 400, "invalid_request", "invalid_structure")
    assert "responses" not in body
