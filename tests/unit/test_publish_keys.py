"""The JWK set: active unwrap keys with the algorithm of their dialect, signing keys, nothing private."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.errors import KeyUnavailable
from kas.jose import parse_public_jwk, to_jwk
from kas.keys.registry import KeyRecord, KeyRegistry
from kas.keys.software import SoftwareKeyService
from kas.publish_keys import publish_keys

UNWRAP = rsa.generate_private_key(65537, 2048)
SIGNING = ec.generate_private_key(ec.SECP256R1()).public_key()
SERVICE = SoftwareKeyService({"a": UNWRAP, "b": UNWRAP, "c": UNWRAP, "d": UNWRAP})
REGISTRY = KeyRegistry(
    (
        KeyRecord("a", "RSA-2048", "SHA-256", "active", "acp240"),
        KeyRecord("b", "RSA-2048", "SHA-256", "decrypt-only", "acp240"),
        KeyRecord("c", "RSA-2048", "SHA-256", "disabled", "acp240"),
        KeyRecord("d", "RSA-2048", "SHA-1", "active", "opentdf"),
    )
)


def published():
    return json.loads(publish_keys(REGISTRY, SERVICE, {"s": SIGNING}).body)["keys"]


def test_active_keys_and_signing_keys_are_published_with_their_use():
    assert [(key["kid"], key["use"], key["alg"]) for key in published()] == [
        ("a", "enc", "RSA-OAEP-256"),
        ("d", "enc", "RSA-OAEP"),
        ("s", "sig", "ES256"),
    ]


def test_what_is_published_is_public():
    first, _, last = published()
    assert first.keys() == {"kty", "n", "e", "kid", "use", "alg"}
    assert parse_public_jwk(first).key.public_numbers() == UNWRAP.public_key().public_numbers()
    assert {name: last[name] for name in ("kty", "crv", "x", "y")} == to_jwk(SIGNING)


def test_the_entity_tag_changes_with_the_document():
    first = publish_keys(REGISTRY, SERVICE, {"s": SIGNING})
    assert first.etag == publish_keys(REGISTRY, SERVICE, {"s": SIGNING}).etag
    assert first.etag != publish_keys(REGISTRY, SERVICE, {"t": SIGNING}).etag
    assert first.etag[0] == first.etag[-1] == '"'


def test_a_key_that_cannot_be_had_is_not_left_out():
    with pytest.raises(KeyUnavailable):
        publish_keys(REGISTRY, SoftwareKeyService({}), {"s": SIGNING})
