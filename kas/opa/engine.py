"""Who asks: an engine that decides nothing by itself, and permits only what an Open Policy Agent permits.

Every failure is PolicyUnavailable, never a permit (`policy.md` §4, `security.md` §6 of the specification): no
connection, a status other than 200, a redirect, an answer that is late, too large or not one. All decisions of one
request share `SECONDS`, so that a program that hangs holds a request no longer, however many policies it has. Each
question has a connection of its own: nothing is open between requests, and nothing crosses a fork. A question is not
asked twice. Does not know what the policy there says.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from kas.auth.issuers import Issuer
from kas.errors import PolicyUnavailable
from kas.net.answer import BadAnswer
from kas.net.connection import Tls, any_address, connect, made_once, origin_of
from kas.net.deadline import Deadline, Timer
from kas.opa.answer import AnswerError, read_answer
from kas.opa.question import Questions
from kas.policy.decision import Decision
from kas.protocol.values import ReadablePolicy
from kas.seldom import Seldom
from kas.tls import client_context

SECONDS: Final = 3.0
PATH: Final = "/v1/data/kas/decision"
MAX_ANSWER_BYTES: Final = 128 * 1024


class OpaEngine:
    """``url`` is an origin; ``timer`` gives seconds from an arbitrary start, ``warn`` is told why there is no decision,
    ``tls`` makes the context for https, when it is first needed.
    """

    def __init__(
        self,
        url: str,
        questions: Questions,
        timer: Timer,
        warn: Callable[[Mapping[str, Any]], None],
        *,
        tls: Tls = client_context,
    ) -> None:
        self.questions = questions
        self.timer = timer
        self._origin = origin_of(url)
        self._tls = made_once(tls)
        self._seldom = Seldom(warn, timer)

    def for_request(self) -> OpaDecider:
        return OpaDecider(self)

    def check(self) -> None:
        """A question about nobody is answered, and denied. Raises PolicyUnavailable."""
        if self.ask({}, SECONDS).permitted:
            raise self._unavailable("allows nobody in particular")

    def ask(self, document: Mapping[str, Any], seconds: float) -> Decision:
        """What the policy there says to ``document``, its input. Raises PolicyUnavailable."""
        try:
            body = json.dumps({"input": document}, separators=(",", ":"), allow_nan=False).encode("ascii")
            return read_answer(self._exchange(body, Deadline.after(seconds, self.timer)))
        except (AnswerError, BadAnswer) as error:
            raise self._unavailable(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(type(error).__name__) from error

    def _exchange(self, body: bytes, deadline: Deadline) -> bytes:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self._origin.authority}\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\nUser-Agent: kas\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection = connect(
            self._origin, self._tls, deadline, max_answer_bytes=MAX_ANSWER_BYTES, allow_address=any_address
        )
        try:
            status, answer = connection.exchange("POST", head.encode("ascii") + body, deadline)
        finally:
            connection.close()
        if status != http.client.OK:
            raise AnswerError(f"status {status}")
        return answer

    def _unavailable(self, problem: str) -> PolicyUnavailable:
        self._seldom.tell({"severity": "ERROR", "event": "policy_unavailable", "status": problem})
        return PolicyUnavailable(problem)


class OpaDecider:
    """Decides about the policies of one request, as long as its time lasts; for one thread."""

    def __init__(self, engine: OpaEngine) -> None:
        self._engine = engine
        self._seconds = SECONDS

    def decide(
        self, claims: Mapping[str, Any], sub: str, issuer: Issuer, policy: ReadablePolicy, *, now: float
    ) -> Decision:
        """Raises PolicyUnavailable."""
        if self._seconds <= 0:
            raise PolicyUnavailable("no time left")
        document = self._engine.questions.document(claims, sub, issuer, policy, now=now)
        started = self._engine.timer()
        try:
            return self._engine.ask(document, self._seconds)
        finally:
            self._seconds -= self._engine.timer() - started
