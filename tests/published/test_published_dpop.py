"""RFC 9449: the proofs of §4.1 and §7.1, the token of §7.1 and the binding of §6.1."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth.dpop import VerifiedProof, verify_possession, verify_proof
from kas.encoding import sha256_b64url
from kas.errors import InvalidProof, ProofKeyMismatch, ProofMethodMismatch, ProofTimeInvalid, ProofTokenMismatch

HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRj"
    "QyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
AT_TOKEN_ENDPOINT = (
    f"{HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
    "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
AT_RESOURCE = (
    f"{HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90"
    "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
ATH = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
RESOURCE = "https://resource.example.org/protectedresource"

GOOD: dict[str, Any] = {
    "jkt": JKT,
    "token_hash": ATH,
    "method": "GET",
    "uris": frozenset({RESOURCE}),
    "now": 1562262618.0,
}


def verify(**changes: Any) -> VerifiedProof:
    return verify_proof(changes.pop("proof", AT_RESOURCE), **{**GOOD, **changes})


def test_published_proof_at_the_token_endpoint_is_accepted() -> None:
    """RFC 9449 §4.1: possession of the key of §6.1's ``jkt``."""
    proof = verify_possession(
        AT_TOKEN_ENDPOINT,
        required_jkt=JKT,
        method="POST",
        uris=frozenset({"https://server.example.com/token"}),
        now=1562262616.0,
    )
    assert (proof.jkt, proof.jti) == (JKT, "-BwC3ESc6acc2lTc")


def test_published_token_hash() -> None:
    """RFC 9449 §7.1: ``ath`` of the example token."""
    assert sha256_b64url(ACCESS_TOKEN.encode()) == ATH


def test_published_proof_at_the_resource_is_accepted() -> None:
    """RFC 9449 §7.1: proof, token and binding belong together."""
    proof = verify()
    assert (proof.jkt, proof.jti, proof.unverified_nonce) == (JKT, "e1j3V_bKic8-LAEB", None)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"jkt": "A" * 43}, ProofKeyMismatch),
        ({"token_hash": sha256_b64url(b"another token")}, ProofTokenMismatch),
        (
            {"proof": AT_TOKEN_ENDPOINT, "method": "POST", "uris": {"https://server.example.com/token"}},
            ProofTokenMismatch,
        ),
        ({"method": "POST"}, ProofMethodMismatch),
        ({"now": GOOD["now"] + 61}, ProofTimeInvalid),
        ({"now": GOOD["now"] - 11}, ProofTimeInvalid),
    ],
    ids=["other key", "other token", "without ath", "other method", "late", "early"],
)
def test_published_proof_is_refused_anywhere_else(change: dict[str, Any], refusal: type[InvalidProof]) -> None:
    """The same proof for another key, token, method or time."""
    with pytest.raises(refusal):
        verify(**change)
