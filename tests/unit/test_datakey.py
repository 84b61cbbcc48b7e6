"""Plain key material shows nowhere."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import pickle

import pytest

from kas.datakey import DataKey

CANARY = b"canary-canary-canary-canary-0123"


def test_what_goes_in_comes_out():
    assert DataKey(CANARY).reveal() == CANARY


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda key: f"{[key]}"])
def test_no_readable_form_has_the_material(show):
    assert "canary" not in show(DataKey(CANARY))
    assert show(DataKey(CANARY)) == show(DataKey(bytes(32)))


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_serialised_nor_copied(copying):
    with pytest.raises(TypeError, match="not serialised"):
        copying(DataKey(CANARY))


def test_json_cannot_carry_it():
    with pytest.raises(TypeError):
        json.dumps(DataKey(CANARY))


def test_two_keys_are_never_equal_so_that_nobody_compares_them_in_variable_time():
    assert DataKey(CANARY) != DataKey(CANARY)


@pytest.mark.parametrize("length", range(40))
def test_lengths_are_those_of_aes(length):
    assert DataKey(bytes(length)).has_valid_length() == (length in {16, 24, 32})


def test_the_hmac_is_that_of_the_standard_library():
    assert DataKey(CANARY).hmac_sha256(b"message") == hmac.new(CANARY, b"message", hashlib.sha256).digest()


def test_a_copy_is_the_same_key_in_memory_of_its_own():
    key = DataKey(CANARY)
    copied = key.copy()
    key.wipe()
    assert copied.reveal() == CANARY


def test_a_key_does_not_change_with_what_it_was_made_from():
    source = bytearray(CANARY)
    key = DataKey(source)
    source[:] = bytes(32)
    assert key.reveal() == CANARY


def test_wiping_overwrites_the_bytes_in_place():
    key = DataKey(CANARY)
    held = key._material
    key.wipe()
    assert held == bytes(32)


@pytest.mark.parametrize(
    "use",
    [DataKey.reveal, DataKey.copy, DataKey.has_valid_length, lambda key: key.hmac_sha256(b"message")],
    ids=["reveal", "copy", "length", "hmac"],
)
def test_a_wiped_key_is_no_key_of_zeros(use):
    key = DataKey(CANARY)
    key.wipe()
    key.wipe()
    with pytest.raises(RuntimeError):
        use(key)


def test_the_xor_of_two_keys_is_a_third_in_memory_of_its_own():
    one, other = DataKey(CANARY), DataKey(bytes([1]) * 32)
    both = one.xor(other)
    one.wipe()
    other.wipe()
    assert both.reveal() == bytes(byte ^ 1 for byte in CANARY)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_keys_of_two_lengths_have_no_xor(length):
    with pytest.raises(ValueError):
        DataKey(CANARY).xor(DataKey(bytes(length)))


@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_key_of_zeros_is_known_as_one(length):
    assert DataKey(bytes(length)).is_zero()
    for place in (0, length - 1):
        material = bytearray(length)
        material[place] = 128
        assert not DataKey(material).is_zero()


@pytest.mark.parametrize(
    "use", [DataKey.is_zero, lambda key: key.xor(DataKey(CANARY)), lambda key: DataKey(CANARY).xor(key)]
)
def test_a_wiped_key_is_neither_combined_nor_a_key_of_zeros(use):
    key = DataKey(CANARY)
    key.wipe()
    with pytest.raises(RuntimeError):
        use(key)
