"""What the checks of an OpenTDF policy looked at (`kas.policy.attribute_decision`), by their names.

Of attributes nothing is named that the policy does not have, but the values of a hierarchy, which anybody may ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kas.errors import AttributeUnknown
from kas.findings.subject import completeness, issuer_finding
from kas.findings.words import MAX_ITEMS, NONE, NOTHING, finding, listed, shown
from kas.policy.attribute_decision import MAX_POLICY_FQNS, Requester
from kas.policy.attributes import Definition, Rule, parse_fqn
from kas.policy.entitlements import is_met
from kas.policy.rules import Rules
from kas.protocol.explain import Finding
from kas.protocol.values import AttributePolicy

_Values = Mapping[str, Sequence[str]]


def attribute_findings(
    requester: Requester,
    policy: AttributePolicy,
    definitions: Mapping[str, Definition],
    rules: Rules,
    *,
    allow_empty_policy: bool,
) -> Mapping[str, Finding]:
    """Of ``requester`` and the attributes and recipients of ``policy``. Never raises."""
    fqns = policy.attributes[:MAX_POLICY_FQNS]
    values, unknown = _sorted_out(fqns, definitions)
    is_derived = bool(unknown) or len(policy.attributes) > len(fqns)
    is_derived = is_derived or any(definitions[name].is_derived for name in values)
    nothing = finding(NOTHING, "no attribute that builds on it")
    return {
        "policy": _demand(policy, allow_empty_policy=allow_empty_policy),
        "attributes_known": finding(
            f"attribute values that this service knows, {MAX_POLICY_FQNS} at most",
            f"{len(policy.attributes)}; unknown: {listed(unknown)}",
        ),
        "subject_complete": completeness(requester.subject, rules) if is_derived else nothing,
        "label_complete": finding("beside each attribute those that it requires", _lacking(values, definitions)),
        "label_coherence": finding("no two values that exclude each other", _excluding(values, definitions)),
        **{rule.value.lower(): _entitlement(rule, values, definitions, requester.view) for rule in Rule},
        "issuer": issuer_finding(requester.subject, rules) if is_derived else nothing,
        "dissem": finding(
            f"one of the recipients {listed(policy.dissem)}" if policy.dissem else NOTHING,
            f"the names {listed(requester.names)}",
        ),
    }


def _sorted_out(fqns: Sequence[str], definitions: Mapping[str, Definition]) -> tuple[_Values, list[str]]:
    """The values that the policy has of each attribute, and the names that mean nothing here."""
    values: dict[str, list[str]] = {}
    unknown = []
    for fqn in fqns:
        try:
            name, value = parse_fqn(fqn)
        except AttributeUnknown:
            unknown.append(fqn)
            continue
        if name in definitions and value in definitions[name].entitlements:
            values.setdefault(name, []).append(value)
        else:
            unknown.append(fqn)
    return values, unknown


def _demand(policy: AttributePolicy, *, allow_empty_policy: bool) -> Finding:
    needed = NOTHING if allow_empty_policy else "a policy with an attribute or a recipient"
    return finding(needed, f"attribute values: {len(policy.attributes)}; recipients: {len(policy.dissem)}")


def _lacking(values: _Values, definitions: Mapping[str, Definition]) -> str:
    """What it is that they require is configuration of this service."""
    lacking = [name for name in values if any(values.keys().isdisjoint(one) for one in definitions[name].requires)]
    return f"without all of them: {listed(lacking)}"


def _excluding(values: _Values, definitions: Mapping[str, Definition]) -> str:
    pairs = [pair for name, found in values.items() for pair in definitions[name].never_together if pair <= {*found}]
    return "; ".join(" and ".join(map(shown, sorted(pair))) for pair in pairs) or NONE


def _entitlement(
    rule: Rule, values: _Values, definitions: Mapping[str, Definition], view: Mapping[str, object]
) -> Finding:
    names = [name for name in values if definitions[name].rule is rule]
    if not names:
        return finding(NOTHING, NOTHING)
    more = [f"and {len(names) - MAX_ITEMS} attributes more"] * (len(names) > MAX_ITEMS)
    needed = [f"{name}: {_wanted(rule, values[name], definitions[name])}" for name in names[:MAX_ITEMS]]
    found = [f"{name}: {_held(rule, values[name], definitions[name], view)}" for name in names[:MAX_ITEMS]]
    return finding("; ".join(needed + more), "; ".join(found + more))


def _wanted(rule: Rule, values: Sequence[str], definition: Definition) -> str:
    if rule is not Rule.HIERARCHY:
        return f"{'all' if rule is Rule.ALL_OF else 'one'} of {listed(values)}"
    return f"{listed([next(value for value in definition.entitlements if value in values)])} or above"


def _held(rule: Rule, values: Sequence[str], definition: Definition, view: Mapping[str, object]) -> str:
    """Of these values those that the subject is entitled to; of a hierarchy its highest, whatever the policy has."""
    of_interest = definition.entitlements if rule is Rule.HIERARCHY else dict.fromkeys(values)
    entitled = (value for value in of_interest if is_met(definition.entitlements[value], view))
    return _first(entitled) if rule is Rule.HIERARCHY else listed(entitled)


def _first(values: Iterator[str]) -> str:
    return listed([value]) if (value := next(values, None)) is not None else NONE
