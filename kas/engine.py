"""One engine decides; two vocabularies feed it: ACP-240's labels and OpenTDF's attributes.

The engine here decides by itself; `kas.opa` has one that asks another program. Whoever asks sees no difference but that
the latter may have no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kas.auth.authenticator import Principal
from kas.auth.issuers import Issuer
from kas.dataclass import dataclass
from kas.errors import KeyMaterialRejected
from kas.policy.attribute_decision import Requester, decide_attributes
from kas.policy.attributes import Definition
from kas.policy.decision import Decision, decide
from kas.policy.dissem import caller_names
from kas.policy.rules import Rules
from kas.policy.subject import Subject, read_subject
from kas.policy.view import subject_view
from kas.protocol.values import LabelPolicy, Policy, ReadablePolicy, UnreadablePolicy


class Decider(Protocol):
    """Decides about the policies of one request."""

    def decide(
        self, claims: Mapping[str, Any], sub: str, issuer: Issuer, policy: ReadablePolicy, *, now: float
    ) -> Decision:
        """Whether the subject ``sub`` of ``issuer`` with verified ``claims`` satisfies ``policy``; ``now`` in seconds
        since 1970. Raises PolicyUnavailable when that cannot be found out.
        """


class Engine(Protocol):
    """Who decides. Safe to use from many threads; a `Decider` is for one."""

    def for_request(self) -> Decider: ...
    def check(self) -> None:
        """Raises PolicyUnavailable while no decision can be had."""


@dataclass(frozen=True, slots=True)
class PolicyEngine:
    """Decides by configured rules. ``allow_empty_policy``: whether a policy of OpenTDF that demands nothing admits any
    authenticated caller, or nobody.
    """

    rules: Rules
    definitions: Mapping[str, Definition]
    allow_empty_policy: bool

    def for_request(self) -> PolicyEngine:
        return self

    def check(self) -> None:
        """It can always decide."""

    def decide(
        self, claims: Mapping[str, Any], sub: str, issuer: Issuer, policy: ReadablePolicy, *, now: float
    ) -> Decision:
        """Never raises."""
        if isinstance(policy, LabelPolicy):
            return decide(subject_of(claims, issuer), policy.members, self.rules, now=now)
        return decide_attributes(
            policy.attributes,
            policy.dissem,
            requester_of(claims, sub, issuer, self.rules),
            self.definitions,
            self.rules,
            allow_empty_policy=self.allow_empty_policy,
        )


def decide_about(principal: Principal, policy: Policy, decider: Decider, *, now: float) -> Decision:
    """What ``decider`` says about a caller and a policy: whoever needs a decision, to release a key or to explain, has it
    from here. Raises KeyMaterialRejected for a policy that cannot be read (it is not the one that was bound), and
    PolicyUnavailable.
    """
    if isinstance(policy, UnreadablePolicy):
        raise KeyMaterialRejected
    return decider.decide(principal.claims, principal.caller.subject, principal.issuer, policy, now=now)


def subject_of(claims: Mapping[str, Any], issuer: Issuer) -> Subject:
    """What verified ``claims`` say, as ``issuer`` calls things and as far as it may say them."""
    return read_subject(
        claims,
        names=issuer.claim_names,
        acr_levels=issuer.acr_levels,
        issuer_countries=issuer.countries,
        issuer_authorities=issuer.clearance_authorities,
    )


def requester_of(claims: Mapping[str, Any], sub: str, issuer: Issuer, rules: Rules) -> Requester:
    """The same, with what conditions select from and the names that recipients are listed by."""
    subject = subject_of(claims, issuer)
    names = caller_names(claims, issuer=issuer.issuer, subject=sub, email_domains=issuer.email_domains)
    return Requester(subject, subject_view(claims, subject, rules), names)
