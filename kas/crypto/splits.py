"""Splits of one key, put together by XOR (ACP-240 §2 *Splits and alternatives*; KAS-REQ-120).

Guarantees that all of the splits are needed: where some of them cancel one another, the others alone would be the key.
Does not know whose splits they are, nor that they belong to one policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected

MIN_SPLITS: Final = 2
MAX_SPLITS: Final = 5


def combine(splits: Sequence[DataKey]) -> DataKey:
    """The key of 2 to 5 splits that have one length, that of an AES key. It is new memory, the caller's to wipe; the
    splits are untouched.

    Raises KeyMaterialRejected for another number or length, and where the XOR of one or more of the splits is zero: a
    split of zeros, two that are equal, a key of zeros.
    """
    if not MIN_SPLITS <= len(splits) <= MAX_SPLITS or not all(split.has_valid_length() for split in splits):
        raise KeyMaterialRejected
    sums: list[DataKey] = []  # of every choice of splits so far, that of all of them last: 31 at most
    try:
        for split in splits:
            sums.append(split.copy())
            sums += [one.xor(split) for one in sums[:-1]]
        if any(one.is_zero() for one in sums):
            raise KeyMaterialRejected
        return sums[-1].copy()
    except ValueError as error:
        raise KeyMaterialRejected from error
    finally:
        for one in sums:
            one.wipe()
