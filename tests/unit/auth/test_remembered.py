"""A key that remembers answers as the key itself does, and asks it once for what holds."""

from __future__ import annotations

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from kas.auth import remembered as module
from kas.auth.jwks import parse_key_set
from kas.auth.remembered import RememberedKey, remembered
from kas.jose import is_valid_signature, parse_public_jwk
from local.client.keys import new_proof_key

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA")
MESSAGE = b"header.claims"


class Counting:
    """A public key that counts what it is asked."""

    def __init__(self, key):
        self.key, self.asked = key, 0

    def verify(self, *arguments):
        self.asked += 1
        self.key.verify(*arguments)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_it_answers_as_the_key_does_the_first_time_and_later(alg):
    key = new_proof_key(alg)
    plain, own = parse_public_jwk(key.jwk), remembered(parse_public_jwk(key.jwk))
    assert (own.family, own.thumbprint) == (plain.family, plain.thumbprint)
    signature = key.sign(MESSAGE)
    spoilt = bytes([signature[0], signature[1] ^ 1]) + signature[2:]
    for _ in range(2):
        assert is_valid_signature(alg, own, MESSAGE, signature)
        assert not is_valid_signature(alg, own, MESSAGE, spoilt)
        assert not is_valid_signature(alg, own, MESSAGE + b".", signature)
        assert not is_valid_signature(alg, own, MESSAGE, signature[:-1])


@pytest.mark.parametrize("family", [ALGORITHMS[:3], ("RS256", "RS384", "PS256", "PS384")])
def test_what_one_algorithm_verified_is_nothing_to_another(family):
    key = new_proof_key(family[0])
    own, signature = remembered(parse_public_jwk(key.jwk)), key.sign(MESSAGE)
    assert is_valid_signature(family[0], own, MESSAGE, signature)
    assert [is_valid_signature(alg, own, MESSAGE, signature) for alg in family] == [True, *[False] * (len(family) - 1)]


def test_what_holds_is_asked_of_the_key_once_and_what_fails_each_time():
    private = ec.generate_private_key(ec.SECP256R1())
    counting, algorithm = Counting(private.public_key()), ec.ECDSA(hashes.SHA256())
    own, signature = RememberedKey(counting), private.sign(MESSAGE, algorithm)
    for _ in range(3):
        own.verify(signature, MESSAGE, algorithm)
    assert counting.asked == 1
    for _ in range(3):
        with pytest.raises(InvalidSignature):
            own.verify(signature, b"another", algorithm)
    assert counting.asked == 4


def test_the_padding_is_part_of_what_is_found():
    key = new_proof_key("PS256")
    own, signature, digest = RememberedKey(key.private.public_key()), key.sign(MESSAGE), hashes.SHA256()
    own.verify(signature, MESSAGE, padding.PSS(padding.MGF1(digest), 32), digest)
    with pytest.raises(InvalidSignature):
        own.verify(signature, MESSAGE, padding.PKCS1v15(), digest)


def test_no_part_runs_into_the_next():
    assert module._digest(b"ab", b"c") != module._digest(b"a", b"bc")


def test_it_remembers_so_many_and_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 2)
    private = ec.generate_private_key(ec.SECP256R1())
    counting, algorithm = Counting(private.public_key()), ec.ECDSA(hashes.SHA256())
    own, signed = RememberedKey(counting), {text: private.sign(text, algorithm) for text in (b"1", b"2", b"3")}
    for text in (b"1", b"2", b"3", b"3", b"2"):
        own.verify(signed[text], text, algorithm)
    assert counting.asked == 3
    own.verify(signed[b"1"], b"1", algorithm)
    assert counting.asked == 4


def test_the_next_key_set_remembers_nothing_of_the_last():
    key = new_proof_key()
    document = json.dumps({"keys": [{**key.jwk, "kid": "k1"}]}).encode()
    first, second = (parse_key_set(document)["k1"].jwk.key for _ in range(2))
    assert isinstance(first, RememberedKey)
    assert is_valid_signature("ES256", parse_key_set(document)["k1"].jwk, MESSAGE, key.sign(MESSAGE))
    assert first is not second
    assert second._verified == {}
