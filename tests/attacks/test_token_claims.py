"""T6–T9: what an access token must say about itself: type, audience, issuer, times, subject."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from local.client.keys import new_proof_key
from tests.attacks.token_refusals import admit, refuse_override, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, sign_token
from tests.kit import refused

YEAR_10000 = 253_402_300_800


@pytest.fixture(scope="module")
def stranger() -> Iterator[FakeIssuers]:
    """A sound issuer that the KAS does not trust."""
    with fake_issuers("idp") as issuers:
        issuers["idp"].publish("k1", new_proof_key())
        yield issuers


def with_raw_claim(kit, name, text):
    """A request whose token has ``text`` as the claim ``name``, in JSON that no writer would write."""
    attempt = kit.attempt()
    claims = claims_for(kit, attempt)
    claims.pop(name, None)
    raw = f"{json.dumps(claims)[:-1]}, {json.dumps(name)}: {text}}}"
    attempt.token = kit.access_token(key=attempt.key, override={"raw": raw})
    return attempt


def claims_for(kit, attempt):
    now = int(time.time())
    return {
        "iss": kit.world.provider.base,
        "aud": "kas",
        "sub": "usa-secret",
        "iat": now,
        "exp": now + 300,
        "uniqueID": "usa-secret",
        "clearance": "SECRET",
        "countryOfAffiliation": "USA",
        "acpCOI": ["NATO"],
        "organizationType": "GOV",
        "acr": "aal2",
        "cnf": {"jkt": attempt.key.thumbprint},
    }


@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        None,
        "none",
        "dpop+jwt",
        "kas-forward+jwt",
        "logout+jwt",
        "at",
        "at+jwt ",
        "at+jwt;v=2",
        "",
        1,
        [],
        ["at+jwt"],
        {},
    ],
    ids=repr,
)
def test_attack_t06_only_the_type_of_an_access_token_is_accepted(kit, typ):
    refuse_override(kit, "token_type_not_accepted", header={"typ": typ})


def test_attack_t06_the_long_form_of_the_type_is_the_same_type(kit):
    admit(kit.attempt(override={"header": {"typ": "application/at+jwt"}}))


def test_attack_t06_an_id_token_is_no_access_token(kit):
    claims = {"nonce": "n", "at_hash": "h", "typ": "ID"}
    refuse_override(kit, "token_type_not_accepted", header={"typ": "JWT"}, claims=claims)


def test_attack_t06_a_proof_is_no_access_token(kit):
    attempt = kit.attempt()
    attempt.token = attempt.make_proof()
    refuse_token(attempt, "issuer_unknown")


def test_attack_t06_a_proof_that_names_the_issuer_is_no_access_token(kit):
    attempt = kit.attempt()
    attempt.proof_claims |= claims_for(kit, attempt)
    attempt.token, attempt.proof_claims = attempt.make_proof(), {}
    refuse_token(attempt, "token_key_unknown")


def test_attack_t06_a_signed_request_token_is_no_access_token(kit):
    attempt = kit.attempt()
    claims = {**claims_for(kit, attempt), "requestBody": json.dumps(attempt.request)}
    attempt.token = sign_token(attempt.key, {"typ": "at+jwt", "alg": "ES256"}, claims)
    refuse_token(attempt, "token_key_unknown")


def test_attack_t06_a_signed_kao_is_no_access_token(kit):
    attempt = kit.attempt()
    attempt.token = sign_token(attempt.key, {"alg": attempt.kao["signature"]["alg"]}, attempt.kao)
    refuse_token(attempt, "issuer_unknown")


@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        "other",
        "KAS",
        "kas ",
        "kas2",
        "ka",
        "http://kas",
        [],
        ["other"],
        ["kas2", "ka"],
        ["kas", 5],
        ["kas", None],
        [["kas"]],
        {"kas": "kas"},
        1,
        True,
    ],
    ids=repr,
)
def test_attack_t07_a_token_for_another_audience_is_refused(kit, aud):
    refuse_override(kit, "token_audience_mismatch", claims={"aud": aud})


@pytest.mark.parametrize("aud", [["kas"], ["other", "kas"]], ids=repr)
def test_attack_t07_a_list_of_audiences_with_ours_is_accepted(kit, aud):
    admit(kit.attempt(override={"claims": {"aud": aud}}))


@pytest.mark.parametrize(
    "change",
    [
        lambda issuer: f"{issuer}/",
        lambda issuer: issuer.replace("http", "HTTP"),
        lambda issuer: issuer.replace("127.0.0.1", "localhost"),
        lambda issuer: f"{issuer}?x",
        lambda issuer: f"{issuer}#",
        lambda issuer: f" {issuer}",
        lambda issuer: f"{issuer}/jwks.json",
        lambda issuer: issuer[:-1],
        lambda issuer: [issuer],
        lambda issuer: {issuer: 1},
        lambda _issuer: None,
        lambda _issuer: "",
        lambda _issuer: 1,
        lambda _issuer: True,
    ],
)
def test_attack_t08_an_issuer_is_known_by_its_exact_name(kit, change):
    refuse_override(kit, "issuer_unknown", claims={"iss": change(kit.world.provider.base)})


@pytest.mark.parametrize("suffix", ["", "/", "/jwks"])
def test_attack_t08_an_unknown_issuer_is_never_asked_for_its_keys(kit, stranger, suffix):
    issuer = stranger["idp"]
    refuse_token(issuer.attempt(kit, "k1", iss=issuer.issuer + suffix), "issuer_unknown")
    refuse_token(issuer.attempt(kit, "k1", header={"jku": f"{issuer.issuer}/jwks"}), "issuer_unknown")
    assert stranger.seen == []


@pytest.mark.parametrize(
    ("name", "seconds"), [("exp", -5), ("nbf", 8), ("iat", 8), ("nbf", -1000), ("iat", -1000), ("exp", 10**8)]
)
def test_attack_t09_times_within_the_leeway_pass(kit, name, seconds):
    admit(kit.attempt(override={"claims": {name: int(time.time()) + seconds}}))


@pytest.mark.parametrize(
    ("name", "seconds", "code"),
    [
        ("exp", -11, "token_expired"),
        ("exp", -3600, "token_expired"),
        ("nbf", 60, "token_not_yet_valid"),
        ("iat", 60, "token_not_yet_valid"),
        ("iat", 10**8, "token_not_yet_valid"),
    ],
)
def test_attack_t09_times_beyond_the_leeway_are_refused(kit, name, seconds, code):
    refuse_override(kit, code, claims={name: int(time.time()) + seconds})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_attack_t09_a_time_may_have_a_fraction(kit, name):
    admit(kit.attempt(override={"claims": {name: time.time() + (200.25 if name == "exp" else -0.75)}}))


def test_attack_t09_a_token_without_end_is_refused(kit):
    refuse_override(kit, "token_claims_malformed", claims={"exp": None})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + 30 * "0", "9007199254740992"]
)
def test_attack_t09_a_time_that_json_cannot_carry_is_refused(kit, name, text):
    refuse_token(with_raw_claim(kit, name, text), "token_malformed")


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "text",
    [
        "null",
        "true",
        "false",
        '"1790000000"',
        '"soon"',
        '""',
        "[]",
        "[1790000000]",
        "{}",
        "-1",
        "-0.5",
        "1e300",
        str(2**53 - 1),
        str(YEAR_10000),
    ],
)
def test_attack_t09_a_time_that_is_no_plausible_number_is_refused(kit, name, text):
    refuse_token(with_raw_claim(kit, name, text), "token_claims_malformed")


def test_attack_t09_the_raw_token_of_these_tests_is_good_but_for_the_time(kit):
    admit(with_raw_claim(kit, "exp", f"{int(time.time()) + 300}.5e0"))


@pytest.mark.parametrize("sub", [None, "", 7, True, [], ["usa-secret"], {}, "s" * 257], ids=lambda sub: repr(sub)[:20])
def test_attack_t06_a_token_without_subject_is_refused(kit, sub):
    refuse_override(kit, "token_subject_missing", claims={"sub": sub})


def test_attack_t06_a_subject_of_256_characters_is_accepted(kit):
    admit(kit.attempt(override={"claims": {"sub": "s" * 256}}))


def test_attack_t06_the_type_is_judged_after_the_signature(kit):
    """A stranger learns nothing of what this issuer's tokens look like."""
    attempt = kit.attempt(override={"header": {"typ": "JWT"}, "claims": {"aud": "other"}})
    attempt.token = f"{attempt.token.rpartition('.')[0]}.{'A' * 86}"
    refused(attempt.send(), 401, "invalid_token", "token_signature_invalid")
