"""The line to one service: its address, and a breaker that leaves it alone after failures in a row.

How a call ended is told to the breaker in one place, here, whoever waits for it still: a service that does not answer as
agreed has failed like one that does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol

from kas.dataclass import dataclass
from kas.errors import PeerRefused, PeerUnavailable
from kas.federation.breaker import Breaker, State
from kas.federation.calls import Call, SideBySideCalls
from kas.federation.registry import Peer
from kas.net.connection import Told
from kas.protocol.acp240.forward import AnsweredGroup, read_forwarded_answer
from kas.protocol.bounds import JsonBounds
from kas.protocol.values import PassedOn

PEER_FAILED: Final = "peer_failed"
PEER_BREAKER: Final = "peer_breaker"

_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NO_REFUSALS: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

Verify = Callable[[Sequence[AnsweredGroup]], tuple[Mapping[str, PassedOn], bool]]


class Client(Protocol):
    """Sends once and reads one answer."""

    def post(
        self, body: bytes, headers: Mapping[str, str], deadline_seconds: float, sent: Told, /
    ) -> tuple[int, bytes]:
        """Status and body; tells ``sent`` between. Raises PeerUnavailable."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A call under way; ``has_left`` is set when the request has left."""

    call: Call[Mapping[str, PassedOn]]
    has_left: threading.Event


@dataclass(frozen=True, slots=True)
class Line:
    """``calls`` are as many at once as one peer may hold up; ``bounds`` are those of an answer's JSON; ``warn`` takes lines
    for the operator. Answers are read one by one: before it is found to be beyond its bounds, one takes thirty times its size
    of memory.
    """

    peer: Peer
    client: Client
    breaker: Breaker
    calls: SideBySideCalls
    bounds: JsonBounds
    warn: Callable[[Mapping[str, Any]], None]
    reading: threading.Lock = field(default_factory=threading.Lock)

    def start(self, body: bytes, headers: Mapping[str, str], seconds: float, verify: Verify) -> Begun:
        """Sends a request on its way, to be answered in so many ``seconds``. Raises PeerUnavailable where nothing is sent."""
        self.breaker.admit()
        has_left = threading.Event()
        try:
            call = self.calls.start(partial(self._call, body, headers, seconds, verify, has_left.set))
        except PeerUnavailable:
            self.breaker.withdraw()
            raise
        return Begun(call, has_left)

    def _call(
        self, body: bytes, headers: Mapping[str, str], seconds: float, verify: Verify, sent: Told
    ) -> Mapping[str, PassedOn]:
        """The sound results; those that are missing are for the caller to find. Raises PeerUnavailable, and PeerRefused
        where the whole request was refused.
        """
        try:
            status, answer = self.client.post(body, headers, seconds, sent)
            with self.reading:
                answered = _read(answer, self.bounds)
            results, is_clean = ({}, False) if answered is None else verify(answered)
        except PeerUnavailable as failure:
            self._failed(str(failure))
            raise
        except Exception as error:  # the others of this request keep what they have
            self._failed(f"unexpected: {type(error).__name__}")
            raise PeerUnavailable from error
        if answered is None:
            raise self._judged(status)
        if is_clean:
            self._answered()
        else:
            self._failed("results missing, foreign, twice there or wrongly signed")
        return results

    def _judged(self, status: int) -> PeerRefused | PeerUnavailable:
        """An answer without results. Who refuses is there, and who is busy is so for a limit that one caller may have
        reached: neither is to be left alone for all callers, and the operator should know of both.
        """
        is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _NO_REFUSALS
        if is_refusal or status in _BUSY:
            self._answered()
            self._tell(f"status {status}")
        else:
            self._failed(f"status {status} without results")
        return PeerRefused() if is_refusal else PeerUnavailable()

    def _answered(self) -> None:
        if self.breaker.succeeded():
            self._tell_state("NOTICE", "closed")

    def _failed(self, reason: str) -> None:
        opens = self.breaker.failed()
        self._tell(reason)
        if opens:
            self._tell_state("WARNING", "open")

    def _tell(self, reason: str) -> None:
        """``reason`` is in words of ours."""
        self.warn({"severity": "WARNING", "event": PEER_FAILED, "peer": self.peer.kas_id, "status": reason})

    def _tell_state(self, severity: str, state: State) -> None:
        """Once for each time that it opens, so that one that stays open goes on being told."""
        self.warn({"severity": severity, "event": PEER_BREAKER, "peer": self.peer.kas_id, "state": state})


def _read(answer: bytes, bounds: JsonBounds) -> Sequence[AnsweredGroup] | None:
    """The results in the answer, None where it is no answer with results."""
    try:
        return read_forwarded_answer(answer, bounds)
    except ValueError:
        return None
