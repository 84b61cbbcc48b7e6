"""Structured garbage: a good JSON value with a few things changed at random places, and then perhaps its bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

SURROGATES = st.characters(categories=("Cs",))
TEXTS = st.one_of(
    st.text(max_size=20), st.text(SURROGATES, min_size=1, max_size=3), st.sampled_from(["", "\x00", "A" * 9000])
)
NUMBERS = st.one_of(st.integers(), st.sampled_from([2**53, -(2**53), 10**400]), st.floats())
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
CHANGES = ("delete", "replace", "retype", "nest", "bury", "swap", "repeat", "rename", "edit")


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Where something stands, the whole included."""
    yield here
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in members:
        yield from paths(child, (*here, name))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


@st.composite
def changed(draw: st.DrawFn, good: Any, *, under: Path = ()) -> Any:
    """``good`` with one to three changes at or below ``under``."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        reachable = [path for path in paths(value) if path[: len(under)] == under]
        if reachable:
            value = _change(draw, value, draw(st.sampled_from(reachable)))
    return value


def _change(draw: st.DrawFn, value: Any, path: Path) -> Any:
    kind = draw(st.sampled_from(CHANGES))
    if not path:
        return draw(JUNK) if kind in {"replace", "delete"} else value
    parent, name, here = at(value, path[:-1]), path[-1], at(value, path)
    if kind == "delete":
        del parent[name]
    elif kind == "repeat" and isinstance(parent, list):
        parent.append(copy.deepcopy(here))
    elif kind == "rename" and isinstance(parent, dict):
        parent[draw(TEXTS)] = parent.pop(name)
    elif kind == "swap":
        parent[name] = copy.deepcopy(at(value, draw(st.sampled_from(list(paths(value))))))
    else:
        parent[name] = _replacement(draw, kind, here)
    return value


def _replacement(draw: st.DrawFn, kind: str, here: Any) -> Any:
    if kind == "nest":
        return draw(st.sampled_from([[here], {"x": here}, [here, here]]))
    if kind == "bury":
        for _ in range(draw(st.sampled_from([5, 30, 60]))):
            here = [here]
        return here
    if kind == "retype":
        return draw(st.sampled_from([str(here)[:500], [], {}, 0, None, True]))
    if kind == "edit" and isinstance(here, str):
        place = draw(st.integers(0, len(here)))
        return here[:place] + draw(st.characters()) + here[place + 1 :]
    return draw(JUNK)


def as_bytes(value: Any) -> bytes:
    """As a client would send it, with whatever Python calls JSON."""
    try:
        return json.dumps(value).encode()
    except (RecursionError, ValueError):
        return b"[" * 5000


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes cut, repeated, inserted or overwritten."""
    place, length = draw(st.integers(0, len(good))), draw(st.integers(0, 40))
    end = min(len(good), place + length)
    insertion = draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"\xef\xbb\xbf", b"\x00", b"\\ud800", b"1e999", b"{}"]))
    )
    ways = [
        good[:place],
        good[:place] + good[end:],
        good[:end] + good[place:],
        good[:place] + insertion + good[place:],
        good[:place] + insertion + good[end:],
    ]
    return draw(st.sampled_from(ways))
