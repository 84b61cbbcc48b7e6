"""What is no I-JSON (RFC 7493), so that two readers could see two documents in it, and what is no JSON at all."""

from __future__ import annotations

# Values, to stand where a member's value stands.
NOT_CANONICAL = {
    "2**53": "9007199254740992",
    "-2**53": "-9007199254740992",
    "long-integer": "1" + "0" * 5000,
    "overflow": "1e400",
    "negative-overflow": "-1e400",
    "long-overflow": "1" + "0" * 400 + ".0",
    "nan": "NaN",
    "infinity": "Infinity",
    "negative-infinity": "-Infinity",
    "high-surrogate": r'"\ud800"',
    "low-surrogate": r'"\udc00"',
    "swapped-surrogates": r'"\udc00\ud800"',
    "upper-case-surrogate": r'"\uD834"',
    "surrogate-in-a-name": r'{"\ud800": 1}',
    "surrogate-nested": r'[[{"a": ["\ud800"]}]]',
    "duplicate": '{"a": 1, "a": 1}',
    "duplicate-by-escape": r'{"a": 1, "\u0061": 2}',
    "duplicate-nested": '[{"b": {"a": 1, "a": 2}}]',
}

# Whole bodies.
INVALID_JSON = {
    "empty": b"",
    "white-space": b"  \n",
    "cut": b'{"requests": [',
    "two-values": b"{} {}",
    "trailing-comma": b'{"a": 1,}',
    "single-quotes": b"{'a': 1}",
    "comment": b"{} // end",
    "control-character": b'{"a": "\x01"}',
    "leading-zero": b'{"a": 01}',
    "plus": b'{"a": +1}',
    "hexadecimal": b'{"a": 0x1}',
    "short-escape": rb'{"a": "\u12"}',
    "unknown-escape": rb'{"a": "\x41"}',
    "utf-8-cut": b'{"a": "\xc3"}',
    "utf-8-overlong": b'{"a": "\xc0\xaf"}',
    "utf-8-surrogate": b'{"a": "\xed\xa0\x80"}',
    "utf-8-beyond": b'{"a": "\xf5\x80\x80\x80"}',
    "latin-1": '{"a": "ü"}'.encode("latin-1"),
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "utf-16-no-mark": '{"a": 1}'.encode("utf-16-le"),
}
