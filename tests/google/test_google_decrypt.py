"""Cloud KMS asymmetricDecrypt and getPublicKey by the official clients, and every way to be refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from google.cloud import kms_v1
from google_crc32c import value as crc32c

from tests.google.project import (
    ALGORITHMS,
    KAS,
    NOBODY,
    RING,
    UNWRAP,
    bits_of,
    key_name,
    private_key,
    version_name,
    wrap,
)
from tests.google.transports import clients_over, refused

PLAIN = bytes(range(32))
STATES = {2: "DISABLED", 3: "DESTROYED", 4: "DESTROY_SCHEDULED", 5: "PENDING_GENERATION"}
DECRYPTER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


def decrypt(clients, ciphertext=None, name=UNWRAP, **fields):
    sent = wrap(PLAIN) if ciphertext is None else ciphertext
    request = {"name": name, "ciphertext": sent, "ciphertext_crc32c": crc32c(sent), **fields}
    return clients.kms.asymmetric_decrypt(request, retry=None, timeout=20)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_opens_what_was_wrapped_for_it(kas, algorithm):
    answer = decrypt(kas, wrap(PLAIN, algorithm), version_name(algorithm))
    assert answer.plaintext == PLAIN
    assert answer.plaintext_crc32c == crc32c(PLAIN)
    assert answer.verified_ciphertext_crc32c
    assert answer.protection_level == kms_v1.ProtectionLevel.SOFTWARE


def test_a_key_of_an_hsm_says_so(kas):
    assert decrypt(kas).protection_level == kms_v1.ProtectionLevel.HSM


def test_without_a_checksum_nothing_is_said_to_be_verified(kas):
    assert not decrypt(kas, ciphertext_crc32c=None).verified_ciphertext_crc32c


def test_a_checksum_that_does_not_fit_is_refused(kas):
    with refused("INVALID_ARGUMENT", "ciphertext_crc32c did not match"):
        decrypt(kas, ciphertext_crc32c=1)


@pytest.mark.parametrize("bits_and_hash", ["2048_SHA1", "3072_SHA256"])
def test_the_wrong_hash_or_size_is_refused_without_detail(kas, bits_and_hash):
    with refused("INVALID_ARGUMENT", "Decryption failed."):
        decrypt(kas, wrap(PLAIN, f"RSA_DECRYPT_OAEP_{bits_and_hash}"))


@pytest.mark.parametrize("ciphertext", [b"", b"x", bytes(256), bytes(255), b"\xff" * 256, bytes(70_000)])
def test_what_no_one_wrapped_is_refused_without_detail(kas, ciphertext):
    with refused("INVALID_ARGUMENT", "Decryption failed."):
        decrypt(kas, ciphertext)


def test_a_label_is_not_supported(kas):
    with refused("INVALID_ARGUMENT", "Decryption failed."):
        decrypt(kas, wrap(PLAIN, label=b"label"))


@pytest.mark.parametrize(("number", "state"), STATES.items())
def test_only_enabled_versions_are_used(kas, number, state):
    with refused("FAILED_PRECONDITION", f"is not enabled, current state is: {state}"):
        decrypt(kas, name=version_name("unwrap", number))


@pytest.mark.parametrize("name", [version_name("unwrap", 9), version_name("no-such-key")])
def test_what_does_not_exist_is_not_found_by_who_may_use_it(kas, name):
    with refused("NOT_FOUND", f"{name.rpartition('/cryptoKeyVersions' if 'no-such' in name else '-')[0]}"):
        decrypt(kas, name=name)


@pytest.mark.parametrize("name", [UNWRAP, version_name("no-such-key"), UNWRAP.replace("kas-test", "no-such-project")])
def test_without_permission_nobody_learns_what_exists(cloud, transport, name):
    with clients_over(transport, cloud, NOBODY.token) as nobody, refused("PERMISSION_DENIED", "(or it may not exist)"):
        decrypt(nobody, name=name)


@pytest.mark.parametrize("token", [None, "unknown"])
def test_without_a_known_token_nothing_is_answered(cloud, transport, token):
    with clients_over(transport, cloud, token) as stranger, refused("UNAUTHENTICATED"):
        decrypt(stranger)


def test_a_permission_can_be_taken_away_while_running(kas, control):
    assert decrypt(kas).plaintext == PLAIN
    control.take(RING, DECRYPTER, KAS.member)
    try:
        with refused("PERMISSION_DENIED", "cloudkms.cryptoKeyVersions.useToDecrypt"):
            decrypt(kas)
    finally:
        control.give(RING, DECRYPTER, KAS.member)
    assert decrypt(kas).plaintext == PLAIN


def test_a_location_that_is_not_there_is_not_found(kas):
    with refused("NOT_FOUND", "'mars-north1'"):
        decrypt(kas, name=UNWRAP.replace("us-central1", "mars-north1"))


def test_a_symmetric_key_does_not_decrypt_so(kas):
    with refused("FAILED_PRECONDITION", "has purpose ENCRYPT_DECRYPT"):
        decrypt(kas, name=version_name("seal"))


# ---- public keys


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_comes_with_name_algorithm_level_and_checksum(kas, algorithm):
    name = version_name(algorithm)
    answer = kas.kms.get_public_key(name=name)
    assert (answer.name, answer.algorithm.name) == (name, algorithm)
    assert answer.pem_crc32c == crc32c(answer.pem.encode())
    assert answer.protection_level == kms_v1.ProtectionLevel.SOFTWARE
    public = serialization.load_pem_public_key(answer.pem.encode())
    assert public.public_numbers() == private_key(bits_of(algorithm)).public_key().public_numbers()


def test_a_public_key_asked_for_as_pem_comes_in_the_new_field_too(kas):
    formats = kms_v1.PublicKey.PublicKeyFormat
    answer = kas.kms.get_public_key({"name": UNWRAP, "public_key_format": formats.PEM})
    assert answer.public_key.data == answer.pem.encode()
    assert answer.public_key.crc32c_checksum == answer.pem_crc32c
    with refused("INVALID_ARGUMENT"):
        kas.kms.get_public_key({"name": UNWRAP, "public_key_format": formats.NIST_PQC})


@pytest.mark.parametrize(("number", "state"), STATES.items())
def test_only_enabled_versions_show_their_public_key(kas, number, state):
    with refused("FAILED_PRECONDITION", state):
        kas.kms.get_public_key(name=version_name("unwrap", number))


def test_a_symmetric_key_has_no_public_key(kas):
    with refused("FAILED_PRECONDITION", "has purpose ENCRYPT_DECRYPT"):
        kas.kms.get_public_key(name=version_name("seal"))


def test_to_decrypt_and_to_see_the_public_key_are_two_permissions(kas, control):
    control.take(RING, "roles/cloudkms.publicKeyViewer", KAS.member)
    try:
        with refused("PERMISSION_DENIED", "viewPublicKey"):
            kas.kms.get_public_key(name=UNWRAP)
        assert decrypt(kas).plaintext == PLAIN
    finally:
        control.give(RING, "roles/cloudkms.publicKeyViewer", KAS.member)


def test_the_service_may_not_administer(kas):
    with refused("PERMISSION_DENIED", "cloudkms.cryptoKeys.get"):
        kas.kms.get_crypto_key(name=key_name("unwrap"))
