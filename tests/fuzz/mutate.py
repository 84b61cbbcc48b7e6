"""Changes to JSON that keep it JSON, so that the fuzzer gets past the parser; whatever it is of bytes is libFuzzer's."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, -(2**53), 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", " ", "\x00", "A", "=", ".", "none", "é", "\ud800", "İ", "A" * 300, "1e999", "9" * 5000),
    *([], {}, [[]], [None], {"": None}, ["a", 1], [{}]),
)


def mutate(data: bytes, max_size: int, seed: int, mutate_bytes: Callable[[bytes, int], bytes]) -> bytes:
    """One to four changes of the value in ``data``, or of its bytes where that is none, and else every third time."""
    chance = random.Random(seed)
    if chance.random() < 1 / 3:
        return mutate_bytes(data, max_size)
    try:
        value = json.loads(data)
        for _ in range(chance.randint(1, 4)):
            value = _changed(value, chance, lambda text: _text(text, max_size, mutate_bytes))
        changed = json.dumps(value, ensure_ascii=chance.random() < 1 / 2).encode()
    except (ValueError, OverflowError, RecursionError):
        return mutate_bytes(data, max_size)
    return changed if len(changed) <= max_size else mutate_bytes(data, max_size)


def _text(text: str, max_size: int, mutate_bytes: Callable[[bytes, int], bytes]) -> str:
    return mutate_bytes(text.encode("utf-8", "surrogatepass"), max_size).decode("utf-8", "replace")


def _changed(value: Any, chance: random.Random, edit: Callable[[str], str]) -> Any:
    """``value`` with one change somewhere within."""
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        names = list(value) if isinstance(value, dict) else list(range(len(value)))
        name = chance.choice(names)
        way = chance.random()
        if way < 0.06:
            del value[name]
        elif way < 0.12 and isinstance(value, list):
            value.insert(chance.randrange(len(value) + 1), copy.deepcopy(value[name]))
        elif way < 0.12:
            value[edit(str(name))] = value.pop(name)
        elif way < 0.18:
            value[name] = copy.deepcopy(value[chance.choice(names)])
        else:
            value[name] = _changed(value[name], chance, edit)
        return value
    return _replaced(value, chance, edit)


def _replaced(value: Any, chance: random.Random, edit: Callable[[str], str]) -> Any:
    way = chance.random()
    if isinstance(value, str) and way < 0.5:
        return edit(value)
    if isinstance(value, int | float) and way < 0.4:
        return value + chance.choice((1, -1, 0.5, 2**31, -(2**31), 2**53))
    if way < 0.6:
        for _ in range(chance.choice((1, 1, 2, 31, 33, 600))):
            value = [value] if chance.random() < 0.5 else {"a": value}
        return value
    return copy.deepcopy(chance.choice(ODD))
