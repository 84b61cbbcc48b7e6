"""Attacks P1 to P5 on the proof's form and key (RFC 9449 §4.3, steps 1 to 7), each by a request over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, get_default_algorithms

from local.client import ProofKey, new_proof_key
from local.client.encoding import b64url
from local.client.keys import public_jwk
from tests.attacks.proof_requests import flip, proof_parts, raw_post, refused_proof, released, rewritten
from tests.kit import Kit, refused

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_kas_req_031_proof_of_every_offered_algorithm_is_accepted(kit: Kit, alg: str) -> None:
    """What the challenge lists works, for the proof and for the signatures of the KAOs."""
    released(kit.attempt(key=new_proof_key(alg)))


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer"])
@pytest.mark.parametrize("headers", [[], [("DPoP", "")]], ids=["absent", "empty"])
def test_attack_p01_missing_proof_is_refused(kit: Kit, scheme: str, headers: list[tuple[str, str]]) -> None:
    """A bound token alone opens nothing, whatever its scheme."""
    token = kit.attempt().token
    answer = raw_post(kit, [("Authorization", f"{scheme} {token}"), *headers])
    refused(answer, 401, "invalid_dpop_proof", "proof_missing")


def test_attack_p02_two_proof_headers_are_refused(kit: Kit) -> None:
    """Two good proofs, or the same one twice: not exactly one header."""
    attempt = kit.attempt()
    for second in (attempt.make_proof(), None):
        first = attempt.make_proof()
        headers = [("Authorization", f"DPoP {attempt.token}"), ("DPoP", first), ("DPoP", second or first)]
        refused(raw_post(kit, headers), 401, "invalid_dpop_proof", "proof_multiple")


@pytest.mark.parametrize("form", ["{0},{0}", "{0}, ", ",{0}", "{0},x"])
def test_attack_p02_comma_in_the_proof_header_is_refused(kit: Kit, form: str) -> None:
    """A proxy may join two headers; what is left is not one proof either."""
    attempt = kit.attempt()
    attempt.proof = form.format(attempt.make_proof())
    refused_proof(attempt, "proof_multiple")


def test_attack_p02_two_authorization_headers_are_refused(kit: Kit) -> None:
    """Two tokens, or one twice: nobody chooses between them."""
    attempt = kit.attempt()
    for scheme in ("DPoP", "Bearer"):
        headers = [("Authorization", f"{scheme} {attempt.token}")] * 2 + [("DPoP", attempt.make_proof())]
        refused(raw_post(kit, headers), 401, "invalid_token", "authorization_malformed")


def test_attack_p03_stolen_token_with_the_thiefs_key_is_refused(kit: Kit) -> None:
    """Proof and KAO signatures of another key, all else genuine."""
    attempt = kit.attempt()
    attempt.proof_key = new_proof_key()
    attempt.resign(attempt.proof_key)
    refused_proof(attempt, "proof_key_mismatch")


def test_attack_p03_victims_public_key_over_the_thiefs_signature_is_refused(kit: Kit) -> None:
    """The thumbprint fits then, the signature does not."""
    attempt = kit.attempt()
    attempt.proof_header["jwk"] = attempt.key.jwk
    attempt.proof_key = new_proof_key()
    refused_proof(attempt, "proof_signature_invalid")


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "claims", "signature"])
def test_attack_p03_altered_proof_is_refused(kit: Kit, part: int) -> None:
    """One member more in header or claims, or one bit of the signature, after signing."""
    attempt = kit.attempt()
    parts = attempt.make_proof().split(".")
    changed = proof_parts(".".join(parts))[part]
    parts[part] = (
        flip(parts[part], 10) if isinstance(changed, bytes) else b64url(json.dumps({**changed, "x": 1}).encode())
    )
    attempt.proof = ".".join(parts)
    refused_proof(attempt, "proof_signature_invalid")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_attack_p04_private_member_in_the_jwk_is_refused(kit: Kit, member: str) -> None:
    """Whoever sends a private key has lost it."""
    attempt = kit.attempt()
    attempt.proof_header["jwk"] = {**attempt.key.jwk, member: b64url(b"\1" * 32)}
    refused_proof(attempt, "proof_key_invalid")


def _hmac_proof(header: dict[str, object], claims: dict[str, object], secret: bytes) -> str:
    signing_input = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    return f"{signing_input}.{b64url(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("jwk", ["symmetric", "own public key"])
def test_attack_p05_symmetric_proof_is_refused(kit: Kit, jwk: str) -> None:
    """HS256, under a secret in the header or under the text of the public key."""
    attempt = kit.attempt()
    header, claims, _ = proof_parts(attempt.make_proof())
    secret = b"s" * 32
    if jwk == "symmetric":
        header["jwk"] = {"kty": "oct", "k": b64url(secret)}
    else:
        secret = attempt.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    attempt.proof = _hmac_proof({**header, "alg": "HS256"}, claims, secret)
    refused_proof(attempt, "proof_alg_not_allowed")


def test_attack_p05_symmetric_jwk_under_an_asymmetric_algorithm_is_refused(kit: Kit) -> None:
    """A secret is no public key."""
    attempt = kit.attempt()
    attempt.proof_header["jwk"] = {"kty": "oct", "x": b64url(b"s" * 32)}
    refused_proof(attempt, "proof_key_invalid")


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES256K", "es256", "ES256 ", "", 1, ["ES256"], {}, None])
def test_attack_p05_algorithm_off_the_list_is_refused(kit: Kit, alg: object) -> None:
    """Compared exactly; missing and of another type are off the list too."""
    attempt = kit.attempt()
    attempt.proof_header["alg"] = alg
    refused_proof(attempt, "proof_alg_not_allowed")


def test_attack_p05_unsigned_proof_is_refused(kit: Kit) -> None:
    """`none` with the empty signature that belongs to it."""
    attempt = kit.attempt()
    attempt.proof_header["alg"] = "none"
    attempt.proof = attempt.make_proof().rpartition(".")[0] + "."
    refused_proof(attempt, "proof_alg_not_allowed")


@pytest.mark.parametrize(
    "typ", [None, "", "JWT", "at+jwt", "DPoP+JWT", "application/dpop+jwt", "dpop+jwt ", 1, ["dpop+jwt"]]
)
def test_attack_p05_other_type_is_refused(kit: Kit, typ: object) -> None:
    """`typ` is compared exactly, so no other JWT of the client's key serves as a proof."""
    attempt = kit.attempt()
    attempt.proof_header["typ"] = typ
    refused_proof(attempt, "proof_type_invalid")


def _rsa(bits: int) -> ProofKey:
    return ProofKey("RS256", rsa.generate_private_key(65537, bits))


def _p256(**changes: str) -> dict[str, str]:
    return {**new_proof_key().jwk, **changes}


UNFIT_JWKS = {
    "missing": None,
    "text": "ES256",
    "empty": {},
    "other curve": new_proof_key("ES384").jwk,
    "other family": new_proof_key("EdDSA").jwk,
    "RSA": new_proof_key("RS256").jwk,
    "weak RSA": public_jwk(_rsa(1024).private),
    "off the curve": _p256(x=b64url(b"\1" * 32)),
    "short coordinate": _p256(x=b64url(b"\1" * 31)),
    "curve in lower case": _p256(crv="p-256"),
    "coordinate is a number": {**_p256(), "x": 1},
    "no coordinate": {"kty": "EC", "crv": "P-256"},
    "type is a list": {**_p256(), "kty": ["EC"]},
    "curve unknown": {**ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)},
}


@pytest.mark.parametrize("name", UNFIT_JWKS)
def test_attack_p03_jwk_that_does_not_fit_its_algorithm_is_refused(kit: Kit, name: str) -> None:
    """Missing, malformed, weak or of another kind than ES256 asks."""
    attempt = kit.attempt()
    attempt.proof_header["jwk"] = UNFIT_JWKS[name]
    refused_proof(attempt, "proof_key_invalid")


@pytest.mark.parametrize(
    "members",
    [{"use": "enc"}, {"use": 1}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"x": 1}, {"kid": "k" * 2048}],
)
def test_attack_p03_jwk_for_another_use_or_without_bound_is_refused(kit: Kit, members: dict[str, object]) -> None:
    """What a key says of itself is respected, and its size is bounded."""
    attempt = kit.attempt()
    attempt.proof_header["jwk"] = {**attempt.key.jwk, **members}
    refused_proof(attempt, "proof_key_invalid")


def test_attack_p03_ed448_under_eddsa_is_refused(kit: Kit) -> None:
    """Libraries take it under the same name; only Ed25519 is ours."""
    attempt = kit.attempt()
    private = ed448.Ed448PrivateKey.generate()
    jwk = get_default_algorithms()["EdDSA"].to_jwk(private.public_key(), as_dict=True)
    header, claims, _ = proof_parts(attempt.make_proof())
    header |= {"alg": "EdDSA", "jwk": jwk}
    signing_input = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    attempt.proof = f"{signing_input}.{b64url(private.sign(signing_input.encode()))}"
    refused_proof(attempt, "proof_key_invalid")


@pytest.mark.parametrize("member", ["crit", "b64", "zip"])
def test_attack_p03_header_extension_is_refused(kit: Kit, member: str) -> None:
    """What asks for processing that is not done here."""
    attempt = kit.attempt()
    attempt.proof_header[member] = {"crit": ["exp"], "b64": False, "zip": "DEF"}[member]
    refused_proof(attempt, "proof_malformed")


@pytest.mark.parametrize(
    "form", ["x", "..", "{0}.", "{0}.{0}", "{0}=", " {0} x", "{0}é", '"{0}"'], ids=lambda form: form.replace("{0}", "P")
)
def test_attack_p03_text_that_is_no_compact_jws_is_refused(kit: Kit, form: str) -> None:
    """Three canonical parts and nothing else."""
    attempt = kit.attempt()
    proof = form.format(attempt.make_proof()).encode("utf-8").decode("latin-1")
    headers = [("Authorization", f"DPoP {attempt.token}"), ("DPoP", proof)]
    refused(raw_post(kit, headers), 401, "invalid_dpop_proof", "proof_malformed")


def test_attack_p03_stray_trailing_bits_are_refused(kit: Kit) -> None:
    """The same bytes in a second spelling would be a second proof for whoever remembers texts."""
    attempt = kit.attempt()
    proof = attempt.make_proof()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    attempt.proof = proof[:-1] + alphabet[alphabet.index(proof[-1]) + 1]  # 64 bytes leave four bits over
    refused_proof(attempt, "proof_malformed")


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (None, '{"jti":"a","jti":"b"}'),
        (None, "[]"),
        (None, '"text"'),
        (None, "{"),
        (None, '{"jti":"\\ud800"}'),
        ('{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"ES256"}', None),
        ("[]", None),
        ("\ufeff{}", None),
    ],
    ids=["twice", "list", "text", "cut", "surrogate", "header twice", "header list", "header BOM"],
)
def test_attack_p03_header_and_claims_are_i_json_objects(kit: Kit, header: str | None, claims: str | None) -> None:
    """Two readers must not see two proofs in one text."""
    attempt = kit.attempt()
    attempt.proof = rewritten(attempt, header, claims)
    refused_proof(attempt, "proof_malformed")


def test_attack_p12_proof_longer_than_the_cap_is_refused_before_decoding(kit: Kit) -> None:
    """8,000 characters; the host itself takes 8,190 a header line."""
    attempt = kit.attempt()
    attempt.proof = "A" * 8001
    refused_proof(attempt, "proof_too_long")
    attempt.proof = "A" * 8000
    refused_proof(attempt, "proof_malformed")
