"""What a rewrap would decide about a policy, and why, without any key: for the caller about himself.

The decision is the rewrap's own: `kas.engine`, asked in the same way. It is told with what the policy needed and what the
caller has, and nothing besides. Nothing here knows a key, a key access object or who holds one, so that none can be asked
for; whether a key would open, or another service would release its own, is not found out. Whoever asks learns no more than
rewraps of keys that he makes up would tell him: the caller's limit counts both.
"""

from __future__ import annotations

from collections.abc import Callable

from kas.audit.log import AuditLog
from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.dataclass import dataclass
from kas.engine import Decider, Engine, decide_about
from kas.errors import ForwarderUnknown, KeyMaterialRejected
from kas.events import explain_event
from kas.findings.finder import Finder
from kas.journal import Journal
from kas.protocol.explain import READABLE, Asked, ExplainParser, Explanation, Line, render
from kas.protocol.values import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """The explanation over its dependencies; ``clock`` gives seconds since 1970."""

    authenticator: Authenticator
    parser: ExplainParser
    engine: Engine
    finder: Finder
    audit: AuditLog
    clock: Callable[[], float]

    def answer(self, credentials: Credentials, read_body: Callable[[], bytes], journal: Journal) -> Answer:
        """Answers one request; route, method and the limits of step 1 are the edge's, and the steps those of a rewrap as
        far as there is no key.

        2–5. Who asks: access token, DPoP proof, nonce, caller limit, each proof once. Nobody asks for somebody else: what
             another service forwards is refused.
        6. Media types and the bounded body.
        7. JSON and structure.
        10. The policy can be read, and permits or denies.
        17. One audit line per policy, before anything leaves.

        Raises a leaf of KasError when the request as a whole is refused: PolicyUnavailable among them.
        """
        # 2, 3, 4, 5.
        if credentials.forwarded is not None:
            raise ForwarderUnknown
        with journal.stage("authenticate"):
            principal = self.authenticator.authenticate(credentials, journal)
        # 6.
        with journal.stage("read"):
            body, now = read_body(), self.clock()
        # 7.
        with journal.stage("parse"):
            asked = self.parser.parse(body)
        # 10.
        with journal.stage("decide"):
            decider = self.engine.for_request()
            explanations = [self._explain(one, principal, decider, now) for one in asked]
        answer = render(explanations)
        # 17.
        self.audit.record([explain_event(journal, one, now=now) for one in explanations], journal.trace)
        return answer

    def _explain(self, asked: Asked, principal: Principal, decider: Decider, now: float) -> Explanation:
        found = self.finder.find(principal, asked.policy, now=now)
        try:
            decision = decide_about(principal, asked.policy, decider, now=now)
        except KeyMaterialRejected as refusal:
            return Explanation(asked, type(refusal), (Line(READABLE, type(refusal), found.get(READABLE)),))
        lines = tuple(Line(check.name, check.denial, found.get(check.name)) for check in decision.checks)
        return Explanation(asked, decision.refusal, lines)
