"""One key access object on its way through a rewrap, and what is found out once for all of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kas.auth.authenticator import Principal
from kas.dataclass import dataclass
from kas.engine import Decider
from kas.errors import KaoRefusal, KeyUnavailable, NotAttempted, PolicyUnavailable
from kas.journal import Journal
from kas.keys.opener import Opened
from kas.policy.decision import Decision
from kas.protocol.values import KeyAccess, KeyAccessResult, Mode, Outcome, PolicyGroup, RewrapRequest


@dataclass(slots=True, eq=False)
class Case:
    """``outcome`` is a refusal until there is a better one. ``peer`` is the service that it was forwarded to, None where
    it is ours; ``attempt`` says when it was tried, from 1, None where it was not.
    """

    kao: KeyAccess
    group: PolicyGroup
    decision: Decision | None = None
    opened: Opened | None = None
    metadata: Mapping[str, Any] | None = None
    peer: str | None = None
    attempt: int | None = None
    outcome: Outcome = KeyUnavailable

    @property
    def result(self) -> KeyAccessResult:
        return KeyAccessResult(self.kao, self.outcome)

    @property
    def is_alternative(self) -> bool:
        return self.group.mode is Mode.ANY_OF

    @property
    def is_released(self) -> bool:
        return self.result.refusal is None

    def refuse(self, refusal: KaoRefusal, journal: Journal) -> None:
        """Notes also when to come again."""
        self.outcome = type(refusal)
        journal.wait(refusal.retry_after)

    def skip(self) -> None:
        """It is not needed, or would be of no use."""
        self.outcome = NotAttempted


@dataclass(frozen=True, slots=True)
class Work:
    """What each KAO of one request uses; ``now`` in seconds since 1970, ``keys_until`` is a `KeyOpener.deadline`;
    ``decisions`` are by the hash of their policy, also where none could be had.
    """

    principal: Principal
    request: RewrapRequest
    journal: Journal
    now: float
    decider: Decider
    keys_until: float
    decisions: dict[str, Decision | PolicyUnavailable] = field(default_factory=dict)
