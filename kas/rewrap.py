"""The rewrap: who asks, what the policy says, and only then a key (ACP-240 §3; KAS-REQ-001, 002, 060).

This is the use case, with its steps in the order that the security of the whole rests on: nothing of a stranger's
body is read, an unentitled caller costs no key operation, and whatever depends on key material has one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol

from cryptography.hazmat.primitives import hashes

from kas.audit import AuditLog
from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.crypto.wrapping import WrappedKey, wrap_to
from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.engine import Decider, Engine
from kas.errors import (
    ClientKeyUnbound,
    KaoRefusal,
    KaoSignatureInvalid,
    KeyMaterialRejected,
    KeyUnavailable,
    NotSupported,
    UnknownKas,
)
from kas.events import KaoOutcome, kao_event
from kas.jose import PublicJwk, is_valid_signature
from kas.journal import Journal
from kas.keys.opener import KeyOpener, Opened
from kas.keys.registry import Dialect
from kas.metrics import Meter
from kas.policy.decision import Decision
from kas.protocol.values import (
    Answer,
    AnswerContext,
    CoveredByRequestToken,
    GroupResult,
    KeyAccess,
    KeyAccessResult,
    PolicyGroup,
    RewrapRequest,
    UnreadablePolicy,
)
from kas.uri import is_same_resource


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


@dataclass(frozen=True, slots=True)
class Exchange:
    """What of an HTTP request the rewrap needs, and no more; ``read_body`` reads the bounded body when it is called,
    and not before.
    """

    credentials: Credentials
    read_body: Callable[[], bytes]
    journal: Journal


@dataclass(frozen=True, slots=True)
class _Work:
    """What is found out once per request and used by each KAO."""

    principal: Principal
    request: RewrapRequest
    journal: Journal
    now: float
    decider: Decider
    decisions: dict[str, Decision] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """One KAO and what is found out about it; ``outcome`` is a refusal until there is a better one."""

    kao: KeyAccess
    group: PolicyGroup
    decision: Decision | None = None
    opened: Opened | None = None
    outcome: WrappedKey | type[KaoRefusal] = KeyUnavailable

    def refuse(self, refusal: KaoRefusal, journal: Journal) -> None:
        self.outcome = type(refusal)
        journal.wait(refusal.retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """The rewrap over its dependencies. ``own_urls`` are the normalised addresses that a KAO of ours may name."""

    authenticator: Authenticator
    wire: Wire
    engine: Engine
    opener: KeyOpener
    audit: AuditLog
    meter: Meter
    own_urls: frozenset[str]
    require_client_key_hash: bool
    clock: Callable[[], float]

    def answer(self, exchange: Exchange) -> Answer:
        """Answers one request; route, method and the limits of step 1 are the edge's.

        2–5. Who asks: access token, DPoP proof, nonce, caller limit, each proof once.
        6. Media types and the bounded body.
        7. JSON and structure.
        8–15. The KAOs, see `_release`.
        16. Every result signed.
        17. One audit line per KAO, before anything leaves.

        Raises a leaf of KasError when the request as a whole is refused.
        """
        journal = exchange.journal
        with journal.stage("authenticate"):
            principal = self.authenticator.authenticate(exchange.credentials, journal)
        with journal.stage("read"):
            body, now = exchange.read_body(), self.clock()
        with journal.stage("parse"):
            request = self.wire.parse(body, key=principal.key, now=now)
        groups = [[_Case(kao, group) for kao in group.key_accesses] for group in request.groups]
        cases = [case for group in groups for case in group]
        self._release(cases, _Work(principal, request, journal, now, self.engine.for_request()))
        results = [_results(group, answered) for group, answered in zip(request.groups, groups, strict=True)]
        with journal.stage("sign"):
            answer = self.wire.render(request, results, AnswerContext(journal.request_id, principal.proof_hash, now))
        for outcome in map(self._recorded, cases):
            self.audit.record(kao_event(journal, outcome, now=now), journal.trace)
            self.meter.kao(outcome.dialect, None if outcome.refusal is None else outcome.refusal.code)
        return answer

    def _release(self, cases: Sequence[_Case], work: _Work) -> None:
        """Decides about the KAOs of one request, each by itself; and of a step, only those that passed all before it.

        8. It asks for what this KAS does, and of this KAS.
        9. The proven key signed it, and with it the client's key.
        10. The policy can be read, and permits.
        11–13. The budget allows a key operation, the key is ours and unwraps, the material made the policy's binding.
        15. The material goes to the client's key and nowhere else.

        The numbers are ACP-240's order of steps; 14 (metadata) is not built yet.
        """
        # 8, 9, 10.
        permitted = [case for case in cases if self._is_permitted(case, work)]
        # 11, 12, 13.
        opened = self._open(permitted, work)
        # 15.
        try:
            self._wrap(opened, work)
        finally:
            for _, data_key in opened:
                data_key.wipe()

    def _is_permitted(self, case: _Case, work: _Work) -> bool:
        try:
            # 8.
            if not case.kao.is_supported:
                raise NotSupported
            if not is_same_resource(case.kao.url, self.own_urls):
                raise UnknownKas
            # 9.
            self._check_origin(case.kao, work)
            # 10.
            with work.journal.stage("decide"):
                self._decide(case, work)
        except KaoRefusal as refusal:
            case.refuse(refusal, work.journal)
            return False
        return True

    def _open(self, permitted: Sequence[_Case], work: _Work) -> list[tuple[_Case, DataKey]]:
        """The keys of those that open; they are ours to wipe."""
        if not permitted:
            return []
        caller, journal = work.principal.caller.identity, work.journal
        with journal.stage("unwrap"):
            found = self.opener.open_all([case.kao for case in permitted], dialect=self.wire.dialect, caller=caller)
        keys = []
        for case, opened in zip(permitted, found, strict=True):
            case.opened = opened
            journal.key_operations += opened.operations
            journal.cache_hits += opened.is_hit
            journal.cache_misses += opened.is_miss
            if isinstance(opened.outcome, KaoRefusal):
                case.refuse(opened.outcome, journal)
            else:
                keys.append((case, opened.outcome))
        return keys

    def _wrap(self, opened: Sequence[tuple[_Case, DataKey]], work: _Work) -> None:
        if not opened:
            return
        with work.journal.stage("wrap"):
            wrap = wrap_to(work.request.client_key, self.wire.rsa_hash)
            for case, data_key in opened:
                case.outcome = wrap(data_key)

    def _recorded(self, case: _Case) -> KaoOutcome:
        opened = case.opened
        return KaoOutcome(
            dialect=self.wire.dialect,
            policy_id=case.group.policy_id,
            policy_hash=case.group.policy_hash,
            kao_id=case.kao.id,
            kid=case.kao.kid or (opened.kid if opened else None),
            refusal=None if isinstance(case.outcome, WrappedKey) else case.outcome,
            decision=case.decision,
            key_operations=opened.operations if opened else 0,
            is_cache_hit=opened.is_hit if opened else False,
        )

    def _check_origin(self, kao: KeyAccess, work: _Work) -> None:
        """DPoP does not cover the body: the KAO's signature does, and with the hash the client's key as well.

        Without the hash, whoever ends TLS could put in a key of his own.
        """
        origin, key = kao.origin, work.principal.key
        if isinstance(origin, CoveredByRequestToken):
            # Its dialect verified the request token. Without a proven key it proves nothing, and nothing here does:
            # the authenticator admits such a caller only where the deployment says so.
            return
        if key is None or not is_valid_signature(origin.algorithm, key, origin.message, origin.signature):
            raise KaoSignatureInvalid
        if origin.client_key_hash is None and not self.require_client_key_hash:
            return
        if origin.client_key_hash is None or origin.client_key_hash != work.request.client_key_hash:
            raise ClientKeyUnbound

    def _decide(self, case: _Case, work: _Work) -> None:
        """Once per policy, however many KAOs and groups name it. Raises the Denial of a policy that does not permit,
        KeyMaterialRejected for one that cannot be read (it is not the one that was bound), and PolicyUnavailable where
        no decision can be had.
        """
        group = case.group
        if isinstance(group.policy, UnreadablePolicy):
            raise KeyMaterialRejected
        decision = work.decisions.get(group.policy_hash)
        if decision is None:
            principal = work.principal
            decision = work.decider.decide(
                principal.claims, principal.caller.subject, principal.issuer, group.policy, now=work.now
            )
            work.decisions[group.policy_hash] = decision
        case.decision = decision
        if decision.refusal is not None:
            raise decision.refusal


def _results(group: PolicyGroup, cases: Sequence[_Case]) -> GroupResult:
    return GroupResult(group.policy_id, tuple(KeyAccessResult(case.kao, case.outcome) for case in cases))
