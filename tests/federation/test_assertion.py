"""The form of an assertion: made as agreed, read strictly, its time to both sides of each boundary."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from kas.auth.times import LEEWAY_SECONDS, PROOF_MEMORY_SECONDS
from kas.errors import (
    ForwarderUnknown,
    ForwardingMalformed,
    ForwardingSignatureInvalid,
    ForwardingTimeInvalid,
    KasError,
)
from kas.federation.assertion import MAX_LIFETIME_SECONDS, VerifiedAssertion, verify_assertion
from local.client import new_proof_key
from local.client.encoding import sha256_b64url
from local.client.proofs import compact_jws
from tests.federation.forwarded import (
    BODY,
    CLIENT,
    FRA,
    KAS_KEYS,
    NOW,
    TOKEN,
    Registry,
    assertion,
    find_peer_key,
    made,
)


def verify(text: str | None, registry: Registry = FRA, now: float = NOW) -> VerifiedAssertion:
    return verify_assertion(text, registry=registry, find_key=find_peer_key, now=now)


def refused(text: str | None, refusal: type[KasError], code: str, now: float = NOW) -> None:
    """With this class and this code, as 401 of the one error class."""
    with pytest.raises(refusal) as raised:
        verify(text, now=now)
    assert type(raised.value) is refusal
    assert (refusal.status, refusal.error, refusal.code) == (401, "invalid_forwarding", code)


def test_what_is_made_says_all_that_was_agreed() -> None:
    """A library that knows nothing of this code verifies and reads it."""
    text, key = made(via=["kas-gbr", "kas-usa"]), jwt.PyJWK(KAS_KEYS["kas-usa"].jwk | {"alg": "ES256"})
    claims = jwt.decode(text, key, ["ES256"], audience="kas-fra", options={"verify_exp": False, "verify_iat": False})
    assert jwt.get_unverified_header(text) == {"typ": "kas-forward+jwt", "alg": "ES256", "kid": "kas-usa-key"}
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": "kas-usa",
        "aud": "kas-fra",
        "iat": int(NOW),
        "exp": int(NOW) + 20,
        "body_sha256": sha256_b64url(BODY),
        "ath": sha256_b64url(TOKEN.encode()),
        "jkt": CLIENT.thumbprint,
        "via": ["kas-gbr", "kas-usa"],
    }


def test_no_two_made_have_one_id() -> None:
    """Not even of one request."""
    assert len({verify(made()).jti for _ in range(50)}) == 50


@pytest.mark.parametrize("make", [made, assertion])
def test_good_one_names_its_way(make: Any) -> None:
    """Forwarder, agreement, where the client asked, and what it is tied to."""
    verified = verify(make())
    assert (verified.forwarder, verified.agreement) == (FRA.find("kas-usa"), FRA.find("kas-usa").agreement)
    assert (verified.origin, verified.via) == (FRA.find("kas-usa"), ("kas-usa",))
    verified.check_body(BODY)
    verified.check_token(sha256_b64url(TOKEN.encode()))
    verified.check_key(CLIENT.thumbprint)


@pytest.mark.parametrize(
    "text", [None, "", "a.b", "a.b.c", "é.é.é", f"{assertion()}=", f" {assertion()}", f"{assertion()}.x"]
)
def test_no_strict_jws(text: str | None) -> None:
    """Absent, empty, cut, padded, of four parts."""
    refused(text, ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("joined", [f"{assertion()},{assertion(jti='2')}", f"{assertion()}, x", f",{assertion()}"])
def test_two_headers(joined: str) -> None:
    """The host joins them with a comma; neither counts."""
    refused(joined, ForwardingMalformed, "forwarding_malformed")


def test_length_to_both_sides() -> None:
    """4,000 characters pass, beyond that nothing is decoded, though it would verify."""
    sizes = {len(text): text for size in range(2000, 2700) for text in [assertion(note="x" * size)]}
    longest, beyond = max(size for size in sizes if size <= 4000), min(size for size in sizes if size > 4000)
    assert beyond - longest <= 2
    verify(sizes[longest])
    refused(sizes[beyond], ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize(
    "typ", [None, "JWT", "dpop+jwt", "at+jwt", "KAS-FORWARD+JWT", "application/kas-forward+jwt", []]
)
def test_other_type(typ: object) -> None:
    """What is signed for another purpose is no assertion."""
    refused(assertion(header={"typ": typ}), ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("alg", [None, "none", "HS256", "RS256", "ES384", "es256", ["ES256"], 1])
def test_other_algorithm(alg: object) -> None:
    """There is one, and the header does not choose."""
    refused(assertion(header={"alg": alg}), ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("member", ["crit", "b64", "zip"])
def test_extensions(member: str) -> None:
    """Nothing that changes how it would have to be read."""
    refused(assertion(header={member: ["exp"]}), ForwardingMalformed, "forwarding_malformed")


def test_duplicate_members() -> None:
    """Two readers would see two assertions."""
    head = {"typ": "kas-forward+jwt", "alg": "ES256", "kid": "kas-usa-key"}
    text = compact_jws(KAS_KEYS["kas-usa"], head, b'{"iss":"kas-usa","iss":"kas-gbr"}')
    refused(text, ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("kid", [None, "", "kas-usa", "kas-gbr-key", 1, [], "k" * 257])
def test_unknown_kid(kid: object) -> None:
    """Names no key of this peer."""
    refused(assertion(header={"kid": kid}), ForwarderUnknown, "forwarder_unknown")


def test_length_of_a_kid_is_bounded_before_anybody_looks_for_it() -> None:
    """Whoever finds keys may remember what it did not find."""
    asked: list[str] = []

    def find(_peer: object, kid: str) -> None:
        asked.append(kid)

    for size in (256, 257):
        with pytest.raises(ForwarderUnknown):
            verify_assertion(assertion(header={"kid": "k" * size}), registry=FRA, find_key=find, now=NOW)
    assert list(map(len, asked)) == [256]


def test_signature_of_another_key() -> None:
    """Under the peer's kid."""
    refused(assertion(by=new_proof_key()), ForwardingSignatureInvalid, "forwarding_signature_invalid")


def test_registered_key_of_another_curve() -> None:
    """ES256 is P-256, whatever the registry has; the header cannot make it another."""
    key = new_proof_key("ES384")
    text = assertion(by=key)
    with pytest.raises(ForwardingSignatureInvalid):
        verify_assertion(text, registry=FRA, find_key=lambda *_: _parsed(key.jwk), now=NOW)


def _parsed(jwk: dict[str, Any]) -> Any:
    from kas.jose import parse_public_jwk

    return parse_public_jwk(jwk)


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "jti", "via", "body_sha256", "ath", "jkt"])
def test_no_claim_can_be_altered(name: str) -> None:
    """Each flip breaks the signature, or makes the forwarder another."""
    head, payload, signature = assertion().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims[name] = NOW + 19 if name == "exp" else ["kas-gbr"] if name == "via" else "kas-gbr"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with pytest.raises(ForwarderUnknown if name == "iss" else ForwardingSignatureInvalid):
        verify(f"{head}.{changed}.{signature}")


@pytest.mark.parametrize(
    ("iat", "exp", "passes"),
    [
        (NOW + LEEWAY_SECONDS, NOW + 30, True),
        (NOW + LEEWAY_SECONDS + 0.5, NOW + 30, False),
        (NOW - 20, NOW - LEEWAY_SECONDS + 0.5, True),
        (NOW - 20, NOW - LEEWAY_SECONDS, False),
        (NOW, NOW + MAX_LIFETIME_SECONDS, True),
        (NOW, NOW + MAX_LIFETIME_SECONDS + 0.5, False),
        (NOW - 5, NOW + 25.5, False),
        (NOW, NOW + 0.5, True),
        (NOW, NOW, False),
        (NOW + 1, NOW, False),
    ],
)
def test_f10_time_to_both_sides(iat: float, exp: float, *, passes: bool) -> None:
    """Early, late and long-lived: half a second decides."""
    text = assertion(iat=iat, exp=exp)
    if passes:
        assert verify(text).expires == exp
    else:
        refused(text, ForwardingTimeInvalid, "forwarding_time_invalid")


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("value", [None, "1790000000", True, -1, 10**12, [], {}])
def test_f10_times_that_are_none(name: str, value: object) -> None:
    """Missing, text, truth, before 1970, after 9999."""
    refused(assertion(**{name: value}), ForwardingTimeInvalid, "forwarding_time_invalid")


def test_f10_what_is_made_passes_for_twenty_seconds_and_the_leeway() -> None:
    """And from one leeway before."""
    text = made()
    for seconds in (-LEEWAY_SECONDS, 0, 20, 20 + LEEWAY_SECONDS - 0.5):
        verify(text, now=NOW + seconds)
    for seconds in (-LEEWAY_SECONDS - 0.5, 20 + LEEWAY_SECONDS):
        refused(text, ForwardingTimeInvalid, "forwarding_time_invalid", now=NOW + seconds)


def test_f10_used_assertions_are_remembered_for_longer_than_they_pass() -> None:
    """From one leeway early to one late, and one more for a clock that is set back."""
    assert MAX_LIFETIME_SECONDS + 3 * LEEWAY_SECONDS <= PROOF_MEMORY_SECONDS


@pytest.mark.parametrize(("jti", "passes"), [("j", True), ("j" * 256, True), ("j" * 257, False), ("", False)])
def test_length_of_the_id(jti: str, *, passes: bool) -> None:
    """One that can be remembered."""
    if passes:
        assert verify(assertion(jti=jti)).jti == jti
    else:
        refused(assertion(jti=jti), ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("name", ["jti", "body_sha256", "ath", "jkt", "via"])
@pytest.mark.parametrize("value", [None, 1, {}, ["x"], "", "x" * 300])
def test_claims_of_another_form(name: str, value: object) -> None:
    """Missing, or no text of its length; a way that is no list, or not the issuer's."""
    refused(assertion(**{name: value}), ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize("name", ["body_sha256", "ath", "jkt"])
@pytest.mark.parametrize("size", [42, 44])
def test_length_of_a_hash(name: str, size: int) -> None:
    """43 characters of base64url are SHA-256."""
    refused(assertion(**{name: "x" * size}), ForwardingMalformed, "forwarding_malformed")


def test_it_expires_once_more_while_it_is_used() -> None:
    """What was current when it was verified may not be when it is needed: to both sides of the moment."""
    verified = verify(made())
    verified.check_time(verified.expires + LEEWAY_SECONDS - 0.001)
    with pytest.raises(ForwardingTimeInvalid):
        verified.check_time(verified.expires + LEEWAY_SECONDS)


def test_kid_of_one_character_is_one() -> None:
    """The shortest there is."""
    usa = FRA.find("kas-usa")
    assert usa
    key = find_peer_key(usa, "kas-usa-key")
    text = assertion(header={"kid": "k"})
    verified = verify_assertion(text, registry=FRA, find_key=lambda _, kid: key if kid == "k" else None, now=NOW)
    assert verified.forwarder == usa
