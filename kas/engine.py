"""One engine decides; two vocabularies feed it: ACP-240's labels and OpenTDF's attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kas.auth.issuers import Issuer
from kas.dataclass import dataclass
from kas.policy.attribute_decision import Requester, decide_attributes
from kas.policy.attributes import Definition
from kas.policy.decision import Decision, decide
from kas.policy.dissem import caller_names
from kas.policy.rules import Rules
from kas.policy.subject import Subject, read_subject
from kas.policy.view import subject_view
from kas.protocol.values import LabelPolicy, ReadablePolicy


@dataclass(frozen=True, slots=True)
class PolicyEngine:
    """Decides by configured rules. ``allow_empty_policy``: whether a policy of OpenTDF that demands nothing admits any
    authenticated caller, or nobody.
    """

    rules: Rules
    definitions: Mapping[str, Definition]
    allow_empty_policy: bool

    def decide(
        self, claims: Mapping[str, Any], sub: str, issuer: Issuer, policy: ReadablePolicy, *, now: float
    ) -> Decision:
        """Whether the subject ``sub`` of ``issuer`` with verified ``claims`` satisfies ``policy``; ``now`` in seconds."""
        subject = read_subject(
            claims,
            names=issuer.claim_names,
            acr_levels=issuer.acr_levels,
            issuer_countries=issuer.countries,
            issuer_authorities=issuer.clearance_authorities,
        )
        if isinstance(policy, LabelPolicy):
            return decide(subject, policy.members, self.rules, now=now)
        return decide_attributes(
            policy.attributes,
            policy.dissem,
            self._requester(claims, sub, issuer, subject),
            self.definitions,
            self.rules,
            allow_empty_policy=self.allow_empty_policy,
        )

    def _requester(self, claims: Mapping[str, Any], sub: str, issuer: Issuer, subject: Subject) -> Requester:
        names = caller_names(claims, issuer=issuer.issuer, subject=sub, email_domains=issuer.email_domains)
        return Requester(subject, subject_view(claims, subject, self.rules), names)
