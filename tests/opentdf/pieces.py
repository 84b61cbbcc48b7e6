"""The pieces of an OpenTDF request, each as its specification has it: policy, binding, wrap, request token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from local.client import ProofKey
from local.client.proofs import compact_jws

OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
SALT = hashlib.sha256(b"TDF").digest()
Json = dict[str, Any]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# Made once: a client key proves nothing, and RSA keys take long to make.
RSA_CLIENT_KEY = rsa.generate_private_key(65537, 2048)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pem(key: Any) -> str:
    public = key if hasattr(key, "public_numbers") else key.public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def policy_text(attributes: Sequence[str] = (), dissem: Sequence[str] = (), **members: Any) -> str:
    """A policy as it travels; base64 of its JSON."""
    body = {"dataAttributes": [{"attribute": fqn} for fqn in attributes] or None, "dissem": list(dissem) or None}
    return b64(json.dumps({"uuid": secrets.token_hex(8), "body": body | members}).encode())


def bind(share: bytes, policy: str, form: str = "object-hex") -> Any:
    """``policyBinding``: an object or a text, over base64 of hexadecimal digits or of the raw MAC."""
    mac = hmac.digest(share, policy.encode(), "sha256")
    kind, _, encoding = form.partition("-")
    digest = b64(mac.hex().encode() if encoding == "hex" else mac)
    return {"alg": "HS256", "hash": digest} if kind == "object" else digest


def wrap(share: bytes, key: PublicKey) -> Json:
    """The members of a key access object that carry ``share`` to ``key``."""
    if isinstance(key, rsa.RSAPublicKey):
        return {"type": "wrapped", "wrappedKey": b64(key.encrypt(share, OAEP_SHA1))}
    ephemeral, nonce = ec.generate_private_key(key.curve), secrets.token_bytes(12)
    sealed = nonce + _sealer(ephemeral, key).encrypt(nonce, share, None)
    return {"type": "ec-wrapped", "wrappedKey": b64(sealed), "ephemeralPublicKey": pem(ephemeral)}


def _sealer(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, SALT, b"").derive(private.exchange(ec.ECDH(), public)))


def open_key(private: PrivateKey, wrapped: bytes, session_key: str) -> bytes:
    """What the answer wrapped to the client's key."""
    if isinstance(private, rsa.RSAPrivateKey):
        assert session_key == ""
        return private.decrypt(wrapped, OAEP_SHA1)
    public = load_pem_public_key(session_key.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return _sealer(private, public).decrypt(wrapped[:12], wrapped[12:], None)


def request_token(key: ProofKey, text: str, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A signed request token of an hour; ``claims`` and ``header`` replace members, or remove them with None."""
    now = int(time.time())
    payload = {"requestBody": text, "iat": now, "exp": now + 3600} | dict(claims)
    head = {"alg": key.alg, "typ": "JWT"} | dict(header)
    present = {name: value for name, value in payload.items() if value is not None}
    return compact_jws(key, {name: value for name, value in head.items() if value is not None}, _json(present))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
