"""The JWK set: active unwrap keys with the algorithm of their mechanism, signing keys, nothing private."""

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
UNSEAL = ec.generate_private_key(ec.SECP256R1())
SERVICE = SoftwareKeyService({"a": UNWRAP, "b": UNWRAP, "c": UNWRAP, "d": UNWRAP, "e": UNSEAL})
ACP240, OPENTDF = frozenset({"acp240"}), frozenset({"opentdf"})
REGISTRY = KeyRegistry(
    (
        KeyRecord("a", "RSA-2048", "active", ACP240),
        KeyRecord("b", "RSA-2048", "decrypt-only", ACP240),
        KeyRecord("c", "RSA-2048", "disabled", ACP240),
        KeyRecord("d", "RSA-2048", "active", OPENTDF),
        KeyRecord("e", "P-256", "active", ACP240 | OPENTDF),
    )
)


def published():
    return json.loads(publish_keys(REGISTRY, SERVICE, {"s": SIGNING}).body)["keys"]


def test_active_keys_and_signing_keys_are_published_with_their_use():
    assert [(key["kid"], key["use"], key["alg"]) for key in published()] == [
        ("a", "enc", "RSA-OAEP-256"),
        ("d", "enc", "RSA-OAEP"),
        ("e", "enc", "ECDH-ES"),
        ("s", "sig", "ES256"),
    ]


def test_what_is_published_is_public():
    first, _, sealed, last = published()
    assert first.keys() == {"kty", "n", "e", "kid", "use", "alg"}
    assert parse_public_jwk(first).key.public_numbers() == UNWRAP.public_key().public_numbers()
    assert sealed.keys() == last.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert {name: sealed[name] for name in ("kty", "crv", "x", "y")} == to_jwk(UNSEAL.public_key())
    assert {name: last[name] for name in ("kty", "crv", "x", "y")} == to_jwk(SIGNING)


def test_the_entity_tag_changes_with_the_document():
    first = publish_keys(REGISTRY, SERVICE, {"s": SIGNING})
    assert first.etag == publish_keys(REGISTRY, SERVICE, {"s": SIGNING}).etag
    assert first.etag != publish_keys(REGISTRY, SERVICE, {"t": SIGNING}).etag
    assert first.etag[0] == first.etag[-1] == '"'


def test_a_key_that_cannot_be_had_is_left_out_and_the_others_are_published():
    """So that clients have a key to wrap to, and can verify results; the document says that it is not whole."""
    kept = publish_keys(REGISTRY, SoftwareKeyService({"d": UNWRAP}), {"s": SIGNING})
    assert [key["kid"] for key in json.loads(kept.body)["keys"]] == ["d", "s"]
    assert not kept.is_whole
    assert publish_keys(REGISTRY, SERVICE, {"s": SIGNING}).is_whole


def test_all_keys_are_asked_for_together(mocker):
    """So that one time is for all of them."""
    asked = mocker.spy(SERVICE, "public_keys")
    assert [key["kid"] for key in published()] == ["a", "d", "e", "s"]
    assert [[record.kid for record in call.args[0]] for call in asked.call_args_list] == [["a", "d", "e"]]


def test_without_a_key_to_wrap_to_nothing_is_published():
    with pytest.raises(KeyUnavailable):
        publish_keys(REGISTRY, SoftwareKeyService({}), {"s": SIGNING})
