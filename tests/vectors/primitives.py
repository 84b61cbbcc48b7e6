"""The primitives of ACP-240 §2 with their randomness as an argument: a third implementation, of neither side.

Everything here is written so that the same inputs give the same bytes: ECDSA is RFC 6979's, the OAEP seed, the
ephemeral key and the GCM nonce are parameters. For test vectors only: real randomness must never be chosen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Jwk = dict[str, str]
PUBLIC = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
HASH_BYTES = 32


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Any) -> bytes:
    return rfc8785.dumps(value)


def hash_url(data: bytes) -> str:
    return b64url(hashlib.sha256(data).digest())


def public(jwk: Jwk) -> Jwk:
    """The public half, required members only."""
    return {name: jwk[name] for name in PUBLIC[jwk["kty"]]}


def thumbprint(jwk: Jwk) -> str:
    return hash_url(canonical(public(jwk)))


def ec_key(jwk: Jwk) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(from_b64url(jwk["d"]), "big"), ec.SECP256R1())


def rsa_numbers(jwk: Jwk) -> tuple[int, int]:
    return int.from_bytes(from_b64url(jwk["n"]), "big"), int.from_bytes(from_b64url(jwk["e"]), "big")


def ec_jwk(key: ec.EllipticCurvePrivateKey) -> Jwk:
    """A P-256 private JWK."""
    numbers, size = key.private_numbers(), HASH_BYTES
    point = numbers.public_numbers
    x, y, d = (b64url(value.to_bytes(size, "big")) for value in (point.x, point.y, numbers.private_value))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d}


def rsa_jwk(key: rsa.RSAPrivateKey) -> Jwk:
    """An RSA private JWK with all of its members."""
    numbers = key.private_numbers()
    values = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    encoded = {name: b64url(value.to_bytes((value.bit_length() + 7) // 8, "big")) for name, value in values.items()}
    return {"kty": "RSA", **encoded}


def spki_pem(jwk: Jwk) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return ec_key(jwk).public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def es256_der(jwk: Jwk, message: bytes) -> bytes:
    """An ECDSA signature with the nonce of RFC 6979, as DER: what JOSE does not take."""
    return ec_key(jwk).sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def es256(jwk: Jwk, message: bytes) -> bytes:
    """The same as R‖S (RFC 7518 §3.4)."""
    r, s = decode_dss_signature(es256_der(jwk, message))
    return r.to_bytes(HASH_BYTES, "big") + s.to_bytes(HASH_BYTES, "big")


def compact_jws(jwk: Jwk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    signing_input = ".".join(b64url(part) for part in parts)
    return f"{signing_input}.{b64url(es256(jwk, signing_input.encode()))}"


def bind(material: bytes, policy: Any) -> str:
    """``policyBinding``."""
    return b64(hmac.digest(material, canonical(policy), "sha256"))


def oaep_sha256(jwk: Jwk, material: bytes, seed: bytes) -> bytes:
    """RSA-OAEP of RFC 8017 §7.1.1 with SHA-256, MGF1 with SHA-256, the empty label and this seed of 32 bytes."""
    modulus, exponent = rsa_numbers(jwk)
    size = (modulus.bit_length() + 7) // 8
    block = hashlib.sha256(b"").digest() + bytes(size - len(material) - 2 * HASH_BYTES - 2) + b"\x01" + material
    masked_block = _xor(block, _mgf1(seed, len(block)))
    masked_seed = _xor(seed, _mgf1(masked_block, HASH_BYTES))
    message = int.from_bytes(b"\0" + masked_seed + masked_block, "big")
    return pow(message, exponent, modulus).to_bytes(size, "big")


def _mgf1(seed: bytes, size: int) -> bytes:
    blocks = (hashlib.sha256(seed + counter.to_bytes(4, "big")).digest() for counter in range(-(-size // HASH_BYTES)))
    return b"".join(blocks)[:size]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def ecdh_steps(ephemeral: Jwk, receiving: Jwk, nonce: bytes, material: bytes) -> dict[str, str]:
    """``ECDH-HKDF-A256GCM``, every step of it in hexadecimal."""
    shared = ec_key(ephemeral).exchange(ec.ECDH(), ec_key(receiving).public_key())
    salt = hashlib.sha256(b"TDF").digest()
    key = HKDF(hashes.SHA256(), 32, salt=salt, info=b"").derive(shared)
    sealed = AESGCM(key).encrypt(nonce, material, None)
    return {
        "sharedX": shared.hex(),
        "hkdfSalt": salt.hex(),
        "hkdfKey": key.hex(),
        "nonce": nonce.hex(),
        "ciphertextAndTag": sealed.hex(),
        "kasWrappedKey": b64(nonce + sealed),
    }
