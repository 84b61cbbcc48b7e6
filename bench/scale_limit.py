"""Part of `scale`: one caller asks all instances at once for more than his limit, within one window of it."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Final

from bench.asked import Asked, User, ask, new_document
from bench.host import BenchFailed
from bench.load import Load, Loaded
from bench.scale_load import KID
from bench.scale_stand import Backend, is_refusal, troubles
from bench.speed_stand import Server, Stand, new_users

WINDOW_SECONDS: Final = 60.0
_OVER: Final = 1.3  # times the limit are asked for
_CONNECTIONS: Final = 3  # to each instance
_DOCUMENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Counted:
    """Of a ``limit`` a minute: ``accepted`` of the requests that were ``sent`` within ``seconds``, as quickly as could be or
    evenly; ``told`` is what the instances said of their store.
    """

    limit: int
    sent: int
    accepted: int
    seconds: float
    is_steady: bool
    told: Sequence[str]

    @property
    def error(self) -> float:
        return abs(self.accepted - self.limit) / self.limit


def counted(
    stand: Stand, backend: Backend, servers: Sequence[Server], limit: int, steady_seconds: float = 0.0
) -> Counted:
    """``limit`` is that of the instances. Each is asked for its part of what is too much; in memory, where each has a limit of
    its own, for so much: at once, or evenly over ``steady_seconds``.

    Raises BenchFailed for an answer that is neither right nor the refusal of a limit, and where it took a window or longer.
    """
    (user,) = new_users(stand.deployment, [f"caller-{secrets.token_hex(4)}"])
    each = math.ceil(_OVER * limit / (len(servers) if backend.is_shared else 1))
    per_second = each / steady_seconds if steady_seconds else 0.0
    asked = [_asked(stand, user, server, each) for server in servers]
    with ThreadPoolExecutor(len(servers)) as threads, contextlib.ExitStack() as loads:
        own = [replace(server, load=loads.enter_context(Load())) for server in servers]
        began = time.monotonic()
        sent = list(threads.map(partial(_send, per_second), own, asked))
        seconds = time.monotonic() - began
    if seconds >= WINDOW_SECONDS:
        raise BenchFailed(f"{seconds:.0f} s are more than a window of the limit")
    accepted = sum(map(_accepted, asked, sent))
    return Counted(limit, each * len(servers), accepted, seconds, bool(steady_seconds), troubles(servers))


def _asked(stand: Stand, user: User, server: Server, number: int) -> list[Asked]:
    documents = [new_document("acp240", stand.holders[KID], 1) for _ in range(_DOCUMENTS)]
    nonce = server.nonce()
    return [ask(user, documents[one % _DOCUMENTS], nonce) for one in range(number)]


def _send(per_second: float, server: Server, asked: Sequence[Asked]) -> Loaded:
    return server.load.send(server.port, [one.raw for one in asked], _CONNECTIONS, per_second)


def _accepted(asked: Sequence[Asked], loaded: Loaded) -> int:
    number = 0
    for one, exchanged in zip(asked, loaded.exchanged, strict=True):
        answer = exchanged.answer()
        if not is_refusal(answer, HTTPStatus.TOO_MANY_REQUESTS, "rewrap_limit"):
            one.check(answer)
            number += 1
    return number
