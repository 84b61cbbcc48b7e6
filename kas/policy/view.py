"""The view of a subject that conditions select from: its claims as they came, and under one member what the rules
make of them.

Guarantees that no token can say what only the rules may: ``derived`` is this module's, whatever the claims have under
that name. Each list of levels answers one check of `policy.md` §1 of the specification, so that a condition asks for
the level of the data and repeats no rule. Does not check that the subject is complete or its issuer may speak for its
country: the decision does, for whoever uses a derived member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.policy.rules import Rules
from kas.policy.standing import country_of, is_authenticated_for, is_government, is_within_cap, level_of
from kas.policy.subject import Subject

DERIVED: Final = "derived"
# Each selector below `DERIVED`, as its steps; conditions may use no other.
DERIVED_SELECTORS: Final = frozenset(
    {
        (DERIVED, "country"),
        (DERIVED, "organization"),
        (DERIVED, "clearedLevels", "[]"),
        (DERIVED, "authenticatedLevels", "[]"),
        (DERIVED, "industryLevels", "[]"),
        (DERIVED, "coi", "[]"),
        (DERIVED, "soleCoi"),
    }
)


def subject_view(claims: Mapping[str, object], subject: Subject, rules: Rules) -> Mapping[str, object]:
    """``claims`` with ``derived`` in place of any claim of that name.

    ``country``: of the list, else None. ``organization``: GOVERNMENT or INDUSTRY. ``clearedLevels``: the levels up to
    the subject's own. ``authenticatedLevels``: those for which the authentication is strong enough.
    ``industryLevels``: those that the subject may have of what is released to industry, all for government. ``coi``:
    its communities. ``soleCoi``: its only one, None when it has none or several.
    """
    level = level_of(subject, rules)
    return {
        **claims,
        DERIVED: {
            "country": country_of(subject, rules),
            "organization": "GOVERNMENT" if is_government(subject, rules) else "INDUSTRY",
            "clearedLevels": [] if level is None else list(rules.levels[: level + 1]),
            "authenticatedLevels": [
                name for rank, name in enumerate(rules.levels) if is_authenticated_for(rank, subject, rules)
            ],
            "industryLevels": [name for rank, name in enumerate(rules.levels) if is_within_cap(rank, subject, rules)],
            "coi": sorted(subject.coi),
            "soleCoi": next(iter(subject.coi)) if len(subject.coi) == 1 else None,
        },
    }
