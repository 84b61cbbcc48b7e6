"""Forwarding: key access objects of other services are asked of them, side by side, for one client (ACP-240 080–085).

Guarantees that only registered addresses are called, that what is forwarded is what the client sent, that each service is
asked once a round, and that every key access object has one outcome when the request's time is over. Does not decide: what
comes here is permitted already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any, Final

from kas.auth.authenticator import Credentials, Principal, read_authorization
from kas.cases import Case, Work
from kas.crypto.signatures import ResultSigner
from kas.dataclass import dataclass
from kas.encoding import sha256_b64url
from kas.engine import subject_of
from kas.errors import AgreementExceeded, KaoRefusal, PeerUnavailable
from kas.federation.agreement import check_agreement
from kas.federation.assertion import make_assertion
from kas.federation.line import Begun, Line
from kas.federation.peer_keys import PeerKeys
from kas.federation.registry import Agreement, Registry
from kas.federation.results import Question, verified_results
from kas.policy.labels import parse_label
from kas.policy.rules import Rules
from kas.protocol.acp240.forward import SentGroup, forwarded_body
from kas.protocol.values import LabelPolicy, PassedOn

# Of one service, for one request: each alternative is a call, and all of our callers are one network there.
MAX_CALLS: Final = 4
# For calls to leave on kept connections. They are other threads', and an unwrap of ours would hold the interpreter.
HEAD_START_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The services of ``registry``, each with its line in ``lines``. ``deadline_seconds`` are for all calls of one request;
    ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start.
    """

    registry: Registry
    lines: Mapping[str, Line]
    keys: PeerKeys
    signer: ResultSigner
    rules: Rules
    deadline_seconds: float
    clock: Callable[[], float]
    timer: Callable[[], float]

    def peers(self, credentials: Credentials, principal: Principal) -> Messenger:
        """The services for one request, whose time begins now."""
        passed = () if principal.forwarding is None else principal.forwarding.via
        return Messenger(self, credentials, (*passed, self.registry.kas_id), self.timer() + self.deadline_seconds)


@dataclass(frozen=True, slots=True)
class Messenger:
    """Carries what one client asks. ``via`` are the services that the request has passed, we the last of them; ``until`` is
    in seconds of the broker's timer; ``calls`` counts those of each service.
    """

    broker: Broker
    credentials: Credentials
    via: tuple[str, ...]
    until: float
    calls: Counter[str] = field(default_factory=Counter)

    def find(self, unverified_url: str) -> str | None:
        """A `kas.release.Peers`: the service that a key access object names, if it is a known one."""
        peer = self.broker.registry.find_by_url(unverified_url)
        return None if peer is None else peer.kas_id

    def demands_client_key_hash(self, peer: str | None) -> bool:
        """Unless each agreement on the way says that the two trust each other with their keys."""
        agreements = self._agreements(peer)
        return any(agreement is None or agreement.require_client_key_hash for agreement in agreements)

    def check_agreements(self, case: Case, work: Work) -> None:
        """1. The next service is an active one, and the request has not passed it.
        2. The client's token may be shown to it, and the way is not longer than agreed.
        3. Every agreement on the way, of receiving and of forwarding, covers the label and the caller.

        Raises AgreementExceeded, and LabelInvalid where the label cannot be read.
        """
        # 1, 2.
        if case.peer is not None:
            self._check_next(case.peer, work.principal.claims.get("aud"))
        # 3.
        agreements = self._agreements(case.peer)
        if not agreements:
            return
        if not isinstance(case.group.policy, LabelPolicy):
            raise AgreementExceeded("label")
        label = parse_label(case.group.policy.members, self.broker.rules)
        country = subject_of(work.principal.claims, work.principal.issuer).country
        for agreement in agreements:
            check_agreement(agreement, label, country)

    def ask(self, cases: Sequence[Case], work: Work) -> Callable[[], None]:
        """Calls each service that the cases name, once, and lets the calls leave. What it returns waits for the answers, and
        gives every case its outcome.
        """
        by_peer: dict[str, list[Case]] = {}
        for case in cases:
            by_peer.setdefault(str(case.peer), []).append(case)
        started = [(asked, self._start(kas_id, asked, work)) for kas_id, asked in by_peer.items()]
        self._let_leave([begun for _, begun in started if isinstance(begun, Begun)])

        def collect() -> None:
            for asked, call in started:
                self._settle(asked, call, work)

        return collect

    def _let_leave(self, begun: Sequence[Begun]) -> None:
        timer = self.broker.timer
        until = timer() + HEAD_START_SECONDS
        for one in begun:
            one.has_left.wait(max(0.0, until - timer()))

    def _agreements(self, peer: str | None) -> list[Agreement | None]:
        """With the service that forwarded to us, if one did, and with the one that is asked next, if one is."""
        registry = self.broker.registry
        beside = [*self.via[-2:-1], *([] if peer is None else [peer])]
        found = [registry.find(kas_id) for kas_id in beside]
        return [None if one is None else one.agreement for one in found]

    def _check_next(self, kas_id: str, audience: object) -> None:
        peer = self.broker.registry.find(kas_id)
        if peer is None or not peer.is_active or peer.agreement is None:
            raise AgreementExceeded("agreement")
        if kas_id in self.via or len(self.via) > peer.agreement.max_depth:
            raise AgreementExceeded("way")
        if peer.agreement.audience not in (audience if isinstance(audience, list) else [audience]):
            raise AgreementExceeded("audience")

    def _start(self, kas_id: str, cases: Sequence[Case], work: Work) -> Begun | KaoRefusal:
        """Sends what there is to ask on its way, or tells why not."""
        broker, line = self.broker, self.broker.lines[kas_id]
        seconds = min(float(line.peer.timeout_seconds), self.until - broker.timer())
        if seconds <= 0:
            return PeerUnavailable("no time left")
        if self.calls[kas_id] >= MAX_CALLS:
            return PeerUnavailable("asked often enough")
        self.calls[kas_id] += 1
        body = forwarded_body(work.request.sent_client_key, _groups(cases))
        find_key = partial(broker.keys.find, line.peer)
        question = Question(kas_id, cases, work.principal.proof_hash, find_key, broker.clock)
        try:
            return line.start(body, self._headers(kas_id, body, work), seconds, partial(verified_results, question))
        except PeerUnavailable as refusal:
            return refusal

    def _headers(self, receiver: str, body: bytes, work: Work) -> Mapping[str, str]:
        """The client's own credentials, and ours over both."""
        _, token = read_authorization(self.credentials.authorization)
        key = work.principal.key
        assertion = make_assertion(
            self.broker.signer,
            receiver=receiver,
            body=body,
            token_hash=sha256_b64url(token.encode("ascii")),
            jkt="" if key is None else key.thumbprint,
            via=self.via,
            now=self.broker.clock(),
        )
        return {"Authorization": f"DPoP {token}", "DPoP": str(self.credentials.dpop), "Forwarded-KAS": assertion}

    def _settle(self, cases: Sequence[Case], begun: Begun | KaoRefusal, work: Work) -> None:
        """What did not come, or not as it must, is `PeerUnavailable`."""
        results, refusal = self._results(begun)
        for case in cases:
            if case.kao.id in results:
                case.outcome = results[case.kao.id]
            else:
                case.refuse(refusal, work.journal)

    def _results(self, begun: Begun | KaoRefusal) -> tuple[Mapping[str, PassedOn], KaoRefusal]:
        """What came in time, and why the rest did not."""
        if isinstance(begun, KaoRefusal):
            return {}, begun
        try:
            return begun.call.result(self.until - self.broker.timer()), PeerUnavailable()
        except KaoRefusal as refusal:
            return {}, refusal


def _groups(cases: Sequence[Case]) -> list[SentGroup]:
    """As they were sent, in their order."""
    found: dict[int, tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = {}
    for case in cases:
        found.setdefault(id(case.group), (case.group.sent_policy or {}, []))[1].append(case.kao.sent or {})
    return list(found.values())
