"""The rewrap: who asks, what the policy says, and only then a key (ACP-240 §3; KAS-REQ-001, 002, 060).

This is the use case, with its steps in the order that the security of the whole rests on: nothing of a stranger's
body is read, an unentitled caller costs no key operation, and whatever depends on key material has one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kas.audit import AuditLog
from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.crypto.binding import check_binding
from kas.crypto.wrapping import Wrap, WrappedKey, wrap_to
from kas.datakey import DataKey
from kas.errors import (
    ClientKeyUnbound,
    KaoRefusal,
    KaoSignatureInvalid,
    KeyMaterialRejected,
    NotSupported,
    UnknownKas,
)
from kas.jose import is_valid_signature
from kas.keys.registry import KeyRegistry, KeyService
from kas.policy.decision import Decision, decide
from kas.policy.rules import Rules
from kas.policy.subject import Subject, read_subject
from kas.protocol.acp240.request import RequestParser
from kas.protocol.acp240.response import Answer, Signer, render
from kas.protocol.values import GroupResult, KeyAccess, KeyAccessResult, PolicyGroup, RewrapRequest
from kas.uri import is_same_resource

DIALECT: Final = "acp240"
_BEFORE_DECISION: Final = frozenset({NotSupported, UnknownKas, KaoSignatureInvalid, ClientKeyUnbound})


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
    subject: Subject
    now: float
    wrap: Wrap | None = None
    decisions: dict[str, Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """The rewrap over its dependencies. ``own_urls`` are the normalised addresses that a KAO of ours may name."""

    authenticator: Authenticator
    parser: RequestParser
    rules: Rules
    registry: KeyRegistry
    key_service: KeyService
    signer: Signer
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
        request = self.parser.parse(exchange.read_body())
        work = _Work(principal, request, _subject(principal), self.clock())
        groups = [self._group(group, work) for group in request.groups]
        answer = render(
            groups,
            signer=self.signer,
            proof_hash=principal.proof_hash,
            now=work.now,
            request_id=exchange.request_id,
        )
        for group, results in zip(request.groups, groups, strict=True):
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
        if not is_valid_signature(kao.signature_algorithm, work.principal.key, kao.signed_message, kao.signature):
            raise KaoSignatureInvalid
        self._check_client_key_hash(kao, work.request)
        # 10.
        refusal = self._decide(group, work).refusal
        if refusal is not None:
            raise refusal
        # 12, 13.
        data_key = self._open(kao)
        # 15.
        if work.wrap is None:
            work.wrap = wrap_to(work.request.client_key)
        return work.wrap(data_key)

    def _check_client_key_hash(self, kao: KeyAccess, request: RewrapRequest) -> None:
        """DPoP does not cover the body: without the hash, whoever ends TLS could put in a key of his own."""
        if kao.client_key_hash is None and not self.require_client_key_hash:
            return
        if kao.client_key_hash != request.client_key_hash:
            raise ClientKeyUnbound

    def _decide(self, group: PolicyGroup, work: _Work) -> Decision:
        """Once per policy, however many KAOs and groups name it."""
        if group.policy_hash not in work.decisions:
            work.decisions[group.policy_hash] = decide(work.subject, group.policy, self.rules, now=work.now)
        return work.decisions[group.policy_hash]

    def _open(self, kao: KeyAccess) -> DataKey:
        """One call of the key service and one HMAC, whatever is wrong: bad wrap, length and binding look alike."""
        record = self.registry.find(kao.kid, DIALECT)
        try:
            data_key = self.key_service.unwrap(record, kao.wrapped_key)
        except KeyMaterialRejected:
            data_key = None
        return check_binding(data_key, kao.binding_message, kao.policy_binding)


def _subject(principal: Principal) -> Subject:
    issuer = principal.issuer
    return read_subject(
        principal.claims,
        names=issuer.claim_names,
        acr_levels=issuer.acr_levels,
        issuer_countries=issuer.countries,
    )


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
