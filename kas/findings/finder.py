"""Findings about any policy, by the rules and definitions that the service decides by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.auth.authenticator import Principal
from kas.dataclass import dataclass
from kas.engine import requester_of
from kas.findings.attributes import attribute_findings
from kas.findings.label import label_findings
from kas.policy.attributes import Definition
from kas.policy.rules import Rules
from kas.protocol.explain import READABLE, Finding
from kas.protocol.values import LabelPolicy, Policy, UnreadablePolicy

_UNREADABLE: Final = Finding("base64 of a JSON object with a body of attributes and recipients", "a text that is none")


@dataclass(frozen=True, slots=True)
class Finder:
    """``allow_empty_policy`` is what the deployment says of a policy of OpenTDF that demands nothing."""

    rules: Rules
    definitions: Mapping[str, Definition]
    allow_empty_policy: bool

    def find(self, principal: Principal, policy: Policy, *, now: float) -> Mapping[str, Finding]:
        """By the names of checks; the caller of ``principal`` is the only one that they tell of. Never raises."""
        if isinstance(policy, UnreadablePolicy):
            return {READABLE: _UNREADABLE}
        requester = requester_of(principal.claims, principal.caller.subject, principal.issuer, self.rules)
        if isinstance(policy, LabelPolicy):
            return label_findings(requester.subject, policy.members, self.rules, now=now)
        return attribute_findings(
            requester, policy, self.definitions, self.rules, allow_empty_policy=self.allow_empty_policy
        )
