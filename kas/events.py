"""What the audit says: one event for each key access object, each policy that is explained and each public key that is handed
out, one for each request that is refused as a whole, and checkpoints of the trail in between.

Fields are fixed and bounded; nothing here holds a token, proof, key or body. ``category`` is the type of event in
ACP-240's terms, null for an explanation, by which nothing is asked for or released:

- DECRYPT: a key was released.
- ACCESS_DENIED: it was not, and the reason is who asks, what the policy says, or what the request lacks.
- ACCESS_MODIFIED: it was not, because what came is not what was bound or signed.
- ENCRYPT: a public key to wrap with was handed out.
- DATA_SHARED: another service released a key, and it was passed on.

``costMicroUsd`` is on the first line of a request, and null on the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from kas.dataclass import dataclass
from kas.errors import ClientKeyUnbound, KaoRefusal, KaoSignatureInvalid, KasError, KeyMaterialRejected
from kas.journal import Journal
from kas.policy.decision import Decision

if TYPE_CHECKING:
    from kas.protocol.explain import Explanation  # whoever asks for none does not pay for it

_INTEGRITY: Final = (KeyMaterialRejected, KaoSignatureInvalid, ClientKeyUnbound)
_SERVER_FAULT: Final = 500

# The values of ``event``.
EVENTS: Final = ("rewrap", "refusal", "explain", "public_key", "checkpoint")
# Why a checkpoint is made: before the first line, since some lines or some time have passed, after the last line.
Reason = Literal["start", "due", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KaoOutcome:
    """What became of one key access object; ``refusal`` None when it was released, ``decision`` None when it was refused
    before one. ``attempt`` says in which round it was tried, None when it was not; ``forwarded_to`` is the service that
    holds its key, None for this one; ``via`` are those that the request has passed.
    """

    dialect: str
    policy_id: str
    policy_hash: str
    kao_id: str
    kid: str | None
    refusal: type[KaoRefusal] | None
    decision: Decision | None
    key_operations: int
    is_cache_hit: bool
    attempt: int | None = 1
    forwarded_to: str | None = None
    via: tuple[str, ...] = ()


def kao_event(journal: Journal, outcome: KaoOutcome, *, now: float) -> Mapping[str, Any]:
    """The event of one key access object, with the whole request's latency by stage."""
    refusal, decision = outcome.refusal, outcome.decision
    return {
        **_head("rewrap", journal, refusal, now),
        "category": _released(outcome) if refusal is None else _category(refusal),
        "outcome": "released" if refusal is None else "refused",
        "code": None if refusal is None else refusal.code,
        "dialect": outcome.dialect,
        "policyId": outcome.policy_id,
        "policyHash": outcome.policy_hash,
        "kaoId": outcome.kao_id,
        "kid": outcome.kid,
        "checks": None if decision is None else {check.name: check.passed for check in decision.checks},
        "keyOperations": outcome.key_operations,
        "cacheHit": outcome.is_cache_hit,
        "attempt": outcome.attempt,
        "forwardedTo": outcome.forwarded_to,
        "via": list(outcome.via),
        "latencyMs": _latency(journal),
    }


def refusal_event(journal: Journal, refusal: type[KasError], *, now: float) -> Mapping[str, Any]:
    """The event of a request that was refused as a whole; the caller is whose genuine token was shown, if one was."""
    return {
        **_head("refusal", journal, refusal, now),
        "category": "ACCESS_DENIED",
        "code": refusal.code,
        "status": refusal.status,
        "method": journal.method,
        "path": journal.path,
        "latencyMs": _latency(journal),
    }


def explain_event(journal: Journal, explanation: Explanation, *, now: float) -> Mapping[str, Any]:
    """The event of a policy about which its caller was told what is decided. It is of no category: nothing was asked for."""
    refusal = explanation.refusal
    return {
        **_head("explain", journal, None, now),
        "category": None,
        "outcome": "permit" if refusal is None else "deny",
        "code": None if refusal is None else refusal.code,
        "dialect": explanation.asked.dialect,
        "policyHash": explanation.asked.policy_hash,
        "checks": {line.name: line.refusal is None for line in explanation.checks},
        "latencyMs": _latency(journal),
    }


def public_key_event(journal: Journal, *, now: float) -> Mapping[str, Any]:
    """The event of a public key that was handed out; nobody is asked who he is."""
    return {
        **_head("public_key", journal, None, now),
        "category": "ENCRYPT",
        "method": journal.method,
        "path": journal.path,
    }


def checkpoint_event(reason: Reason, *, kas: str, kid: str, revision: str, now: float) -> Mapping[str, Any]:
    """The event of a checkpoint by the service ``kas`` with its key ``kid``; ``revision`` is the platform's, empty for none."""
    return {
        "severity": _severity(None),
        "time": _time(now),
        "event": "checkpoint",
        "reason": reason,
        "kas": kas,
        "kid": kid,
        "revision": revision or None,
    }


def _head(event: str, journal: Journal, refusal: type[KasError] | None, now: float) -> dict[str, Any]:
    caller = journal.caller
    return {
        "severity": _severity(refusal),
        "time": _time(now),
        "event": event,
        "requestId": journal.request_id,
        "issuer": None if caller is None else caller.issuer,
        "subject": None if caller is None else caller.subject,
        "client": None if caller is None else caller.client,
        "costMicroUsd": journal.bill(),
    }


def _time(now: float) -> str:
    seconds, milliseconds = divmod(int(1000 * now), 1000)
    return f"{_date_time(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1)  # a busy second has many lines
def _date_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _released(outcome: KaoOutcome) -> str:
    return "DECRYPT" if outcome.forwarded_to is None else "DATA_SHARED"


def _latency(journal: Journal) -> dict[str, float]:
    return {stage: round(1000 * seconds, 3) for stage, seconds in journal.seconds.items()}


def _category(refusal: type[KaoRefusal]) -> str:
    return "ACCESS_MODIFIED" if issubclass(refusal, _INTEGRITY) else "ACCESS_DENIED"


def _severity(refusal: type[KasError] | None) -> str:
    """One level for everything that depends on key material, so that the log tells no more than the answer."""
    if refusal is None:
        return "INFO"
    if refusal.status >= _SERVER_FAULT:
        return "ERROR"
    return "WARNING" if issubclass(refusal, _INTEGRITY) else "NOTICE"
