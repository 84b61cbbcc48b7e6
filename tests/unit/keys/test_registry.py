"""Which key unwraps for a kid: one record, one dialect, one hash; nothing is guessed."""

from __future__ import annotations

import pytest

from kas.errors import UnknownKey
from kas.keys.registry import KeyRecord, KeyRegistry

ACTIVE = KeyRecord("active", "RSA-2048", "SHA-256", "active", "acp240")
OLD = KeyRecord("old", "RSA-2048", "SHA-256", "decrypt-only", "acp240")
DISABLED = KeyRecord("disabled", "RSA-2048", "SHA-256", "disabled", "acp240")
OTHER = KeyRecord("other", "RSA-2048", "SHA-1", "active", "opentdf")
REGISTRY = KeyRegistry((ACTIVE, OLD, DISABLED, OTHER))


@pytest.mark.parametrize(("record", "dialect"), [(ACTIVE, "acp240"), (OLD, "acp240"), (OTHER, "opentdf")])
def test_a_key_is_found_by_kid_and_dialect(record, dialect):
    assert REGISTRY.find(record.kid, dialect) is record


@pytest.mark.parametrize(
    ("kid", "dialect"),
    [
        ("disabled", "acp240"),
        ("other", "acp240"),
        ("active", "opentdf"),
        ("", "acp240"),
        ("Active", "acp240"),
        ("unknown", "opentdf"),
    ],
)
def test_anything_else_is_one_answer(kid, dialect):
    with pytest.raises(UnknownKey):
        REGISTRY.find(kid, dialect)


def test_only_active_keys_are_published():
    assert REGISTRY.published() == (ACTIVE, OTHER)
