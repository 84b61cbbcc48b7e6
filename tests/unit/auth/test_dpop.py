"""Proofs by an injected clock: one good proof, one part broken, every boundary exact."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth.dpop import MAX_JTI_CHARS, MAX_PROOF_CHARS, VerifiedProof, verify_possession, verify_proof
from kas.errors import (
    InvalidProof,
    ProofAlgorithmRefused,
    ProofIdInvalid,
    ProofKeyInvalid,
    ProofKeyMismatch,
    ProofMalformed,
    ProofMethodMismatch,
    ProofMissing,
    ProofMultiple,
    ProofSignatureInvalid,
    ProofTimeInvalid,
    ProofTokenMismatch,
    ProofTooLong,
    ProofTypeInvalid,
    ProofUriMismatch,
)
from local.client import new_proof_key
from local.client.encoding import sha256_b64url
from local.client.proofs import make_proof

KEY, OTHER = new_proof_key(), new_proof_key()
TOKEN, URL, NOW = "header.claims.signature", "https://kas.example/rewrap", 1_790_000_000


def verify(now: float = NOW, header: dict[str, Any] | None = None, **claims: Any) -> VerifiedProof:
    """Verifies the good proof with these members changed."""
    return check(make_proof(KEY, "POST", URL, NOW, token=TOKEN, claims=claims, header=header), now=now)


def check(proof: str | None, **changes: Any) -> VerifiedProof:
    good = {
        "jkt": KEY.thumbprint,
        "token_hash": sha256_b64url(TOKEN.encode()),
        "method": "POST",
        "uris": frozenset({URL}),
        "now": NOW,
    }
    return verify_proof(proof, **{**good, **changes})


def test_good_proof_says_who_holds_the_key() -> None:
    """Key, id and hash of the proof as sent; the nonce is handed on unverified."""
    proof = make_proof(KEY, "POST", URL, NOW, token=TOKEN, nonce="n", claims={"jti": "j"})
    verified = check(proof)
    assert (verified.jkt, verified.jti, verified.unverified_nonce) == (KEY.thumbprint, "j", "n")
    assert verified.hash == sha256_b64url(proof.encode())


@pytest.mark.parametrize("age", [60, 59.999, 0, -9.999, -10])
def test_attack_p09_time_at_the_end_of_the_window_is_accepted(age: float) -> None:
    """A minute old, ten seconds early, exactly."""
    verify(now=NOW + age)


@pytest.mark.parametrize("age", [60.001, 61, -10.001, -11])
def test_attack_p09_time_past_the_end_of_the_window_is_refused(age: float) -> None:
    """A millisecond more."""
    with pytest.raises(ProofTimeInvalid):
        verify(now=NOW + age)


@pytest.mark.parametrize("iat", [NOW + 0.5, NOW - 59.5, NOW + 9.5])
def test_attack_p09_fraction_of_a_second_is_a_time(iat: float) -> None:
    """RFC 7519 §2: NumericDate may be non-integer."""
    verify(iat=iat)


@pytest.mark.parametrize("iat", [None, str(NOW), True, [], -1, NOW + 60.5, NOW - 60.5, 2**53 - 1])
def test_attack_p09_other_times_are_refused(iat: object) -> None:
    """Missing, of another type, beyond the window."""
    with pytest.raises(ProofTimeInvalid):
        verify(iat=iat)


def test_attack_p09_truth_value_is_no_time() -> None:
    """Not even in the first second of 1970, where it would be the right number."""
    verify(now=1, iat=1)
    with pytest.raises(ProofTimeInvalid):
        verify(now=1, iat=True)


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ({"typ": "JWT"}, ProofTypeInvalid),
        ({"typ": None}, ProofTypeInvalid),
        ({"alg": "HS256"}, ProofAlgorithmRefused),
        ({"alg": ["ES256"]}, ProofAlgorithmRefused),
        ({"jwk": None}, ProofKeyInvalid),
        ({"alg": "ES384"}, ProofKeyInvalid),
        ({"jwk": {**KEY.jwk, "d": "x"}}, ProofKeyInvalid),
        ({"jwk": {**KEY.jwk, "use": "enc"}}, ProofKeyInvalid),
        ({"jwk": {**KEY.jwk, "key_ops": ["encrypt"]}}, ProofKeyInvalid),
        ({"jwk": {**KEY.jwk, "kid": "k" * 2048}}, ProofKeyInvalid),
        ({"jwk": OTHER.jwk}, ProofKeyMismatch),
        ({"crit": ["x"]}, ProofMalformed),
        ({"b64": True}, ProofMalformed),
        ({"zip": "DEF"}, ProofMalformed),
    ],
)
def test_broken_header_is_refused(header: dict[str, Any], refusal: type[InvalidProof]) -> None:
    """One member of the header, each with its own code."""
    with pytest.raises(refusal):
        verify(header=header)


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"htm": "GET"}, ProofMethodMismatch),
        ({"htm": None}, ProofMethodMismatch),
        ({"htu": "https://kas.example/"}, ProofUriMismatch),
        ({"htu": None}, ProofUriMismatch),
        ({"htu": "x" * 4000}, ProofUriMismatch),
        ({"ath": None}, ProofTokenMismatch),
        ({"ath": sha256_b64url(b"other")}, ProofTokenMismatch),
        ({"ath": "é"}, ProofTokenMismatch),
        ({"jti": None}, ProofIdInvalid),
        ({"jti": ""}, ProofIdInvalid),
        ({"jti": 1}, ProofIdInvalid),
        ({"jti": "j" * (MAX_JTI_CHARS + 1)}, ProofIdInvalid),
    ],
)
def test_broken_claim_is_refused(claims: dict[str, Any], refusal: type[InvalidProof]) -> None:
    """One claim, each with its own code."""
    with pytest.raises(refusal):
        verify(**claims)


def test_address_may_be_any_of_several() -> None:
    """A deployment has several public bases."""
    proof = make_proof(KEY, "POST", URL, NOW, token=TOKEN)
    check(proof, uris=frozenset({"https://other.example/rewrap", URL}))
    with pytest.raises(ProofUriMismatch):
        check(proof, uris=frozenset())


def test_attack_p07_no_address_is_not_in_a_set_of_addresses() -> None:
    """Malformed on their side must never equal malformed on ours."""
    with pytest.raises(ProofUriMismatch):
        check(make_proof(KEY, "POST", "x", NOW, token=TOKEN))


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (None, ProofMissing),
        ("", ProofMissing),
        ("a,b", ProofMultiple),
        ("x" * (MAX_PROOF_CHARS + 1), ProofTooLong),
        ("x" * MAX_PROOF_CHARS, ProofMalformed),
        ("a.b", ProofMalformed),
        ("a.b.c.d", ProofMalformed),
    ],
)
def test_text_that_is_no_proof_is_refused(text: str | None, refusal: type[InvalidProof]) -> None:
    """Absent, joined, too long, of the wrong shape."""
    with pytest.raises(refusal):
        check(text)


def test_attack_p03_strangers_key_is_refused_before_its_signature_is_looked_at() -> None:
    """The thumbprint decides first: a stranger's key costs no arithmetic, and a bad signature of it changes nothing."""
    proof = make_proof(OTHER, "POST", URL, NOW, token=TOKEN)
    for text in (proof, proof.rpartition(".")[0] + ".AAAA"):
        with pytest.raises(ProofKeyMismatch):
            check(text)


def test_attack_p03_signature_of_another_key_is_refused() -> None:
    """Under the right thumbprint."""
    with pytest.raises(ProofSignatureInvalid):
        check(make_proof(OTHER, "POST", URL, NOW, token=TOKEN, header={"jwk": KEY.jwk}))


@pytest.mark.parametrize("required_jkt", [None, KEY.thumbprint])
def test_possession_needs_no_token(required_jkt: str | None) -> None:
    """As a token endpoint asks: any key, or the one that is expected."""
    proof = make_proof(KEY, "POST", URL, NOW)
    verified = verify_possession(proof, required_jkt=required_jkt, method="POST", uris={URL}, now=NOW)
    assert verified.jkt == KEY.thumbprint


def test_possession_of_another_key_is_refused() -> None:
    """When one is expected."""
    with pytest.raises(ProofKeyMismatch):
        verify_possession(
            make_proof(KEY, "POST", URL, NOW), required_jkt=OTHER.thumbprint, method="POST", uris={URL}, now=NOW
        )
