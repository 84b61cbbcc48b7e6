"""One caller and one attribute policy that permit; tests break one part of them. The label's form in attributes."""

from typing import Any

from kas.policy.attribute_decision import Requester, decide_attributes
from kas.policy.attributes import load_attributes
from kas.policy.decision import Decision
from kas.policy.dissem import caller_names
from kas.policy.rules import Rules
from kas.policy.subject import read_subject
from kas.policy.view import subject_view
from tests.unit.policy.good_policy import ACR_LEVELS, CLAIMS, CONFIG, ISSUER_COUNTRIES, RULES, changed

DEFINITIONS = load_attributes(CONFIG / "attributes.json")
ISSUER = "https://idp.example"
PREFIX = "https://kas.example/attr"


def fqns_of(dissem: dict[str, Any]) -> list[str]:
    """The attributes that say what an ACP-240 label says.

    They have no form for ``coiOperator`` ANY, ``creationDate`` and ``caveats``, nor for a community or a spelling of
    one that is not defined; those labels have no counterpart.
    """
    scale = "classification-with-industry" if dissem.get("releasableToIndustry") else "classification"
    return [
        f"{PREFIX}/{scale}/value/{dissem['classification']}",
        *(f"{PREFIX}/releasability/value/{country}" for country in dissem["releasabilityTo"]),
        *(f"{PREFIX}/coi/value/{community}" for community in dissem.get("COI", [])),
    ]


GOOD = fqns_of({"classification": "SECRET", "releasabilityTo": ["USA", "FRA"], "COI": ["NATO"]})


def requester(
    claims: dict[str, Any],
    *,
    issuer_countries: frozenset[str] = ISSUER_COUNTRIES,
    issuer_authorities: frozenset[str] = frozenset(),
    rules: Rules = RULES,
) -> Requester:
    subject = read_subject(
        claims,
        names={},
        acr_levels=ACR_LEVELS,
        issuer_countries=issuer_countries,
        issuer_authorities=issuer_authorities,
    )
    names = caller_names(claims, issuer=ISSUER, subject="7f3c", email_domains=frozenset({"corp.example"}))
    return Requester(subject, subject_view(claims, subject, rules), names)


def decided_by_attributes(
    fqns: list[str],
    claims: dict[str, Any] | None = None,
    *,
    dissem: tuple[str, ...] = (),
    definitions: Any = DEFINITIONS,
    allow_empty_policy: bool = False,
    **subject: Any,
) -> Decision:
    return decide_attributes(
        fqns,
        dissem,
        requester(changed(CLAIMS, claims or {}), **subject),
        definitions,
        RULES,
        allow_empty_policy=allow_empty_policy,
    )
