"""Software keys: the record says with which hash a key opens, and a key that is not there is unavailable."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kas.errors import KeyMaterialRejected, KeyUnavailable
from kas.keys.registry import KeyRecord
from kas.keys.software import SoftwareKeyService

KEY = rsa.generate_private_key(65537, 2048)
SHA256 = KeyRecord("k", "RSA-2048", "SHA-256", "active", "acp240")
SHA1 = dataclasses.replace(SHA256, hash="SHA-1", dialect="opentdf")
SERVICE = SoftwareKeyService({"k": KEY})
DIGESTS = {"SHA-256": hashes.SHA256(), "SHA-1": hashes.SHA1()}


def wrap(name, material=b"material"):
    digest = DIGESTS[name]
    return KEY.public_key().encrypt(material, padding.OAEP(padding.MGF1(digest), digest, None))


@pytest.mark.parametrize("record", [SHA256, SHA1])
def test_a_wrap_under_the_record_s_hash_opens(record):
    assert SERVICE.unwrap(record, wrap(record.hash)).reveal() == b"material"


@pytest.mark.parametrize(("record", "name"), [(SHA256, "SHA-1"), (SHA1, "SHA-256")])
def test_a_wrap_under_another_hash_does_not(record, name):
    with pytest.raises(KeyMaterialRejected):
        SERVICE.unwrap(record, wrap(name))


@pytest.mark.parametrize("wrapped", [b"", b"\0", bytes(255), bytes(256), bytes(257), b"\xff" * 256, bytes(6144)])
def test_whatever_does_not_open_is_rejected_in_one_way(wrapped):
    with pytest.raises(KeyMaterialRejected):
        SERVICE.unwrap(SHA256, wrapped)


def test_a_key_that_is_not_there_is_unavailable():
    service = SoftwareKeyService({})
    with pytest.raises(KeyUnavailable):
        service.unwrap(SHA256, wrap("SHA-256"))
    with pytest.raises(KeyUnavailable):
        service.public_key(SHA256)


def test_the_public_half_is_that_of_the_key():
    assert SERVICE.public_key(SHA256).public_numbers() == KEY.public_key().public_numbers()
