"""Which key unwraps for a kid: one record, its dialect, one mechanism; nothing is guessed."""

from __future__ import annotations

import pytest

from kas.errors import UnknownKey
from kas.keys.registry import KeyRecord, KeyRegistry

ACP240, OPENTDF = frozenset({"acp240"}), frozenset({"opentdf"})
ACTIVE = KeyRecord("active", "RSA-2048", "active", ACP240)
OLD = KeyRecord("old", "RSA-2048", "decrypt-only", ACP240)
DISABLED = KeyRecord("disabled", "RSA-2048", "disabled", ACP240)
OTHER = KeyRecord("other", "RSA-2048", "active", OPENTDF)
SHARED = KeyRecord("shared", "P-256", "active", ACP240 | OPENTDF)
OLD_EC = KeyRecord("old-ec", "P-521", "decrypt-only", OPENTDF)
DISABLED_EC = KeyRecord("disabled-ec", "P-384", "disabled", ACP240 | OPENTDF)
REGISTRY = KeyRegistry((ACTIVE, OLD, DISABLED, OTHER, SHARED, OLD_EC, DISABLED_EC))


@pytest.mark.parametrize(
    ("record", "dialect"),
    [
        (ACTIVE, "acp240"),
        (OLD, "acp240"),
        (OTHER, "opentdf"),
        (SHARED, "acp240"),
        (SHARED, "opentdf"),
        (OLD_EC, "opentdf"),
    ],
)
def test_a_key_is_found_by_kid_dialect_and_mechanism(record, dialect):
    is_rsa = record.algorithm.startswith("RSA")
    assert REGISTRY.find(record.kid, dialect, is_rsa=is_rsa) is record
    with pytest.raises(UnknownKey):
        REGISTRY.find(record.kid, dialect, is_rsa=not is_rsa)


@pytest.mark.parametrize(
    ("kid", "dialect"),
    [
        ("disabled", "acp240"),
        ("other", "acp240"),
        ("active", "opentdf"),
        ("", "acp240"),
        ("Active", "acp240"),
        ("unknown", "opentdf"),
        ("old-ec", "acp240"),
        ("disabled-ec", "acp240"),
        ("disabled-ec", "opentdf"),
    ],
)
@pytest.mark.parametrize("is_rsa", [True, False])
def test_anything_else_is_one_answer(kid, dialect, is_rsa):
    with pytest.raises(UnknownKey):
        REGISTRY.find(kid, dialect, is_rsa=is_rsa)


def test_only_active_keys_are_published():
    assert REGISTRY.published() == (ACTIVE, OTHER, SHARED)


@pytest.mark.parametrize(
    ("record", "algorithm"),
    [(ACTIVE, "RSA-OAEP-256"), (OTHER, "RSA-OAEP"), (SHARED, "ECDH-ES"), (OLD_EC, "ECDH-ES")],
)
def test_the_algorithm_of_a_key_is_that_of_its_mechanism_and_dialect(record, algorithm):
    assert record.jwk_algorithm == algorithm


@pytest.mark.parametrize("record", [SHARED, OLD_EC, KeyRecord("two", "RSA-2048", "active", ACP240 | OPENTDF)])
def test_a_key_without_one_oaep_hash_has_none(record):
    with pytest.raises(ValueError, match="not an RSA key of one dialect"):
        record.hash  # noqa: B018 - that it is asked for is the test


def test_the_oaep_hash_of_an_rsa_key_is_that_of_its_dialect():
    assert (ACTIVE.hash, OTHER.hash) == ("SHA-256", "SHA-1")


def test_a_kao_without_kid_may_be_wrapped_to_the_rsa_keys_that_are_marked_for_it():
    marked = [
        KeyRecord("a", "RSA-2048", "active", OPENTDF, is_legacy=True),
        KeyRecord("b", "RSA-2048", "decrypt-only", OPENTDF, is_legacy=True),
        KeyRecord("c", "RSA-2048", "disabled", OPENTDF, is_legacy=True),
        KeyRecord("d", "RSA-2048", "active", ACP240, is_legacy=True),
        KeyRecord("e", "P-256", "active", OPENTDF, is_legacy=True),
    ]
    registry = KeyRegistry((OTHER, *marked))
    assert [record.kid for record in registry.legacy("opentdf")] == ["a", "b"]
    assert [record.kid for record in registry.legacy("acp240")] == ["d"]
