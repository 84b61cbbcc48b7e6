"""The rewrap: who asks, what the policy says, and only then a key (ACP-240 §3; KAS-REQ-001, 002, 060).

This is the use case, with its steps in the order that the security of the whole rests on: nothing of a stranger's
body is read, an unentitled caller costs no key operation, and whatever depends on key material has one answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import hashes

from kas.audit import AuditLog
from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.crypto.binding import check_binding
from kas.crypto.wrapping import Wrap, WrappedKey, wrap_to
from kas.datakey import DataKey
from kas.engine import PolicyEngine
from kas.errors import (
    ClientKeyUnbound,
    KaoRefusal,
    KaoSignatureInvalid,
    KeyMaterialRejected,
    NotSupported,
    UnknownKas,
    UnknownKey,
)
from kas.jose import PublicJwk, is_valid_signature
from kas.keys.registry import Dialect, KeyRecord, KeyRegistry, KeyService
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
)
from kas.uri import is_same_resource

# A KAO without kid may be wrapped to one of so many keys: the only place where anything is tried.
MAX_LEGACY_KEYS: Final = 2
_BEFORE_DECISION: Final = frozenset({NotSupported, UnknownKas, KaoSignatureInvalid, ClientKeyUnbound})


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
    """One HTTP request as the edge hands it over. ``read_body`` checks media types and reads the bounded body when
    it is called, and not before; ``request_id`` is ours.
    """

    credentials: Credentials
    method: str
    read_body: Callable[[], bytes]
    request_id: str


@dataclass(slots=True)
class _Work:
    """What is found out once per request and used by each KAO."""

    principal: Principal
    request: RewrapRequest
    now: float
    wrap: Wrap | None = None
    decisions: dict[str, Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """The rewrap over its dependencies. ``own_urls`` are the normalised addresses that a KAO of ours may name."""

    authenticator: Authenticator
    wire: Wire
    engine: PolicyEngine
    registry: KeyRegistry
    key_service: KeyService
    audit: AuditLog
    own_urls: frozenset[str]
    require_client_key_hash: bool
    clock: Callable[[], float]

    def answer(self, exchange: Exchange) -> Answer:
        """Answers one request; route and method (step 1) are the edge's.

        2–5. Who asks: access token, DPoP proof, nonce, each proof once.
        6. Media types and the bounded body.
        7. JSON and structure.
        8–15. Each KAO, see `_release`.
        16. Every result signed.
        17. One audit line per KAO, before anything leaves.

        Raises a leaf of KasError when the request as a whole is refused.
        """
        principal = self.authenticator.authenticate(exchange.credentials, method=exchange.method)
        body, now = exchange.read_body(), self.clock()
        work = _Work(principal, self.wire.parse(body, key=principal.key, now=now), now)
        groups = [self._group(group, work) for group in work.request.groups]
        context = AnswerContext(exchange.request_id, principal.proof_hash, now)
        answer = self.wire.render(work.request, groups, context)
        for group, results in zip(work.request.groups, groups, strict=True):
            for result in results.results:
                self.audit.record(_event(result, group, work, exchange.request_id))
        return answer

    def _group(self, group: PolicyGroup, work: _Work) -> GroupResult:
        results = tuple(KeyAccessResult(kao, self._outcome(kao, group, work)) for kao in group.key_accesses)
        return GroupResult(group.policy_id, results)

    def _outcome(self, kao: KeyAccess, group: PolicyGroup, work: _Work) -> WrappedKey | type[KaoRefusal]:
        try:
            return self._release(kao, group, work)
        except KaoRefusal as refusal:
            return type(refusal)

    def _release(self, kao: KeyAccess, group: PolicyGroup, work: _Work) -> WrappedKey:
        """Decides about one KAO.

        8. It asks for what this KAS does, and of this KAS.
        9. The proven key signed it, and with it the client's key.
        10. The policy permits.
        12. Its key is ours and unwraps it.
        13. The material made the policy's binding.
        15. The material goes to the client's key and nowhere else.

        The numbers are ACP-240's order of steps; 11 (a budget of key operations) and 14 (metadata) are not built yet.
        """
        # 8.
        if not kao.is_supported:
            raise NotSupported
        if not is_same_resource(kao.url, self.own_urls):
            raise UnknownKas
        # 9.
        self._check_origin(kao, work)
        # 10.
        refusal = self._decide(group, work).refusal
        if refusal is not None:
            raise refusal
        # 12, 13.
        data_key = self._open(kao)
        # 15.
        if work.wrap is None:
            work.wrap = wrap_to(work.request.client_key, self.wire.rsa_hash)
        return work.wrap(data_key)

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

    def _decide(self, group: PolicyGroup, work: _Work) -> Decision:
        """Once per policy, however many KAOs and groups name it."""
        if group.policy_hash not in work.decisions:
            principal = work.principal
            work.decisions[group.policy_hash] = self.engine.decide(
                principal.claims, principal.subject, principal.issuer, group.policy, now=work.now
            )
        return work.decisions[group.policy_hash]

    def _open(self, kao: KeyAccess) -> DataKey:
        """One call of the key service and one HMAC, whatever is wrong: bad wrap, length and binding look alike.

        Only a KAO without ``kid`` may cost two.
        """
        for record in self._records(kao):
            with contextlib.suppress(KeyMaterialRejected):
                return self._open_with(record, kao)
        raise KeyMaterialRejected

    def _open_with(self, record: KeyRecord, kao: KeyAccess) -> DataKey:
        try:
            data_key = self.key_service.unwrap(record, kao.wrapped)
        except KeyMaterialRejected:
            data_key = None
        return check_binding(data_key, kao.binding_message, kao.policy_binding)

    def _records(self, kao: KeyAccess) -> tuple[KeyRecord, ...]:
        if kao.kid is None and kao.wrapped.ephemeral_key is None:
            return self.registry.legacy(self.wire.dialect)[:MAX_LEGACY_KEYS]
        if kao.kid is None:  # only RSA keys are tried, and none of them opens what was sealed over ECDH
            raise UnknownKey
        return (self.registry.find(kao.kid, self.wire.dialect, is_rsa=kao.wrapped.ephemeral_key is None),)


def _event(result: KeyAccessResult, group: PolicyGroup, work: _Work, request_id: str) -> Mapping[str, Any]:
    refusal = result.refusal
    decision = None if refusal in _BEFORE_DECISION else work.decisions.get(group.policy_hash)
    return {
        "event": "rewrap",
        "outcome": "released" if refusal is None else "refused",
        "code": None if refusal is None else refusal.code,
        "requestId": request_id,
        "issuer": work.principal.issuer.issuer,
        "subject": work.principal.subject,
        "client": _text(work.principal.claims.get("client_id")),
        "policyId": group.policy_id,
        "policyHash": group.policy_hash,
        "kaoId": result.key_access.id,
        "kid": result.key_access.kid,
        "checks": None if decision is None else {check.name: check.passed for check in decision.checks},
        "time": work.now,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
