"""A key that remembers answers as the key itself does, and does the arithmetic once for what holds."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest

from kas.auth import remembered as module
from kas.auth.jwks import parse_key_set
from kas.auth.remembered import SignatureMemory, remembered
from kas.jose import is_valid_signature, parse_public_jwk
from kas.jwa import is_signature
from local.client.keys import new_proof_key

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA")
MESSAGE = b"header.claims"


class Counting:
    """The arithmetic, counted."""

    def __init__(self):
        self.asked = 0

    def __call__(self, *arguments):
        self.asked += 1
        return is_signature(*arguments)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_it_answers_as_the_key_does_the_first_time_and_later(alg):
    key = new_proof_key(alg)
    plain, own = parse_public_jwk(key.jwk), remembered(parse_public_jwk(key.jwk))
    signature = key.sign(MESSAGE)
    spoilt = bytes([signature[0], signature[1] ^ 1]) + signature[2:]
    asked = [(MESSAGE, signature), (MESSAGE, spoilt), (MESSAGE + b".", signature), (MESSAGE, signature[:-1])]
    for jwk in (plain, own, own):
        assert [is_valid_signature(alg, jwk, *one) for one in asked] == [True, False, False, False]


def test_it_is_the_same_key():
    jwk = parse_public_jwk(new_proof_key().jwk)
    assert remembered(jwk) == jwk


def test_what_one_algorithm_verified_is_nothing_to_another():
    key = new_proof_key("RS256")
    own, signature = remembered(parse_public_jwk(key.jwk)), key.sign(MESSAGE)
    algorithms = ("RS256", "RS384", "PS256", "PS384")
    assert is_valid_signature("RS256", own, MESSAGE, signature)
    assert [is_valid_signature(alg, own, MESSAGE, signature) for alg in algorithms] == [True, False, False, False]


def test_what_one_key_verified_is_nothing_to_another():
    key, other = new_proof_key(), new_proof_key()
    own, signature = remembered(parse_public_jwk(key.jwk)), key.sign(MESSAGE)
    assert is_valid_signature("ES256", own, MESSAGE, signature)
    assert not is_valid_signature("ES256", replace(own, key=other.private.public_key()), MESSAGE, signature)


def test_an_algorithm_that_does_not_fit_the_key_is_refused_whatever_is_remembered():
    jwk = parse_public_jwk(new_proof_key("ES256").jwk)
    own = replace(jwk, verify=lambda *_: True)
    assert is_valid_signature("ES256", own, MESSAGE, b"anything")
    assert not is_valid_signature("RS256", own, MESSAGE, b"anything")


def test_what_holds_is_asked_of_the_key_once_and_what_fails_each_time():
    key, counting = new_proof_key(), Counting()
    public, signature = key.private.public_key(), key.sign(MESSAGE)
    memory = SignatureMemory(public, counting)
    assert all(memory("ES256", public, MESSAGE, signature) for _ in range(3))
    assert counting.asked == 1
    assert not any(memory("ES256", public, b"another", signature) for _ in range(3))
    assert counting.asked == 4


def test_no_part_runs_into_the_next():
    assert module._digest("ES256", b"ab", b"c") != module._digest("ES256", b"a", b"bc")


def test_it_remembers_so_many_and_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 2)
    key, counting = new_proof_key(), Counting()
    public = key.private.public_key()
    memory = SignatureMemory(public, counting)
    signed = {text: key.sign(text) for text in (b"1", b"2", b"3")}
    for text in (b"1", b"2", b"3", b"3", b"2"):
        assert memory("ES256", public, text, signed[text])
    assert counting.asked == 3
    assert memory("ES256", public, b"1", signed[b"1"])
    assert counting.asked == 4


def test_its_memory_is_small():
    """An issuer may have a hundred keys."""
    memory = SignatureMemory(public := new_proof_key().private.public_key(), lambda *_: True)
    tracemalloc.start()
    for number in range(10_000):
        assert memory("ES256", public, MESSAGE, number.to_bytes(64, "big"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 600_000


def test_the_next_key_set_remembers_nothing_of_the_last():
    key = new_proof_key()
    document = json.dumps({"keys": [{**key.jwk, "kid": "k1"}]}).encode()
    first, second = (parse_key_set(document)["k1"].jwk for _ in range(2))
    assert is_valid_signature("ES256", first, MESSAGE, key.sign(MESSAGE))
    assert isinstance(first.verify, SignatureMemory)
    assert isinstance(second.verify, SignatureMemory)
    assert len(first.verify._verified) == 1
    assert second.verify._verified == {}
