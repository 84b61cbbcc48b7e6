"""Every limit of an OpenTDF request, from both sides, and every structural fault with its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Answer, new_proof_key
from tests.kit import Kit
from tests.opentdf.answers import BAD_REQUEST, refused_call, refused_kao, released
from tests.opentdf.pieces import RSA_CLIENT_KEY, b64, pem, policy_text
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

Change = Callable[[TdfAttempt], object]


def group(attempt: TdfAttempt) -> dict[str, Any]:
    found: dict[str, Any] = attempt.request["requests"][0]
    return found


def faulty(attempt: TdfAttempt, place: str, code: str) -> Answer:
    """Sends, and asserts a structural refusal, which says where."""
    answer = refused_call(attempt, 400, "invalid_request", "invalid_structure")
    if attempt.route == "rest":
        assert [(fault["field"], fault["code"]) for fault in answer.json()["validationErrors"]] == [(place, code)]
    else:
        assert answer.json()["message"].endswith(f" {place or 'body'}: {code}")
    return answer


KAO = "requests[0].keyAccessObjects[0]"
INSIDE = f"{KAO}.keyAccessObject"
EPHEMERAL = f"{INSIDE}.ephemeralPublicKey"
TOO_MUCH: dict[str, tuple[Change, str, str]] = {
    "groups": (lambda a: a.request.update(requests=a.request["requests"] * 101), "requests", "too_many"),
    "kaos": (
        lambda a: group(a).update(keyAccessObjects=group(a)["keyAccessObjects"] * 501),
        "requests[0].keyAccessObjects",
        "too_many",
    ),
    "kao id": (
        lambda a: group(a)["keyAccessObjects"][0].update(keyAccessObjectId="k" * 257),
        f"{KAO}.keyAccessObjectId",
        "too_long",
    ),
    "policy id": (lambda a: group(a)["policy"].update(id="p" * 257), "requests[0].policy.id", "too_long"),
    "kid": (lambda a: a.kao.update(kid="k" * 257), f"{INSIDE}.kid", "too_long"),
    "url": (lambda a: a.kao.update(url="https://kas.example/" + "u" * 2029), f"{INSIDE}.url", "too_long"),
    "wrapped key": (lambda a: a.kao.update(wrappedKey="A" * 8196), f"{INSIDE}.wrappedKey", "too_long"),
    "ephemeral key": (
        lambda a: a.kao.update(type="ec-wrapped", ephemeralPublicKey="A" * 8193),
        EPHEMERAL,
        "too_long",
    ),
    "client key": (lambda a: a.request.update(clientPublicKey="A" * 8193), "clientPublicKey", "too_long"),
    "policy": (lambda a: group(a)["policy"].update(body="A" * 87385), "requests[0].policy.body", "too_long"),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_one_more_than_the_limit_is_refused_whole(tdf_kit: Kit, route: Route, case: str) -> None:
    change, place, code = TOO_MUCH[case]
    attempt = TdfAttempt.good(tdf_kit, route)
    change(attempt)
    faulty(attempt, place, code)


def test_groups_share_the_limit_of_key_access_objects(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy_text(), policy_text()])
    first, second = (one["keyAccessObjects"] for one in attempt.request["requests"])
    first[:] = [{**first[0], "keyAccessObjectId": f"a-{index}"} for index in range(500)]
    assert len(second) == 1
    faulty(attempt, "requests[1].keyAccessObjects", "too_many")


def test_ids_urls_and_policies_as_long_as_the_limit_pass(tdf_kit: Kit, route: Route) -> None:
    policy = policy_text(padding="x" * (65536 - len(base64.b64decode(policy_text(padding="")))))
    assert len(base64.b64decode(policy)) == 65536
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy])
    attempt.data_keys = {"k" * 256: attempt.data_keys["kao-0"]}
    group(attempt)["keyAccessObjects"][0]["keyAccessObjectId"] = "k" * 256
    group(attempt)["policy"]["id"] = "p" * 256
    released(attempt)


def test_many_key_access_objects_in_one_request_pass(tdf_kit: Kit, route: Route) -> None:
    released(TdfAttempt.good(tdf_kit, route, algorithm="ec:secp256r1", kaos=60))


def test_attack_r05_opentdf_a_wrapped_key_longer_than_any_of_ours_is_material_that_does_not_open(
    tdf_kit: Kit, route: Route
) -> None:
    """1.7 KB is within the bound of the message, so it gets the answer of every bad wrap."""
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao["wrappedKey"] = b64(bytes(1700))
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


def test_attack_r05_opentdf_a_wrapped_key_of_a_megabyte_is_not_read(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao["wrappedKey"] = b64(bytes(2**20))
    refused_call(attempt, 413, "content_too_large", "content_too_large")


WRONG: dict[str, tuple[Change, str, str]] = {
    "no client key": (lambda a: a.request.pop("clientPublicKey"), "clientPublicKey", "missing"),
    "client key no text": (lambda a: a.request.update(clientPublicKey={}), "clientPublicKey", "wrong_type"),
    "client key no key": (lambda a: a.request.update(clientPublicKey="x"), "clientPublicKey", "bad_client_key"),
    "requests no list": (lambda a: a.request.update(requests={"a": 1}), "requests", "wrong_type"),
    "group no object": (lambda a: a.request.update(requests=[1]), "requests[0]", "wrong_type"),
    "no policy": (lambda a: group(a).pop("policy"), "requests[0].policy", "wrong_type"),
    "no policy body": (lambda a: group(a)["policy"].pop("body"), "requests[0].policy.body", "missing"),
    "policy body no text": (lambda a: group(a)["policy"].update(body={}), "requests[0].policy.body", "wrong_type"),
    "no policy id": (lambda a: group(a)["policy"].pop("id"), "requests[0].policy.id", "missing"),
    "no kaos": (lambda a: group(a).pop("keyAccessObjects"), "requests[0].keyAccessObjects", "wrong_type"),
    "empty kaos": (lambda a: group(a).update(keyAccessObjects=[]), "requests[0].keyAccessObjects", "empty"),
    "kao no object": (lambda a: group(a).update(keyAccessObjects=[None]), KAO, "wrong_type"),
    "no kao id": (
        lambda a: group(a)["keyAccessObjects"][0].pop("keyAccessObjectId"),
        f"{KAO}.keyAccessObjectId",
        "missing",
    ),
    "no kao inside": (
        lambda a: group(a)["keyAccessObjects"][0].pop("keyAccessObject"),
        f"{KAO}.keyAccessObject",
        "wrong_type",
    ),
    "no wrapped key": (lambda a: a.kao.pop("wrappedKey"), f"{INSIDE}.wrappedKey", "missing"),
    "wrapped key no text": (lambda a: a.kao.update(wrappedKey=[1]), f"{INSIDE}.wrappedKey", "wrong_type"),
    "wrapped key no base64": (lambda a: a.kao.update(wrappedKey="%"), f"{INSIDE}.wrappedKey", "not_base64"),
    "kid no text": (lambda a: a.kao.update(kid=7), f"{INSIDE}.kid", "wrong_type"),
    "url no text": (lambda a: a.kao.update(url=[]), f"{INSIDE}.url", "wrong_type"),
    "no ephemeral key": (lambda a: a.kao.update(type="ec-wrapped"), EPHEMERAL, "missing"),
    "ephemeral key no text": (
        lambda a: a.kao.update(type="ec-wrapped", ephemeralPublicKey=new_proof_key().jwk),
        EPHEMERAL,
        "wrong_type",
    ),
    "ephemeral key no key": (
        lambda a: a.kao.update(type="ec-wrapped", ephemeralPublicKey="x"),
        EPHEMERAL,
        "bad_ephemeral_key",
    ),
    "ephemeral key of RSA": (
        lambda a: a.kao.update(type="ec-wrapped", ephemeralPublicKey=pem(RSA_CLIENT_KEY)),
        EPHEMERAL,
        "bad_ephemeral_key",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_structural_fault_is_refused_with_its_place(tdf_kit: Kit, route: Route, case: str) -> None:
    change, place, code = WRONG[case]
    attempt = TdfAttempt.good(tdf_kit, route)
    change(attempt)
    faulty(attempt, place, code)


@pytest.mark.parametrize(("member", "place"), [("policy", "policy"), ("keyAccess", "keyAccess")])
def test_version_1_needs_its_policy_and_its_key_access(tdf_kit: Kit, route: Route, member: str, place: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=1)
    del attempt.request[member]
    faulty(attempt, place, "missing" if member == "policy" else "wrong_type")


INNER = {
    "not JSON": ("{", "invalid_json"),
    "a member twice": ('{"clientPublicKey": "a", "clientPublicKey": "b"}', "not_canonical"),
    "NaN": ('{"clientPublicKey": NaN}', "not_canonical"),
    "a lone surrogate": ('{"clientPublicKey": "\\ud800"}', "not_canonical"),
    "no object": ("[]", "invalid_structure"),
    "deep": ("[" * 50_000, "invalid_structure"),
    "empty": ("", "invalid_json"),
}


@pytest.mark.parametrize("case", INNER)
def test_a_request_body_that_is_no_i_json_object_is_refused(tdf_kit: Kit, route: Route, case: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.text, code = INNER[case]
    refused_call(attempt, 400, "invalid_request", code)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"signedRequestToken": 1}', b"{}", b"{", b"\xff", b'"x"'])
def test_an_outer_body_without_a_request_token_is_refused(tdf_kit: Kit, body: bytes) -> None:
    attempt = TdfAttempt.good(tdf_kit, "rest")
    attempt.body = body
    answer = attempt.send()
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert json.loads(answer.body)["code"] in {"invalid_json", "invalid_structure", "signed_request_token_invalid"}


def test_a_body_above_the_limit_of_the_deployment_is_refused(strict_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(strict_kit, route)
    attempt.nonce = strict_kit.http("POST", attempt.url).headers["DPoP-Nonce"]
    attempt.body = b"x" * 8193
    refused_call(attempt, 413, "content_too_large", "content_too_large")
