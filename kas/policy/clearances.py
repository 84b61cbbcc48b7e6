"""Clearance terms to levels: a term is read under one authority, the subject's own country or the one that its token
names, never in a flat table.

Guarantees that a term stands for one level at most (`policy.md` §3 of the specification): an authority's own terms
come first, then the English ones, and a term that is in neither has no level. Does not check that the authority exists
or that the token's issuer may speak for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Final

from kas.dataclass import dataclass
from kas.schema import Node

# The longest term in use has under 40 characters; normalising works per character and may expand each.
MAX_TERM_CHARS: Final = 128

# Letters whose stroke or ligature is part of the letter, so that NFKD leaves them whole.
_LETTERS: Final = {"Ł": "L", "Đ": "D", "Ð": "D", "Æ": "AE", "Ø": "O", "Þ": "TH", "ß": "SS", "ẞ": "SS"}
_DROPPED: Final = "!.\"'\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
# U+2010 is what NFKD makes of the non-breaking hyphen.
_SEPARATORS: Final = "_-\u2010"
_FOLDED: Final = str.maketrans(_LETTERS | dict.fromkeys(_DROPPED, "") | dict.fromkeys(_SEPARATORS, " "))


@dataclass(frozen=True, slots=True)
class Clearances:
    """Normalised terms and the rank of the level each stands for, 0 being the lowest. ``authorities`` are those that
    are not countries, such as NATO.
    """

    english: Mapping[str, int]
    nations: Mapping[str, Mapping[str, int]]
    authorities: Mapping[str, Mapping[str, int]]


def normalise(term: str) -> str:
    """The form in which terms are compared; empty for a term that is longer than any real one."""
    if len(term) > MAX_TERM_CHARS:
        return ""
    plain = term if term.isascii() else _without_marks(term)
    words = plain.upper().translate(_FOLDED).split(" ")
    return " ".join(word for word in words if word).strip()


def _without_marks(term: str) -> str:
    letters = unicodedata.normalize("NFKD", term)
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")


def clearance_level(term: str, authority: str, clearances: Clearances) -> int | None:
    """The rank of ``term`` under ``authority``, a country or another; None when it is not mapped there."""
    wanted = normalise(term)
    own = clearances.nations.get(authority) or clearances.authorities.get(authority, {})
    return own[wanted] if wanted in own else clearances.english.get(wanted)


def read_clearances(node: Node, *, levels: tuple[str, ...], countries: Collection[str]) -> Clearances:
    """Reads ``clearances.json``. Raises ConfigError, also when one table maps a term to two levels."""
    nations = node["nations"].members()
    for country, table in nations.items():
        if country not in countries:
            table.fail("is not a country of countries.json")
    authorities = node["authorities"].members()
    for authority, table in authorities.items():
        # A country with two tables would have two meanings of a term.
        if authority in countries:
            table.fail("is a country: its terms stand under nations")
    clearances = Clearances(
        english=_read_terms(node["english"], levels),
        nations={country: _read_terms(table, levels) for country, table in nations.items()},
        authorities={authority: _read_terms(table, levels) for authority, table in authorities.items()},
    )
    node.done()
    return clearances


def _read_terms(node: Node, levels: tuple[str, ...]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for level, terms in node.members().items():
        if level not in levels:
            terms.fail("is not a level of labels.json")
        for term in terms.items():
            wanted = normalise(term.text())
            if not wanted:
                term.fail("has no letters or is too long")
            # After normalising: two spellings of one term are one term.
            if ranks.setdefault(wanted, levels.index(level)) != levels.index(level):
                term.fail(f"{wanted} stands for two levels")
    return ranks
