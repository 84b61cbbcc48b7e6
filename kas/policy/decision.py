"""The decision: whether a subject may have the data keys of an ACP-240 policy, and why not.

Guarantees that every check of `policy.md` §1 of the specification is made and listed, in its order, and that a check
which cannot be made is a fail: unknown, empty or missing means no. Does not check who signed the token or that the
policy is the one that was bound to the key; it knows no clock but the time it is given.
"""

from __future__ import annotations

from collections.abc import Mapping

from kas.dataclass import dataclass
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
from kas.policy.labels import Label, parse_date_time, parse_label
from kas.policy.rules import Rules
from kas.policy.standing import (
    country_of,
    is_authenticated_for,
    is_complete,
    is_government,
    is_within_cap,
    level_of,
)
from kas.policy.subject import Subject


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table; ``denial`` is why it denies, None when the check passed."""

    name: str
    denial: type[Denial] | None

    @property
    def passed(self) -> bool:
        return self.denial is None

    @property
    def code(self) -> str:
        """That of the denial, empty when the check passed."""
        return "" if self.denial is None else self.denial.code


@dataclass(frozen=True, slots=True)
class Decision:
    """All checks in the order of the table."""

    checks: tuple[Check, ...]

    @property
    def permitted(self) -> bool:
        """True when there are checks and all of them passed."""
        return bool(self.checks) and all(line.passed for line in self.checks)

    @property
    def refusal(self) -> type[Denial] | None:
        """The class of the first failing check; None exactly when ``permitted``."""
        if self.permitted:
            return None
        # Without any check nothing is known of the subject.
        return next((line.denial for line in self.checks if line.denial is not None), SubjectIncomplete)


def decide(subject: Subject, policy: Mapping[str, object], rules: Rules, *, now: float) -> Decision:
    """Makes all checks of ``subject`` against the label of ``policy``; ``now`` in seconds since 1970. Never raises.

    1. The subject has an id, a clearance and a country of the list.
    2. The label is complete and every member of it has its type.
    3. The clearance is known to the subject's country, or clearance authority, and not below the classification.
    4. The label releases to the subject's country.
    5. The subject is in the communities of interest that the label demands.
    6. The creation date has come.
    7. The authentication is as strong as the classification demands.
    8. The subject's organisation is government, or the label releases to its country's industry.
    9. The label does not contradict itself.
    10. The token's issuer may speak for the subject's country.
    """
    country = country_of(subject, rules)
    label = _label(policy, rules)
    return Decision(
        (
            check("subject_complete", SubjectIncomplete, passed=is_complete(subject, rules)),  # 1
            check("label_complete", LabelInvalid, passed=label is not None),  # 2
            _clearance_check(subject, label, rules),  # 3
            check("releasability", CountryNotReleasable, passed=_is_releasable(country, label)),  # 4
            check("coi", CoiNotSatisfied, passed=_is_in_communities(subject, label, rules)),  # 5
            _embargo_check(label, now),  # 6
            check("authentication_strength", AuthenticationTooWeak, passed=_is_strong(subject, label, rules)),  # 7
            check("industry", IndustryNotReleasable, passed=_is_open_to(subject, label, rules)),  # 8
            check("label_coherence", LabelIncoherent, passed=_is_coherent(label, rules)),  # 9
            check("issuer", IssuerNotForCountry, passed=country in subject.issuer_countries),  # 10
        )
    )


def check(name: str, denial: type[Denial], *, passed: bool) -> Check:
    """The line of a check that denies with ``denial`` when it fails."""
    return Check(name, None if passed else denial)


def _label(policy: Mapping[str, object], rules: Rules) -> Label | None:
    try:
        return parse_label(policy, rules)
    except LabelInvalid:
        return None


def _clearance_check(subject: Subject, label: Label | None, rules: Rules) -> Check:
    level = level_of(subject, rules)
    if level is None:
        return check("clearance", ClearanceUnknown, passed=False)
    return check("clearance", ClearanceInsufficient, passed=label is not None and level >= label.level)


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
        return check("embargo", Embargoed, passed=label is not None)
    try:
        created = parse_date_time(label.creation_date)
    except (ValueError, OverflowError):
        return check("embargo", LabelInvalid, passed=False)
    return check("embargo", Embargoed, passed=now >= created)


def _is_strong(subject: Subject, label: Label | None, rules: Rules) -> bool:
    return label is not None and is_authenticated_for(label.level, subject, rules)


def _is_open_to(subject: Subject, label: Label | None, rules: Rules) -> bool:
    if label is None or not is_within_cap(label.level, subject, rules):
        return False
    return label.releasable_to_industry or is_government(subject, rules)


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
