"""The standing of a subject: what the rules make of its claims, whichever vocabulary the policy speaks.

Guarantees that labels and attributes measure a subject in the same way (`policy.md` §1 and §3 of the specification):
one country, one level, one strength of authentication, one kind of organisation. Unknown, empty or missing is the
least, or nothing. Does not look at any policy.
"""

from __future__ import annotations

from typing import Final

from kas.policy.clearances import clearance_level
from kas.policy.rules import AuthenticationRule, Rules
from kas.policy.subject import Subject

_AAL2: Final = 2
_AAL3: Final = 3


def country_of(subject: Subject, rules: Rules) -> str | None:
    """The subject's country, None when it is not one of the list."""
    return subject.country if subject.country in rules.countries else None


def is_complete(subject: Subject, rules: Rules) -> bool:
    """The subject has an id, a clearance and a country of the list."""
    return bool(subject.unique_id and subject.clearance and country_of(subject, rules))


def level_of(subject: Subject, rules: Rules) -> int | None:
    """The rank of the subject's clearance under the authority that it is read by; None when it has none there."""
    authority = subject.clearance_authority
    if country_of(subject, rules) is None or authority is None:
        return None
    # An authority that does not exist would still find the English terms.
    if authority not in rules.countries and authority not in rules.clearances.authorities:
        return None
    return clearance_level(subject.clearance or "", authority, rules.clearances)


def is_authenticated_for(level: int, subject: Subject, rules: Rules) -> bool:
    """The authentication is as strong as data of rank ``level`` demands."""
    rule = rules.authentication
    if level >= rule.aal3_from:
        return subject.acr_level >= _AAL3
    if level >= rule.two_classes_from:
        return subject.acr_level >= _AAL2 or _is_multi_factor(subject.amr, rule)
    return True


def _is_multi_factor(methods: frozenset[str], rule: AuthenticationRule) -> bool:
    classes = {rule.classes[method] for method in methods if method in rule.classes}
    return len(classes) > 1 or not methods.isdisjoint(rule.count_as_two)


def is_government(subject: Subject, rules: Rules) -> bool:
    """The organisation is of a kind that is government; any other, and none, is industry."""
    return subject.organization_type in rules.industry.government_types


def is_within_cap(level: int, subject: Subject, rules: Rules) -> bool:
    """What is released to industry at rank ``level`` is for this subject: government, or industry under its cap."""
    country = country_of(subject, rules)
    if country is None:
        return False
    return is_government(subject, rules) or level <= rules.industry.caps.get(country, rules.industry.default_cap)
