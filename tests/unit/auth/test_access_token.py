"""Access tokens at exact moments, and every refusal in the order of the steps."""

from __future__ import annotations

import contextlib
import dataclasses
import math

import pytest

from kas.auth.access_token import MAX_SUBJECT_CHARS, MAX_TOKEN_CHARS, verify_access_token
from kas.auth.issuers import Issuer
from kas.auth.jwks import IssuerKey
from kas.auth.times import LEEWAY_SECONDS
from kas.encoding import sha256_b64url
from kas.errors import (
    AudienceMismatch,
    IssuerKeysUnavailable,
    IssuerUnknown,
    TokenAlgorithmRefused,
    TokenClaimsMalformed,
    TokenExpired,
    TokenHeaderUnsupported,
    TokenKeyUnfit,
    TokenKeyUnknown,
    TokenMalformed,
    TokenNotYetValid,
    TokenSignatureInvalid,
    TokenSubjectMissing,
    TokenTooLong,
    TokenTypeRefused,
)
from kas.jose import parse_public_jwk
from local.client.keys import new_proof_key
from tests.fake_issuer import sign_token

NOW = 1_790_000_000.0
KEY = new_proof_key()
JKT = "j" * 43
ISSUER = Issuer("https://idp.example", "https://idp.example/jwks", "kas", frozenset({"at+jwt"}), {}, {}, frozenset())
HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": "k1"}
CLAIMS = {"iss": ISSUER.issuer, "aud": "kas", "sub": "alice", "iat": NOW, "exp": NOW + 300, "cnf": {"jkt": JKT}}


def changed(members, changes):
    return {name: value for name, value in (members | changes).items() if value is not None}


def find_key(_issuer, kid):
    return IssuerKey(parse_public_jwk(KEY.jwk), "ES256") if kid == "k1" else None


def verify(*, header=None, types=("at+jwt",), find=find_key, now=NOW, key=KEY, **claims):
    token = sign_token(key, changed(HEADER, header or {}), changed(CLAIMS, claims))
    issuer = dataclasses.replace(ISSUER, accepted_types=frozenset(types))
    return verify_access_token(token, issuers={issuer.issuer: issuer}, find_key=find, now=now)


def test_a_good_token_says_who_and_with_which_key():
    token = sign_token(KEY, HEADER, CLAIMS)
    verified = verify_access_token(token, issuers={ISSUER.issuer: ISSUER}, find_key=find_key, now=NOW)
    assert (verified.issuer, verified.subject, verified.jkt) == (ISSUER, "alice", JKT)
    assert verified.claims == CLAIMS
    assert verified.hash == sha256_b64url(token.encode())


def test_an_audience_that_is_asked_for_takes_the_place_of_the_issuers():
    for aud, refused in (("kas-fra", False), (ISSUER.audience, True)):
        token = sign_token(KEY, HEADER, CLAIMS | {"aud": aud})
        with pytest.raises(AudienceMismatch) if refused else contextlib.nullcontext():
            verify_access_token(token, issuers={ISSUER.issuer: ISSUER}, find_key=find_key, now=NOW, audience="kas-fra")


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("exp", NOW - LEEWAY_SECONDS + 0.001, None),
        ("exp", NOW - LEEWAY_SECONDS, TokenExpired),
        ("nbf", NOW + LEEWAY_SECONDS, None),
        ("nbf", NOW + LEEWAY_SECONDS + 0.001, TokenNotYetValid),
        ("iat", NOW + LEEWAY_SECONDS, None),
        ("iat", NOW + LEEWAY_SECONDS + 0.001, TokenNotYetValid),
        ("nbf", 0, None),
        ("iat", 0, None),
        ("iat", None, None),
    ],
)
def test_attack_t09_the_leeway_is_exact_on_both_sides(name, value, refusal):
    if refusal is None:
        assert verify(**{name: value}).subject == "alice"
    else:
        with pytest.raises(refusal):
            verify(**{name: value})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["", "1790000000", True, [], {}, -1, 253_402_300_800], ids=repr)
def test_attack_t09_a_time_of_another_shape_is_refused(name, value):
    with pytest.raises(TokenClaimsMalformed):
        verify(**{name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=repr)
def test_attack_t09_not_a_number_is_not_json(value):
    with pytest.raises(TokenMalformed):
        verify(exp=value)


def test_a_bound_to_nothing_is_reported_not_judged():
    for cnf in (None, {}, {"jkt": ""}, {"jkt": "short"}, {"jkt": 5}, {"x5t#S256": JKT}, JKT, [JKT], {"jkt": JKT + "x"}):
        assert verify(cnf=cnf).jkt is None


@pytest.mark.parametrize("typ", ["JWT", None])
def test_an_untyped_token_needs_the_issuers_leave(typ):
    assert verify(header={"typ": typ}, types=("JWT", "none")).subject == "alice"
    with pytest.raises(TokenTypeRefused):
        verify(header={"typ": typ})


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt"])
def test_a_typed_token_needs_the_issuers_leave_too(typ):
    assert verify(header={"typ": typ}).subject == "alice"
    with pytest.raises(TokenTypeRefused):
        verify(header={"typ": typ}, types=("JWT", "none"))


@pytest.mark.parametrize("mark", ["nonce", "at_hash", "c_hash", "events"])
def test_the_marks_of_other_tokens_refuse_an_untyped_one_only(mark):
    with pytest.raises(TokenTypeRefused):
        verify(header={"typ": "JWT"}, types=("JWT",), **{mark: "x"})
    assert verify(**{mark: "x"}).subject == "alice"


def test_a_typ_claim_of_keycloak_names_the_kind():
    for typ in ("Bearer", "DPoP"):
        assert verify(header={"typ": "JWT"}, types=("JWT",), typ=typ).subject == "alice"
    with pytest.raises(TokenTypeRefused):
        verify(header={"typ": "JWT"}, types=("JWT",), typ="ID")


@pytest.mark.parametrize("kid", [None, "", "k" * 257, 7, ["k1"], {"k1": 1}], ids=lambda kid: repr(kid)[:20])
def test_attack_t04_a_kid_that_cannot_be_one_is_never_looked_up(kid):
    asked = []
    with pytest.raises(TokenKeyUnknown):
        verify(header={"kid": kid}, find=lambda *arguments: asked.append(arguments))
    assert asked == []


def test_attack_t08_an_unknown_issuer_is_never_looked_up():
    asked = []
    for iss in ("https://idp.example/", "https://IDP.example", 5, ["https://idp.example"], None):
        with pytest.raises(IssuerUnknown):
            verify(iss=iss, find=lambda *arguments: asked.append(arguments))
    assert asked == []


def test_keys_that_cannot_be_had_are_no_fault_of_the_token():
    def unavailable(*_arguments):
        raise IssuerKeysUnavailable

    with pytest.raises(IssuerKeysUnavailable):
        verify(find=unavailable)


@pytest.mark.parametrize("sub", ["", None, 5, ["alice"], "a" * (MAX_SUBJECT_CHARS + 1)], ids=lambda sub: repr(sub)[:20])
def test_a_token_without_subject_is_refused(sub):
    with pytest.raises(TokenSubjectMissing):
        verify(sub=sub)


def test_attack_t18_length_is_judged_before_anything_else():
    with pytest.raises(TokenTooLong):
        verify_access_token("!" * (MAX_TOKEN_CHARS + 1), issuers={}, find_key=find_key, now=NOW)
    with pytest.raises(TokenMalformed):
        verify_access_token("!" * MAX_TOKEN_CHARS, issuers={}, find_key=find_key, now=NOW)


def test_the_order_of_the_checks():
    """A token that is wrong in every way; each line puts right what the line before complained of."""
    wrong = {"aud": "other", "exp": NOW - 300, "sub": None, "iss": "x"}
    bad_header = {"typ": "JWT", "alg": "none", "kid": "x", "crit": ["x"]}
    other = new_proof_key()
    steps = [
        (TokenHeaderUnsupported, {"crit": None}, {}, other),
        (TokenAlgorithmRefused, {"alg": "ES384"}, {}, other),
        (IssuerUnknown, {}, {"iss": ISSUER.issuer}, other),
        (TokenKeyUnknown, {"kid": "k1"}, {}, other),
        (TokenKeyUnfit, {"alg": "ES256"}, {}, other),
        (TokenSignatureInvalid, {}, {}, KEY),
        (TokenExpired, {}, {"exp": NOW + 300}, KEY),
        (AudienceMismatch, {}, {"aud": ["kas"]}, KEY),
        (TokenTypeRefused, {"typ": "at+jwt"}, {}, KEY),
        (TokenSubjectMissing, {}, {"sub": "alice"}, KEY),
    ]
    key = other
    for refusal, header, claims, next_key in steps:
        with pytest.raises(refusal):
            verify(header=bad_header, key=key, **wrong)
        bad_header, wrong, key = bad_header | header, wrong | claims, next_key
    assert verify(header=bad_header, **wrong).subject == "alice"
