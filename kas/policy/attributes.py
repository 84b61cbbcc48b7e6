"""Attributes: what an OpenTDF policy may demand, defined in ``attributes.json``.

Guarantees that every attribute has a rule, ordered values and for each of them a way to be entitled (`policy.md` §2
of the specification), and that a name means one attribute value or none. Names are compared in lower case. The shipped
file says with attributes what an ACP-240 label says, under ``https://kas.example/attr/``; `docs/attributes.md` lists
what has no attribute form. Does not decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from kas.dataclass import dataclass
from kas.errors import AttributeUnknown
from kas.policy.entitlements import Entitlement, for_value, read_entitlement, uses_derived
from kas.schema import Node, load_document

MAX_FQN_CHARS: Final = 512

_HOST: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_WORD: Final = r"[a-z0-9](?:[a-z0-9_-]{0,251}[a-z0-9])?"
_FQN: Final = re.compile(rf"(https://{_HOST}(?:\.{_HOST})*/attr/{_WORD})/value/({_WORD})")


class Rule(Enum):
    """How many of the values on the data a subject must be entitled to."""

    ALL_OF = "ALL_OF"
    ANY_OF = "ANY_OF"
    HIERARCHY = "HIERARCHY"


@dataclass(frozen=True, slots=True)
class Definition:
    """One attribute. ``entitlements`` is by value in lower case, the highest first. ``requires``: of each set of
    attributes the data must carry one too. ``never_together``: values that exclude each other. ``is_derived``: some
    condition uses what the rules derive of the subject.
    """

    rule: Rule
    entitlements: Mapping[str, Entitlement]
    requires: tuple[frozenset[str], ...]
    never_together: tuple[frozenset[str], ...]
    is_derived: bool


def parse_fqn(fqn: str) -> tuple[str, str]:
    """The attribute's name and the value, both in lower case. Raises AttributeUnknown for anything of another form."""
    # ASCII first: some letters outside it have an ASCII lower case.
    match = _FQN.fullmatch(fqn.lower()) if len(fqn) <= MAX_FQN_CHARS and fqn.isascii() else None
    if match is None:
        raise AttributeUnknown
    return match[1], match[2]


def load_attributes(path: Path) -> Mapping[str, Definition]:
    """Definitions by the name of the attribute, ``https://<namespace>/attr/<name>``. Raises ConfigError."""
    return load_document(path, _read_definitions)


def _read_definitions(document: Node) -> dict[str, Definition]:
    nodes = {}
    for node in document["definitions"].items():
        name = _read_name(node)
        if name in nodes:
            node.fail(f"{name} is defined twice")
        nodes[name] = node
    document.done()
    return {name: _read_definition(node, name, nodes) for name, node in nodes.items()}


def _read_name(node: Node) -> str:
    namespace, name = node["namespace"].text(), node["name"].text()
    text = f"https://{namespace}/attr/{name}"
    try:
        return parse_fqn(f"{text}/value/any")[0]
    except AttributeUnknown:
        node.fail(f"{text} is no name of an attribute")


def _read_definition(node: Node, name: str, names: Collection[str]) -> Definition:
    entitlements = _read_entitlements(node, name)
    definition = Definition(
        rule=Rule(node["rule"].choice([rule.value for rule in Rule])),
        entitlements=entitlements,
        requires=_read_requires(node.get("requires"), names),
        never_together=_read_pairs(node.get("neverTogether"), entitlements),
        is_derived=any(uses_derived(entitlement) for entitlement in entitlements.values()),
    )
    node.done()
    return definition


def _read_entitlements(node: Node, name: str) -> dict[str, Entitlement]:
    """``entitlement`` is for every value that has none of its own in ``entitlements``."""
    common = node.get("entitlement")
    of_all = read_entitlement(common) if common else None  # once: there are hundreds of countries
    exceptions = node.get("entitlements")
    own = exceptions.members() if exceptions else {}
    entitlements: dict[str, Entitlement] = {}
    for item in node["values"].items():
        value = _read_value(item, name)
        if value in entitlements:
            item.fail("is listed twice")
        exception = own.pop(item.text(), None)
        entitlement = of_all if exception is None else read_entitlement(exception)
        if entitlement is None:
            item.fail("has no entitlement")
        entitlements[value] = for_value(entitlement, item.text())
    for left in own.values():
        left.fail("is not one of values")
    return entitlements or node["values"].fail("must not be empty")


def _read_value(node: Node, name: str) -> str:
    try:
        return parse_fqn(f"{name}/value/{node.text()}")[1]
    except AttributeUnknown:
        node.fail("must be letters, digits, and between them _ and -")


def _read_requires(node: Node | None, names: Collection[str]) -> tuple[frozenset[str], ...]:
    alternatives = node.items() if node else []
    for either in alternatives:
        if not either.items():
            either.fail("must not be empty")
    return tuple(frozenset(item.choice(names) for item in either.items()) for either in alternatives)


def _read_pairs(node: Node | None, values: Collection[str]) -> tuple[frozenset[str], ...]:
    return tuple(_read_pair(pair, values) for pair in (node.items() if node else []))


def _read_pair(node: Node, values: Collection[str]) -> frozenset[str]:
    first, second = (text.lower() for text in node.pair())
    if first == second or not {first, second} <= set(values):
        node.fail("must be two of values")
    return frozenset({first, second})
