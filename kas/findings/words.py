"""Pieces of sentences: what came from a token or a policy is printable and bounded, and quoted unless it is one plain word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kas.protocol.explain import Finding

NOTHING: Final = "nothing"
NONE: Final = "none"
MAX_ITEMS: Final = 12
MAX_SHOWN_CHARS: Final = 120
MAX_CHARS: Final = 1000

_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_.:/#@+-]{{1,{MAX_SHOWN_CHARS}}}")


def finding(needed: str, found: str) -> Finding:
    """Both within `MAX_CHARS`."""
    return Finding(_cut(needed, MAX_CHARS), _cut(found, MAX_CHARS))


def shown(text: str | None) -> str:
    """A text that somebody chose: whoever prints it gets no control character, and none that turns the line round. None,
    and nothing else, is shown as `NONE`.
    """
    if text is None:
        return NONE
    if _PLAIN.fullmatch(text) and text not in {NONE, NOTHING}:
        return text
    start = _cut(text[: MAX_SHOWN_CHARS + 1], MAX_SHOWN_CHARS)
    return f"“{''.join(one if one.isprintable() else _UNPRINTABLE for one in start)}”"


def listed(items: Iterable[str]) -> str:
    """Each shown once, the first of them by name; a set in order of the alphabet."""
    found = sorted(items) if isinstance(items, frozenset) else list(dict.fromkeys(items))
    more = f" and {len(found) - MAX_ITEMS} more" if len(found) > MAX_ITEMS else ""
    return ", ".join(map(shown, found[:MAX_ITEMS])) + more or NONE


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
