"""A binding holds for one key and one message, and whatever is wrong costs the same."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.crypto.binding import check_binding
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected

KEY = bytes(range(32))


def bind(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


@settings(deadline=None)
@given(st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)), st.binary())
def test_the_key_that_made_a_binding_passes(material, message):
    key = DataKey(material)
    assert check_binding(key, message, bind(material, message)) is key


@pytest.mark.parametrize("bit", [0, 7, 128, 255])
def test_no_bit_of_a_binding_can_change(bit):
    binding = bytearray(bind(KEY, b"policy"))
    binding[bit // 8] ^= 1 << bit % 8
    with pytest.raises(KeyMaterialRejected):
        check_binding(DataKey(KEY), b"policy", bytes(binding))


@pytest.mark.parametrize("binding", [b"", bind(KEY, b"policy")[:31], bind(KEY, b"policy") + b"\0"])
def test_a_binding_has_all_of_its_bytes(binding):
    with pytest.raises(KeyMaterialRejected):
        check_binding(DataKey(KEY), b"policy", binding)


@pytest.mark.parametrize("material", [b"", bytes(15), bytes(17), bytes(33), bytes(64)])
def test_material_of_another_length_passes_under_no_binding(material):
    for made_by in (material, bytes(32)):
        with pytest.raises(KeyMaterialRejected):
            check_binding(DataKey(material), b"policy", bind(made_by, b"policy"))


@pytest.mark.parametrize("made_by", [b"", bytes(32)])
def test_without_key_no_binding_holds_not_even_that_of_the_stand_in(made_by):
    with pytest.raises(KeyMaterialRejected):
        check_binding(None, b"policy", bind(made_by, b"policy"))


@pytest.mark.parametrize("key", [None, DataKey(b""), DataKey(bytes(17)), DataKey(KEY), DataKey(bytes(32))])
def test_every_case_makes_one_hmac(key, mocker):
    made = mocker.spy(DataKey, "hmac_sha256")
    with pytest.raises(KeyMaterialRejected):
        check_binding(key, b"policy", bytes(32))
    assert made.call_count == 1
