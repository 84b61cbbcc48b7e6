"""A signed request token where no key is proven: it says nothing of its signer, and is as strict in form and time."""

from __future__ import annotations

import json

import pytest

from kas.errors import SignedRequestTokenInvalid
from kas.jose import parse_public_jwk
from kas.protocol.request_token import open_request_token
from local.client import new_proof_key
from local.client.encoding import b64url
from local.client.proofs import compact_jws

NOW, LIFETIME = 1_790_000_000.0, 7200
KEY = new_proof_key()
GOOD = {"requestBody": "{}", "iat": NOW, "exp": NOW + 60}


def token(header=None, **claims):
    payload = {name: value for name, value in (GOOD | claims).items() if value is not None}
    return compact_jws(KEY, {"alg": "ES256"} | (header or {}), json.dumps(payload).encode())


def opened(text, key=None, now=NOW):
    return open_request_token(text, key=key, now=now, lifetime_seconds=LIFETIME)


def test_a_token_of_any_key_is_opened_where_none_is_proven():
    assert opened(token(requestBody='{"é":1}')) == '{"é":1}'.encode()


def test_a_token_of_the_proven_key_alone_is_opened_where_one_is():
    assert opened(token(), parse_public_jwk(KEY.jwk)) == b"{}"
    with pytest.raises(SignedRequestTokenInvalid):
        opened(token(), parse_public_jwk(new_proof_key().jwk))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": None},
        {"alg": []},
        {"crit": ["exp"]},
        {"b64": False},
        {"typ": "dpop+jwt"},
        {"typ": "at+jwt"},
    ],
)
def test_algorithm_extensions_and_type_are_checked_without_a_key_too(header):
    with pytest.raises(SignedRequestTokenInvalid):
        opened(token(header))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + LIFETIME + 1},
        {"exp": NOW - 1},
        {"iat": NOW + 11, "exp": NOW + 60},
        {"iat": NOW - 60, "exp": NOW - 10},
        {"iat": None},
        {"exp": "9999999999"},
        {"nbf": NOW + 11},
        {"nbf": "soon"},
        {"requestBody": None},
        {"requestBody": ["{}"]},
    ],
)
def test_times_and_body_are_checked_without_a_key_too(claims):
    with pytest.raises(SignedRequestTokenInvalid):
        opened(token(**claims))


@pytest.mark.parametrize(
    "claims", [{"exp": NOW + LIFETIME}, {"nbf": NOW + 10}, {"iat": NOW + 10, "exp": NOW + 60}, {"exp": NOW}]
)
def test_ends_of_the_range_are_within(claims):
    assert opened(token(**claims)) == b"{}"


@pytest.mark.parametrize(
    "text", ["", "a.b.c", ".".join([b64url(b"{}")] * 2), token() + "=", token() + ".", None, 7, {}]
)
def test_what_is_no_strict_token_is_refused(text):
    with pytest.raises(SignedRequestTokenInvalid):
        opened(text)
