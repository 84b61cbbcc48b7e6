"""RFC 8785: the examples of §3.2.2 and §3.2.3, and every row of appendix B, here and in the local client."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import pytest

from kas.encoding import canonical_json, parse_json
from kas.errors import NotCanonical
from local.client.encoding import canonical

SAMPLE = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
CANONICAL_SAMPLE = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)
UNSORTED = rb"""{
  "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
SORTED = [
    "Carriage Return",
    "One",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
]
# Appendix B: the bits of a double, and its text.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
NOT_NUMBERS = ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"]

both = pytest.mark.parametrize("canonicalise", [canonical_json, canonical], ids=["service", "client"])


def double(bits: str) -> float:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    return float(number)


@both
def test_published_sample_becomes_its_canonical_form(canonicalise: Callable[[object], bytes]) -> None:
    """§3.2.2: numbers, strings and literals, after parsing with our own parser."""
    assert canonicalise(parse_json(SAMPLE)) == CANONICAL_SAMPLE.encode()


@both
def test_published_names_are_sorted_by_utf16_code_units(canonicalise: Callable[[object], bytes]) -> None:
    """§3.2.3: a face above the basic plane sorts before a Hebrew letter below it."""
    assert list(json.loads(canonicalise(parse_json(UNSORTED))).values()) == SORTED


@both
@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_published_number(canonicalise: Callable[[object], bytes], bits: str, text: str) -> None:
    """Appendix B, row by row."""
    assert canonicalise(double(bits)) == text.encode()


@pytest.mark.parametrize("bits", NOT_NUMBERS)
def test_published_value_that_is_no_number_is_refused(bits: str) -> None:
    """Appendix B: NaN and the infinities are errors."""
    with pytest.raises(NotCanonical):
        canonical_json(double(bits))
