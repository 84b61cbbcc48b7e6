"""T17, T18: the header that carries an access token: one, with one token, of bounded length."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.attacks.token_forms import MAX_TOKEN_CHARS, UNPADDED, padded_to
from tests.attacks.token_refusals import admit, refuse_token


def post_raw(attempt, *authorization):
    """Sends the attempt with these Authorization headers, in this order, whatever they are."""
    proof, target = attempt.make_proof(), urlsplit(attempt.kit.url)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=20)
    try:
        connection.putrequest("POST", target.path)
        for value in authorization:
            connection.putheader("Authorization", value)
        connection.putheader("DPoP", proof)
        connection.putheader("Content-Type", "application/json")
        body = json.dumps(attempt.request).encode()
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (["DPoP {0}", "DPoP {0}"], "authorization_malformed"),
        (["DPoP {0}", "Bearer {0}"], "authorization_malformed"),
        (["DPoP {0}", "Basic eDp5"], "authorization_malformed"),
        (["Basic eDp5", "DPoP {0}"], "credentials_missing"),
        (["DPoP x", "DPoP {0}"], "authorization_malformed"),
        (["", "DPoP {0}"], "credentials_missing"),
        (["DPoP {0},"], "authorization_malformed"),
        (["DPoP {0},DPoP {0}"], "authorization_malformed"),
        (["DPoP {0} {0}"], "authorization_malformed"),
        (["DPoP  {0}"], "authorization_malformed"),
        (["DPoP DPoP {0}"], "authorization_malformed"),
        (["DPoP"], "authorization_malformed"),
        (["Bearer "], "authorization_malformed"),
        (["DPoP\t{0}"], "credentials_missing"),
        (["{0}"], "credentials_missing"),
        (["Token {0}"], "credentials_missing"),
        (["Basic {0}"], "credentials_missing"),
        (["DPoP:{0}"], "credentials_missing"),
        ([], "credentials_missing"),
        ([""], "credentials_missing"),
    ],
    ids=str,
)
def test_attack_t17_there_is_one_header_with_one_scheme_and_one_token(kit, headers, code):
    attempt = kit.attempt()
    status, body = post_raw(attempt, *(header.format(attempt.token) for header in headers))
    error = "unauthorized" if code == "credentials_missing" else "invalid_token"
    members = json.loads(body)
    assert (status, members["error"], members["code"]) == (401, error, code)
    assert "responses" not in members


def test_attack_t17_the_raw_request_of_these_tests_is_good_but_for_the_header(kit):
    attempt = kit.attempt()
    assert post_raw(attempt, f"DPoP {attempt.token}")[0] == 200


def attempt_of_length(kit, chars):
    """A request with a genuine token of exactly so many characters."""
    attempt = kit.attempt(override=padded_to(kit.attempt(override=UNPADDED).token, chars))
    assert len(attempt.token) == chars
    return attempt


@pytest.mark.parametrize("chars", [4000, MAX_TOKEN_CHARS - 1, MAX_TOKEN_CHARS])
def test_attack_t18_a_token_up_to_the_limit_is_accepted(kit, chars):
    admit(attempt_of_length(kit, chars))


@pytest.mark.parametrize("chars", [MAX_TOKEN_CHARS + 1, 8150])
def test_attack_t18_a_longer_token_is_refused_before_it_is_decoded(kit, chars):
    refuse_token(attempt_of_length(kit, chars), "token_too_long")
    attempt = kit.attempt()
    attempt.token = "!" * chars
    refuse_token(attempt, "token_too_long")


@pytest.mark.parametrize("chars", [8190, 20_000, 70_000])
def test_attack_t18_a_header_beyond_the_hosts_limit_releases_nothing(kit, chars):
    attempt = kit.attempt()
    attempt.token = "a" * chars
    answer = attempt.send()
    assert answer.status == 431
    assert b"kasWrappedKey" not in answer.body
