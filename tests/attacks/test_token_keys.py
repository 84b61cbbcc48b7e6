"""T3, T4, T15, T16: which of the keys that a trusted issuer publishes verify a token, and for which algorithm."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519

from local.client.encoding import b64url
from local.client.keys import ProofKey, new_proof_key
from tests.attacks.token_refusals import admit, refuse_token
from tests.attacks.weak_keys import number, raw_rsa
from tests.fake_issuer import FakeIssuers, fake_issuers, trusting_kit

OWN_ALGORITHM = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
ES = {"ES256", "ES384", "ES512"}
FAMILIES = [{"ES256"}, {"ES384"}, {"ES512"}, {"EdDSA", "Ed25519"}, {alg for alg in OWN_ALGORITHM if alg[1] == "S"} - ES]
MISFITS = [(f"any-{min(own)}", alg) for own in FAMILIES for alg in OWN_ALGORITHM if alg not in own]
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1  # its field


def coordinates(key):
    return {name: base64.urlsafe_b64decode(key.jwk[name] + "==") for name in ("x", "y")}


def ec_with(kind="ES256", /, **change):
    """A key whose published form is changed; ``change`` maps a member to a function of its bytes or to a value."""
    key = new_proof_key(kind)
    numbers = coordinates(key)
    return key, {name: b64url(value(numbers[name])) if callable(value) else value for name, value in change.items()}


def other_curve():
    private = ec.generate_private_key(ec.SECP256K1())
    point = private.public_key().public_numbers()
    return {"x": b64url(point.x.to_bytes(32, "big")), "y": b64url(point.y.to_bytes(32, "big"))}


def okp(crv, public):
    return {"kty": "OKP", "crv": crv, "x": b64url(public.public_bytes_raw()), "y": None}


# Name -> a signing key and what its published form says instead.
UNSOUND_CURVES = {
    "off-curve-y": lambda: ec_with(y=lambda y: bytes([*y[:-1], y[-1] ^ 1])),
    "off-curve-x": lambda: ec_with(x=lambda x: bytes([*x[:-1], x[-1] ^ 1])),
    "swapped": lambda: (key := new_proof_key(), {"x": key.jwk["y"], "y": key.jwk["x"]}),
    "zero": lambda: ec_with(x=lambda _x: bytes(32), y=lambda _y: bytes(32)),
    "beyond-field": lambda: ec_with(x=lambda _x: P256.to_bytes(32, "big"), y=lambda _y: b"\xff" * 32),
    "p384-as-p256": lambda: ec_with("ES384", crv="P-256", alg="ES256"),
    "p256-as-p384": lambda: ec_with(crv="P-384", alg="ES384"),
    "p256-as-p521": lambda: ec_with(crv="P-521", alg="ES512"),
    "k1-as-p256": lambda: (new_proof_key(), other_curve()),
    "k1": lambda: (new_proof_key(), other_curve() | {"crv": "secp256k1"}),
    "crv-case": lambda: ec_with(crv="p-256"),
    "crv-oid": lambda: ec_with(crv="secp256r1"),
    "crv-list": lambda: ec_with(crv=["P-256"]),
    "crv-missing": lambda: ec_with(crv=None),
    "kty-case": lambda: ec_with(kty="ec"),
    "kty-rsa": lambda: ec_with(kty="RSA"),
    "kty-okp": lambda: ec_with(kty="OKP"),
    "kty-list": lambda: ec_with(kty=["EC"]),
    "kty-missing": lambda: ec_with(kty=None),
    "y-missing": lambda: ec_with(y=None),
    "x-number": lambda: ec_with(x=5),
    "x-long": lambda: ec_with(x=lambda x: b"\0" + x),
    "x-short": lambda: ec_with(x=lambda x: x[1:]),
    "x-padded": lambda: (key := new_proof_key(), {"x": key.jwk["x"] + "="}),
    "private": lambda: ec_with(d=b64url(b"\1" * 32)),
    "symmetric": lambda: (new_proof_key(), {"kty": "oct", "k": b64url(b"\1" * 32)}),
    "ed448": lambda: (new_proof_key("EdDSA"), okp("Ed448", ed448.Ed448PrivateKey.generate().public_key())),
    "x25519": lambda: (new_proof_key("EdDSA"), okp("X25519", x25519.X25519PrivateKey.generate().public_key())),
    "ed25519-short": lambda: (new_proof_key("EdDSA"), {"x": b64url(bytes(31))}),
    "ed25519-long": lambda: (new_proof_key("EdDSA"), {"x": b64url(bytes(33))}),
}
WEAK_RSA = {
    "rsa-1024": lambda: (raw_rsa(1024), {}),
    "rsa-2040": lambda: (raw_rsa(2040), {}),
    "rsa-6144": lambda: (raw_rsa(6144), {}),
    "rsa-8192": lambda: (raw_rsa(8192), {}),
    "e-1": lambda: (raw_rsa(e=1), {}),
    "e-3": lambda: (raw_rsa(e=3), {}),
    "e-257": lambda: (raw_rsa(e=257), {}),
    "e-65535": lambda: (raw_rsa(e=65535), {}),
    "e-0": lambda: (raw_rsa(e=0), {}),
    "e-even": lambda: (raw_rsa(e=65538), {}),
    "e-long": lambda: (raw_rsa(e=2**256 + 1), {}),
    "e-leading-zero": lambda: (raw_rsa(), {"e": b64url(b"\0\1\0\1")}),
    "n-leading-zero": lambda: (key := raw_rsa(), {"n": b64url(b"\0" + key.n.to_bytes(256, "big"))}),
    "n-even": lambda: (key := raw_rsa(), {"n": number(key.n + 1)}),
    "n-empty": lambda: (raw_rsa(), {"n": ""}),
    "e-missing": lambda: (raw_rsa(), {"e": None}),
    "rsa-private": lambda: (key := raw_rsa(), {"d": number(key.d)}),
    "rsa-prime": lambda: (raw_rsa(), {"p": number(3)}),
    "rsa-others": lambda: (raw_rsa(), {"oth": []}),
}
SOUND_RSA = {
    "rsa-2048": lambda: (raw_rsa(), {}),
    "rsa-4096": lambda: (raw_rsa(4096), {}),
    "e-65539": lambda: (raw_rsa(e=65539), {}),
}
NOT_FOR_SIGNATURES = {
    "use-enc": {"use": "enc"},
    "use-case": {"use": "SIG"},
    "use-list": {"use": ["sig"]},
    "ops-sign": {"key_ops": ["sign"]},
    "ops-encrypt": {"key_ops": ["encrypt", "wrapKey"]},
    "ops-empty": {"key_ops": []},
    "ops-text": {"key_ops": "verify"},
    "alg-number": {"alg": 256},
    "alg-list": {"alg": ["ES256"]},
}
SOUND = {
    "no-use": {"use": None},
    "no-alg": {"alg": None},
    "ops-verify": {"key_ops": ["verify"]},
    "unknown-member": {"x5t": "anything", "ext": True},
}


@pytest.fixture(scope="module")
def issuers() -> Iterator[FakeIssuers]:
    """Issuers with one sound key ``good`` each and all the keys of the tables."""
    with fake_issuers("algorithms", "curves", "rsa", "uses", "twice") as issuers:
        for name, cases in (("curves", UNSOUND_CURVES), ("rsa", WEAK_RSA | SOUND_RSA)):
            for kid, make in cases.items():
                key, members = make()
                issuers[name].publish(kid, key, **members)
        for kid, members in (NOT_FOR_SIGNATURES | SOUND).items():
            issuers["uses"].publish(kid, new_proof_key(), **members)
        for alg in OWN_ALGORITHM:
            issuers["algorithms"].publish(alg, new_proof_key(alg))
            issuers["algorithms"].publish(f"any-{alg}", new_proof_key(alg), alg=None)
        publish_twice(issuers["twice"])
        for issuer in issuers.values():
            issuer.publish("good", new_proof_key())
        yield issuers


def publish_twice(issuer):
    """Each kid names two keys; the second one is whose signatures `FakeIssuer.token` makes."""
    for kid, first, members in (
        ("two-keys", new_proof_key(), {}),
        ("two-kinds", new_proof_key("RS256"), {}),
        ("one-unusable", new_proof_key(), {"use": "enc"}),
        ("one-unsound", new_proof_key(), {"crv": "P-384"}),
        ("one-unknown", new_proof_key(), {"kty": "future"}),
    ):
        issuer.publish(kid, first, **members)
        issuer.publish(kid, new_proof_key())
    same = new_proof_key()
    issuer.publish("same-key", same)
    issuer.publish("same-key", same)
    issuer.publish("k" * 256, new_proof_key())
    issuer.publish("k" * 257, new_proof_key())
    issuer.keys += [new_proof_key().jwk, {**new_proof_key().jwk, "kid": 7}, {"kid": "bare"}, {}, None, 5, "text", []]


@pytest.fixture(scope="module")
def kit(issuers, tmp_path_factory):
    """A KAS that trusts them."""
    with trusting_kit(tmp_path_factory.mktemp("keys"), issuers) as running:
        yield running


@pytest.mark.parametrize("alg", OWN_ALGORITHM)
def test_attack_t03_every_algorithm_of_the_list_works_with_a_key_of_its_own(kit, issuers, alg):
    admit(issuers["algorithms"].attempt(kit, alg))
    admit(issuers["algorithms"].attempt(kit, f"any-{alg}"))


@pytest.mark.parametrize(("kid", "alg"), MISFITS)
def test_attack_t03_a_key_serves_no_other_family_or_curve(kit, issuers, kid, alg):
    refuse_token(issuers["algorithms"].attempt(kit, kid, header={"alg": alg}), "token_key_unfit")


@pytest.mark.parametrize(
    ("kid", "alg"),
    [("RS256", "PS256"), ("RS256", "RS512"), ("PS256", "RS256"), ("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")],
)
def test_attack_t03_a_key_with_alg_serves_that_algorithm_alone(kit, issuers, kid, alg):
    issuer, signer = issuers["algorithms"], issuers["algorithms"].signers[kid]
    issuer.signers["other"] = ProofKey(alg, signer.private)
    refuse_token(issuer.attempt(kit, "other", header={"kid": kid}), "token_key_unfit")


@pytest.mark.parametrize(
    ("said", "done"), [("PS256", "RS256"), ("RS256", "PS256"), ("RS256", "RS512"), ("PS512", "PS256")]
)
def test_attack_t03_padding_and_hash_are_those_that_the_header_says(kit, issuers, said, done):
    issuer = issuers["algorithms"]
    issuer.signers["other"] = ProofKey(done, issuer.signers["any-RS256"].private)
    header = {"kid": "any-RS256", "alg": said}
    refuse_token(issuer.attempt(kit, "other", header=header), "token_signature_invalid")
    admit(issuer.attempt(kit, "other", header={"kid": "any-RS256"}))


@pytest.mark.parametrize("kid", ["two-keys", "two-kinds", "one-unusable", "one-unsound", "one-unknown", "same-key"])
def test_attack_t04_a_kid_that_the_issuer_has_twice_names_no_key(kit, issuers, kid):
    refuse_token(issuers["twice"].attempt(kit, kid), "token_key_unknown")


def test_attack_t04_a_kid_may_have_256_characters_and_no_more(kit, issuers):
    admit(issuers["twice"].attempt(kit, "k" * 256))
    refuse_token(issuers["twice"].attempt(kit, "k" * 257), "token_key_unknown")


def test_attack_t04_a_kid_of_another_issuer_names_nothing(kit, issuers):
    attempt = issuers["algorithms"].attempt(kit, "ES256", iss=issuers["twice"].issuer)
    refuse_token(attempt, "token_key_unknown")


@pytest.mark.parametrize("kid", UNSOUND_CURVES)
def test_attack_t15_an_unsound_key_of_the_issuer_verifies_nothing(kit, issuers, kid):
    alg = issuers["curves"].keys[list(UNSOUND_CURVES).index(kid)].get("alg")
    refuse_token(issuers["curves"].attempt(kit, kid, header={"alg": alg}), "token_key_unknown")


@pytest.mark.parametrize("kid", WEAK_RSA)
def test_attack_t16_a_weak_or_odd_rsa_key_verifies_nothing(kit, issuers, kid):
    refuse_token(issuers["rsa"].attempt(kit, kid), "token_key_unknown")


@pytest.mark.parametrize("kid", SOUND_RSA)
def test_attack_t16_a_sound_rsa_key_verifies(kit, issuers, kid):
    admit(issuers["rsa"].attempt(kit, kid))


@pytest.mark.parametrize("name", ["curves", "rsa", "uses", "twice", "algorithms"])
def test_attack_t16_bad_keys_beside_it_do_not_spoil_a_good_one(kit, issuers, name):
    admit(issuers[name].attempt(kit, "good"))


@pytest.mark.parametrize("kid", NOT_FOR_SIGNATURES)
def test_attack_t03_a_key_for_another_use_verifies_nothing(kit, issuers, kid):
    refuse_token(issuers["uses"].attempt(kit, kid), "token_key_unknown")


@pytest.mark.parametrize("kid", SOUND)
def test_attack_t03_what_a_key_need_not_say_does_not_matter(kit, issuers, kid):
    admit(issuers["uses"].attempt(kit, kid))
