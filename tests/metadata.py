"""Metadata beside a data key, encrypted under it as ACP-240 §2 has it: IV (12 bytes), tag (16), ciphertext."""

from __future__ import annotations

import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local.client.encoding import b64
from tests.kit import Attempt


def encrypt_metadata(data_key: bytes, plaintext: bytes) -> str:
    """``encryptedMetadata`` of these bytes, under a key of 16, 24 or 32."""
    iv = secrets.token_bytes(12)
    sealed = AESGCM(data_key).encrypt(iv, plaintext, None)
    return b64(iv + sealed[-16:] + sealed[:-16])


def with_metadata(attempt: Attempt, value: Any) -> Attempt:
    """Puts ``value`` beside every data key, and signs again."""
    for group in attempt.request["requests"]:
        for kao in group["keyAccessObjects"]:
            data_key = attempt.data_keys[kao["keyAccessObjectId"]]
            kao["encryptedMetadata"] = encrypt_metadata(data_key, json.dumps(value).encode())
    attempt.resign()
    return attempt
