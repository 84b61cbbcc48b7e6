"""What the ten checks of a label looked at (`kas.policy.decision`), by their names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from kas.errors import LabelInvalid
from kas.findings.subject import clearance_found, completeness, issuer_finding
from kas.findings.words import NONE, NOTHING, finding, listed, shown
from kas.policy.labels import Label, parse_date_time, parse_label
from kas.policy.rules import Rules
from kas.policy.standing import country_of, is_government
from kas.policy.subject import Subject
from kas.protocol.explain import Finding

_READABLE: Final = "a label that can be read"
_WHOLE: Final = "a label with all its members, each of its type"


def label_findings(
    subject: Subject, policy: Mapping[str, object], rules: Rules, *, now: float
) -> Mapping[str, Finding]:
    """Of ``subject`` and the label of ``policy``; ``now`` in seconds since 1970. Never raises."""
    label, unreadable = _read(policy, rules)
    return {
        "subject_complete": completeness(subject, rules),
        "label_complete": finding(
            _WHOLE, "one" if label else f"none: {unreadable} is missing, or is nothing it can be"
        ),
        "clearance": finding(
            f"{rules.levels[label.level]} or above" if label else _READABLE, clearance_found(subject, rules)
        ),
        "releasability": finding(
            f"one of {listed(label.releasability)}" if label else _READABLE, shown(country_of(subject, rules))
        ),
        "coi": finding(_communities(label, rules) if label else _READABLE, listed(subject.coi)),
        "embargo": _embargo(label, now) if label else finding(_READABLE, _time(now)),
        "authentication_strength": finding(_strength(label, rules) if label else _READABLE, _authentication(subject)),
        "industry": finding(_organisation(label, subject, rules) if label else _READABLE, _kind(subject, rules)),
        "label_coherence": finding("communities, caveats and countries that agree", _content(label)),
        "issuer": issuer_finding(subject, rules),
    }


def _read(policy: Mapping[str, object], rules: Rules) -> tuple[Label | None, str]:
    """The label, or the member that is in its way."""
    try:
        return parse_label(policy, rules), ""
    except LabelInvalid as fault:
        return None, str(fault)


def _communities(label: Label, rules: Rules) -> str:
    if label.coi_operator not in {"ALL", "ANY"}:
        return f"a coiOperator that is ALL or ANY; it is {shown(label.coi_operator)}"
    exclusive = label.coi & rules.coherence.exclusive
    if exclusive:
        return f"{listed(exclusive)} and no other"
    if not label.coi:
        return NOTHING
    return f"{'one' if label.coi_operator == 'ANY' else 'all'} of {listed(label.coi)}"


def _embargo(label: Label, now: float) -> Finding:
    date = label.creation_date
    if date is None:
        return finding(NOTHING, _time(now))
    try:
        parse_date_time(date)
    except (ValueError, OverflowError):
        return finding("a creationDate that is an RFC 3339 date-time with offset", shown(date))
    return finding(f"{shown(date)} or later", _time(now))


def _time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _strength(label: Label, rules: Rules) -> str:
    rule = rules.authentication
    if label.level >= rule.aal3_from:
        return "an acr of assurance level 3"
    if label.level >= rule.two_classes_from:
        return "an acr of assurance level 2, or methods (amr) of two classes"
    return NOTHING


def _authentication(subject: Subject) -> str:
    level = f"assurance level {subject.acr_level}" if subject.acr_level else "no acr that is known of the issuer"
    return f"{level}; methods: {listed(subject.amr)}"


def _organisation(label: Label, subject: Subject, rules: Rules) -> str:
    if not label.releasable_to_industry:
        return "government"
    cap = rules.industry.caps.get(subject.country or "", rules.industry.default_cap)
    return f"government, or industry with data of {rules.levels[cap]} at most; it is {rules.levels[label.level]}"


def _kind(subject: Subject, rules: Rules) -> str:
    kind = "government" if is_government(subject, rules) else "industry"
    country = shown(country_of(subject, rules))
    return f"{kind} (organization type {shown(subject.organization_type)}, country {country})"


def _content(label: Label | None) -> str:
    if label is None:
        return NONE
    return (
        f"communities: {listed(label.coi)} under {shown(label.coi_operator)}; caveats: {listed(label.caveats)}; "
        f"countries: {listed(label.releasability)}"
    )
