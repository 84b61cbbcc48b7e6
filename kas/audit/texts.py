"""Texts as they stand in a line: long ones as their hash."""

from __future__ import annotations

import hashlib
import re
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from kas.encoding import b64url_encode

_MAX_TEXT_BYTES: Final = 260
_HASHED: Final = "sha256:"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def shorten(value: Any) -> Any:
    """A long text becomes its hash, and so does one that would pass for a hash, or that is no text."""
    if isinstance(value, str) and (_is_long(value) or value.startswith(_HASHED)):
        return _HASHED + b64url_encode(hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest())
    return value


def _is_long(text: str) -> bool:
    if not text.isascii() and _LONE_SURROGATE.search(text):  # of which no two readers make the same
        return True
    return len(encode_basestring_ascii(text)) > _MAX_TEXT_BYTES
