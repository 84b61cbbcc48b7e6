"""Wrapping and binding: what goes in comes out for its owner, and for nobody else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kas.crypto.binding import check_binding
from kas.crypto.wrapping import OAEP_SHA256, WrappedKey, oaep, wrap_to
from kas.datakey import LENGTHS, DataKey
from kas.errors import KeyMaterialRejected
from kas.jose import to_jwk
from kas.keys.registry import KeyRecord, WrappedMaterial
from kas.keys.software import SoftwareKeyService
from local.client import AnswerInvalid, ReceivingKey, new_receiving_key
from tests.vectors.replay import unwrap_key

KINDS = ("P-256", "P-384", "P-521", "RSA")
OWNERS = {kind: new_receiving_key(kind) for kind in KINDS}
STRANGERS = {kind: new_receiving_key(kind) for kind in KINDS}
MATERIAL = st.sampled_from(sorted(LENGTHS)).flatmap(lambda length: st.binary(min_size=length, max_size=length))
RECORD = KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"}))
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
SEALED = {name: KeyRecord(name, name, "active", frozenset({"acp240"})) for name in CURVES}
UNSEAL_KEYS = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
SERVICE = SoftwareKeyService({"k": unwrap_key(), **UNSEAL_KEYS})

each_kind = pytest.mark.parametrize("kind", KINDS)
few = settings(max_examples=25, deadline=None)


def unwrap(record: KeyRecord, wrapped: WrappedMaterial) -> DataKey:
    return SERVICE.unwrap(record, wrapped, lambda: None)


def opened(wrapped: WrappedKey, owner: ReceivingKey, ciphertext: bytes | None = None) -> bytes:
    ephemeral = None if wrapped.ephemeral_key is None else to_jwk(wrapped.ephemeral_key)
    return owner.open(wrapped.algorithm, wrapped.ciphertext if ciphertext is None else ciphertext, ephemeral)


@each_kind
@few
@given(material=MATERIAL)
def test_kas_req_113_wrapped_key_opens_for_its_owner_alone(kind: str, material: bytes) -> None:
    """By the client's own implementation, for every kind of client key."""
    wrapped = wrap_to(OWNERS[kind].private.public_key(), OAEP_SHA256)(DataKey(material))
    assert opened(wrapped, OWNERS[kind]) == material
    assert material not in wrapped.ciphertext
    with pytest.raises(AnswerInvalid):
        opened(wrapped, STRANGERS[kind])


@each_kind
@few
@given(material=MATERIAL, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_changed_ciphertext_does_not_open(kind: str, material: bytes, place: int, bit: int) -> None:
    """Any one bit."""
    wrapped = wrap_to(OWNERS[kind].private.public_key(), OAEP_SHA256)(DataKey(material))
    changed = bytearray(wrapped.ciphertext)
    changed[place % len(changed)] ^= 1 << bit
    with pytest.raises(AnswerInvalid):
        opened(wrapped, OWNERS[kind], bytes(changed))


@each_kind
def test_kas_req_053_every_response_has_its_own_randomness(kind: str) -> None:
    """Two responses share no ephemeral key, two keys of one response no nonce: the same key never looks the same."""
    public = OWNERS[kind].private.public_key()
    one, other = wrap_to(public, OAEP_SHA256), wrap_to(public, OAEP_SHA256)
    wrapped = [wrap(DataKey(bytes(32))) for wrap in (one, one, other)]
    assert len({item.ciphertext for item in wrapped}) == 3
    if kind != "RSA":
        assert len({item.ciphertext[:12] for item in wrapped}) == 3
        first, second, third = (to_jwk(item.ephemeral_key)["x"] for item in wrapped if item.ephemeral_key is not None)
        assert first == second != third


@few
@given(material=st.binary(max_size=190))
def test_service_unwraps_what_was_wrapped_to_it(material: bytes) -> None:
    """Whatever its length: that is the binding's to judge."""
    wrapped = unwrap_key().public_key().encrypt(material, oaep(hashes.SHA256()))
    assert unwrap(RECORD, WrappedMaterial(wrapped)).reveal() == material


@pytest.mark.parametrize("curve", CURVES)
@few
@given(material=st.binary(max_size=190))
def test_service_opens_what_was_sealed_to_it(curve: str, material: bytes) -> None:
    """Whatever its length, on each curve."""
    wrapped = wrap_to(UNSEAL_KEYS[curve].public_key(), OAEP_SHA256)(DataKey(material))
    assert unwrap(SEALED[curve], WrappedMaterial(wrapped.ciphertext, wrapped.ephemeral_key)).reveal() == material


@few
@given(wrapped=st.binary(max_size=300))
@example(b"")
@example(bytes(256))
@example(b"\xff" * 256)
@example(bytes(255))
def test_what_does_not_unwrap_is_one_refusal(wrapped: bytes) -> None:
    """Wrong length, beyond the modulus, bad padding."""
    with pytest.raises(KeyMaterialRejected):
        unwrap(RECORD, WrappedMaterial(wrapped))


@pytest.mark.parametrize("curve", CURVES)
@few
@given(sealed=st.binary(max_size=300))
@example(b"")
@example(bytes(12))
@example(bytes(27))
@example(bytes(28))
def test_what_is_not_sealed_to_it_is_one_refusal(curve: str, sealed: bytes) -> None:
    """Too short, another nonce, another tag."""
    with pytest.raises(KeyMaterialRejected):
        unwrap(SEALED[curve], WrappedMaterial(sealed, STRANGERS[curve].private.public_key()))


@given(material=MATERIAL, message=st.binary(max_size=40))
def test_binding_holds_for_its_key_and_message(material: bytes, message: bytes) -> None:
    """And gives the key back."""
    key = DataKey(material)
    assert check_binding(key, message, key.hmac_sha256(message)) is key


@given(material=MATERIAL, other=MATERIAL, message=st.binary(max_size=40), another=st.binary(max_size=40))
def test_binding_holds_for_nothing_else(material: bytes, other: bytes, message: bytes, another: bytes) -> None:
    """Another key, another message, another binding, no key."""
    # HMAC fills short keys with zeros, so keys that differ in trailing zeros alone are one key to it.
    assume(material.ljust(32, b"\0") != other.ljust(32, b"\0") and message != another)
    binding = DataKey(material).hmac_sha256(message)
    for key, text, value in (
        (DataKey(other), message, binding),
        (DataKey(material), another, binding),
        (DataKey(material), message, binding[:-1]),
        (DataKey(material), message, b""),
        (None, message, binding),
    ):
        with pytest.raises(KeyMaterialRejected):
            check_binding(key, text, value)


@given(material=st.binary(max_size=64).filter(lambda data: len(data) not in LENGTHS), message=st.binary(max_size=40))
@example(material=b"", message=b"{}")
def test_attack_r07_material_of_another_length_is_refused(material: bytes, message: bytes) -> None:
    """Although its binding is right."""
    key = DataKey(material)
    with pytest.raises(KeyMaterialRejected):
        check_binding(key, message, key.hmac_sha256(message))


@given(message=st.binary(max_size=40))
def test_stand_in_key_opens_nothing(message: bytes) -> None:
    """A binding under 32 zero bytes is no way around a wrap that did not open."""
    with pytest.raises(KeyMaterialRejected):
        check_binding(None, message, DataKey(bytes(32)).hmac_sha256(message))
