"""The values of Google's enumerations that the stand-in knows, by Google's names and numbers."""

from __future__ import annotations

from enum import IntEnum


class Algorithm(IntEnum):
    """Of a key version."""

    GOOGLE_SYMMETRIC_ENCRYPTION = 1
    RSA_DECRYPT_OAEP_2048_SHA256 = 8
    RSA_DECRYPT_OAEP_3072_SHA256 = 9
    RSA_DECRYPT_OAEP_4096_SHA256 = 10
    RSA_DECRYPT_OAEP_4096_SHA512 = 17
    RSA_DECRYPT_OAEP_2048_SHA1 = 37
    RSA_DECRYPT_OAEP_3072_SHA1 = 38
    RSA_DECRYPT_OAEP_4096_SHA1 = 39


class Level(IntEnum):
    """Where a key is held; the higher number is the better protection."""

    SOFTWARE = 1
    HSM = 2


class Purpose(IntEnum):
    """What a key is for."""

    ENCRYPT_DECRYPT = 1
    ASYMMETRIC_DECRYPT = 6


class KeyState(IntEnum):
    """Of a key version."""

    ENABLED = 1
    DISABLED = 2
    DESTROYED = 3
    DESTROY_SCHEDULED = 4
    PENDING_GENERATION = 5


class SecretState(IntEnum):
    """Of a secret's version."""

    ENABLED = 1
    DISABLED = 2
    DESTROYED = 3
