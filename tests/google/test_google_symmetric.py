"""Cloud KMS encrypt and decrypt by the official clients: additional data, versions, checksums, sizes."""

from __future__ import annotations

import pytest
from google_crc32c import value as crc32c

from tests.google.project import NOBODY, RING, fresh, key_name, version_name
from tests.google.transports import clients_over, refused

SEAL = key_name("seal")
KID = b"kid-1"


def encrypt(clients, plaintext=b"plain", additional=KID, name=SEAL, **fields):
    return clients.kms.encrypt(
        {
            "name": name,
            "plaintext": plaintext,
            "plaintext_crc32c": crc32c(plaintext),
            "additional_authenticated_data": additional,
            "additional_authenticated_data_crc32c": crc32c(additional),
            **fields,
        }
    )


def decrypt(clients, ciphertext, additional=KID, name=SEAL, **fields):
    request = {"name": name, "ciphertext": ciphertext, "additional_authenticated_data": additional, **fields}
    return clients.kms.decrypt(request, retry=None)


def test_what_was_encrypted_is_decrypted_and_everything_is_said(kas):
    sealed = encrypt(kas)
    assert sealed.name == version_name("seal")
    assert sealed.verified_plaintext_crc32c
    assert sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == crc32c(sealed.ciphertext)
    opened = decrypt(kas, sealed.ciphertext, ciphertext_crc32c=sealed.ciphertext_crc32c)
    assert (opened.plaintext, opened.plaintext_crc32c, opened.used_primary) == (b"plain", crc32c(b"plain"), True)
    assert opened.protection_level == sealed.protection_level


def test_the_same_plaintext_never_looks_the_same(kas):
    assert encrypt(kas).ciphertext != encrypt(kas).ciphertext


def test_without_checksums_nothing_is_said_to_be_verified(kas):
    sealed = encrypt(kas, plaintext_crc32c=None, additional_authenticated_data_crc32c=None)
    assert not sealed.verified_plaintext_crc32c
    assert not sealed.verified_additional_authenticated_data_crc32c


@pytest.mark.parametrize("field", ["plaintext", "additional_authenticated_data"])
def test_a_checksum_that_does_not_fit_what_is_to_be_encrypted_is_refused(kas, field):
    with refused("INVALID_ARGUMENT", f"{field}_crc32c did not match"):
        encrypt(kas, **{f"{field}_crc32c": 1})


@pytest.mark.parametrize("field", ["ciphertext", "additional_authenticated_data"])
def test_a_checksum_that_does_not_fit_what_is_to_be_decrypted_is_refused(kas, field):
    sealed = encrypt(kas)
    with refused("INVALID_ARGUMENT", f"{field}_crc32c did not match"):
        decrypt(kas, sealed.ciphertext, **{f"{field}_crc32c": 1})


def test_other_additional_data_does_not_open(kas):
    with refused("INVALID_ARGUMENT", "Decryption failed: verify that 'name'"):
        decrypt(kas, encrypt(kas).ciphertext, b"kid-2")


def test_another_key_does_not_open(kas, admin):
    name = fresh("seal")
    admin.kms.create_crypto_key(parent=RING, crypto_key_id=name, crypto_key={"purpose": "ENCRYPT_DECRYPT"})
    with refused("INVALID_ARGUMENT", "Decryption failed"):
        decrypt(kas, encrypt(kas).ciphertext, name=key_name(name))


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda _c: b"", lambda _c: b"\1"]
)
def test_a_damaged_ciphertext_does_not_open(kas, damage):
    with refused("INVALID_ARGUMENT", "Decryption failed"):
        decrypt(kas, damage(encrypt(kas).ciphertext))


def test_a_key_opens_what_its_older_versions_sealed(kas, admin):
    name = fresh("rotated")
    admin.kms.create_crypto_key(parent=RING, crypto_key_id=name, crypto_key={"purpose": "ENCRYPT_DECRYPT"})
    old = encrypt(kas, name=key_name(name))
    second = admin.kms.create_crypto_key_version(parent=key_name(name), crypto_key_version={})
    key = admin.kms.update_crypto_key_primary_version(name=key_name(name), crypto_key_version_id="2")
    assert key.primary.name == second.name
    assert encrypt(kas, name=key_name(name)).name == second.name
    assert not decrypt(kas, old.ciphertext, name=key_name(name)).used_primary
    assert encrypt(kas, name=version_name(name, 1)).name == version_name(name, 1)


def test_a_disabled_version_neither_seals_nor_opens(kas, admin, control):
    name = fresh("disabled")
    admin.kms.create_crypto_key(parent=RING, crypto_key_id=name, crypto_key={"purpose": "ENCRYPT_DECRYPT"})
    sealed = encrypt(kas, name=key_name(name))
    control.set_state(version_name(name), "DISABLED")
    with refused("FAILED_PRECONDITION", "DISABLED"):
        encrypt(kas, name=key_name(name))
    with refused("FAILED_PRECONDITION", "DISABLED"):
        decrypt(kas, sealed.ciphertext, name=key_name(name))


def test_a_key_without_a_version_seals_nothing(kas, admin):
    name = fresh("bare")
    admin.kms.create_crypto_key(
        {
            "parent": RING,
            "crypto_key_id": name,
            "crypto_key": {"purpose": "ENCRYPT_DECRYPT"},
            "skip_initial_version_creation": True,
        }
    )
    with refused("FAILED_PRECONDITION", "no primary version"):
        encrypt(kas, name=key_name(name))


@pytest.mark.parametrize(("plaintext", "additional"), [(65536, 65536), (0, 0)])
def test_a_software_key_takes_up_to_64_kib_of_each(kas, plaintext, additional):
    sealed = encrypt(kas, bytes(plaintext), bytes(additional), key_name("other-seal"))
    opened = decrypt(kas, sealed.ciphertext, bytes(additional), key_name("other-seal"))
    assert opened.plaintext == bytes(plaintext)


@pytest.mark.parametrize(
    ("name", "plaintext", "additional"), [("other-seal", 65537, 0), ("other-seal", 0, 65537), ("seal", 8192, 1)]
)
def test_more_is_refused(kas, name, plaintext, additional):
    with refused("INVALID_ARGUMENT", "exceed"):
        encrypt(kas, bytes(plaintext), bytes(additional), key_name(name))


def test_an_asymmetric_key_neither_seals_nor_opens_so(kas):
    with refused("FAILED_PRECONDITION", "has purpose ASYMMETRIC_DECRYPT"):
        encrypt(kas, name=version_name("unwrap"))
    with refused("FAILED_PRECONDITION", "has purpose ASYMMETRIC_DECRYPT"):
        decrypt(kas, b"x", name=key_name("unwrap"))


def test_without_permission_nothing_is_sealed_or_opened(cloud, transport):
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        with refused("PERMISSION_DENIED", "useToEncrypt"):
            encrypt(nobody)
        with refused("PERMISSION_DENIED", "useToDecrypt"):
            decrypt(nobody, b"x")
