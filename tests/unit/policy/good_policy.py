"""One subject, one label and the shipped rules that permit; tests break one field of them."""

from pathlib import Path
from typing import Any

from kas.policy.decision import Decision, decide
from kas.policy.rules import Rules, load_rules
from kas.policy.subject import read_subject

CONFIG = Path(__file__).parents[3] / "config"
RULES = load_rules(CONFIG)
NOW = 1_790_000_000.0
ABSENT = object()

CLAIMS: dict[str, Any] = {
    "sub": "7f3c",
    "uniqueID": "alice@example",
    "clearance": "SECRET",
    "countryOfAffiliation": "USA",
    "acpCOI": ["NATO", "FVEY"],
    "organizationType": "GOV",
    "acr": "aal2",
    "amr": ["pwd", "otp"],
}
DISSEM: dict[str, Any] = {
    "classification": "SECRET",
    "releasabilityTo": ["USA", "FRA"],
    "COI": ["NATO"],
    "creationDate": "2026-01-01T00:00:00Z",
    "releasableToIndustry": True,
}
ACR_LEVELS = {"aal1": 1, "aal2": 2, "aal3": 3}
ISSUER_COUNTRIES = frozenset({"USA", "GBR", "FRA"})


def changed(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``good`` with ``changes``; a member that becomes ABSENT is gone."""
    return {name: value for name, value in (good | changes).items() if value is not ABSENT}


def decided(
    claims: dict[str, Any] | None = None,
    dissem: dict[str, Any] | None = None,
    *,
    now: float = NOW,
    rules: Rules = RULES,
    issuer_countries: frozenset[str] = ISSUER_COUNTRIES,
    issuer_authorities: frozenset[str] = frozenset(),
) -> Decision:
    subject = read_subject(
        changed(CLAIMS, claims or {}),
        names={},
        acr_levels=ACR_LEVELS,
        issuer_countries=issuer_countries,
        issuer_authorities=issuer_authorities,
    )
    return decide(subject, {"policyId": "p-1", "dissem": changed(DISSEM, dissem or {})}, rules, now=now)


def failures(decision: Decision) -> list[str]:
    """The codes of the checks that failed, in order."""
    return [check.code for check in decision.checks if not check.passed]
