"""Key sets that an issuer should not have: weak, off the curve, of another use, twice under one kid; sound ones beside."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519

from local.client.encoding import b64url
from local.client.keys import new_proof_key
from tests.attacks.weak_keys import number, raw_rsa
from tests.fake_issuer import FakeIssuer, FakeIssuers

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


# Kids of `publish_twice`.
TWICE = ["two-keys", "two-kinds", "one-unusable", "one-unsound", "one-unknown", "same-key"]
ISSUERS = ("algorithms", "curves", "rsa", "uses", "twice")


def publish_all(issuers: FakeIssuers) -> None:
    """Gives each of `ISSUERS` the keys of its table under their names, and one sound key ``good``."""
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


def algorithm_said(issuer: FakeIssuer, kid: str) -> object:
    """The ``alg`` that the published form of a key has."""
    return next(key.get("alg") for key in issuer.keys if key["kid"] == kid)


def publish_twice(issuer: FakeIssuer) -> None:
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
