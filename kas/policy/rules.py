"""The rules that decisions are made by: configuration, checked when the service starts.

Guarantees that every name in `labels.json`, `clearances.json` and `countries.json` means something: no unknown
member, no country outside ISO 3166-1 alpha-3 as `countries.json` lists it, no level outside `labels.json`, and no
contradiction (`policy.md` §1 and §3 of the specification). Does not check that the rules are wise.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from kas.dataclass import dataclass
from kas.policy.clearances import Clearances, read_clearances
from kas.schema import Node, load_document

_ALPHA_3: Final = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class AuthenticationRule:
    """``classes``: RFC 8176 method to its class; a method of ``count_as_two`` is enough alone; the rest are ranks."""

    classes: Mapping[str, str]
    count_as_two: frozenset[str]
    two_classes_from: int
    aal3_from: int


@dataclass(frozen=True, slots=True)
class IndustryRule:
    """Which organisations are government, and the highest rank for the industry of each country."""

    government_types: frozenset[str]
    caps: Mapping[str, int]
    default_cap: int


@dataclass(frozen=True, slots=True)
class CaveatRule:
    """What a caveat wants the label's lists to be exactly; None wants nothing."""

    coi: frozenset[str] | None
    releasability: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class CoherenceRule:
    """Communities that stand alone, pairs that exclude each other (always, or under ANY), and the known caveats."""

    exclusive: frozenset[str]
    never_together: tuple[frozenset[str], ...]
    not_together_with_any: tuple[frozenset[str], ...]
    caveats: Mapping[str, CaveatRule]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything from configuration; ``levels`` from the lowest up, a rank is an index into it."""

    levels: tuple[str, ...]
    countries: frozenset[str]
    clearances: Clearances
    authentication: AuthenticationRule
    industry: IndustryRule
    coherence: CoherenceRule


def load_rules(folder: Path) -> Rules:
    """Reads the three files in ``folder``. Raises ConfigError, which names file and place."""
    countries = load_document(folder / "countries.json", _read_countries)
    labels = partial(_read_labels, countries=countries)
    levels, authentication, industry, coherence = load_document(folder / "labels.json", labels)
    terms = partial(read_clearances, levels=levels, countries=countries)
    clearances = load_document(folder / "clearances.json", terms)
    return Rules(levels, countries, clearances, authentication, industry, coherence)


def _read_countries(node: Node) -> frozenset[str]:
    listed = node["countries"]
    for country in listed.items():
        if not _ALPHA_3.fullmatch(country.text()):
            country.fail("must be three capital letters")
    node.done()
    return frozenset(listed.texts())


def _read_labels(
    node: Node, *, countries: Collection[str]
) -> tuple[tuple[str, ...], AuthenticationRule, IndustryRule, CoherenceRule]:
    levels = node["levels"].texts()
    authentication = _read_authentication(node["authentication"], levels)
    industry = _read_industry(node["industry"], levels, countries)
    coherence = _read_coherence(node["coherence"], countries)
    node.done()
    return levels, authentication, industry, coherence


def _read_authentication(node: Node, levels: tuple[str, ...]) -> AuthenticationRule:
    rule = AuthenticationRule(
        classes=_read_classes(node["classes"]),
        count_as_two=frozenset(node["countAsTwo"].texts()),
        two_classes_from=_read_rank(node["twoClassesFrom"], levels),
        aal3_from=_read_rank(node["aal3From"], levels),
    )
    node.done()
    if not rule.count_as_two.isdisjoint(rule.classes):
        node["countAsTwo"].fail("must not repeat a method of classes")
    if rule.two_classes_from > rule.aal3_from:
        node["aal3From"].fail("must not be below twoClassesFrom")
    return rule


def _read_classes(node: Node) -> dict[str, str]:
    classes: dict[str, str] = {}
    for name, methods in node.members().items():
        for method in methods.items():
            # A method in two classes would be two factors by itself.
            if classes.setdefault(method.text(), name) != name:
                method.fail("is in two classes")
    return classes


def _read_industry(node: Node, levels: tuple[str, ...], countries: Collection[str]) -> IndustryRule:
    caps = node["caps"].members()
    for country, cap in caps.items():
        _demand_country(cap, country, countries)
    rule = IndustryRule(
        government_types=frozenset(node["governmentTypes"].texts()),
        caps={country: _read_rank(cap, levels) for country, cap in caps.items()},
        default_cap=_read_rank(node["defaultCap"], levels),
    )
    node.done()
    return rule


def _read_rank(node: Node, levels: tuple[str, ...]) -> int:
    return levels.index(node.choice(levels))


def _demand_country(node: Node, country: str, countries: Collection[str]) -> None:
    if country not in countries:
        node.fail(f"{country} is not a country of countries.json")


def _read_coherence(node: Node, countries: Collection[str]) -> CoherenceRule:
    rule = CoherenceRule(
        exclusive=frozenset(node["exclusive"].texts()),
        never_together=_read_pairs(node["neverTogether"]),
        not_together_with_any=_read_pairs(node["notTogetherWithAny"]),
        caveats={name: _read_caveat(caveat, countries) for name, caveat in node["caveats"].members().items()},
    )
    node.done()
    return rule


def _read_pairs(node: Node) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(pair.pair()) for pair in node.items())


def _read_caveat(node: Node, countries: Collection[str]) -> CaveatRule:
    coi = node.get("COI")
    releasability = node.get("releasabilityTo")
    node.done()
    for country in releasability.items() if releasability else ():
        _demand_country(country, country.text(), countries)
    return CaveatRule(
        coi=frozenset(coi.texts()) if coi else None,
        releasability=frozenset(releasability.texts()) if releasability else None,
    )
