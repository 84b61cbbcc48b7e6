"""F9: a forwarder that alters, adds, moves or drops key access objects, or changes their policy. Real services."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local.client import AnswerInvalid, new_proof_key
from local.client.encoding import b64, from_b64
from local.client.results import verify_answer
from local.client.rewrap import build_request, sign_kao
from tests.federation.hostile_forwarder import Forwarded, carry, forward
from tests.federation.nations import Nations
from tests.kit import policy, refused


@pytest.fixture
def forwarded(nations: Nations) -> Forwarded:
    return forward(nations)


def codes(forwarded: Forwarded) -> dict[str, str | None]:
    """Sends, and finds each result on record as it was answered."""
    answer = forwarded.send()
    found = forwarded.codes(answer)
    events = forwarded.kit.events(answer.headers["X-Request-Id"])
    assert {event["kaoId"]: event["code"] for event in events} == found
    return found


ALTERED: dict[str, Any] = {
    "wrappedKey": b64(bytes(256)),
    "policyBinding": b64(bytes(32)),
    "kid": "another",
    "url": "",  # with the alias of the same service
    "sid": "s-9",
    "keyAccessObjectId": "kao-fra-9",
    "clientKeyHash": "A" * 43,
    "encryptedMetadata": b64(bytes(40)),
    "unknown": "member",
}


@pytest.mark.parametrize("name", ALTERED)
def test_attack_f09_an_altered_kao_is_refused_and_the_other_is_released(forwarded: Forwarded, name: str) -> None:
    """Every member is under the client's signature."""
    url = forwarded.kaos[0]["url"].replace("127.0.0.1", "localhost")
    forwarded.kaos[0][name] = url if name == "url" else ALTERED[name]
    kao_id = forwarded.kaos[0]["keyAccessObjectId"]
    assert codes(forwarded) == {kao_id: "kao_signature_invalid", "kao-fra-1": None}


@pytest.mark.parametrize("name", ["sid", "clientKeyHash", "protocol"])
def test_attack_f09_a_kao_without_one_of_its_members(forwarded: Forwarded, name: str) -> None:
    del forwarded.kaos[0][name]
    assert codes(forwarded) == {"kao-fra-0": "kao_signature_invalid", "kao-fra-1": None}


def test_attack_f09_signatures_of_two_kaos_exchanged(forwarded: Forwarded) -> None:
    one, other = forwarded.kaos
    one["signature"], other["signature"] = other["signature"], one["signature"]
    assert set(codes(forwarded).values()) == {"kao_signature_invalid"}


def test_attack_f09_a_kao_of_the_forwarders_own(forwarded: Forwarded) -> None:
    """Beside the client's, which are not the worse for it."""
    forwarded.kaos.append(sign_kao({**forwarded.kaos[0], "keyAccessObjectId": "added"}, new_proof_key()))
    assert codes(forwarded) == {"kao-fra-0": None, "kao-fra-1": None, "added": "kao_signature_invalid"}


def test_attack_f09_a_kao_of_another_client(nations: Nations, forwarded: Forwarded) -> None:
    """Whom the forwarder serves as well: it would like to give the one what the other asked for."""
    other = forward(nations, "usa-secret", holders=("usa", "usa", "fra"))
    added = other.kaos[2]
    forwarded.body["requests"].append({"policy": other.body["requests"][0]["policy"], "keyAccessObjects": [added]})
    found = codes(forwarded)
    assert found == {"kao-fra-0": None, "kao-fra-1": None, "kao-fra-2": "kao_signature_invalid"}


def test_attack_f09_a_kao_of_an_earlier_request_of_the_client(nations: Nations, forwarded: Forwarded) -> None:
    """Signed by the same key of the client, and for another receiving key of his."""
    earlier = nations.attempt("fra-secret", at="usa", holders=("usa", "usa", "fra"))
    earlier.key = forwarded.attempt.key
    earlier.resign()
    added = earlier.request["requests"][0]
    forwarded.body["requests"].append({**added, "keyAccessObjects": added["keyAccessObjects"][2:]})
    assert codes(forwarded) == {"kao-fra-0": None, "kao-fra-1": None, "kao-fra-2": "client_key_unbound"}


def test_attack_f09_the_same_kao_twice(forwarded: Forwarded) -> None:
    """One id has one result."""
    forwarded.kaos.append(copy.deepcopy(forwarded.kaos[0]))
    body = refused(forwarded.send(), 400, "invalid_request", "invalid_structure")
    assert [fault["field"] for fault in body["validationErrors"]] == [
        "requests[0].keyAccessObjects[2].keyAccessObjectId"
    ]


def test_attack_f09_a_dropped_kao_is_missed_by_the_client(forwarded: Forwarded) -> None:
    """The receiver cannot know of it. What comes back is not one result for each that the client asked for."""
    del forwarded.kaos[0]
    answer = forwarded.send()
    assert forwarded.codes(answer) == {"kao-fra-1": None}
    signing = forwarded.kit.kas_keys().signing
    with pytest.raises(AnswerInvalid, match="not one result for each key access object"):
        verify_answer(answer.json(), forwarded.attempt.request, forwarded.proof, signing, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"classification": "UNCLASSIFIED"},
        {"releasabilityTo": ["USA", "FRA", "GBR", "ROU"]},
        {"COI": []},
        {"creationDate": "2026-01-02T00:00:00Z"},
    ],
)
def test_attack_f09_a_policy_made_weaker(forwarded: Forwarded, changes: dict[str, Any]) -> None:
    """The binding is made of the whole policy, with the key that is in the wrap."""
    forwarded.body["requests"][0]["policy"]["dissem"] |= changes
    assert set(codes(forwarded).values()) == {"key_material_rejected"}


def test_attack_f09_another_policy_of_the_same_name(forwarded: Forwarded) -> None:
    name = forwarded.body["requests"][0]["policy"]["policyId"]
    forwarded.body["requests"][0]["policy"] = policy(classification="UNCLASSIFIED") | {"policyId": name}
    assert set(codes(forwarded).values()) == {"key_material_rejected"}


@pytest.mark.parametrize("mode", [{"mode": "anyOf"}, {"mode": "allOf", "combine": "xor"}])
def test_attack_f09_a_mode_put_in(forwarded: Forwarded, mode: dict[str, str]) -> None:
    """No signature of the client's covers it: keys that he asked for each by itself would be combined, or left out."""
    forwarded.body["requests"][0] |= mode
    assert set(codes(forwarded).values()) == {"not_supported"}


@pytest.fixture
def of_two_policies(nations: Nations) -> Forwarded:
    """One key access object under each of two policies, both of which the client satisfies."""
    one, other = (nations.attempt("fra-secret", at="usa", holders=("fra",) * number) for number in (1, 2))
    groups = [(attempt.policy, attempt.request["requests"][0]["keyAccessObjects"][-1:]) for attempt in (one, other)]
    one.request = build_request(one.receiving.jwk, groups, one.key)
    one.data_keys = other.data_keys | one.data_keys
    return carry(nations, one)


def test_attack_f09_kaos_of_two_policies_are_released(of_two_policies: Forwarded) -> None:
    assert codes(of_two_policies) == {"kao-fra-0": None, "kao-fra-1": None}


def test_attack_f09_policies_exchanged(of_two_policies: Forwarded) -> None:
    one, other = of_two_policies.body["requests"]
    one["policy"], other["policy"] = other["policy"], one["policy"]
    assert set(codes(of_two_policies).values()) == {"key_material_rejected"}


def test_attack_f09_a_kao_moved_to_another_policy(of_two_policies: Forwarded) -> None:
    one, other = of_two_policies.body["requests"]
    one["keyAccessObjects"].append(other["keyAccessObjects"].pop())
    of_two_policies.body["requests"] = [one]
    assert codes(of_two_policies) == {"kao-fra-0": None, "kao-fra-1": "key_material_rejected"}


def test_attack_f09_binding_carried_along_with_a_swapped_wrap(of_two_policies: Forwarded) -> None:
    """The client's signature is over both."""
    one, other = of_two_policies.body["requests"]
    wrapped = from_b64(other["keyAccessObjects"][0]["wrappedKey"])
    one["keyAccessObjects"][0]["wrappedKey"] = b64(wrapped)
    assert codes(of_two_policies) == {"kao-fra-0": "kao_signature_invalid", "kao-fra-1": None}
