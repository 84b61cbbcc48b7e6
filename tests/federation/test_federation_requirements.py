"""ACP-240 §1, KAS-REQ-080 to 085, 121 and 003: three services, each with its own keys, behind the one that is asked."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local.client import Answer, new_proof_key
from local.client.encoding import b64
from local.client.errors import AnswerInvalid
from local.client.results import open_result, verify_result
from local.client.rewrap import sign_kao
from tests.federation.hostile_forwarder import forward, no_forwarding
from tests.federation.nations import Nations
from tests.kit import Attempt, Kit, policy, refused

EVERYBODY = ("usa", "fra", "gbr")
CONFIDENTIAL = policy(classification="CONFIDENTIAL", releasabilityTo=["USA", "FRA", "GBR"])


def kaos_of(attempt: Attempt) -> list[dict[str, Any]]:
    return attempt.request["requests"][0]["keyAccessObjects"]


def spoil(attempt: Attempt, number: int, **members: Any) -> None:
    kaos_of(attempt)[number].update(members)
    attempt.resign()


def codes(nations: Nations, attempt: Attempt, answer: Answer) -> list[str | None]:
    """In the order asked; every result verified, every success opened."""
    results = nations.results(attempt, answer)
    for kao_id, result in results.items():
        if result["status"] == "success":
            assert open_result(result, attempt.receiving) == attempt.data_keys[kao_id]
    return [result.get("code") for result in results.values()]


def events_of(kit: Kit, kao_id: str, subject: str, policy_id: str) -> list[dict[str, Any]]:
    """What a service recorded of a key access object, whatever it called the request."""
    lines = [json.loads(line) for line in kit.log.read_text("utf-8").splitlines() if line.startswith("{")]
    wanted = {"kaoId": kao_id, "subject": subject, "policyId": policy_id}
    return [line for line in lines if wanted.items() <= line.items()]


def both_records(nations: Nations, attempt: Attempt, kao_id: str) -> list[dict[str, Any]]:
    """One line each: of whoever was asked, and of the service that holds the key."""
    found = [events_of(nations[nation], kao_id, "fra-secret", attempt.policy["policyId"]) for nation in ("usa", "fra")]
    assert [len(lines) for lines in found] == [1, 1]
    return [line for lines in found for line in lines]


def test_kas_req_080_what_another_service_holds_is_forwarded_to_it_and_recorded_by_both(nations: Nations) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    answer = attempt.send()
    assert nations.open(attempt, answer) == attempt.data_keys
    asked, holder = both_records(nations, attempt, "kao-fra-1")
    assert (asked["category"], asked["forwardedTo"], asked["keyOperations"], asked["via"]) == (
        "DATA_SHARED",
        "kas-fra",
        0,
        [],
    )
    assert (holder["category"], holder["forwardedTo"], holder["keyOperations"], holder["via"]) == (
        "DECRYPT",
        None,
        1,
        ["kas-usa"],
    )
    assert [event["forwardedTo"] for event in attempt.kit.events(answer.headers["X-Request-Id"])] == [None, "kas-fra"]


@pytest.mark.parametrize("path", ["", "/", "/rewrap"])
@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST"])
def test_kas_req_080_a_service_is_known_by_its_origin_and_its_aliases(nations: Nations, host: str, path: str) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra",))
    spoil(attempt, 0, url=f"http://{host}:{nations.places['fra'].kas_port}{path}")
    result = attempt.send().json()["responses"][0]["results"][0]
    assert (result["status"], result["signature"]["kas"]) == ("success", "kas-fra")


@pytest.mark.parametrize("path", ["/rewrap/", "/other", "/rewrap?a=b", "//rewrap", "/rewrap/../rewrap"])
def test_kas_req_080_what_is_like_an_address_of_a_service_is_nobodys(nations: Nations, path: str) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra",))
    spoil(attempt, 0, url=nations["fra"].base + path)
    assert codes(nations, attempt, attempt.send()) == ["unknown_kas"]


def test_kas_req_080_whoever_is_asked_decides_too_and_forwards_nothing_that_is_denied(nations: Nations) -> None:
    """The other service hears nothing of it."""
    under = policy(releasabilityTo=["USA"])
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"), under=under)
    answer = attempt.send()
    refused(answer, 403, "forbidden", "country_not_releasable")
    assert codes(nations, attempt, answer) == ["country_not_releasable"] * 2
    assert events_of(nations["fra"], "kao-fra-1", "fra-secret", under["policyId"]) == []


def test_kas_req_080_what_the_agreement_does_not_cover_is_forwarded_to_nobody(nations: Nations) -> None:
    """The policy permits SECRET; the two have agreed on CONFIDENTIAL."""
    attempt = nations.attempt("fra-secret", at="fra", holders=("fra", "gbr"))
    assert codes(nations, attempt, attempt.send()) == [None, "agreement_exceeded"]
    assert events_of(nations["gbr"], "kao-gbr-1", "fra-secret", attempt.policy["policyId"]) == []
    attempt = nations.attempt("fra-secret", at="fra", holders=("fra", "gbr"), under=CONFIDENTIAL)
    assert nations.open(attempt, attempt.send()) == attempt.data_keys


def test_kas_req_081_a_key_access_object_goes_under_the_policy_that_it_came_under(nations: Nations) -> None:
    """As it was sent: both services record the same hash of it, unknown members and the order of members included."""
    label = {**policy(), "unknown": {"ü": [1.5, None, 1e20]}, "dissem": dict(reversed(policy()["dissem"].items()))}
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"), under=label)
    assert nations.open(attempt, attempt.send()) == attempt.data_keys
    asked, holder = both_records(nations, attempt, "kao-fra-1")
    assert (asked["policyId"], asked["policyHash"]) == (holder["policyId"], holder["policyHash"])


def test_kas_req_081_a_policy_without_id_is_forwarded_without_one(nations: Nations) -> None:
    label = {name: value for name, value in policy().items() if name != "policyId"}
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"), under=label)
    assert nations.open(attempt, attempt.send()) == attempt.data_keys


def test_kas_req_081_metadata_and_other_members_are_forwarded_with_it(nations: Nations) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra",))
    spoil(attempt, 0, unknown={"a": [1, "é"]}, encryptedMetadata=b64(bytes(40)))
    answer = attempt.send()
    refused(answer, 400, "invalid_request", "key_material_rejected")
    assert nations.results(attempt, answer)["kao-fra-0"]["signature"]["kas"] == "kas-fra"


def test_kas_req_081_the_policy_decides_again_where_the_key_is(nations: Nations) -> None:
    forwarded = forward(nations, "usa-secret", under=policy(releasabilityTo=["FRA"]))
    assert set(forwarded.codes(forwarded.send()).values()) == {"country_not_releasable"}


def groups(nations: Nations) -> Attempt:
    """Three policies; what the services hold is mixed, under each and over all."""
    attempt = nations.attempt("usa-secret", at="usa", holders=("fra", "usa", "gbr"), under=CONFIDENTIAL)
    for number, holders in enumerate([("gbr", "fra"), ("usa", "fra", "usa")]):
        other = nations.attempt(
            "usa-secret", at="usa", holders=holders, under={**CONFIDENTIAL, "policyId": f"{number}"}
        )
        for kao in kaos_of(other):
            name = kao["keyAccessObjectId"]
            kao.update(keyAccessObjectId=f"{name}-{number}", clientKeyHash=attempt.kao["clientKeyHash"])
            attempt.data_keys[f"{name}-{number}"] = other.data_keys[name]
        attempt.request["requests"] += other.request["requests"]
    attempt.resign()
    return attempt


def test_kas_req_082_results_are_in_request_order_by_policy_and_id_whoever_gives_them(nations: Nations) -> None:
    attempt = groups(nations)
    answer = attempt.send()
    assert nations.open(attempt, answer) == attempt.data_keys
    said = {
        response["policyId"]: [result["signature"]["kas"][4:] for result in response["results"]]
        for response in answer.json()["responses"]
    }
    assert list(said.values()) == [["fra", "usa", "gbr"], ["gbr", "fra"], ["usa", "fra", "usa"]]


def test_kas_req_082_each_key_access_object_has_one_result_whatever_becomes_of_it(nations: Nations) -> None:
    """Refused here, refused there, of nobody, released: each for itself."""
    attempt = groups(nations)
    kaos = [kao for group in attempt.request["requests"] for kao in group["keyAccessObjects"]]
    kaos[0]["policyBinding"] = b64(bytes(32))  # fra
    kaos[1]["kid"] = "unknown"  # usa
    kaos[3]["url"] = "https://kas.example/rewrap"
    kaos[4]["type"] = "remote"
    attempt.resign()
    answer = attempt.send()
    assert answer.status == 200
    expected = ["key_material_rejected", "unknown_key", None, "unknown_kas", "not_supported", None, None, None]
    assert codes(nations, attempt, answer) == expected


def test_kas_req_082_where_all_fail_alike_the_answer_has_their_status(nations: Nations) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    for number in range(2):
        spoil(attempt, number, policyBinding=b64(bytes(32)))
    refused(attempt.send(), 400, "invalid_request", "key_material_rejected")


def test_kas_req_083_each_service_signs_what_it_releases_and_what_it_refuses(nations: Nations) -> None:
    attempt = nations.attempt("usa-secret", at="usa", holders=(*EVERYBODY, *EVERYBODY), under=CONFIDENTIAL)
    for number in range(3, 6):
        spoil(attempt, number, policyBinding=b64(bytes(32)))
    results = nations.results(attempt, attempt.send())
    signers = [(result["signature"]["kas"], result["status"]) for result in results.values()]
    assert signers == [(f"kas-{nation}", status) for status in ("success", "error") for nation in EVERYBODY]


def test_kas_req_083_no_other_service_has_signed_it_and_no_member_was_changed(nations: Nations) -> None:
    """The key set of the holder verifies it, and nobody else's does."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra",))
    result = nations.results(attempt, attempt.send())["kao-fra-0"]
    policy_id, proof, now = attempt.policy["policyId"], str(attempt.proof), time.time()
    verify_result(result, policy_id, proof, nations["fra"].kas_keys().signing, now)
    with pytest.raises(AnswerInvalid, match="key"):
        verify_result(result, policy_id, proof, nations["usa"].kas_keys().signing, now)
    with pytest.raises(AnswerInvalid, match="signature"):
        verify_result({**result, "more": 1}, policy_id, proof, nations["fra"].kas_keys().signing, now)


def test_kas_req_084_the_receiver_verifies_who_forwards(nations: Nations) -> None:
    """By the key that it knows of that service; and what he has signed stands with no other body, token or receiver."""
    good = forward(nations)
    assert set(good.codes(good.send()).values()) == {None}
    stranger = forward(nations)
    stranger.key = new_proof_key()
    no_forwarding(stranger, "forwarding_signature_invalid")
    for claims, code in [
        ({"iss": "kas-nobody"}, "forwarder_unknown"),
        ({"aud": "kas-gbr"}, "forwarding_audience_mismatch"),
        ({"ath": "A" * 43}, "forwarding_token_mismatch"),
        ({"jkt": "A" * 43}, "forwarding_token_mismatch"),
        ({"body_sha256": "A" * 43}, "forwarding_body_mismatch"),
    ]:
        forwarded = forward(nations)
        forwarded.claims = claims
        no_forwarding(forwarded, code)


def test_kas_req_084_whoever_receives_asks_for_the_client_s_key_under_each_signature(nations: Nations) -> None:
    """Else whoever forwards could put in his own; whoever is asked does not even forward it."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    for kao in kaos_of(attempt):
        del kao["clientKeyHash"]
    attempt.resign()
    assert codes(nations, attempt, attempt.send()) == [None, "client_key_unbound"]
    forwarded = forward(nations)
    forwarded.kaos[:] = [
        sign_kao({name: value for name, value in kao.items() if name != "clientKeyHash"}, forwarded.attempt.key)
        for kao in forwarded.kaos
    ]
    assert set(forwarded.codes(forwarded.send()).values()) == {"client_key_unbound"}


def test_kas_req_084_a_token_that_does_not_name_the_federation_is_shown_to_nobody(nations: Nations) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"), override={"claims": {"aud": "kas"}})
    assert codes(nations, attempt, attempt.send()) == [None, "agreement_exceeded"]
    assert events_of(nations["fra"], "kao-fra-1", "fra-secret", attempt.policy["policyId"]) == []


def test_kas_req_085_the_holder_of_the_key_verifies_each_signature_itself(nations: Nations) -> None:
    """Whatever the service before it has let through: here one that lets everything through."""
    forwarded = forward(nations)
    forwarded.kaos[0]["sid"] = "another"
    assert list(forwarded.codes(forwarded.send()).values()) == ["kao_signature_invalid", None]


def test_kas_req_085_the_holder_of_the_key_verifies_each_binding_itself(nations: Nations) -> None:
    """Only it can; the answer is its own."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra", "fra"))
    spoil(attempt, 1, policyBinding=b64(bytes(32)))
    answer = attempt.send()
    assert codes(nations, attempt, answer) == [None, "key_material_rejected", None]
    assert nations.results(attempt, answer)["kao-fra-1"]["signature"]["kas"] == "kas-fra"
    forwarded = forward(nations)
    forwarded.body["requests"][0]["policy"]["dissem"]["classification"] = "UNCLASSIFIED"
    assert set(forwarded.codes(forwarded.send()).values()) == {"key_material_rejected"}


def test_kas_req_121_a_key_that_several_services_hold_is_had_from_the_first_that_gives_it(nations: Nations) -> None:
    """In the order sent: one where the agreement ends, one that does not open, ours, and one that is not asked."""
    one = bytes(range(32))
    attempt = nations.attempt("fra-secret", at="fra", holders=("gbr", "usa", "fra", "usa"), mode="anyOf", data_key=one)
    spoil(attempt, 1, kid="unknown")
    answer = attempt.send()
    assert codes(nations, attempt, answer) == ["agreement_exceeded", "unknown_key", None, "not_attempted"]
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["attempt"], event["forwardedTo"]) for event in events] == [
        (1, "kas-gbr"),
        (2, "kas-usa"),
        (3, None),
        (None, None),
    ]


@pytest.mark.parametrize("first", EVERYBODY)
def test_kas_req_121_any_of_the_services_that_hold_a_key_serves(nations: Nations, first: str) -> None:
    """Asked are all, of the one at hand; whichever comes first releases it, and no other is called."""
    others = [nation for nation in EVERYBODY if nation != first]
    attempt = nations.attempt("usa-secret", holders=(first, *others), mode="anyOf", under=CONFIDENTIAL)
    results = nations.results(attempt, attempt.send())
    assert [result["status"] for result in results.values()] == ["success", "error", "error"]
    released = results[f"kao-{first}-0"]
    assert (released["signature"]["kas"], open_result(released, attempt.receiving)) == (
        f"kas-{first}",
        attempt.data_keys[f"kao-{first}-0"],
    )


def test_kas_req_003_splits_of_two_services_are_rewrapped_by_each_and_recombined_by_the_client(
    nations: Nations,
) -> None:
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    opened = nations.open(attempt, attempt.send())
    recombined, data_key = (
        bytes(one ^ other for one, other in zip(*splits.values(), strict=True))
        for splits in (opened, attempt.data_keys)
    )
    assert recombined == data_key


def test_kas_req_120_splits_that_several_services_hold_are_not_combined_by_one(nations: Nations) -> None:
    """Whoever is asked would have the whole key."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"), mode="allOf")
    answer = attempt.send()
    refused(answer, 400, "invalid_request", "not_supported")
    assert codes(nations, attempt, answer) == ["not_supported"] * 2
    assert events_of(nations["fra"], "kao-fra-1", "fra-secret", attempt.policy["policyId"]) == []


@pytest.mark.parametrize("path", ["/federation/registry", "/federation/status"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_fault_23_nobody_registers_a_service_over_the_network(nations: Nations, method: str, path: str) -> None:
    """The file says which there are; what is to be seen of it is for callers who show who they are."""
    kit = nations["usa"]
    refused(kit.http(method, kit.base + path), 405, "method_not_allowed", "method_not_allowed")
    refused(kit.http("GET", kit.base + path), 401, "unauthorized", "credentials_missing")


@pytest.mark.parametrize("path", ["/federation", "/federation/", "/federation/registry/kas-usa", "/federation/kases"])
def test_fault_23_there_is_no_other_route_of_the_federation(nations: Nations, path: str) -> None:
    for method in ("GET", "POST"):
        refused(nations["usa"].http(method, nations["usa"].base + path), 404, "not_found", "not_found")
