"""Compact JWS: one strict spelling, nothing of it believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.encoding import b64url_encode
from kas.jose import parse_compact_jws


def part(value):
    return b64url_encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def test_a_compact_jws_is_taken_apart_and_not_believed():
    text = f"{part({'alg': 'ES256'})}.{part({'a': 1})}.{part(b'sig')}"
    jws = parse_compact_jws(text)
    assert (jws.unverified_header, jws.unverified_claims, jws.signature) == ({"alg": "ES256"}, {"a": 1}, b"sig")
    assert jws.signing_input == text.rpartition(".")[0].encode()
    assert not jws.has_extensions


@pytest.mark.parametrize("name", ["crit", "b64", "zip"])
@pytest.mark.parametrize("value", [None, [], True, "x"])
def test_an_extension_is_seen_whatever_its_value(name, value):
    assert parse_compact_jws(f"{part({name: value})}.{part({})}.").has_extensions


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30",
        "e30.e30.e30.",
        "e30=.e30.",
        "e30.e30.A",
        "e30.e30.AB",
        "e30. e30.",
        "e30.é.",
        "W10.e30.",
        "e30.W10.",
        "e30.bnVsbA.",
        "e30.eyJhIjpOYU59.",
    ],
)
def test_what_is_no_strict_compact_jws_is_refused(text):
    with pytest.raises(ValueError):
        parse_compact_jws(text)


@given(st.text(max_size=60))
def test_any_text_is_a_jws_or_a_value_error(text):
    for candidate in (text, f"e30.e30.{text}", f"{text}.e30."):
        try:
            parse_compact_jws(candidate)
        except ValueError:
            continue
