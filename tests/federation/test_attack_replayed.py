"""F10: an assertion serves once, for one body, one token, one key and one receiver; and so do the client's KAOs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.client import Answer, Http
from tests.federation.hostile_forwarder import Forwarded, carry, forward, no_authentication, no_forwarding
from tests.federation.nations import Nations
from tests.kit import Kit


@pytest.fixture
def forwarded(nations: Nations) -> Forwarded:
    """Its assertion is made, so that it stays the same."""
    forwarded = forward(nations)
    forwarded.told = forwarded.assertion(forwarded.bytes())
    return forwarded


def passes(forwarded: Forwarded) -> None:
    answer = forwarded.send()
    assert answer.status == 200, answer.body
    assert set(forwarded.codes(answer).values()) == {None}


def test_attack_f10_the_whole_request_byte_by_byte(forwarded: Forwarded) -> None:
    passes(forwarded)
    no_forwarding(forwarded, "forwarding_replayed")


def test_attack_f10_the_same_kaos_under_a_new_assertion(forwarded: Forwarded) -> None:
    """All of them, and one of them: the client's proof serves each once."""
    passes(forwarded)
    forwarded.told = None
    no_authentication(forwarded, "invalid_dpop_proof", "proof_replayed")
    del forwarded.kaos[0]
    no_authentication(forwarded, "invalid_dpop_proof", "proof_replayed")


def test_attack_f10_used_assertion_with_what_another_client_asks(nations: Nations, forwarded: Forwarded) -> None:
    """It names the first one's token, key and body. One that names the other's cannot have its id."""
    passes(forwarded)
    other = forward(nations, "usa-secret")
    other.told = forwarded.told
    no_forwarding(other, "forwarding_token_mismatch")
    first, again = forward(nations, "usa-secret"), forward(nations, "usa-secret")
    first.claims["jti"] = again.claims["jti"] = "the-same-id"
    passes(first)
    no_forwarding(again, "forwarding_replayed")


@pytest.mark.parametrize(
    "alter",
    [lambda body: body + b" ", lambda body: body.replace(b", ", b",", 1), lambda body: b'{"x":0,' + body[1:]],
    ids=["space", "less space", "member"],
)
def test_attack_f10_assertion_for_another_body(forwarded: Forwarded, alter: Callable[[bytes], bytes]) -> None:
    """Of the same meaning, too."""
    forwarded.body = alter(json.dumps(forwarded.body).encode())
    no_forwarding(forwarded, "forwarding_body_mismatch")


def test_attack_f10_assertion_for_another_request_of_the_same_client(nations: Nations, forwarded: Forwarded) -> None:
    """With the same token and key."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra", "fra", "fra"))
    attempt.key, attempt.token = forwarded.attempt.key, forwarded.token
    attempt.resign()
    other = carry(nations, attempt)
    other.told = forwarded.told
    no_forwarding(other, "forwarding_body_mismatch")
    other.told = None
    passes(other)


def test_attack_f10_assertion_for_another_audience(nations: Nations, forwarded: Forwarded) -> None:
    """Made for one service, it is shown to another; neither a list with its name nor a part of that is its name."""
    misled = forwarded.again()
    misled.kit, misled.to = nations["gbr"], nations.places["gbr"]
    no_forwarding(misled, "forwarding_audience_mismatch")
    forwarded.told = None
    for aud in ("kas-gbr", ["kas-fra"], ["kas-fra", "kas-gbr"], "kas-fr", "kas-fra ", "KAS-FRA", None):
        forwarded.claims["aud"] = aud
        no_forwarding(forwarded, "forwarding_audience_mismatch")


@pytest.mark.parametrize(
    ("iat", "exp"), [(-60, -20), (60, 80), (0, 31), (0, 3600), (-3600, 3600), (20, 0), (0, 0), (None, 20), (0, None)]
)
def test_attack_f10_assertion_of_another_time(forwarded: Forwarded, iat: int | None, exp: int | None) -> None:
    """Old, early, or to be kept for later."""
    now = int(time.time())
    forwarded.told = None
    forwarded.claims |= {
        "iat": None if iat is None else now + iat,
        "exp": None if exp is None else now + exp,
    }
    no_forwarding(forwarded, "forwarding_time_invalid")


def at_once(forwarded: Forwarded, times: int = 50) -> list[Answer]:
    together, kit = threading.Barrier(times), forwarded.kit
    http = Http(timeout_seconds=20, connections=times)
    forwarded.kit = Kit(kit.world, kit.log, http)

    def send(_number: int) -> Answer:
        together.wait(timeout=20)
        return forwarded.send()

    with ThreadPoolExecutor(times) as pool:
        answers = list(pool.map(send, range(times)))
    http.close()
    forwarded.kit = kit
    return answers


@pytest.mark.parametrize(("is_signed_anew", "code"), [(False, "forwarding_replayed"), (True, "proof_replayed")])
def test_attack_f10_fifty_at_once(forwarded: Forwarded, code: str, *, is_signed_anew: bool) -> None:
    """The same request, and the same key access objects under fifty assertions: one passes."""
    if is_signed_anew:
        forwarded.told = None
    answers = at_once(forwarded)
    (passed,) = [answer for answer in answers if answer.status == 200]
    assert set(forwarded.codes(passed).values()) == {None}
    assert [answer.json()["code"] for answer in answers if answer is not passed] == [code] * 49
