"""The rewrap: who asks, what the policy says, and only then a key (ACP-240 §3; KAS-REQ-001, 002, 060).

This is the use case. Its steps are in the order that the security of the whole rests on: nothing of a stranger's body is
read, and nothing leaves before it is on record. What happens to each key access object is `kas.release`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes

from kas.audit.log import AuditLog
from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.cases import Case, Work
from kas.dataclass import dataclass
from kas.engine import Engine
from kas.errors import ForwarderUnknown
from kas.events import KaoOutcome, kao_event
from kas.jose import PublicJwk
from kas.journal import Journal
from kas.keys.registry import Dialect
from kas.metrics import Meter
from kas.protocol.values import Answer, AnswerContext, GroupResult, RewrapRequest
from kas.release import Peers, Release
from kas.rounds import rounds


class Wire(Protocol):
    """One dialect: bytes to values, results to an answer. ``rsa_hash`` is what its RSA clients unwrap with."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def rsa_hash(self) -> hashes.HashAlgorithm: ...
    def parse(self, body: bytes, *, key: PublicJwk | None, now: float) -> RewrapRequest:
        """The request; ``key`` is the proven key, None for a caller whose token is bound to none."""

    def render(self, request: RewrapRequest, groups: Sequence[GroupResult], context: AnswerContext) -> Answer:
        """The whole answer, signed where the dialect signs."""


class Forwarded(Protocol):
    """A client whose request another service forwards."""

    @property
    def principal(self) -> Principal: ...
    def check_body(self, body: bytes) -> None:
        """Raises ForwardingBodyMismatch unless the other service forwards exactly these bytes."""

    def claim(self, kao_ids: Sequence[str]) -> None:
        """Records that the client's proof was used for these key access objects. Raises ProofReplayed."""


class Federation(Protocol):
    """The other services that this one works with."""

    def receive(self, credentials: Credentials, journal: Journal) -> Forwarded:
        """Authenticates whoever forwards, and the client. Raises a leaf of KasError."""

    def peers(self, credentials: Credentials, principal: Principal) -> Peers:
        """The services, for one request."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What of an HTTP request the rewrap needs, and no more; ``read_body`` reads the bounded body when it is called,
    and not before.
    """

    credentials: Credentials
    read_body: Callable[[], bytes]
    journal: Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """The rewrap over its dependencies. ``federation`` is None on a route that knows no other service."""

    authenticator: Authenticator
    federation: Federation | None
    wire: Wire
    engine: Engine
    release: Release
    audit: AuditLog
    meter: Meter
    clock: Callable[[], float]

    def answer(self, exchange: Exchange) -> Answer:
        """Answers one request; route, method and the limits of step 1 are the edge's.

        2–5. Who asks: access token, DPoP proof, nonce, caller limit, each proof once; and who forwards, if anybody does.
        6. Media types and the bounded body.
        7. JSON and structure.
        8–15. The KAOs, see `kas.release`; of alternatives one after the other.
        16. Every result signed, here or by the service that it comes from.
        17. One audit line per KAO, before anything leaves.

        Raises a leaf of KasError when the request as a whole is refused.
        """
        journal, credentials = exchange.journal, exchange.credentials
        # 2, 3, 4, 5.
        with journal.stage("authenticate"):
            forwarded = None if credentials.forwarded is None else self._receive(credentials, journal)
            principal = (
                self.authenticator.authenticate(credentials, journal) if forwarded is None else forwarded.principal
            )
        # 6.
        with journal.stage("read"):
            body, now = exchange.read_body(), self.clock()
        if forwarded is not None:
            forwarded.check_body(body)
        # 7.
        with journal.stage("parse"):
            request = self.wire.parse(body, key=principal.key, now=now)
        groups = [[Case(kao, group) for kao in group.key_accesses] for group in request.groups]
        cases = [case for group in groups for case in group]
        if forwarded is not None:
            forwarded.claim([case.kao.id for case in cases])
        # 8 to 15.
        work = Work(principal, request, journal, now, self.engine.for_request(), self.release.opener.deadline())
        peers = None if self.federation is None else self.federation.peers(credentials, principal)
        for number, batch in enumerate(rounds(groups), start=1):
            for case in batch:
                case.attempt = number
            self.release(batch, work, peers)
        # 16.
        results = [
            GroupResult(group.policy_id, tuple(case.result for case in answered))
            for group, answered in zip(request.groups, groups, strict=True)
        ]
        with journal.stage("sign"):
            answer = self.wire.render(request, results, AnswerContext(journal.request_id, principal.proof_hash, now))
        # 17.
        self.audit.record([self._event(case, work) for case in cases], journal.trace)
        for case in cases:
            self.meter.kao(self.wire.dialect, None if case.result.refusal is None else case.result.refusal.code)
        return answer

    def _receive(self, credentials: Credentials, journal: Journal) -> Forwarded:
        """Where no other service is known, nobody may forward: the header is not passed over."""
        if self.federation is None:
            raise ForwarderUnknown
        return self.federation.receive(credentials, journal)

    def _event(self, case: Case, work: Work) -> Mapping[str, Any]:
        opened, forwarding = case.opened, work.principal.forwarding
        outcome = KaoOutcome(
            dialect=self.wire.dialect,
            policy_id=case.group.policy_id,
            policy_hash=case.group.policy_hash,
            kao_id=case.kao.id,
            kid=case.kao.kid or (opened.kid if opened else None),
            refusal=case.result.refusal,
            decision=case.decision,
            key_operations=opened.operations if opened else 0,
            is_cache_hit=opened.is_hit if opened else False,
            attempt=case.attempt,
            forwarded_to=case.peer,
            via=() if forwarding is None else forwarding.via,
        )
        return kao_event(work.journal, outcome, now=work.now)
