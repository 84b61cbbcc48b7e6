"""Conditions that entitle a subject to an attribute value: what a selector finds in its view, compared with a list.

Guarantees that a condition is met only by something that is there and readable (`policy.md` §2 of the specification):
a selector that finds nothing, or one item that is not text, meets no condition, NOT_IN included. Nesting is bounded
when the configuration is read. Does not check who vouches for a claim: a condition on ``.iss`` may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from kas.dataclass import dataclass
from kas.policy.view import DERIVED, DERIVED_SELECTORS
from kas.schema import Node

MAX_DEPTH: Final = 8
# Stands in a condition for the value that the condition entitles to.
VALUE: Final = "$value"

_GROUPS: Final = ("AND", "OR")
_OPERATORS: Final = ("IN", "NOT_IN", "IN_CONTAINS")
_SELECTOR: Final = re.compile(r"(?:\.[A-Za-z0-9_:-]+(?:\[\])?)+")
_STEP: Final = re.compile(r"[A-Za-z0-9_:-]+|\[\]")


@dataclass(frozen=True, slots=True)
class Condition:
    """``selector`` is a path of member names, in which ``[]`` is every item of a list."""

    selector: Selector
    operator: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """``operator`` is AND or OR."""

    operator: str
    parts: tuple[Entitlement, ...]


Entitlement: TypeAlias = Condition | Group
Selector: TypeAlias = tuple[str, ...]


def is_met(entitlement: Entitlement, view: Mapping[str, object]) -> bool:
    """The view meets the condition, or as many of the group as its operator wants; an empty group is never met."""
    if isinstance(entitlement, Condition):
        return _is_condition_met(entitlement, view)
    results = [is_met(part, view) for part in entitlement.parts]
    return any(results) and (entitlement.operator == "OR" or all(results))


def _is_condition_met(condition: Condition, view: Mapping[str, object]) -> bool:
    found = select(view, condition.selector)
    texts = [item for item in found if item is not None]
    # What is left of a list that cannot be read as a whole may say something else.
    if not texts or len(texts) != len(found):
        return False
    if condition.operator == "IN":
        return not condition.values.isdisjoint(texts)
    if condition.operator == "NOT_IN":
        return condition.values.isdisjoint(texts)
    return any(value in text for value in condition.values for text in texts)


def select(view: Mapping[str, object], selector: Selector) -> list[str | None]:
    """The texts that the selector finds; None for each place where it finds nothing, or nothing that is text."""
    found = _select(view, selector)
    return [item if isinstance(item, str) and item.strip() else None for item in found]


def _select(value: object, selector: Selector) -> list[object]:
    if not selector:
        return [value]
    step, rest = selector[0], selector[1:]
    if step == "[]":
        return [found for item in value for found in _select(item, rest)] if isinstance(value, list) else [None]
    return _select(value.get(step), rest) if isinstance(value, Mapping) else [None]


def selectors_of(entitlement: Entitlement) -> frozenset[Selector]:
    """Those of all its conditions."""
    if isinstance(entitlement, Condition):
        return frozenset({entitlement.selector})
    return frozenset().union(*map(selectors_of, entitlement.parts))


def uses_derived(entitlement: Entitlement) -> bool:
    """Some condition selects what the rules made of the claims."""
    return any(selector[0] == DERIVED for selector in selectors_of(entitlement))


def for_value(entitlement: Entitlement, value: str) -> Entitlement:
    """The entitlement with ``value`` in the place of ``$value``."""
    if isinstance(entitlement, Group):
        return Group(entitlement.operator, tuple(for_value(part, value) for part in entitlement.parts))
    values = frozenset(value if text == VALUE else text for text in entitlement.values)
    return Condition(entitlement.selector, entitlement.operator, values)


def read_entitlement(node: Node, *, depth: int = MAX_DEPTH) -> Entitlement:
    """Reads a condition or a group, in which ``$value`` may stand. Raises ConfigError."""
    if not depth:
        node.fail(f"is nested deeper than {MAX_DEPTH}")
    operator = next((name for name in _GROUPS if node.get(name)), None)
    entitlement = _read_condition(node) if operator is None else _read_group(node, operator, depth)
    node.done()
    return entitlement


def _read_group(node: Node, operator: str, depth: int) -> Group:
    parts = tuple(read_entitlement(part, depth=depth - 1) for part in node[operator].items())
    return Group(operator, parts) if parts else node[operator].fail("must not be empty")


def _read_condition(node: Node) -> Condition:
    values = node["values"].texts()
    if not values:
        node["values"].fail("must not be empty")
    return Condition(
        selector=_read_selector(node["selector"]),
        operator=node["operator"].choice(_OPERATORS),
        values=frozenset(values),
    )


def _read_selector(node: Node) -> Selector:
    text = node.text()
    if not _SELECTOR.fullmatch(text):
        node.fail("must be like .clearance or .realm_access.roles[]")
    steps = tuple(_STEP.findall(text))
    # A misspelt one would select nothing, for ever.
    if steps[0] == DERIVED and steps not in DERIVED_SELECTORS:
        node.fail("is nothing that the rules derive")
    return steps
