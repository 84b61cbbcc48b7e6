"""What is asked: the input document of one decision, of the caller, the policy and the time.

Guarantees that whoever decides by it sees the caller as `kas.policy` does: claims by the issuer's names, one of the
wrong type a missing one, the clearance mapped by the one table there is, only names that the issuer may give. What the
policy says is passed on as it was sent. Nothing else of the token is in it: of claims only what selectors of
``attributes.json`` find. Does not decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kas.auth.issuers import Issuer
from kas.engine import requester_of
from kas.policy.attribute_decision import Requester
from kas.policy.attributes import Definition
from kas.policy.entitlements import Selector, select, selectors_of
from kas.policy.labels import parse_date_time
from kas.policy.rules import Rules
from kas.policy.standing import country_of, level_of
from kas.protocol.values import LabelPolicy, ReadablePolicy

ACTION: Final = "rewrap"


class Questions:
    """Makes the documents by configured rules; ``allow_empty_policy`` is what the deployment says of a policy that
    demands nothing.
    """

    def __init__(self, rules: Rules, definitions: Mapping[str, Definition], *, allow_empty_policy: bool) -> None:
        self._rules = rules
        self._selectors = _by_text(definitions)
        self._allow_empty_policy = allow_empty_policy

    def document(
        self, claims: Mapping[str, Any], sub: str, issuer: Issuer, policy: ReadablePolicy, *, now: float
    ) -> dict[str, Any]:
        """The input about the subject ``sub`` of ``issuer`` with verified ``claims``; ``now`` in seconds since 1970."""
        return {
            "subject": self._subject(requester_of(claims, sub, issuer, self._rules), sub, issuer),
            "action": ACTION,
            "resource": _resource(policy),
            "context": {"time": now, "allowEmptyPolicy": self._allow_empty_policy},
        }

    def _subject(self, requester: Requester, sub: str, issuer: Issuer) -> dict[str, Any]:
        subject, rules = requester.subject, self._rules
        level = level_of(subject, rules)
        members = {
            "issuer": issuer.issuer,
            "sub": sub,
            "uniqueId": subject.unique_id,
            "clearance": subject.clearance,
            "clearanceLevel": None if level is None else rules.levels[level],
            "country": subject.country,
            "issuerSpeaksForCountry": country_of(subject, rules) in subject.issuer_countries,
            "coi": sorted(subject.coi),
            "organizationType": subject.organization_type,
            "acrLevel": subject.acr_level,
            "amr": sorted(subject.amr),
            "names": sorted(requester.names),
            "selected": {text: select(requester.view, selector) for text, selector in self._selectors.items()},
        }
        return _without_none(members)


def _by_text(definitions: Mapping[str, Definition]) -> dict[str, Selector]:
    """Every selector that some condition uses, by how ``attributes.json`` writes it."""
    entitlements = {one for definition in definitions.values() for one in definition.entitlements.values()}
    selectors = frozenset[Selector]().union(*map(selectors_of, entitlements))
    return {"".join(step if step == "[]" else f".{step}" for step in selector): selector for selector in selectors}


def _resource(policy: ReadablePolicy) -> dict[str, Any]:
    if not isinstance(policy, LabelPolicy):
        return {"vocabulary": "attributes", "attributes": list(policy.attributes), "dissem": list(policy.dissem)}
    label = {"label": policy.members["dissem"]} if "dissem" in policy.members else {}
    created = _without_none({"createdAt": _creation_time(label.get("label"))})
    return {"vocabulary": "label", **label, **created}


def _creation_time(label: object) -> float | None:
    """Seconds since 1970, None when the label has no creation date or one that is none."""
    date = label.get("creationDate") if isinstance(label, Mapping) else None
    try:
        return parse_date_time(date) if isinstance(date, str) else None
    except (ValueError, OverflowError):
        return None


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
