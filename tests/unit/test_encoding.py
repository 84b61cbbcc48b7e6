"""Strict reading: what encoding would not give is refused, so that two readers never see two things in one text."""

from __future__ import annotations

import pytest

from kas.encoding import (
    MAX_EXACT_INTEGER,
    b64_decode,
    b64_encode,
    b64url_decode,
    b64url_encode,
    canonical_json,
    parse_json,
    sha256_b64url,
)
from kas.errors import InvalidJson, InvalidStructure, KasError, NotCanonical

DEEP = 100_000


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "+//+")]
)
def test_base64_of_known_bytes(data: bytes, text: str) -> None:
    """RFC 4648 §10, with padding and the first alphabet."""
    assert b64_encode(data) == text
    assert b64_decode(text) == data


@pytest.mark.parametrize(
    "text",
    [
        "Zg",
        "Zg=",
        "Zg===",
        "Zh==",
        "Zm9=",
        "Zm 9v",
        "Zm9v\n",
        "\nZm9v",
        "-__-",
        "Zm9v=",
        "Z",
        "====",
        "Zm9v!",
        "Zg==Zg==",
        "é",
    ],
)
def test_base64_in_another_form_is_refused(text: str) -> None:
    """Padding, trailing bits, white space, the other alphabet, and what is no base64 at all."""
    with pytest.raises(ValueError):
        b64_decode(text)


@pytest.mark.parametrize(("data", "text"), [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"\xfb\xff\xfe", "-__-")])
def test_base64url_of_known_bytes(data: bytes, text: str) -> None:
    """RFC 4648 §5, without padding."""
    assert b64url_encode(data) == text
    assert b64url_decode(text) == data


@pytest.mark.parametrize(
    "text", ["Zg==", "Zh", "Zm9", "Zm 9v", "Zm9v\n", "+//+", "Z", "Zm9v!", "=", "é", "Zm9v\x00", "\ud800"]
)
def test_base64url_in_another_form_is_refused(text: str) -> None:
    """As above; a decoder that skips what it does not know would read some of these."""
    with pytest.raises(ValueError):
        b64url_decode(text)


def test_hash_is_sha256_in_base64url() -> None:
    """FIPS 180-4's "abc", in 43 characters."""
    expected = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert sha256_b64url(b"abc") == b64url_encode(expected)
    assert len(sha256_b64url(b"")) == 43


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"{}x",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a"}',
        b"nul",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b'"\x01"',
        b'"\\x41"',
        b'"\\u12"',
        b"// 1",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b"\x00{}",
        '"a"'.encode("utf-16"),
    ],
)
def test_what_is_not_json_in_utf8_is_refused(data: bytes) -> None:
    """Bad syntax, a byte-order mark, other encodings, surrogates written as UTF-8."""
    with pytest.raises(InvalidJson):
        parse_json(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"x":{"a":1,"a":2}}]',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"[1,NaN]",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" + b"0" * 5000,
        b"1e400",
        b"-1e400",
        b"1.0e309",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\uD83Dx"',
        b'{"\\udfff":1}',
        b'["\\ud800"]',
    ],
)
def test_attack_r15_what_two_readers_may_read_differently_is_refused(data: bytes) -> None:
    """Duplicate members, numbers and text outside I-JSON, wherever they stand."""
    with pytest.raises(NotCanonical):
        parse_json(data)


def test_nesting_that_the_interpreter_cannot_follow_is_a_refusal() -> None:
    """Not a crash: it is answered like every other structure that is too deep."""
    with pytest.raises(InvalidStructure) as refusal:
        parse_json(b"[" * DEEP + b"]" * DEEP)
    assert [fault.code for fault in refusal.value.faults] == ["too_deep"]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"9007199254740991", MAX_EXACT_INTEGER),
        (b"-9007199254740991", -MAX_EXACT_INTEGER),
        (b"-0", 0),
        (b"1E30", 1e30),
        (b"9007199254740993.0", 9007199254740992.0),
        (b'"\\ud83d\\ude00"', "😀"),
        ('"😀é"'.encode(), "😀é"),
        (b'"\\\\ud800"', "\\ud800"),
        (b' \t\r\n{"a": [null, true, false]} ', {"a": [None, True, False]}),
    ],
)
def test_i_json_is_read(data: bytes, value: object) -> None:
    """The ends of the exact range, surrogate pairs, an escaped backslash that only looks like a surrogate."""
    assert parse_json(data) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: "a"}, {"a"}, b"a"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """Values that never came from a parser here."""
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_fault_11_canonical_form_keeps_nested_members_and_sorts_them() -> None:
    """Nothing is dropped on the way to what is signed, however deep."""
    value = {"b": {"d": [{"f": 1, "e": {"g": None}}], "c": 2}, "a": ""}
    assert canonical_json(value) == b'{"a":"","b":{"c":2,"d":[{"e":{"g":null},"f":1}]}}'


def test_refusals_of_encoding_are_of_the_error_tree() -> None:
    """Nothing but a KasError leaves for the edge."""
    assert issubclass(InvalidJson, KasError)
    assert issubclass(NotCanonical, KasError)
