"""JOSE: every algorithm of the list with keys made here, and everything that is not on it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from kas import jose
from kas.encoding import b64url_decode, b64url_encode
from kas.jose import (
    ALGORITHMS,
    CURVES,
    check_rsa,
    is_valid_signature,
    parse_public_jwk,
    parse_public_key,
    sign,
    to_jwk,
)
from local.client.keys import new_proof_key, thumbprint
from tests.attacks.weak_keys import number, raw_rsa

MESSAGE = b"message"
KEYS = {alg: new_proof_key(alg) for alg in ("ES256", "ES384", "ES512", "EdDSA", "RS256")}
FAMILY = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "RS256": "RSA"}
EC = KEYS["ES256"].jwk
RSA = KEYS["RS256"].jwk
OKP = KEYS["EdDSA"].jwk


def without(jwk, name):
    return {member: value for member, value in jwk.items() if member != name}


def key_for(alg):
    return KEYS["RS256" if alg[:2] in {"RS", "PS"} else alg.replace("Ed25519", "EdDSA")].private


def signed(alg, message=MESSAGE):
    return type(KEYS["ES256"])(alg, key_for(alg)).sign(message)


def test_the_list_has_no_symmetric_algorithm_and_not_none():
    assert set(ALGORITHMS) == {
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
        "Ed25519",
    }


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_each_algorithm_verifies_its_own_signatures_and_no_altered_one(alg):
    jwk, signature = parse_public_jwk(to_public(alg)), signed(alg)
    assert is_valid_signature(alg, jwk, MESSAGE, signature)
    assert not is_valid_signature(alg, jwk, MESSAGE + b"x", signature)
    assert not is_valid_signature(alg, jwk, MESSAGE, signature[:-1])
    assert not is_valid_signature(alg, jwk, MESSAGE, signature + b"\0")
    assert not is_valid_signature(alg, jwk, MESSAGE, b"")
    assert not is_valid_signature(alg, jwk, MESSAGE, bytes(len(signature)))
    for position in (0, len(signature) // 2, len(signature) - 1):
        altered = bytearray(signature)
        altered[position] ^= 1
        assert not is_valid_signature(alg, jwk, MESSAGE, bytes(altered))


def to_public(alg):
    return {"RS": RSA, "PS": RSA}.get(alg[:2]) or KEYS[alg.replace("Ed25519", "EdDSA")].jwk


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("other", ALGORITHMS)
def test_a_signature_is_valid_under_the_algorithm_that_made_it_alone(alg, other):
    """PS256 is not RS256, ES256 is not ES384; EdDSA and Ed25519 are two names of one."""
    same = alg == other or {alg, other} == {"EdDSA", "Ed25519"}
    assert is_valid_signature(other, parse_public_jwk(to_public(alg)), MESSAGE, signed(alg)) is same


@pytest.mark.parametrize("alg", ["none", "HS256", "HS512", "ES256K", "Ed448", "RSA-OAEP", "", "es256"])
def test_nothing_is_valid_under_an_algorithm_outside_the_list(alg):
    for key in KEYS.values():
        jwk = parse_public_jwk(key.jwk)
        assert not jwk.fits(alg)
        assert not is_valid_signature(alg, jwk, MESSAGE, key.sign(MESSAGE))
        assert not is_valid_signature(alg, jwk, MESSAGE, b"")


@pytest.mark.parametrize("alg", [None, 5, ["ES256"], {"ES256": 1}, True])
def test_what_is_no_text_is_no_algorithm(alg):
    assert not parse_public_jwk(EC).fits(alg)


@pytest.mark.parametrize("alg", KEYS)
def test_a_sound_key_is_parsed_with_family_and_thumbprint(alg):
    jwk = parse_public_jwk({**KEYS[alg].jwk, "kid": "x", "use": "enc", "ext": True})
    assert (jwk.family, jwk.thumbprint) == (FAMILY[alg], thumbprint(KEYS[alg].jwk))
    assert jwk.key == parse_public_key(KEYS[alg].jwk) == KEYS[alg].private.public_key()


def test_the_thumbprint_is_that_of_rfc_7638():
    """The example of its section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    jwk = parse_public_jwk({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert jwk.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "jwk", [None, 5, "text", [], [EC], {}, {"kty": None}, {"kty": ["EC"]}, {"kty": "oct", "k": "AQ"}], ids=repr
)
def test_what_is_no_public_key_is_refused(jwk):
    for parse in (parse_public_jwk, parse_public_key):
        with pytest.raises(ValueError, match=r"object|type|private"):
            parse(jwk)


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("jwk", [EC, RSA, OKP], ids=["EC", "RSA", "OKP"])
@pytest.mark.parametrize("value", ["AQ", None, ""])
def test_a_key_with_a_private_member_is_refused_whatever_is_in_it(jwk, name, value):
    with pytest.raises(ValueError, match="private or symmetric"):
        parse_public_jwk({**jwk, name: value})


@pytest.mark.parametrize(
    ("jwk", "name"), [(EC, "x"), (EC, "y"), (EC, "crv"), (RSA, "n"), (RSA, "e"), (OKP, "x"), (OKP, "crv")]
)
def test_every_member_of_a_key_is_needed_as_text(jwk, name):
    for bad in (without(jwk, name), {**jwk, name: None}, {**jwk, name: 5}, {**jwk, name: [jwk[name]]}):
        with pytest.raises(ValueError, match="missing or malformed"):
            parse_public_jwk(bad)


@pytest.mark.parametrize(("jwk", "name"), [(EC, "x"), (EC, "y"), (RSA, "n"), (RSA, "e"), (OKP, "x")])
def test_every_number_has_one_spelling(jwk, name):
    for bad in (
        "",
        jwk[name] + "=",
        jwk[name] + "A" * 4,
        jwk[name][:-1],
        "A" + jwk[name],
        f" {jwk[name]}",
        "+/+/",
        "é",
    ):
        with pytest.raises(ValueError):
            parse_public_jwk({**jwk, name: bad})


@pytest.mark.parametrize("crv", ["", "P-255", "p-256", "secp256k1", "Ed448", "X25519", "Ed25519"])
def test_an_ec_key_of_another_curve_is_refused(crv):
    with pytest.raises(ValueError, match="unknown curve"):
        parse_public_jwk({**EC, "crv": crv})


@pytest.mark.parametrize("crv", ["P-384", "P-521"])
def test_coordinates_have_the_length_of_their_curve(crv):
    with pytest.raises(ValueError, match="coordinate length"):
        parse_public_jwk({**EC, "crv": crv})


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_attack_t15_a_point_off_the_curve_is_refused(alg):
    jwk = KEYS[alg].jwk
    size = (KEYS[alg].private.key_size + 7) // 8
    for bad in ({"x": jwk["y"], "y": jwk["x"]}, dict.fromkeys(("x", "y"), b64url_encode(bytes(size)))):
        with pytest.raises(ValueError):
            parse_public_jwk({**jwk, **bad})


def test_an_okp_key_is_ed25519_and_nothing_else():
    for crv, private in (
        ("Ed448", ed448.Ed448PrivateKey.generate()),
        ("X25519", x25519.X25519PrivateKey.generate()),
        ("P-256", ed25519.Ed25519PrivateKey.generate()),
    ):
        x = b64url_encode(private.public_key().public_bytes_raw())
        with pytest.raises(ValueError, match="unknown curve"):
            parse_public_jwk({"kty": "OKP", "crv": crv, "x": x})
    for size in (0, 31, 33, 57):
        with pytest.raises(ValueError):
            parse_public_jwk({**OKP, "x": b64url_encode(bytes(size))})


@pytest.mark.parametrize(
    ("bits", "e"),
    [(1024, 65537), (2040, 65537), (6144, 65537), (2048, 3), (2048, 257), (2048, 65535), (2048, 65538), (2048, 1)],
)
def test_attack_t16_a_weak_rsa_key_is_refused(bits, e):
    with pytest.raises(ValueError):
        parse_public_jwk(raw_rsa(bits, e).jwk)


@pytest.mark.parametrize("bits", [2048, 4096])
def test_rsa_of_2048_to_4096_bits_is_accepted(bits):
    jwk = parse_public_jwk(raw_rsa(bits).jwk)
    assert jwk.fits("RS256")


def test_an_rsa_exponent_has_at_most_64_bits():
    """With a longer one OpenSSL would not encrypt to a large modulus, long after the key was accepted."""
    n = raw_rsa().n
    assert parse_public_jwk({"kty": "RSA", "n": number(n), "e": number(2**63 + 1)}).family == "RSA"
    with pytest.raises(ValueError, match=r"^RSA exponent too long$"):
        parse_public_jwk({"kty": "RSA", "n": number(n), "e": number(2**64 + 1)})


def test_rsa_numbers_have_no_leading_zero_and_an_odd_modulus():
    n = int.from_bytes(b"\xc1" * 256, "big")
    for bad in ({"n": b64url_encode(b"\0" + n.to_bytes(256, "big"))}, {"e": "AAEAAQ"}):
        with pytest.raises(ValueError, match="RSA number encoding"):
            parse_public_jwk({"kty": "RSA", "n": number(n), "e": "AQAB", **bad})
    with pytest.raises(ValueError):
        parse_public_jwk({"kty": "RSA", "n": number(n + 1), "e": "AQAB"})


@pytest.mark.parametrize(("n", "e"), [(1 << 2047, 65537), ((1 << 2047) + 1, 65538)])
def test_an_even_modulus_or_exponent_is_refused_by_our_own_check(n, e):
    class Key:
        key_size = 2048

        def public_numbers(self):
            return rsa.RSAPublicNumbers(e, n)

    with pytest.raises(ValueError, match=r"^RSA modulus or exponent$"):
        check_rsa(Key())


@pytest.mark.parametrize("bits", [2047, 4097])
def test_the_operator_reads_that_the_size_of_a_key_is_wrong(bits):
    """What is wrong with a configured key stands in the line that ends the start."""

    class Key:
        key_size = bits

        def public_numbers(self):
            return rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1)

    with pytest.raises(ValueError, match=r"^RSA key size$"):
        check_rsa(Key())


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_our_own_signatures_are_r_and_s_not_der(alg):
    private = key_for(alg)
    signature = sign(alg, private, MESSAGE)
    assert len(signature) == 2 * ((private.key_size + 7) // 8)
    assert is_valid_signature(alg, parse_public_jwk(KEYS[alg].jwk), MESSAGE, signature)
    with pytest.raises(ValueError):
        decode_dss_signature(signature)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "RS256"])
def test_a_key_survives_being_written_and_read(alg):
    public = KEYS[alg].private.public_key()
    assert parse_public_jwk(to_jwk(public)).key == public
    assert to_jwk(public) == KEYS[alg].jwk


@given(st.integers(min_value=1, max_value=2**64), st.sampled_from(sorted(CURVES)))
def test_every_point_is_written_at_full_length(scalar, crv):
    public = ec.derive_private_key(scalar, CURVES[crv]).public_key()
    assert parse_public_jwk(to_jwk(public)).key == public


def _ed25519_order(y: int) -> int:
    """The order of a point of RFC 8032 §5.1 with this y coordinate, by adding it up; 9 for more than 8."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
    x = pow(square, (p + 3) // 8, p)
    if x * x % p != square:
        x = x * pow(2, (p - 1) // 4, p) % p
    assert x * x % p == square, "not on the curve"
    point = total = (x, y)
    for order in range(1, 9):
        if total == (0, 1):
            return order
        k = d * total[0] * point[0] * total[1] * point[1]
        total = (
            (total[0] * point[1] + total[1] * point[0]) * pow(1 + k, -1, p) % p,
            (total[1] * point[1] + total[0] * point[0]) * pow(1 - k, -1, p) % p,
        )
    return 9


SMALL = [0, 1, 2**255 - 20, jose._ED25519_ORDER_8, 2**255 - 19 - jose._ED25519_ORDER_8]


@pytest.mark.parametrize("y", SMALL)
@pytest.mark.parametrize("sign", [0, 1])
def test_attack_p05_an_ed25519_key_of_small_order_proves_nothing_and_is_refused(y, sign):
    """Anybody can write down signatures under it, over any message."""
    assert _ed25519_order(y) in {1, 2, 4, 8}
    x = b64url_encode((y | sign << 255).to_bytes(32, "little"))
    with pytest.raises(ValueError, match="small order"):
        jose.parse_public_jwk({"kty": "OKP", "crv": "Ed25519", "x": x})


def test_there_are_no_other_points_of_small_order():
    assert sorted(_ed25519_order(y) for y in SMALL) == [1, 2, 4, 8, 8]
    assert set(SMALL) == jose._ED25519_SMALL_ORDER


@pytest.mark.parametrize("y", [2**255 - 19, 2**255 - 18])
def test_an_ed25519_key_that_is_not_reduced_is_refused(y):
    with pytest.raises(ValueError, match="not reduced"):
        jose.parse_public_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(y.to_bytes(32, "little"))})


def test_a_coordinate_beyond_the_prime_of_the_curve_is_refused():
    """Else one key would have several thumbprints."""
    key, prime = KEYS["ES512"].jwk, 2**521 - 1
    for name in ("x", "y"):
        beyond = int.from_bytes(b64url_decode(key[name]), "big") + prime
        if beyond.bit_length() <= 66 * 8:
            with pytest.raises(ValueError, match=r".+"):
                jose.parse_public_jwk(key | {name: b64url_encode(beyond.to_bytes(66, "big"))})
    assert jose.parse_public_jwk(key)
