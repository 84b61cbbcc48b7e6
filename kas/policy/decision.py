"""The decision: whether a subject may have the data keys of an ACP-240 policy, and why not.

Guarantees that every check of `policy.md` §1 of the specification is made and listed, in its order, and that a check
which cannot be made is a fail: unknown, empty or missing means no. Does not check who signed the token or that the
policy is the one that was bound to the key; it knows no clock but the time it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kas.errors import (
    AuthenticationTooWeak,
    ClearanceInsufficient,
    ClearanceUnknown,
    CoiNotSatisfied,
    CountryNotReleasable,
    Denial,
    Embargoed,
    IndustryNotReleasable,
    IssuerNotForCountry,
    LabelIncoherent,
    LabelInvalid,
    SubjectIncomplete,
)
from kas.policy.clearances import clearance_level
from kas.policy.labels import Label, parse_date_time, parse_label
from kas.policy.rules import AuthenticationRule, Rules
from kas.policy.subject import Subject

_DENIALS: Final = {denial.code: denial for denial in Denial.__subclasses__()}
_AAL2: Final = 2
_AAL3: Final = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table; ``code`` is that of the denial, empty when the check passed."""

    name: str
    passed: bool
    code: str


@dataclass(frozen=True, slots=True)
class Decision:
    """All checks in the order of the table."""

    checks: tuple[Check, ...]

    @property
    def permitted(self) -> bool:
        """True when there are checks and all of them passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def refusal(self) -> type[Denial] | None:
        """The class of the first failing check; None exactly when ``permitted``."""
        if self.permitted:
            return None
        failing = (check.code for check in self.checks if not check.passed)
        # Without any check nothing is known of the subject.
        return _DENIALS[next(failing, SubjectIncomplete.code)]


def decide(subject: Subject, policy: Mapping[str, object], rules: Rules, *, now: float) -> Decision:
    """Makes all checks of ``subject`` against the label of ``policy``; ``now`` in seconds since 1970. Never raises.

    1. The subject has an id, a clearance and a country of the list.
    2. The label is complete and every member of it has its type.
    3. The clearance is known in the subject's country and not below the classification.
    4. The label releases to the subject's country.
    5. The subject is in the communities of interest that the label demands.
    6. The creation date has come.
    7. The authentication is as strong as the classification demands.
    8. The subject's organisation is government, or the label releases to its country's industry.
    9. The label does not contradict itself.
    10. The token's issuer may speak for the subject's country.
    """
    country = subject.country if subject.country in rules.countries else None
    label = _label(policy, rules)
    is_complete = bool(subject.unique_id and subject.clearance and country)
    return Decision(
        (
            _check("subject_complete", SubjectIncomplete, passed=is_complete),  # 1
            _check("label_complete", LabelInvalid, passed=label is not None),  # 2
            _clearance_check(subject, country, label, rules),  # 3
            _check("releasability", CountryNotReleasable, passed=_is_releasable(country, label)),  # 4
            _check("coi", CoiNotSatisfied, passed=_is_in_communities(subject, label, rules)),  # 5
            _embargo_check(label, now),  # 6
            _check("authentication_strength", AuthenticationTooWeak, passed=_is_strong(subject, label, rules)),  # 7
            _check("industry", IndustryNotReleasable, passed=_is_open_to(subject, country, label, rules)),  # 8
            _check("label_coherence", LabelIncoherent, passed=_is_coherent(label, rules)),  # 9
            _check("issuer", IssuerNotForCountry, passed=country in subject.issuer_countries),  # 10
        )
    )


def _check(name: str, denial: type[Denial], *, passed: bool) -> Check:
    return Check(name, passed, "" if passed else denial.code)


def _label(policy: Mapping[str, object], rules: Rules) -> Label | None:
    try:
        return parse_label(policy, rules)
    except LabelInvalid:
        return None


def _clearance_check(subject: Subject, country: str | None, label: Label | None, rules: Rules) -> Check:
    level = clearance_level(subject.clearance or "", country, rules.clearances) if country else None
    if level is None:
        return _check("clearance", ClearanceUnknown, passed=False)
    return _check("clearance", ClearanceInsufficient, passed=label is not None and level >= label.level)


def _is_releasable(country: str | None, label: Label | None) -> bool:
    return label is not None and country in label.releasability


def _is_in_communities(subject: Subject, label: Label | None, rules: Rules) -> bool:
    # The operator comes first: with one that is unknown, nobody can say that there is no demand.
    if label is None or label.coi_operator not in {"ALL", "ANY"}:
        return False
    exclusive = label.coi & rules.coherence.exclusive
    if exclusive:
        return subject.coi == exclusive
    if label.coi_operator == "ANY":
        return not label.coi or not label.coi.isdisjoint(subject.coi)
    return label.coi <= subject.coi


def _embargo_check(label: Label | None, now: float) -> Check:
    if label is None or label.creation_date is None:
        return _check("embargo", Embargoed, passed=label is not None)
    try:
        created = parse_date_time(label.creation_date)
    except (ValueError, OverflowError):
        return _check("embargo", LabelInvalid, passed=False)
    return _check("embargo", Embargoed, passed=now >= created)


def _is_strong(subject: Subject, label: Label | None, rules: Rules) -> bool:
    rule = rules.authentication
    if label is None:
        return False
    if label.level >= rule.aal3_from:
        return subject.acr_level >= _AAL3
    if label.level >= rule.two_classes_from:
        return subject.acr_level >= _AAL2 or _is_multi_factor(subject.amr, rule)
    return True


def _is_multi_factor(methods: frozenset[str], rule: AuthenticationRule) -> bool:
    classes = {rule.classes[method] for method in methods if method in rule.classes}
    return len(classes) > 1 or not methods.isdisjoint(rule.count_as_two)


def _is_open_to(subject: Subject, country: str | None, label: Label | None, rules: Rules) -> bool:
    rule = rules.industry
    if label is None or country is None:
        return False
    if subject.organization_type in rule.government_types:
        return True
    # Any other organisation, and none, is industry.
    return label.releasable_to_industry and label.level <= rule.caps.get(country, rule.default_cap)


def _is_coherent(label: Label | None, rules: Rules) -> bool:
    rule = rules.coherence
    if label is None or (len(label.coi) > 1 and not label.coi.isdisjoint(rule.exclusive)):
        return False
    pairs = rule.never_together + (rule.not_together_with_any if label.coi_operator == "ANY" else ())
    if any(pair <= label.coi for pair in pairs):
        return False
    demands = [rule.caveats[caveat] for caveat in label.caveats]
    return all(
        demand.coi in {None, label.coi} and demand.releasability in {None, label.releasability} for demand in demands
    )
