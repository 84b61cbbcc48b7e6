"""C5, Z5 and T8: an issuer's key set that is hostile, broken, slow or away, and who may make us fetch it."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.client.keys import new_proof_key
from local.ports import free_port
from tests.attacks.token_refusals import admit, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, replying, send, trusting_kit
from tests.kit import refused

MAX_BYTES = 256 * 1024
GOOD_KEY = new_proof_key()
GOOD = json.dumps({"keys": [{**GOOD_KEY.jwk, "kid": "k1"}]}).encode()


def padded_to(size):
    return GOOD[:-1] + b" " * (size - len(GOOD)) + b"}"


def drip(handler):
    """A sound key set, a byte at a time, which takes longer than anybody should wait."""
    handler.send_response(200)
    handler.end_headers()
    for byte in GOOD:
        handler.wfile.write(bytes([byte]))
        time.sleep(8 / len(GOOD))


def cut_short(handler):
    send(handler, 200, GOOD[:-9], Content_Length=str(len(GOOD)))


def redirecting(status):
    return lambda handler: send(handler, status, GOOD, Location="/lure/jwks")


def hang_up(handler):
    handler.close_connection = True


UNUSABLE = {
    "empty": replying(200),
    "html": replying(200, b"<html>maintenance</html>"),
    "list": replying(200, json.dumps([{**GOOD_KEY.jwk, "kid": "k1"}]).encode()),
    "null": replying(200, b"null"),
    "no-keys": replying(200, b'{"error":"x"}'),
    "keys-null": replying(200, b'{"keys":null}'),
    "keys-object": replying(200, b'{"keys":{"k1":{}}}'),
    "keys-twice": replying(200, GOOD[:-1] + b"," + GOOD[1:]),
    "kid-twice-in-key": replying(200, GOOD.replace(b'"kid"', b'"kid":"x","kid"')),
    "bom": replying(200, b"\xef\xbb\xbf" + GOOD),
    "utf-16": replying(200, GOOD.decode().encode("utf-16")),
    "nan": replying(200, GOOD[:-1] + b',"x":NaN}'),
    "deep": replying(200, GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "gzip": replying(200, gzip.compress(GOOD), Content_Encoding="gzip"),
    "too-many": replying(200, json.dumps({"keys": [{"kid": f"k{n}", **GOOD_KEY.jwk} for n in range(101)]}).encode()),
    "oversized": replying(200, padded_to(MAX_BYTES + 1)),
    "error": replying(500, GOOD),
    "missing": replying(404, GOOD),
    "created": replying(201, GOOD),
    "partial": replying(206, GOOD),
    "moved": redirecting(301),
    "found": redirecting(302),
    "other": redirecting(303),
    "temporary": redirecting(307),
    "permanent": redirecting(308),
    "cut-short": cut_short,
    "hang-up": hang_up,
    "drip": drip,
}
LARGEST = {
    "full-size": replying(200, padded_to(MAX_BYTES)),
    "full-count": replying(200, json.dumps({"keys": [{"kid": f"k{n}", **GOOD_KEY.jwk} for n in range(100)]}).encode()),
}


@pytest.fixture(scope="module")
def issuers() -> Iterator[FakeIssuers]:
    """Two sound issuers and one for each kind of trouble."""
    with fake_issuers("sound", "crowd", "rotating", "away", "lure", *UNUSABLE, *LARGEST) as issuers:
        for name, issuer in issuers.items():
            issuer.publish("k1", GOOD_KEY)
            issuer.reply = (UNUSABLE | LARGEST).get(name)
        issuers["away"].entry["jwksUrl"] = f"http://127.0.0.1:{free_port()}/jwks"
        yield issuers


@pytest.fixture(scope="module")
def kit(issuers, tmp_path_factory):
    """A KAS that trusts them."""
    with trusting_kit(tmp_path_factory.mktemp("jwks"), issuers) as running:
        yield running


@pytest.mark.parametrize("name", UNUSABLE)
def test_attack_c05_a_key_set_that_cannot_be_read_serves_nobody(kit, issuers, name):
    attempt = issuers[name].attempt(kit, "k1")
    body = refused(attempt.send(), 503, "unavailable", "issuer_keys_unavailable")
    assert [event["code"] for event in kit.events(body["requestId"])] == ["issuer_keys_unavailable"]
    assert issuers[name].fetches == 1
    assert "/lure/jwks" not in issuers.seen


def test_attack_c05_after_a_failure_the_issuer_is_left_alone_for_a_while(kit, issuers):
    for _ in range(5):
        refused(issuers["error"].attempt(kit, "k1").send(), 503, "unavailable", "issuer_keys_unavailable")
    assert issuers["error"].fetches <= 2


def test_attack_c05_an_issuer_that_is_away_costs_only_its_own_callers(kit, issuers):
    refused(issuers["away"].attempt(kit, "k1").send(), 503, "unavailable", "issuer_keys_unavailable")
    admit(issuers["sound"].attempt(kit, "k1"))


@pytest.mark.parametrize("name", ["oversized", "too-many"])
def test_attack_z05_a_key_set_beyond_the_limit_is_not_read(kit, issuers, name):
    """Its key is sound and so is the token."""
    refused(issuers[name].attempt(kit, "k1").send(), 503, "unavailable", "issuer_keys_unavailable")


@pytest.mark.parametrize("name", LARGEST)
def test_attack_z05_a_key_set_at_the_limit_is_read(kit, issuers, name):
    admit(issuers[name].attempt(kit, "k1"))


def test_attack_c05_a_flood_of_unknown_kids_causes_no_flood_of_fetches(kit, issuers):
    issuer = issuers["sound"]
    admit(issuer.attempt(kit, "k1"))
    for number in range(30):
        refuse_token(issuer.attempt(kit, "k1", header={"kid": f"unknown-{number}"}), "token_key_unknown")
    assert issuer.fetches == 1
    admit(issuer.attempt(kit, "k1"))


def test_attack_c05_a_new_key_waits_for_the_end_of_the_cool_down(kit, issuers):
    issuer = issuers["rotating"]
    admit(issuer.attempt(kit, "k1"))
    issuer.publish("k2", new_proof_key())
    refuse_token(issuer.attempt(kit, "k2"), "token_key_unknown")
    assert issuer.fetches == 1


def test_attack_c05_many_first_callers_at_once_fetch_the_keys_once(kit, issuers):
    """As many as may wait for it; the reply is held back until all of them have asked."""
    issuer, all_sent = issuers["crowd"], threading.Event()
    attempts = [issuer.attempt(kit, "k1") for _ in range(5)]
    for attempt in attempts:
        attempt.proof = attempt.make_proof()

    def held_back(handler):
        all_sent.wait(3)
        send(handler, 200, GOOD)

    issuer.reply = held_back
    with ThreadPoolExecutor(len(attempts)) as pool:
        answers = [pool.submit(attempt.send) for attempt in attempts]
        time.sleep(0.5)
        all_sent.set()
        assert [answer.result().status for answer in answers] == [200] * len(attempts)
    assert issuer.fetches == 1
