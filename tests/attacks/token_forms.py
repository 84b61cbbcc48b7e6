"""What attackers write into an access token, as data and as functions of its text, for the tests of every route."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from local.client.encoding import b64, b64url
from local.client.keys import ProofKey
from tests.attacks.token_refusals import decoded
from tests.fake_issuer import FakeIssuer
from tests.kit import Kit

# ---- Header

ODD_KIDS = [
    "../../etc/passwd",
    "/dev/null",
    "http://127.0.0.1/key",
    "' OR 1=1 --",
    "key\u0000",
    "é",
    "",
    " ",
    "k" * 300,
    "k" * 5000,
    0,
    -1,
    1.5,
    True,
    [],
    ["kid"],
    {"kid": "kid"},
]
EXTENSIONS = [
    {"crit": ["exp"], "exp": 1},
    {"crit": ["http://example/unknown"]},
    {"crit": []},
    {"crit": "exp"},
    {"crit": False},
    {"crit": ["b64"], "b64": False},
    {"crit": ["b64"], "b64": True},
    {"b64": False},
    {"b64": True},
    {"zip": "DEF"},
    {"zip": ""},
]
SECRET_FORMS = ["pem", "der", "jwk", "x"]


def issuer_key(kit: Kit) -> dict[str, Any]:
    """The provider's own public key."""
    found: dict[str, Any] = kit.http("GET", f"{kit.world.provider.base}/jwks.json").json()["keys"][0]
    return found


def public_secrets(jwk: dict[str, Any]) -> dict[str, bytes]:
    """What a verifier may take for an HMAC secret when it has an EC public key; one of each of `SECRET_FORMS`."""
    public = ECAlgorithm.from_jwk(jwk)
    pem, der = (public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo) for form in (Encoding.PEM, Encoding.DER))
    return {"pem": pem, "der": der, "jwk": json.dumps(jwk).encode(), "x": jwk["x"].encode() * 2}


def private_jwk(key: ProofKey) -> dict[str, Any]:
    """The key with its secret, for the provider to sign with."""
    algorithm = RSAAlgorithm if key.alg.startswith(("RS", "PS")) else ECAlgorithm
    found: dict[str, Any] = algorithm.to_jwk(key.private, as_dict=True)
    return found


def embedded(own: FakeIssuer) -> dict[str, Any]:
    """Every way to bring the first key of ``own`` along."""
    jwk, url = own.keys[0], f"{own.issuer}/jwks"
    public = ECAlgorithm.from_jwk(jwk).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"jwk": jwk, "jku": url, "x5u": url, "x5c": [b64(public)], "x5t": "x", "x5t#S256": "x"}


# ---- Bytes

# Templates of a header's text: {0} is the good one without its first brace, {1} without both.
TWICE_IN_HEADER = [
    '{{"alg":"none",{0}',
    '{{{1},"alg":"none"}}',
    '{{{1},"kid":"k"}}',
    '{{{1},"x":{{"y":1,"y":2}}}}',
    '{{{1},"\\u0061lg":"x"}}',
]
NO_CLAIMS = ["", "[]", '"text"', "5", "null", "{", "{}{}", "{'a':1}", "\ufeff{}", '{"a":"\\ud800"}']
NO_HEADER = [b"[]", b"", b"null", b'"ES256"', b"{", b"\xff\xfe", b'{"alg":"ES256"', b'{"a":' * 3 + b"}"]
SUFFIXES = ["=", "==", "===", "====", "A", "!", "%3D", "\u00e9", "+", "/"]
# Of the three parts of a good token, and which of them are refused later than for their form.
OTHER_PARTS = [
    "x",
    ".",
    "..",
    "...",
    "....",
    "a.b",
    "a.b.c",
    ".{1}.{2}",
    "{0}..{2}",
    "{0}.{1}",
    "{0}.{1}.",
    "{0}.{1}.{2}.",
    "{0}.{1}.{2}.{2}",
    "{0}.{1}.{2}.{2}.{2}",
    "{1}.{0}.{2}",
    "{0}.{0}.{2}",
    '{{"alg":"ES256"}}',
    "-",
    "_._._",
]
OTHER_CODES = {
    "{0}.{1}.": "token_signature_invalid",
    "{1}.{0}.{2}": "token_alg_not_allowed",
    "{0}.{0}.{2}": "issuer_unknown",
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def rewritten_header(head: str, template: str) -> str:
    """The encoded header with its text put into one of `TWICE_IN_HEADER`."""
    text = decoded(head).decode()
    return b64url(template.format(text[1:], text[1:-1]).encode())


def with_stray_bits(part: str) -> str:
    """The same bytes under another spelling: the last character has bits that no byte takes."""
    return part[:-1] + ALPHABET[ALPHABET.index(part[-1]) + 1]


def with_suffix(token: str, part: int, suffix: str) -> str:
    """The token with one of `SUFFIXES` after one of its parts."""
    parts = token.split(".")
    if suffix == "A":  # one character more than whole bytes
        suffix = "A" * ((1 - len(parts[part])) % 4 or 4)
    parts[part] += suffix
    return ".".join(parts)


# ---- Signature

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


def numbers(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


DEGENERATE = {
    "zeros": numbers(0, 0),
    "r-zero": numbers(0, 1),
    "s-zero": numbers(1, 0),
    "order": numbers(ORDER, ORDER),
    "r-order": numbers(ORDER, 1),
    "ones": numbers(1, 1),
    "all-bits": b"\xff" * 64,
    "none": b"",
    "short": b"\0" * 63,
    "long": b"\0" * 65,
    "of-p384": b"\0" * 96,
    "one-byte": b"\0",
}


def as_der(signature: str) -> str:
    """An encoded ECDSA signature in ASN.1's form."""
    raw = decoded(signature)
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    return b64url(encode_dss_signature(r, s))


# ---- Length

MAX_TOKEN_CHARS = 8000
UNPADDED = {"header": {"pad": ""}, "claims": {"pad": ""}}


def padded_to(unpadded: str, chars: int) -> dict[str, Any]:
    """The override that makes of a token with `UNPADDED` one of exactly ``chars`` characters."""
    head, payload, signature = (len(decoded(part)) for part in unpadded.split("."))
    for extra in range(4):
        rest = chars - 2 - sum(-(-8 * size // 6) for size in (head + extra, signature))
        if rest % 4 != 1:
            return {"header": {"pad": "x" * extra}, "claims": {"pad": "x" * (rest * 6 // 8 - payload)}}
    raise AssertionError
