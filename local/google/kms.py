"""Cloud KMS: what is done with keys. Each answer carries the checksums that a careful caller looks at."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud import kms_v1 as api

from local.google import material
from local.google.checksums import check_sent
from local.google.cloud import Cloud
from local.google.key_store import Key, Version
from local.google.kinds import Level, Purpose
from local.google.material import crc32c
from local.google.names import KEY, matches
from local.google.status import GoogleError, invalid, precondition

# Together for a key of an HSM, each of plaintext and additional data for one in software.
MAX_SOFTWARE_BYTES: Final = 64 * 1024
MAX_HSM_BYTES: Final = 8 * 1024

Format = api.PublicKey.PublicKeyFormat


def get_public_key(cloud: Cloud, request: api.GetPublicKeyRequest) -> api.PublicKey:
    version = cloud.keys.find_version(request.name)
    private = _rsa(cloud, version, "GetPublicKey")
    if request.public_key_format not in {Format.PUBLIC_KEY_FORMAT_UNSPECIFIED, Format.PEM}:
        raise invalid(f"The public key of {version.name} is not available in this format.")
    pem = material.public_pem(private)
    answer = api.PublicKey(
        pem=pem,
        pem_crc32c=crc32c(pem.encode("ascii")),
        name=version.name,
        algorithm=version.algorithm,
        protection_level=version.level,
    )
    if request.public_key_format == Format.PEM:
        answer.public_key_format = Format.PEM
        answer.public_key = api.ChecksummedData(data=pem.encode("ascii"), crc32c_checksum=answer.pem_crc32c)
    return answer


def asymmetric_decrypt(cloud: Cloud, request: api.AsymmetricDecryptRequest) -> api.AsymmetricDecryptResponse:
    version = cloud.keys.find_version(request.name)
    private = _rsa(cloud, version, "AsymmetricDecrypt")
    is_verified = check_sent(request.ciphertext, request.ciphertext_crc32c, "ciphertext")
    plaintext = material.decrypt_oaep(private, version.algorithm, request.ciphertext)
    return api.AsymmetricDecryptResponse(
        plaintext=plaintext,
        plaintext_crc32c=crc32c(plaintext),
        verified_ciphertext_crc32c=is_verified,
        protection_level=version.level,
    )


def _rsa(cloud: Cloud, version: Version, operation: str) -> rsa.RSAPrivateKey:
    held = cloud.keys.use(version)
    if not isinstance(held, rsa.RSAPrivateKey):
        raise precondition(f"{version.name} has purpose ENCRYPT_DECRYPT, which does not support {operation}.")
    return held


def encrypt(cloud: Cloud, request: api.EncryptRequest) -> api.EncryptResponse:
    """By the version that is named, or by the primary version of the key that is named."""
    is_key = matches(request.name, KEY)
    version = _primary(cloud.keys.find_key(request.name)) if is_key else cloud.keys.find_version(request.name)
    key, additional = _aes(cloud, version, "Encrypt"), request.additional_authenticated_data
    is_plain = check_sent(request.plaintext, request.plaintext_crc32c, "plaintext")
    field = "additional_authenticated_data"
    is_additional = check_sent(additional, request.additional_authenticated_data_crc32c, field)
    _check_sizes(version, request.plaintext, additional)
    ciphertext = material.encrypt(key, int(version.name.rpartition("/")[2]), request.plaintext, additional)
    return api.EncryptResponse(
        name=version.name,
        ciphertext=ciphertext,
        ciphertext_crc32c=crc32c(ciphertext),
        verified_plaintext_crc32c=is_plain,
        verified_additional_authenticated_data_crc32c=is_additional,
        protection_level=version.level,
    )


def _primary(key: Key) -> Version:
    if key.primary is None:
        raise precondition(f"{key.name} has no primary version.")
    return key.versions[key.primary]


def _aes(cloud: Cloud, version: Version, operation: str) -> bytes:
    held = cloud.keys.use(version)
    if not isinstance(held, bytes):
        raise precondition(f"{version.name} has purpose ASYMMETRIC_DECRYPT, which does not support {operation}.")
    return held


def _check_sizes(version: Version, plaintext: bytes, additional: bytes) -> None:
    if version.level == Level.HSM and len(plaintext) + len(additional) > MAX_HSM_BYTES:
        raise invalid(f"Plaintext and additional data exceed {MAX_HSM_BYTES} bytes together.")
    if max(len(plaintext), len(additional)) > MAX_SOFTWARE_BYTES:
        raise invalid(f"Plaintext or additional data exceed {MAX_SOFTWARE_BYTES} bytes.")


def decrypt(cloud: Cloud, request: api.DecryptRequest) -> api.DecryptResponse:
    """By the version that the ciphertext is of, which must be one of this key."""
    key, additional = cloud.keys.find_key(request.name), request.additional_authenticated_data
    if key.config.purpose != Purpose.ENCRYPT_DECRYPT:
        raise precondition(f"{key.name} has purpose ASYMMETRIC_DECRYPT, which does not support Decrypt.")
    check_sent(request.ciphertext, request.ciphertext_crc32c, "ciphertext")
    field = "additional_authenticated_data"
    check_sent(additional, request.additional_authenticated_data_crc32c, field)
    number = material.version_of(request.ciphertext)
    if number not in key.versions:
        raise _does_not_open()
    version = key.versions[number]
    plaintext = material.decrypt(_aes(cloud, version, "Decrypt"), request.ciphertext, additional)
    if plaintext is None:
        raise _does_not_open()
    return api.DecryptResponse(
        plaintext=plaintext,
        plaintext_crc32c=crc32c(plaintext),
        used_primary=number == key.primary,
        protection_level=version.level,
    )


def _does_not_open() -> GoogleError:
    return invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
