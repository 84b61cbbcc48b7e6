"""Encrypted metadata of a key access object (ACP-240 §2 *Encrypted metadata*; KAS-REQ-070, 071).

It is sealed under the material itself, so what opens was written by somebody who had the key. An assertion in it says
for which policy: metadata that was moved to another policy under the same key is found. Whatever is wrong has the one
answer that wrong material has (attack R10). The size is the parser's to bound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kas.datakey import DataKey
from kas.encoding import b64_encode, parse_json
from kas.errors import InvalidRequest, KeyMaterialRejected

_KEY_BYTES: Final = 32
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_START: Final = _IV_BYTES + _TAG_BYTES

_Read = Callable[[object], str | frozenset[str] | None]


def open_metadata(
    data_key: DataKey,
    encrypted: bytes,
    *,
    policy: Mapping[str, Any],
    policy_canonical: bytes,
    check_bounds: Callable[[object], None],
) -> dict[str, Any]:
    """What the client may read of ``encrypted``, which is IV(12) ‖ tag(16) ‖ ciphertext; ``data_key`` stays the caller's.

    1. It opens under material of 32 bytes, AES-256-GCM without further data.
    2. Inside is one I-JSON object for which ``check_bounds`` raises nothing; its ``fields``, if any, are an object.
    3. What it asserts of the policy holds.

    The result is ``fields``, or the whole object where there are none. Raises KeyMaterialRejected, and nothing else.
    """
    # 1.
    plaintext = _decrypt(data_key, encrypted)
    # 2.
    value = _parse(plaintext, check_bounds)
    fields = value.get("fields", value)
    if not isinstance(fields, dict):
        raise KeyMaterialRejected
    # 3.
    if "policyAssertion" in value and not _holds(value["policyAssertion"], policy, policy_canonical):
        raise KeyMaterialRejected
    return fields


def _decrypt(data_key: DataKey, encrypted: bytes) -> bytes:
    material = data_key.reveal()
    if len(material) != _KEY_BYTES or len(encrypted) < _START:
        raise KeyMaterialRejected
    iv, tag, ciphertext = encrypted[:_IV_BYTES], encrypted[_IV_BYTES:_START], encrypted[_START:]
    try:
        return AESGCM(material).decrypt(iv, ciphertext + tag, None)
    except InvalidTag as error:
        raise KeyMaterialRejected from error


def _parse(plaintext: bytes, check_bounds: Callable[[object], None]) -> dict[str, Any]:
    try:
        value = parse_json(plaintext)
        check_bounds(value)
    except InvalidRequest:
        raise KeyMaterialRejected from None  # the cause quotes what was secret
    if not isinstance(value, dict):
        raise KeyMaterialRejected
    return value


def _holds(assertion: object, policy: Mapping[str, Any], canonical: bytes) -> bool:
    """Each member of it is one of the five and says what the policy says. Missing ones assert nothing."""
    if not isinstance(assertion, dict):
        return False
    dissem = policy.get("dissem")
    label = dissem if isinstance(dissem, Mapping) else {}
    # Name -> how it is read, and what the policy says.
    expected: dict[str, tuple[_Read, object]] = {
        "policyHash": (_as_text, b64_encode(hashlib.sha256(canonical).digest())),
        "classification": (_as_text, label.get("classification")),
        "releasabilityTo": (_as_set, label.get("releasabilityTo", [])),
        "COI": (_as_set, label.get("COI", [])),
        "createdAt": (_as_text, label.get("creationDate")),
    }
    for name, value in assertion.items():
        read, said = expected.get(name, (_as_text, None))
        if read(value) is None or read(value) != read(said):
            return False
    return True


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _as_set(value: object) -> frozenset[str] | None:
    """A list of texts, whatever their order and repetition; None for what is not one."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return frozenset(value)
