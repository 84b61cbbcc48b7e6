"""What checks look at in a subject, whichever vocabulary the policy speaks."""

from __future__ import annotations

from typing import Final

from kas.findings.words import NONE, finding, shown
from kas.policy.rules import Rules
from kas.policy.standing import country_of, level_of
from kas.policy.subject import Subject
from kas.protocol.explain import Finding

_COMPLETE: Final = "a unique id, a clearance and a country of ISO 3166-1 alpha-3"


def completeness(subject: Subject, rules: Rules) -> Finding:
    """The subject has an id, a clearance and a country of the list."""
    country = shown(subject.country)
    if subject.country is not None and country_of(subject, rules) is None:
        country += ", which is none"
    return finding(
        _COMPLETE, f"unique id {shown(subject.unique_id)}, clearance {shown(subject.clearance)}, country {country}"
    )


def clearance_found(subject: Subject, rules: Rules) -> str:
    """The term of the token, and what it stands for here."""
    if subject.clearance is None:
        return NONE
    level, authority = level_of(subject, rules), subject.clearance_authority
    term = shown(subject.clearance)
    if authority is None:
        return f"{term}, in the terms of nobody whose terms count here"
    meaning = "no level" if level is None else rules.levels[level]
    return f"{term}, which is {meaning} in the terms of {shown(authority)}"


def issuer_finding(subject: Subject, rules: Rules) -> Finding:
    """The token's issuer may speak for the subject's country."""
    country = country_of(subject, rules)
    needed = f"an issuer that may speak for {shown(country)}" if country else "an issuer that may speak for a country"
    if country is None:
        return finding(needed, "no country")
    return finding(needed, "one" if country in subject.issuer_countries else "one that may not")
