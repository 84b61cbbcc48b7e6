"""Bytes to values and back, one way only: strict base64, I-JSON without duplicate members, canonical JSON.

Whatever is hashed or signed here passes through `canonical_json` (RFC 8785), and whatever is parsed through
`parse_json`, which takes I-JSON (RFC 7493) alone, so that two readers cannot see two documents in the same bytes.
Base64 is accepted only in the form that encoding would give: no white space, no missing or surplus padding, no
stray trailing bits. Nothing here knows a field name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any, Final, NoReturn

import orjson

from kas.errors import Fault, InvalidJson, InvalidStructure, NotCanonical

# RFC 7493 §2.2: beyond this a whole number is not exact in every reader.
MAX_EXACT_INTEGER: Final = 2**53 - 1
_EXACT_INTEGER_CHARS: Final = len(str(-MAX_EXACT_INTEGER))
# What `base64` does for the other alphabet, in one step; as the standard one, + and / are read too, and found later.
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_ALWAYS_PLAIN: Final = frozenset({str, bool, type(None)})
_LEAST_PLAIN_FRACTION: Final = 1e-4  # orjson writes an exponent below 1e-5, RFC 8785 below 1e-6
_DELETE: Final = b"\x7f"  # which orjson leaves as it is
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def b64_encode(data: bytes) -> str:
    """RFC 4648 §4, with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def b64_decode(text: str) -> bytes:
    """RFC 4648 §4, with padding, canonical. Raises ValueError."""
    data = base64.b64decode(text, validate=True)
    if b64_encode(data) != text:
        raise ValueError("not canonical base64")
    return data


def b64url_encode(data: bytes) -> str:
    """RFC 4648 §5, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def b64url_decode(text: str) -> bytes:
    """RFC 4648 §5, without padding, canonical. Raises ValueError."""
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
    # The decoder skips characters outside the alphabet; the round trip finds them, and stray trailing bits.
    if b64url_encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def sha256_b64url(data: bytes) -> str:
    """base64url of SHA-256: the form of every hash and thumbprint on the wire (43 characters)."""
    return b64url_encode(hashlib.sha256(data).digest())


def parse_json(data: bytes) -> Any:
    """Parses one I-JSON text in UTF-8.

    Raises InvalidJson for what is not JSON (a byte-order mark included); NotCanonical for what RFC 8785 cannot
    carry: duplicate members, lone surrogates, NaN and infinities, whole numbers beyond ±(2^53−1), numbers that
    overflow a double; InvalidStructure for nesting that the interpreter cannot follow.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidJson from error
    except UnicodeEncodeError as error:
        raise NotCanonical from error
    except RecursionError as error:
        raise _too_deep() from error
    return value


def canonical_json(value: object) -> bytes:
    """RFC 8785 bytes of a value that `parse_json` gave, or that was built of such values.

    Raises NotCanonical for what has no canonical form; InvalidStructure for nesting that this cannot follow, which is
    less than `parse_json` can from Python 3.13 on.
    """
    try:
        if _is_plain(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):  # nested deeply, or a lone surrogate
        pass
    return _written_by_the_rules(value)


def _written_by_the_rules(value: object) -> bytes:
    import rfc8785  # most processes never need it

    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # its alias is narrower than what it takes
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical from error
    except RecursionError as error:
        raise _too_deep() from error


def compact_json(value: object) -> bytes:
    """JSON in ASCII without white space, its members as they come; nothing in it breaks a line or moves a terminal.

    For values without NaN and infinities.
    """
    try:
        data = orjson.dumps(value)
        if data.isascii() and _DELETE not in data:
            return data
    except orjson.JSONEncodeError:  # nested deeply, a lone surrogate, or beyond 64 bits
        pass
    return _ASCII.encode(value).encode("ascii")


def _is_plain(value: object) -> bool:
    """Whether `orjson`, which is many times faster, writes it as RFC 8785 does: there is no number but exact whole ones
    and fractions that need no exponent, and no name whose place could depend on UTF-16. Strings it escapes alike.
    """
    if type(value) is dict:
        for name, member in value.items():
            if type(name) is not str or not name.isascii():
                return False
            if type(member) not in _ALWAYS_PLAIN and not _is_plain(member):  # of most there is nothing more to ask
                return False
        return True
    if type(value) is list:
        return all(type(item) in _ALWAYS_PLAIN or _is_plain(item) for item in value)
    if type(value) is int:
        return -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER
    if type(value) is float:
        return _LEAST_PLAIN_FRACTION <= abs(value) <= MAX_EXACT_INTEGER and not value.is_integer()
    return type(value) in _ALWAYS_PLAIN


def _too_deep() -> InvalidStructure:
    return InvalidStructure((Fault("too_deep", "", "nested too deeply"),))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical("duplicate member")
    return members


def _integer(digits: str) -> int:
    # The length is checked first: converting a million digits is slow, and Python refuses it in its own way.
    if len(digits) > _EXACT_INTEGER_CHARS or abs(int(digits)) > MAX_EXACT_INTEGER:
        raise NotCanonical("whole number beyond the exact range")
    return int(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise NotCanonical("number overflows a double")
    return number


def _not_a_number(_constant: str) -> NoReturn:
    raise NotCanonical("NaN or infinity")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_double, parse_constant=_not_a_number
)
_ASCII: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
