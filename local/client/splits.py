"""A data key in splits (ACP-240 §2, *Splits and alternatives*): whoever wants it needs every one of them.

All but the last are random, and the XOR of all is the key; so what some of them say without the others is nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import reduce

from local.client.errors import AnswerInvalid


def split(data_key: bytes, number: int) -> list[bytes]:
    """``number`` splits, each as long as the key."""
    pads = [secrets.token_bytes(len(data_key)) for _ in range(number - 1)]
    return [*pads, combine([data_key, *pads])]


def combine(splits: Sequence[bytes]) -> bytes:
    """The key of all its splits, in any order. Raises AnswerInvalid when they are not of one length."""
    if len({len(one) for one in splits}) != 1:
        raise AnswerInvalid("the splits are not of one length")
    return reduce(lambda left, right: bytes(a ^ b for a, b in zip(left, right, strict=True)), splits)
