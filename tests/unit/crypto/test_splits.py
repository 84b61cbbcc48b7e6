"""Splits make a key when all of them are needed for it, and are left as they were."""

from __future__ import annotations

import secrets

import pytest

from kas.crypto.splits import MAX_SPLITS, MIN_SPLITS, combine
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected

ONE, TWO, FOUR = (bytes([value]) * 32 for value in (1, 2, 4))


def keys(*materials):
    return [DataKey(material) for material in materials]


def rejected(splits):
    with pytest.raises(KeyMaterialRejected) as refused:
        combine(splits)
    assert refused.value.code == "key_material_rejected"


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("count", range(2, 6))
def test_kas_req_120_the_key_is_the_xor_of_all_splits(count, length):
    splits = [secrets.token_bytes(length) for _ in range(count)]
    expected = 0
    for split in splits:
        expected ^= int.from_bytes(split, "big")
    assert combine(keys(*splits)).reveal() == expected.to_bytes(length, "big")


def test_the_numbers_are_those_of_the_specification():
    assert (MIN_SPLITS, MAX_SPLITS) == (2, 5)


@pytest.mark.parametrize("count", [0, 1, 6, 40])
def test_fewer_or_more_splits_are_rejected(count):
    rejected(keys(*(secrets.token_bytes(32) for _ in range(count))))


@pytest.mark.parametrize("lengths", [(16, 32), (32, 16), (32, 32, 24), (32, 32, 32, 32, 16)])
def test_splits_of_two_lengths_are_rejected(lengths):
    rejected(keys(*(secrets.token_bytes(length) for length in lengths)))


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31, 33, 64])
def test_a_length_that_no_key_has_is_rejected(length):
    rejected(keys(*(secrets.token_bytes(length) for _ in range(2))))


@pytest.mark.parametrize(
    "splits",
    [
        (ONE, ONE),
        (ONE, TWO, ONE),
        (ONE, TWO, TWO),
        (ONE, ONE, ONE),
        (ONE, TWO, bytes([3]) * 32),
        (ONE, TWO, bytes([3]) * 32, FOUR),
        (ONE, bytes(32)),
        (bytes(32), ONE, TWO),
        (bytes(32), bytes(32)),
    ],
    ids=[
        "equal",
        "equal-apart",
        "equal-last",
        "three-equal",
        "zero-key",
        "three-cancel",
        "zero",
        "zero-first",
        "zeros",
    ],
)
def test_splits_that_cancel_are_rejected_since_the_others_alone_would_be_the_key(splits):
    rejected(keys(*splits))


def test_the_splits_stay_the_caller_s_and_the_key_is_no_part_of_them():
    splits = keys(ONE, TWO)
    key = combine(splits)
    assert [split.reveal() for split in splits] == [ONE, TWO]
    for split in splits:
        split.wipe()
    assert key.reveal() == bytes([3]) * 32


def test_a_key_that_is_wiped_leaves_the_splits():
    splits = keys(ONE, TWO)
    combine(splits).wipe()
    assert [split.reveal() for split in splits] == [ONE, TWO]


@pytest.mark.parametrize(
    "splits",
    [(ONE, TWO, FOUR), (ONE, ONE), (ONE, TWO[:16]), (ONE, TWO, FOUR[:16])],
    ids=["key", "equal", "short", "third"],
)
def test_everything_but_the_key_is_wiped(splits, mocker):
    """Whatever was made on the way, whether it ends well or not."""
    given = keys(*splits)
    first = mocker.spy(DataKey, "__init__")
    try:
        key = combine(given)
    except KeyMaterialRejected:
        key = None
    made = [call.args[0] for call in first.call_args_list]
    assert made
    for one in made:
        if one is key:
            continue
        with pytest.raises(RuntimeError):
            one.reveal()


def test_a_wiped_split_is_no_split_of_zeros():
    splits = keys(ONE, TWO)
    splits[1].wipe()
    with pytest.raises(RuntimeError):
        combine(splits)
