"""The line to one service: its address, and a breaker that leaves it alone after failures in a row.

How a call ended is told to the breaker in one place, here, whoever waits for it still: a service that does not answer as
agreed has failed like one that does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from kas.dataclass import dataclass
from kas.errors import PeerRefused, PeerUnavailable
from kas.federation.breaker import Breaker
from kas.federation.registry import Peer
from kas.protocol.acp240.forward import AnsweredGroup, read_forwarded_answer
from kas.protocol.bounds import JsonBounds
from kas.protocol.values import PassedOn

PEER_FAILED: Final = "peer_failed"

Verify = Callable[[Sequence[AnsweredGroup]], tuple[Mapping[str, PassedOn], bool]]


class _Limited(Exception):
    """The peer answers, and has been asked too often."""


class Client(Protocol):
    """Sends once and reads one answer."""

    def post(self, body: bytes, headers: Mapping[str, str], deadline_seconds: float) -> tuple[int, bytes]:
        """Status and body. Raises PeerUnavailable."""


@dataclass(frozen=True, slots=True)
class Line:
    """``bounds`` are those of an answer's JSON; ``warn`` takes lines for the operator. Answers are read one by one: before
    it is found to be beyond its bounds, one takes thirty times its size of memory.
    """

    peer: Peer
    client: Client
    breaker: Breaker
    bounds: JsonBounds
    warn: Callable[[Mapping[str, Any]], None]
    reading: threading.Lock = field(default_factory=threading.Lock)

    def call(
        self, body: bytes, headers: Mapping[str, str], seconds: float, more_values: int, verify: Verify
    ) -> Mapping[str, PassedOn]:
        """The sound results of one call, which `Breaker.admit` has admitted; those that are missing are for the caller to
        find. ``more_values`` may be in the answer beyond the bounds: what was sent is then in it as JSON. Raises PeerUnavailable, and PeerRefused where the whole request was refused.
        """
        try:
            results, is_clean = self._exchange(body, headers, seconds, more_values, verify)
        except PeerRefused as refusal:
            self.breaker.succeeded()  # refusing is an answer, of which the operator should know
            self._tell(str(refusal))
            raise
        except _Limited as limit:
            self.breaker.succeeded()  # one caller beyond his limit there must not shut out all others
            self._tell(str(limit))
            raise PeerUnavailable(str(limit)) from None
        except PeerUnavailable as failure:
            self._failed(str(failure))
            raise
        if is_clean:
            self.breaker.succeeded()
        else:
            self._failed("results missing, foreign, twice there or wrongly signed")
        return results

    def _exchange(
        self, body: bytes, headers: Mapping[str, str], seconds: float, more_values: int, verify: Verify
    ) -> tuple[Mapping[str, PassedOn], bool]:
        status, answer = self.client.post(body, headers, seconds)
        bounds = replace(self.bounds, values=self.bounds.values + more_values)
        try:
            with self.reading:
                answered = read_forwarded_answer(answer, bounds)
        except ValueError:
            raise _without_results(status) from None  # the cause quotes the answer
        return verify(answered)

    def _failed(self, reason: str) -> None:
        self.breaker.failed()
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        """``reason`` is in words of ours."""
        self.warn({"severity": "WARNING", "event": PEER_FAILED, "peer": self.peer.kas_id, "status": reason})


def _without_results(status: int) -> PeerRefused | PeerUnavailable | _Limited:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _Limited(f"status {status} without results")
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_refusal and status != HTTPStatus.REQUEST_TIMEOUT:
        return PeerRefused(f"status {status}")
    return PeerUnavailable(f"status {status} without results")
