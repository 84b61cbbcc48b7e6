"""The algebra of splits: all of them are the key in any order, and fewer say nothing about it (ACP-240 §2; KAS-REQ-120)."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from kas.crypto.splits import MAX_SPLITS, MIN_SPLITS, combine
from kas.datakey import LENGTHS, DataKey
from kas.errors import KeyMaterialRejected

COUNTS = st.integers(MIN_SPLITS, MAX_SPLITS)


def materials(length: int, count: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.binary(min_size=length, max_size=length), min_size=count, max_size=count)


def few_values(count: int) -> st.SearchStrategy[list[bytes]]:
    """Of so few values that they often cancel."""
    return st.lists(st.integers(0, 7).map(lambda value: bytes([value]) * 16), min_size=count, max_size=count)


SPLITS = st.tuples(st.sampled_from(sorted(LENGTHS)), COUNTS).flatmap(lambda drawn: materials(*drawn))
SMALL = COUNTS.flatmap(few_values)


def xor(parts: Iterable[bytes]) -> bytes:
    """Written without `kas`, which it is compared with."""
    found = list(parts)
    total = functools.reduce(operator.xor, (int.from_bytes(part, "big") for part in found))
    return total.to_bytes(len(found[0]), "big")


def choices(splits: Sequence[bytes], sizes: Iterable[int]) -> list[tuple[bytes, ...]]:
    return [chosen for size in sizes for chosen in itertools.combinations(splits, size)]


def is_refused(splits: Sequence[bytes]) -> bool:
    try:
        combine([DataKey(split) for split in splits])
    except KeyMaterialRejected:
        return True
    return False


def key_of(splits: Sequence[bytes]) -> bytes:
    assume(not is_refused(splits))
    return combine([DataKey(split) for split in splits]).reveal()


@given(splits=SPLITS, data=st.data())
def test_order_does_not_matter(splits: list[bytes], data: st.DataObject) -> None:
    """Any permutation is the same key, or refused as well."""
    shuffled = data.draw(st.permutations(splits))
    assert is_refused(shuffled) == is_refused(splits)
    assert key_of(shuffled) == key_of(splits)


@given(splits=SPLITS)
def test_all_splits_give_the_key_back(splits: list[bytes]) -> None:
    """Of any key: what is drawn is all splits but one, and the key; the last split is made of them."""
    *others, key = splits
    made = [*others, xor(splits)]
    assert key_of(made) == key


@given(splits=SMALL)
def test_no_subset_is_the_key(splits: list[bytes]) -> None:
    """Whatever is not refused needs all of its splits; and nothing else is refused."""
    opens_early = any(xor(chosen) == xor(splits) for chosen in choices(splits, range(1, len(splits))))
    is_zero = xor(splits) == bytes(16)
    assert is_refused(splits) == (opens_early or is_zero)


@given(splits=SPLITS, size=st.integers(1, MAX_SPLITS - 1), data=st.data())
def test_a_subset_says_nothing_about_the_key(splits: list[bytes], size: int, data: st.DataObject) -> None:
    """For whoever holds a subset any key is as possible as any other: there are remaining splits that make it."""
    size = min(size, len(splits) - 1)
    held, rest = splits[:size], splits[size:]
    key = data.draw(st.binary(min_size=len(splits[0]), max_size=len(splits[0])))
    *free, _ = rest
    completed = [*held, *free, xor([*held, *free, key])]
    assert len(completed) == len(splits)
    assert key_of(completed) == key


@given(splits=SPLITS, data=st.data())
def test_there_is_exactly_one_completion_for_each_key(splits: list[bytes], data: st.DataObject) -> None:
    """All splits but the last are held and fixed: two last splits never give one key, so none is likelier."""
    held, length = splits[:-1], len(splits[0])
    one, other = (data.draw(st.binary(min_size=length, max_size=length)) for _ in range(2))
    assume(one != other)
    assert key_of([*held, one]) != key_of([*held, other])
