"""The decision about an OpenTDF policy: whether a caller may have its data keys, and why not.

Guarantees that every check is made and listed in one order, and that one which cannot be made is a fail (`policy.md`
§2 of the specification). Attributes whose conditions use what the rules derive of a subject bring two checks of labels
with them that no condition can express: the subject is complete, and its issuer may speak for its country. Pure, and
without a clock: attributes have no embargo. Does not check that the policy is the one that was bound to the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kas.dataclass import dataclass
from kas.errors import (
    AttributeNotEntitled,
    AttributeUnknown,
    IssuerNotForCountry,
    LabelIncoherent,
    LabelInvalid,
    NotInDissem,
    PolicyEmpty,
    SubjectIncomplete,
)
from kas.policy.attributes import Definition, Rule, parse_fqn
from kas.policy.decision import Decision, check
from kas.policy.dissem import is_recipient
from kas.policy.entitlements import is_met
from kas.policy.rules import Rules
from kas.policy.standing import country_of, is_complete
from kas.policy.subject import Subject

MAX_POLICY_FQNS: Final = 1000


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: ``view`` is what `subject_view` made of claims and subject, ``names`` what `caller_names` gave."""

    subject: Subject
    view: Mapping[str, object]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Demand:
    """One attribute on the data, with the values that the data has of it: one at least."""

    name: str
    definition: Definition
    values: frozenset[str]


def decide_attributes(
    fqns: Sequence[str],
    dissem: Sequence[str],
    requester: Requester,
    definitions: Mapping[str, Definition],
    rules: Rules,
    *,
    allow_empty_policy: bool,
) -> Decision:
    """Makes all checks of ``requester`` against the attributes and the recipients of a policy. Never raises.

    1. The policy demands something, or the deployment allows one that does not.
    2. Every attribute value is known, and there are not too many.
    3. The subject has an id, a clearance and a country of the list, where a condition builds on them.
    4. With each attribute come those that it requires.
    5. No two values exclude each other.
    6. The subject is entitled as each attribute's rule wants.
    7. The token's issuer may speak for the subject's country, where a condition builds on it.
    8. The list of recipients is empty or names the caller.
    """
    subject = requester.subject
    demands = _demands(fqns, definitions)
    # Where nobody can say what is demanded, nobody can say that it does not build on the rules.
    is_derived = demands is None or any(demand.definition.is_derived for demand in demands)
    country = country_of(subject, rules)
    return Decision(
        (
            check("policy", PolicyEmpty, passed=bool(fqns or dissem) or allow_empty_policy),  # 1
            check("attributes_known", AttributeUnknown, passed=demands is not None),  # 2
            check("subject_complete", SubjectIncomplete, passed=not is_derived or is_complete(subject, rules)),  # 3
            check("label_complete", LabelInvalid, passed=demands is not None and _is_whole(demands)),  # 4
            check("label_coherence", LabelIncoherent, passed=demands is not None and _is_coherent(demands)),  # 5
            *(
                check(rule.value.lower(), AttributeNotEntitled, passed=_is_entitled(rule, demands, requester.view))
                for rule in Rule
            ),  # 6
            check("issuer", IssuerNotForCountry, passed=not is_derived or country in subject.issuer_countries),  # 7
            check("dissem", NotInDissem, passed=not dissem or is_recipient(dissem, requester.names)),  # 8
        )
    )


def _demands(fqns: Sequence[str], definitions: Mapping[str, Definition]) -> list[_Demand] | None:
    """The attributes on the data; None when one of them is unknown or there are too many."""
    if len(fqns) > MAX_POLICY_FQNS:
        return None
    values: dict[str, set[str]] = {}
    try:
        for fqn in fqns:
            name, value = parse_fqn(fqn)
            if name not in definitions or value not in definitions[name].entitlements:
                return None
            values.setdefault(name, set()).add(value)
    except AttributeUnknown:
        return None
    return [_Demand(name, definitions[name], frozenset(found)) for name, found in values.items()]


def _is_whole(demands: Iterable[_Demand]) -> bool:
    present = {demand.name for demand in demands}
    return all(not present.isdisjoint(either) for demand in demands for either in demand.definition.requires)


def _is_coherent(demands: Iterable[_Demand]) -> bool:
    return not any(pair <= demand.values for demand in demands for pair in demand.definition.never_together)


def _is_entitled(rule: Rule, demands: Iterable[_Demand] | None, view: Mapping[str, object]) -> bool:
    """The subject has what every attribute of this rule wants; none on the data is no demand."""
    if demands is None:
        return False
    return all(_meets(demand, view) for demand in demands if demand.definition.rule is rule)


def _meets(demand: _Demand, view: Mapping[str, object]) -> bool:
    definition = demand.definition
    if definition.rule is Rule.ALL_OF:
        return all(is_met(definition.entitlements[value], view) for value in demand.values)
    if definition.rule is Rule.ANY_OF:
        return any(is_met(definition.entitlements[value], view) for value in demand.values)
    # Values stand from the highest down: what matters is the first that the data has, or one above it.
    order = list(definition.entitlements)
    highest = min(order.index(value) for value in demand.values)
    return any(is_met(definition.entitlements[value], view) for value in order[: highest + 1])
