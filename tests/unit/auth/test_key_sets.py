"""JWK sets (RFC 7517 §5): the usable signature keys by kid, and nothing else."""

from __future__ import annotations

import json

import pytest

from kas.auth.jwks import parse_key_set
from local.client.keys import new_proof_key

KEY = new_proof_key()


def key_set(*kids, **members):
    return json.dumps({"keys": [{**KEY.jwk, "kid": kid, **members} for kid in kids]}).encode()


def test_a_key_says_which_algorithm_it_is_for():
    (key,) = parse_key_set(key_set("k1", alg="ES256")).values()
    assert key.fits("ES256")
    assert not key.fits("ES384")
    (key,) = parse_key_set(key_set("k1", alg="ES384")).values()
    assert not key.fits("ES256")
    assert not key.fits("ES384")
    (key,) = parse_key_set(key_set("k1")).values()
    assert key.fits("ES256")
    assert not key.fits(None)


def test_an_empty_set_is_a_set():
    assert parse_key_set(b'{"keys":[]}') == {}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        "text",
        [],
        {},
        {**KEY.jwk, "kid": ""},
        {**KEY.jwk, "kid": 7},
        {**KEY.jwk, "kid": "k" * 257},
        {"kid": "bare"},
    ],
)
def test_an_entry_that_is_no_named_key_is_left_out(entry):
    document = {"keys": [entry, {**KEY.jwk, "kid": "k1"}]}
    assert parse_key_set(json.dumps(document).encode()).keys() == {"k1"}


@pytest.mark.parametrize(
    ("members", "usable"),
    [
        ({"use": "sig"}, True),
        ({"use": "enc"}, False),
        ({"use": None}, False),
        ({"key_ops": ["verify"]}, True),
        ({"key_ops": ["sign", "verify"]}, True),
        ({"key_ops": ["sign"]}, False),
        ({"key_ops": []}, False),
        ({"key_ops": "verify"}, False),
        ({"key_ops": {"verify": 1}}, False),
        ({"alg": 5}, False),
        ({"alg": ["ES256"]}, False),
        ({"crv": "P-384"}, False),
        ({"d": "AQ"}, False),
    ],
    ids=str,
)
def test_a_key_for_another_use_or_unsound_is_left_out(members, usable):
    assert bool(parse_key_set(key_set("k1", **members))) is usable


def test_a_kid_that_occurs_twice_is_left_out_even_if_one_of_them_is_no_key():
    document = json.dumps({"keys": [{**KEY.jwk, "kid": "k1"}, {"kid": "k1"}, {**KEY.jwk, "kid": "k2"}]})
    assert parse_key_set(document.encode()).keys() == {"k2"}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff", b'{"keys":[NaN]}']
)
def test_what_is_no_key_set_is_refused(data):
    with pytest.raises(ValueError, match=r"not I-JSON|not a JWK set"):
        parse_key_set(data)


def test_a_set_has_at_most_100_keys():
    assert len(parse_key_set(key_set(*map(str, range(100))))) == 100
    with pytest.raises(ValueError, match="not a JWK set"):
        parse_key_set(key_set(*map(str, range(101))))
