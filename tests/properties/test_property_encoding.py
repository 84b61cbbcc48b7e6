"""Encoding: round trips, one form only, and nothing but our own refusals for any input."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kas.encoding import (
    MAX_EXACT_INTEGER,
    b64_decode,
    b64_encode,
    b64url_decode,
    b64url_encode,
    canonical_json,
    compact_json,
    parse_json,
)
from kas.errors import KasError
from kas.jose import parse_compact_jws, parse_public_jwk
from kas.protocol.acp240.request import RequestParser
from kas.protocol.client_key import parse_client_key
from kas.protocol.values import PolicyGroup
from kas.uri import is_secure_url, normalise_uri
from local.client.encoding import canonical
from tests.properties.garbage import JUNK, as_bytes, changed
from tests.vectors.replay import KEYS, LIMITS, STEPS, clock

PARSER = RequestParser(LIMITS, partial(is_secure_url, allow_loopback_http=False))
PROVEN = parse_public_jwk({name: KEYS["keys"]["proof"][name] for name in ("kty", "crv", "x", "y")})
GOOD = json.loads(STEPS["ec"]["body"])
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
# A double from 2^53 up to 1e21 has a canonical form that is a whole number beyond the exact range: it is not I-JSON.
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53 or abs(x) >= 1e21)
I_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER) | DOUBLES | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BASE64 = st.text("ABZaz059+/-_= \n", max_size=12)


def status_of(act: Callable[[], object]) -> int:
    """What the caller would be answered; anything but a KasError comes through."""
    try:
        act()
    except KasError as refusal:
        return refusal.status
    return 200


@given(st.binary(max_size=64))
def test_base64_round_trips(data: bytes) -> None:
    """Both alphabets."""
    assert b64_decode(b64_encode(data)) == data
    assert b64url_decode(b64url_encode(data)) == data


@given(BASE64 | st.text(max_size=12))
@example("Zh==")
@example("Zh")
def test_only_the_canonical_text_is_read(text: str) -> None:
    """Whatever is accepted is exactly what encoding gives."""
    for decode, encode in ((b64_decode, b64_encode), (b64url_decode, b64url_encode)):
        try:
            data = decode(text)
        except ValueError:
            continue
        assert encode(data) == text


@given(I_JSON)
def test_parser_agrees_with_the_library_on_i_json(value: Any) -> None:
    """The same values of the same types, escaped or not."""
    for ensure_ascii in (True, False):
        text = json.dumps(value, ensure_ascii=ensure_ascii)
        parsed = parse_json(text.encode())
        assert json.dumps(parsed) == json.dumps(json.loads(text))


@given(I_JSON)
def test_canonical_form_is_a_fixpoint(value: Any) -> None:
    """Parsed and written again it stays the same, for service and client alike."""
    first = canonical_json(parse_json(json.dumps(value).encode()))
    assert canonical_json(parse_json(first)) == first == canonical(value)


class Word(str):
    """A string that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "else"


ANY_TEXT = st.text(max_size=8)  # lone surrogates too
ODD = (
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | ANY_TEXT | ANY_TEXT.map(Word) | st.binary()
)
ANYTHING = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(ANY_TEXT | st.integers(0, 3), inner, max_size=4)
    ),
    max_leaves=12,
)


NESTED: list[Any] = []  # further than the quick writers follow
for _ in range(600):
    NESTED = [NESTED]


def canonical_or_refused(write: Callable[[Any], bytes], value: Any) -> bytes | None:
    try:
        return write(value)
    except (KasError, rfc8785.CanonicalizationError, UnicodeEncodeError):
        return None


@given(ANYTHING)
@example({"\U0001f600": 1, "\ue000": 2, "a": 3})  # UTF-16 sorts the first before the second
@example({"\x7f\u2028/": '\x00\x1f\b\t\n\f\r"\\\x7f\u2028/é'})
@example([1.0, -0.0, 1e21, 2**53 - 1, 2**53, True])
@example([1e-4, 1.25e-4, 9.9e-5, 0.1, 4503599627370495.5, 2.0**53 - 1])
@example("\ud800")
@example(NESTED)
@settings(max_examples=150)
def test_canonical_form_is_the_librarys_for_every_value(value: Any) -> None:
    """Byte for byte, and refused where the library refuses."""
    assert canonical_or_refused(canonical_json, value) == canonical_or_refused(rfc8785.dumps, value)


@given(I_JSON | ANY_TEXT)
@example("\x7f")
@example("\x7f\x85\u2028\u202e\ud800")
@example(NESTED)
def test_compact_form_says_the_same_in_printable_ascii(value: Any) -> None:
    """Whatever a terminal or a reader of lines would make of the rest."""
    data = compact_json(value)
    assert json.loads(data) == value
    assert set(data) <= set(range(0x20, 0x7F))


@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=2, max_size=5), st.randoms())
def test_canonical_form_does_not_depend_on_the_order_of_members(value: dict[str, int], random: Any) -> None:
    """However a sender wrote them."""
    names = list(value)
    random.shuffle(names)
    assert canonical_json({name: value[name] for name in names}) == canonical_json(value)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"[" * 200_000)
@example(b"9" * 10_000)
@example(b'{"a":' * 100_000)
def test_parser_raises_nothing_but_refusals(data: bytes) -> None:
    """Any bytes."""
    assert status_of(lambda: canonical_json(parse_json(data))) in {200, 400}


@given(JUNK | changed(GOOD))
@settings(max_examples=150)
def test_request_parser_raises_nothing_but_refusals(value: Any) -> None:
    """Any JSON, and the good request changed anywhere: a parsed request or a 400."""
    groups: list[PolicyGroup] = []
    status = status_of(lambda: groups.extend(PARSER.parse(as_bytes(value), key=PROVEN, now=clock()).groups))
    assert status == (200 if groups else 400)
    assert all(group.key_accesses for group in groups)


@given(JUNK | changed(GOOD["clientPublicKey"]))
def test_key_parsers_raise_nothing_but_value_errors(value: Any) -> None:
    """Any JSON as a JWK."""
    for parse in (parse_public_jwk, parse_client_key):
        try:
            parse(value)
        except ValueError:
            continue


@given(st.text(max_size=60))
def test_jws_parser_raises_nothing_but_value_errors(text: str) -> None:
    """Any text, with the dots where they may be."""
    for candidate in (text, f"{text}.{text}.{text}", f"e30.e30.{text}"):
        try:
            parse_compact_jws(candidate)
        except ValueError:
            continue


@given(st.one_of(JUNK, st.text(max_size=40).map(lambda tail: f"https://kas.example{tail}")))
def test_normalised_address_is_a_fixpoint(value: Any) -> None:
    """Never an exception, and nothing is left to normalise the second time."""
    once = normalise_uri(value)
    assert once is None or normalise_uri(once) == once


@pytest.mark.parametrize("text", ["https://kas.example/%2e", "https://KAS.example:443/%41?x#y"])
def test_normalising_has_something_to_do(text: str) -> None:
    """The property above is not empty."""
    assert normalise_uri(text) not in {None, text}
