"""F8: a forwarder that puts in a key of its own gets nothing, whatever else it changes. Real services, real keys."""

from __future__ import annotations

import json
import time

import pytest

from local.client import new_receiving_key
from local.client.proofs import compact_jws
from local.client.rewrap import client_key_hash, sign_kao
from tests.federation.hostile_forwarder import Forwarded, carry, forward, key_of
from tests.federation.nations import Nations
from tests.kit import refused

OWN = new_receiving_key()  # the forwarder's: what is wrapped to it, it can read


@pytest.fixture
def swapped(nations: Nations) -> Forwarded:
    """An honest request, but for the key that answers are to be wrapped to."""
    forwarded = forward(nations)
    forwarded.body["clientPublicKey"] = OWN.jwk
    return forwarded


def no_key(forwarded: Forwarded, code: str) -> None:
    """Sends, and asserts that both key access objects are refused, on record as tampering, and nothing was unwrapped."""
    answer = forwarded.send()
    body = refused(answer, 400, "invalid_request", code)
    assert list(forwarded.codes(answer).values()) == [code, code]
    events = forwarded.kit.events(body["requestId"])
    assert [(event["code"], event["category"], event["keyOperations"], event["via"]) for event in events] == [
        (code, "ACCESS_MODIFIED", 0, ["kas-usa"])
    ] * 2


def test_attack_f08_what_is_forwarded_honestly_is_released_to_the_client(nations: Nations) -> None:
    """The good request, of which the tests below change one thing."""
    forwarded = forward(nations)
    answer = forwarded.send()
    assert answer.status == 200
    assert forwarded.codes(answer) == {"kao-fra-0": None, "kao-fra-1": None}
    events = forwarded.kit.events(answer.headers["X-Request-Id"])
    assert [(event["category"], event["subject"], event["via"], event["forwardedTo"]) for event in events] == [
        ("DECRYPT", "fra-secret", ["kas-usa"], None)
    ] * 2


def test_attack_f08_client_key_swapped_under_its_hash(swapped: Forwarded) -> None:
    no_key(swapped, "client_key_unbound")


def test_attack_f08_client_key_swapped_and_its_hash_taken_away(swapped: Forwarded) -> None:
    """The hash is under the client's signature."""
    for kao in swapped.kaos:
        del kao["clientKeyHash"]
    no_key(swapped, "kao_signature_invalid")


def test_attack_f08_client_key_swapped_and_its_hash_made_anew(swapped: Forwarded) -> None:
    for kao in swapped.kaos:
        kao["clientKeyHash"] = client_key_hash(OWN.jwk)
    no_key(swapped, "kao_signature_invalid")


def test_attack_f08_client_key_swapped_and_all_signed_anew(swapped: Forwarded, nations: Nations) -> None:
    """By the forwarder, which has every key but the client's."""
    rehashed = [{**kao, "clientKeyHash": client_key_hash(OWN.jwk)} for kao in swapped.kaos]
    swapped.body["requests"][0]["keyAccessObjects"] = [sign_kao(kao, key_of(swapped.by)) for kao in rehashed]
    no_key(swapped, "kao_signature_invalid")


@pytest.mark.parametrize("is_swapped", [True, False])
def test_attack_f08_hash_absent_from_the_start(nations: Nations, *, is_swapped: bool) -> None:
    """The client signed without it: nobody could tell whose key it is, so it is refused even where it is his."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra", "fra"))
    for kao in attempt.request["requests"][0]["keyAccessObjects"]:
        del kao["clientKeyHash"]
    attempt.resign()
    forwarded = carry(nations, attempt)
    if is_swapped:
        forwarded.body["clientPublicKey"] = OWN.jwk
    no_key(forwarded, "client_key_unbound")


def test_attack_f08_hash_absent_is_refused_before_it_is_forwarded(nations: Nations) -> None:
    """An honest forwarder tells the client; what is its own goes on."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    for kao in attempt.request["requests"][0]["keyAccessObjects"]:
        del kao["clientKeyHash"]
    attempt.resign()
    results = nations.results(attempt, attempt.send())
    assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "client_key_unbound")
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-usa"


@pytest.mark.parametrize("place", [0, 1])
def test_attack_f08_two_client_keys(nations: Nations, place: int) -> None:
    """Which of two equal names is meant, nobody has to guess."""
    forwarded = forward(nations)
    keys = [forwarded.body.pop("clientPublicKey")]
    keys.insert(place, OWN.jwk)
    members = [f'"clientPublicKey":{json.dumps(key)}' for key in keys]
    forwarded.body = f"{{{','.join(members)},{json.dumps(forwarded.body)[1:]}".encode()
    refused(forwarded.send(), 400, "invalid_request", "not_canonical")


@pytest.mark.parametrize("brings_its_key", [False, True])
def test_attack_f08_client_key_swapped_within_a_request_token(swapped: Forwarded, *, brings_its_key: bool) -> None:
    """In the place of the body: such a token is signed by the client's key, and the client signed none."""
    now, key = int(time.time()), key_of(swapped.by)
    claims = {"requestBody": json.dumps(swapped.body), "iat": now, "exp": now + 60}
    header = {"alg": "ES256", **({"jwk": key.jwk} if brings_its_key else {})}
    swapped.body = {"signedRequestToken": compact_jws(key, header, json.dumps(claims).encode())}
    refused(swapped.send(), 400, "invalid_request", "signed_request_token_invalid")
