"""RFC 7515 appendix A, RFC 7638 §3.1 and RFC 8037 appendix A: what the documents print is what we compute."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth.access_token import verify_access_token
from kas.encoding import b64url_decode
from kas.errors import TokenAlgorithmRefused
from kas.jose import is_valid_signature, parse_compact_jws, parse_public_jwk

CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

HS256_KEY = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
}
A1_HS256 = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
A5_NONE = f"eyJhbGciOiJub25lIn0.{CLAIMS}."

RS256_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS"
    "-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6"
    "65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuX"
    "poQ",
    "e": "AQAB",
}
RS256_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dn"
    "ZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC"
    "-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
ES256_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ES256_SIGNATURE = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
ES512_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
ES512_SIGNATURE = (
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX"
    "3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
ED25519_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED25519_SIGNATURE = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

EXAMPLES = {
    "RFC 7515 A.2": ("RS256", RS256_KEY, f"eyJhbGciOiJSUzI1NiJ9.{CLAIMS}", RS256_SIGNATURE),
    "RFC 7515 A.3": ("ES256", ES256_KEY, f"eyJhbGciOiJFUzI1NiJ9.{CLAIMS}", ES256_SIGNATURE),
    "RFC 7515 A.4": ("ES512", ES512_KEY, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", ES512_SIGNATURE),
    "RFC 8037 A.4": (
        "EdDSA",
        ED25519_KEY,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        ED25519_SIGNATURE,
    ),
}
THUMBPRINT_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
    "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqD"
    "Kgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}

published = pytest.mark.parametrize(("alg", "jwk", "signing_input", "signature"), EXAMPLES.values(), ids=EXAMPLES)


@published
def test_published_signature_verifies(alg: str, jwk: dict[str, Any], signing_input: str, signature: str) -> None:
    """The signature that the document prints is one of its key."""
    assert is_valid_signature(alg, parse_public_jwk(jwk), signing_input.encode(), b64url_decode(signature))


@published
def test_published_signature_with_one_bit_changed_fails(
    alg: str, jwk: dict[str, Any], signing_input: str, signature: str
) -> None:
    """One bit of the signature, or of what is signed, is enough to refuse it."""
    key, good, message = parse_public_jwk(jwk), bytearray(b64url_decode(signature)), bytearray(signing_input.encode())
    good[-1] ^= 1
    assert not is_valid_signature(alg, key, bytes(message), bytes(good))
    good[-1] ^= 1
    message[-1] ^= 1
    assert not is_valid_signature(alg, key, bytes(message), bytes(good))


@published
def test_published_key_serves_its_own_algorithm_only(
    alg: str, jwk: dict[str, Any], signing_input: str, signature: str
) -> None:
    """The same key and signature under the algorithm of another example are refused."""
    key = parse_public_jwk(jwk)
    for other in {example[0] for example in EXAMPLES.values()} - {alg}:
        assert not is_valid_signature(other, key, signing_input.encode(), b64url_decode(signature))


@pytest.mark.parametrize("name", ["RFC 7515 A.2", "RFC 7515 A.3"])
def test_published_token_parses_into_what_the_document_says(name: str) -> None:
    """White space and escapes in the published claims survive as RFC 7515 reads them."""
    alg, _, signing_input, signature = EXAMPLES[name]
    jws = parse_compact_jws(f"{signing_input}.{signature}")
    assert jws.unverified_header == {"alg": alg}
    assert jws.unverified_claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert jws.signing_input == signing_input.encode()


@pytest.mark.parametrize("token", [A1_HS256, A5_NONE], ids=["RFC 7515 A.1 HS256", "RFC 7515 A.5 none"])
def test_published_token_without_asymmetric_signature_is_refused(token: str) -> None:
    """Genuine as RFC 7515 sees it, and nevertheless no token here, before an issuer or a key is looked for."""

    def find_key(*_: object) -> None:
        raise AssertionError("a key was looked for")

    with pytest.raises(TokenAlgorithmRefused):
        verify_access_token(token, issuers={}, find_key=find_key, now=1300819370)


def test_published_symmetric_key_is_no_public_key() -> None:
    """RFC 7515 A.1's key would verify HS256; it does not even parse."""
    with pytest.raises(ValueError, match="private or symmetric"):
        parse_public_jwk(HS256_KEY)


def test_published_payload_that_is_no_json_object_is_no_token() -> None:
    """RFC 7515 A.4 signs the word "Payload": a good signature, but never claims."""
    with pytest.raises(ValueError, match="I-JSON"):
        parse_compact_jws(f"{EXAMPLES['RFC 7515 A.4'][2]}.{ES512_SIGNATURE}")


@pytest.mark.parametrize(
    ("jwk", "thumbprint"),
    [
        (THUMBPRINT_KEY, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ED25519_KEY, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ],
    ids=["RFC 7638 §3.1", "RFC 8037 A.3"],
)
def test_published_thumbprint(jwk: dict[str, Any], thumbprint: str) -> None:
    """Only the required members count, in their order."""
    assert parse_public_jwk(jwk).thumbprint == thumbprint
