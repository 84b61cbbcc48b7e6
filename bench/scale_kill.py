"""Part of `scale`: of two instances behind nginx one is killed under load, with all its processes.

What its open connections carried may be lost, and nothing else: nginx goes on to the other where it cannot connect, and
does not send again what it has sent. No proof that was accepted before passes at the instance that is left. nginx is stopped
while the connections are counted and the instance dies, so that it opens none between the two.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bench.asked import Asked, new_document
from bench.host import BenchFailed, members
from bench.load import Loaded
from bench.nginx import Nginx, nginx
from bench.scale_load import CONNECTIONS, KID
from bench.scale_stand import Backend, instances, is_refusal
from bench.speed_stand import Server, Stand
from local.client import Answer
from local.ports import free_port

_BEFORE: Final = 0.3  # of the requests are answered when it comes
_POLL_SECONDS: Final = 0.01
_TABLE: Final = Path("/proc/net/tcp")
_ESTABLISHED: Final = "01"
_DEAD: Final = ("Z", "X")  # states of a process, see proc(5)


@dataclass(frozen=True, slots=True)
class Killed:
    """``open_connections`` of nginx to the instance when it was killed; ``failed`` requests, all answered 502, and how many
    of them had been sent to it; how many went on to the other; how many proofs that were accepted before were tried again,
    and refused; of the failed ones, how many proofs were used.
    """

    requests: int
    open_connections: int
    failed: int
    failed_there: int
    passed_on: int
    replayed: int
    used: int

    @property
    def lost(self) -> int:
        """What failed beyond the open connections."""
        return self.failed - min(self.failed_there, self.open_connections)


def killed(stand: Stand, backend: Backend, requests: int) -> Killed:
    """Raises BenchFailed for an answer that is neither right nor of a connection that was lost, where nginx sent a request
    twice, and where the other instance takes a used proof.
    """
    folder, port = stand.folder / f"nginx-{free_port()}", free_port()
    folder.mkdir()
    with (
        instances(stand, backend, 2) as servers,
        nginx(folder, {port: [one.port for one in servers]}) as front,
        ThreadPoolExecutor(1) as sender,
    ):
        victim, other = servers
        documents = [new_document("acp240", stand.holders[KID], 1) for _ in range(requests)]
        asked = stand.ask(victim, documents)
        sent = sender.submit(stand.load.send, port, [one.raw for one in asked], CONNECTIONS)
        _wait(front, sent, round(_BEFORE * requests))
        connections = _kill(victim, front)
        answers = [one.answer() for one in sent.result().exchanged]
        return _killed(asked, answers, front, victim, other, connections)


def _wait(front: Nginx, sent: Future[Loaded], number: int) -> None:
    while len(front.passed()) < number:
        if sent.done():
            raise BenchFailed("the load was over before the instance was killed")
        time.sleep(_POLL_SECONDS)


def _kill(victim: Server, front: Nginx) -> int:
    """How many connections to it were open."""
    os.killpg(front.pid, signal.SIGSTOP)
    try:
        connections = open_connections(victim.port)
        os.killpg(victim.pid, signal.SIGKILL)
        while any(map(_is_alive, members(victim.pid))):
            time.sleep(_POLL_SECONDS)
    finally:
        os.killpg(front.pid, signal.SIGCONT)
    return connections


def _is_alive(pid: int) -> bool:
    """Whether it still has what it had open; nobody may have asked yet for how it ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in _DEAD


def open_connections(port: int) -> int:
    """Of clients of this machine to a port of loopback, whether they are in use or rest."""
    rows = [line.split() for line in _TABLE.read_text("ascii").splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == _ESTABLISHED for row in rows)


def _killed(
    asked: Sequence[Asked], answers: Sequence[Answer], front: Nginx, victim: Server, other: Server, connections: int
) -> Killed:
    failed = [one for one, answer in zip(asked, answers, strict=True) if answer.status == HTTPStatus.BAD_GATEWAY]
    before = list(_accepted(asked, answers))[: round(_BEFORE * len(asked))]
    passed = front.passed()
    if any(was_sent for one in passed for _, _, was_sent in one.tried[:-1]):
        raise BenchFailed("nginx sent a request again that it had sent")
    there = sum(one.status == HTTPStatus.BAD_GATEWAY and one.tried[-1][0] == victim.port for one in passed)
    passed_on = sum(len(one.tried) > 1 for one in passed)
    used = sum(not _replay(one, other) for one in failed)
    if any(_replay(one, other) for one in [*before, *failed]):  # by now those of the failed ones are used as well
        raise BenchFailed("a proof was accepted twice")
    return Killed(len(asked), connections, len(failed), there, passed_on, len(before), used)


def _accepted(asked: Sequence[Asked], answers: Sequence[Answer]) -> Iterator[Asked]:
    for one, answer in zip(asked, answers, strict=True):
        if answer.status != HTTPStatus.BAD_GATEWAY:
            one.check(answer)
            yield one


def _replay(asked: Asked, server: Server) -> bool:
    """Whether it is accepted now. Raises BenchFailed where it is refused for anything but its use."""
    answer = server.send([asked.raw])[0].exchanged[0].answer()
    if is_refusal(answer, HTTPStatus.UNAUTHORIZED, "proof_replayed"):
        return False
    asked.check(answer)
    return True
