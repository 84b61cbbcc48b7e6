"""Part of `scale`: one proof, brought to every instance at the same moment, past nginx.

Each instance has the identical request but for the end of its head, and a thread of it waits for that; then all ends are
sent at once. So what is raced for is the claim of the proof and nothing before it.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final, cast

from bench.asked import Asked, ask, new_document
from bench.host import BenchFailed
from bench.scale_load import KID
from bench.scale_stand import Backend, is_refusal
from bench.speed_stand import Server, Stand
from local.client import Answer
from local.ports import HOST

_END: Final = b"\r\n\r\n"
_PART: Final = 50  # made together: a proof is good for a minute, a connection that rests for two seconds
_DOCUMENTS: Final = 20
_SECONDS: Final = 30.0  # that no answer comes


def accepted(stand: Stand, backend: Backend, servers: Sequence[Server], proofs: int) -> list[int]:
    """By how many of the instances each proof was accepted. Raises BenchFailed where one is by none, and for an answer
    that is neither right nor the refusal that a proof gets which was used, or whose nonce is another's.
    """
    with ThreadPoolExecutor(len(servers)) as threads:
        parts = [min(_PART, proofs - start) for start in range(0, proofs, _PART)]
        return [number for part in parts for number in _part(stand, backend, servers, threads, part)]


def _part(
    stand: Stand, backend: Backend, servers: Sequence[Server], threads: ThreadPoolExecutor, proofs: int
) -> Iterator[int]:
    documents = [new_document("acp240", stand.holders[KID], 1) for _ in range(min(proofs, _DOCUMENTS))]
    nonces = [server.nonce() for server in servers]
    made = zip(stand.users.some(proofs), itertools.cycle(documents), itertools.cycle(nonces), strict=False)
    asked = [ask(*one) for one in made]
    refusal = "proof_replayed" if backend.is_shared else "nonce_invalid"
    with contextlib.ExitStack() as opened:
        lines = [opened.enter_context(socket.create_connection((HOST, one.port), _SECONDS)) for one in servers]
        for one in asked:
            yield _accepted(one, _together(threads, lines, one.raw), refusal)


def _together(threads: ThreadPoolExecutor, lines: Sequence[socket.socket], raw: bytes) -> list[Answer]:
    """The answer on each line."""
    together = threading.Barrier(len(lines))
    return list(threads.map(partial(_exchange, raw, together), lines))


def _exchange(raw: bytes, together: threading.Barrier, line: socket.socket) -> Answer:
    end = raw.index(_END) + len(_END) - 1
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(raw[:end])
    together.wait(_SECONDS)
    line.sendall(raw[end:])
    response = http.client.HTTPResponse(line)
    response.begin()
    return Answer(response.status, cast("dict[str, str]", response.headers), response.read())


def _accepted(asked: Asked, answers: Sequence[Answer], refusal: str) -> int:
    number = 0
    for answer in answers:
        if not is_refusal(answer, HTTPStatus.UNAUTHORIZED, refusal):
            asked.check(answer)
            number += 1
    if not number:
        raise BenchFailed("a proof was accepted by no instance")
    return number
