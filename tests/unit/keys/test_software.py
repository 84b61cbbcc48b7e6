"""Software keys: the record says by which mechanism a key opens, and one that is not there is unavailable."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kas.crypto.wrapping import OAEP_SHA256, wrap_to
from kas.datakey import DataKey
from kas.errors import BudgetExhausted, KeyMaterialRejected, KeyUnavailable
from kas.keys.registry import KeyRecord, WrappedMaterial
from kas.keys.software import SoftwareKeyService

KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
SHA256 = KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"}))
SHA1 = dataclasses.replace(SHA256, dialects=frozenset({"opentdf"}))
SEALED = KeyRecord("e", "P-256", "active", frozenset({"acp240", "opentdf"}))
SERVICE = SoftwareKeyService({"k": KEY, "e": EC_KEY})
DIGESTS = {"SHA-256": hashes.SHA256(), "SHA-1": hashes.SHA1()}


def unwrap(record, wrapped, service=SERVICE):
    """Without a budget."""
    return service.unwrap(record, wrapped, lambda: None)


def wrap(name, material=b"material"):
    digest = DIGESTS[name]
    ciphertext = KEY.public_key().encrypt(material, padding.OAEP(padding.MGF1(digest), digest, None))
    return WrappedMaterial(ciphertext)


def seal(key=EC_KEY, material=b"material"):
    sealed = wrap_to(key.public_key(), OAEP_SHA256)(DataKey(material))
    return WrappedMaterial(sealed.ciphertext, sealed.ephemeral_key)


@pytest.mark.parametrize("record", [SHA256, SHA1])
def test_a_wrap_under_the_record_s_hash_opens(record):
    assert unwrap(record, wrap(record.hash)).reveal() == b"material"


@pytest.mark.parametrize(("record", "name"), [(SHA256, "SHA-1"), (SHA1, "SHA-256")])
def test_a_wrap_under_another_hash_does_not(record, name):
    with pytest.raises(KeyMaterialRejected):
        unwrap(record, wrap(name))


@pytest.mark.parametrize("wrapped", [b"", b"\0", bytes(255), bytes(256), bytes(257), b"\xff" * 256, bytes(6144)])
def test_whatever_does_not_open_is_rejected_in_one_way(wrapped):
    with pytest.raises(KeyMaterialRejected):
        unwrap(SHA256, WrappedMaterial(wrapped))


def test_what_is_sealed_to_an_ec_key_opens():
    assert unwrap(SEALED, seal()).reveal() == b"material"


@pytest.mark.parametrize(
    "wrapped",
    [
        WrappedMaterial(seal().ciphertext),
        WrappedMaterial(seal().ciphertext, seal().ephemeral_key),
        WrappedMaterial(b"", seal().ephemeral_key),
        WrappedMaterial(bytes(12), seal().ephemeral_key),
        WrappedMaterial(seal().ciphertext, ec.generate_private_key(ec.SECP384R1()).public_key()),
        seal(ec.generate_private_key(ec.SECP256R1())),
        wrap("SHA-256"),
    ],
    ids=["no-ephemeral", "other-ephemeral", "empty", "nonce-alone", "other-curve", "other-key", "rsa-wrap"],
)
def test_what_is_not_sealed_to_it_is_rejected_in_one_way(wrapped):
    with pytest.raises(KeyMaterialRejected):
        unwrap(SEALED, wrapped)


@pytest.mark.parametrize("other", [None, seal().ephemeral_key], ids=["missing", "other"])
def test_attack_c06d_what_was_opened_before_is_not_found_without_its_ephemeral_key(other):
    good = seal()
    for _ in range(2):
        assert unwrap(SEALED, good).reveal() == b"material"
        with pytest.raises(KeyMaterialRejected):
            unwrap(SEALED, WrappedMaterial(good.ciphertext, other))


def test_attack_c06e_what_was_opened_before_is_not_found_under_another_record():
    """Another kid of the same service, of the same kind or not."""
    service = SoftwareKeyService({"k": KEY, "e": EC_KEY, "f": ec.generate_private_key(ec.SECP256R1())})
    good = seal()
    assert unwrap(SEALED, good, service).reveal() == b"material"
    for record in (dataclasses.replace(SEALED, kid="f"), SHA1):
        with pytest.raises(KeyMaterialRejected):
            unwrap(record, good, service)


def test_a_key_that_is_not_there_is_unavailable():
    service = SoftwareKeyService({})
    with pytest.raises(KeyUnavailable):
        unwrap(SHA256, wrap("SHA-256"), service)
    with pytest.raises(KeyUnavailable):
        service.public_key(SHA256)


def test_the_public_half_is_that_of_the_key():
    assert SERVICE.public_key(SHA256).public_numbers() == KEY.public_key().public_numbers()
    assert SERVICE.public_key(SEALED).public_numbers() == EC_KEY.public_key().public_numbers()


@pytest.mark.parametrize(
    ("wrapped", "refusal"),
    [(wrap("SHA-256"), None), (WrappedMaterial(b""), KeyMaterialRejected), (seal(), KeyMaterialRejected)],
)
def test_attack_r10_an_operation_is_paid_once_before_it_whatever_comes_of_it(wrapped, refusal):
    paid = []
    with contextlib.nullcontext() if refusal is None else pytest.raises(refusal):
        SERVICE.unwrap(SHA256, wrapped, lambda: paid.append("paid"))
    assert paid == ["paid"]


def test_what_cannot_be_paid_is_not_opened():
    def pay():
        raise BudgetExhausted

    with pytest.raises(BudgetExhausted):
        SERVICE.unwrap(SHA256, WrappedMaterial(b""), pay)


def test_a_check_finds_whether_the_key_is_there():
    SERVICE.check(SHA256)
    with pytest.raises(KeyUnavailable):
        SERVICE.check(dataclasses.replace(SHA256, kid="another"))


def test_attack_c06h_an_rsa_key_opens_nothing_that_was_sealed_over_ecdh():
    """Though the ciphertext is one that it opens."""
    with pytest.raises(KeyMaterialRejected):
        unwrap(SHA256, WrappedMaterial(wrap("SHA-256").ciphertext, seal().ephemeral_key))
