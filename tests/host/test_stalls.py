"""Many who stall at once: bodies, chunks and headers that never end, with broken and oversized requests between them."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from local.client import Answer, Http
from tests.attacks.proof_requests import released, worker_of
from tests.host.functions import connect, exchange, head_of, receive
from tests.kit import Attempt, Kit
from tests.opentdf.procedures import MAPPINGS, PUBLIC_KEY

THREADS = 32  # as `local.processes` starts it
MIB = 2**20
JSON = b"Host: kas\r\nContent-Type: application/json\r\n"
STRANGER = b"POST /rewrap HTTP/1.1\r\n" + JSON
PUBLIC = b"POST %s HTTP/1.1\r\n" % PUBLIC_KEY.path.encode() + JSON
MAPPED = b"POST %s HTTP/1.1\r\n" % MAPPINGS.path.encode() + JSON
LENGTH = b"Content-Length: 60000\r\n\r\n{"
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n400\r\n{"
CHUNK_SIZE = b"Transfer-Encoding: chunked\r\n\r\n1"
IN_HEADERS = b"POST /rewrap HTTP/1.1\r\nHost: kas\r\nX-Slow: "

# What nobody should send, and the status that it has; None where the host closes the connection by itself.
BROKEN: dict[str, tuple[bytes, int | None]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "header without a colon": (b"POST /rewrap HTTP/1.1\r\nHost kas\r\n\r\n", 400),
    "header of 64 KiB": (b"POST /rewrap HTTP/1.1\r\nHost: kas\r\nX-A: " + b"a" * 2**16 + b"\r\n\r\n", None),
    "length that is no number": (STRANGER + b"Content-Length: -1\r\n\r\n", 400),
    "two framings": (STRANGER + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None),
    "chunk that is none": (PUBLIC + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    "public body too large": (PUBLIC + b"Content-Length: 65537\r\n\r\n" + b" " * 65537, 429),
    "public chunks too large": (
        PUBLIC + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n%s\r\n" % (b" " * 2**15) * 3,
        429,
    ),
    "stranger's 4 MB": (STRANGER + b"Content-Length: %d\r\n\r\n" % (4 * MIB) + b" " * (4 * MIB), 401),
    "public JSON that is deep": (PUBLIC + b"Content-Length: 60000\r\n\r\n" + b"[" * 60000, 400),
}


def status_number(pid: int, name: str) -> int:
    """A number of the process's status: ``Threads``, or ``VmHWM`` in kilobytes."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.findall(rf"{name}:\s+(\d+)", text)[0])


@contextlib.contextmanager
def stalled(kit: Kit, *texts: bytes) -> Iterator[list[socket.socket]]:
    """A connection for each text, which is all that it sends."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(kit.base)) for _ in texts]
        for connection, text in zip(connections, texts, strict=True):
            connection.sendall(text)
        yield connections


def is_well(kit: Kit) -> None:
    """Health answers on a new connection; who waits for a thread that never comes fails."""
    with contextlib.closing(Http(timeout_seconds=10)) as http:
        assert http("GET", f"{kit.base}/health").status == 200


def threads_with_all_at_work(kit: Kit) -> int:
    """How many threads the worker has while each of its pool but one is held, and the last one answers."""
    with stalled(kit, *[IN_HEADERS] * (THREADS - 1)):
        is_well(kit)
        return status_number(worker_of(kit.world.kas), "Threads")


def heads(attempt: Attempt, count: int, *more: str) -> list[bytes]:
    """Heads of requests by one caller, each with a proof of its own under one nonce."""
    attempt.nonce = attempt.kit.fresh_nonce()
    return [head_of(attempt, *more) for _ in range(count)]


def ready(kit: Kit, client: str = "usa-secret") -> Attempt:
    """A good request that needs no other to be sent."""
    attempt = kit.attempt(client)
    attempt.proof = attempt.make_proof()
    return attempt


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


def send_broken(kit: Kit, name: str) -> None:
    """The host may close the connection while we still send."""
    text, status = BROKEN[name]
    with contextlib.suppress(ConnectionError):
        answer = exchange(kit.base, text, "POST")
        assert status in {None, answer.status}, (name, answer.status, answer.body)


def test_attack_z03_two_hundred_stalls_leave_the_service_well(kit: Kit) -> None:
    """Callers, strangers and public procedures, in headers, after them and in chunks; good requests pass meanwhile,
    memory stays bounded, and every thread is there afterwards.
    """
    worker = worker_of(kit.world.kas)
    good = [ready(kit) for _ in BROKEN]
    callers = [head + b"{" for head in heads(kit.attempt(), 12, "Content-Length: 60000")]
    callers += [head + b"400\r\n{" for head in heads(kit.attempt(), 12, "Transfer-Encoding: chunked")]
    strangers = [STRANGER + LENGTH] * 40 + [STRANGER + CHUNK] * 20 + [STRANGER + CHUNK_SIZE] * 20
    public = [PUBLIC + LENGTH] * 40 + [PUBLIC + CHUNK] * 28 + [MAPPED + CHUNK_SIZE] * 20
    texts = callers + [IN_HEADERS] * 8 + strangers + public
    assert len(texts) == 200
    for attempt in (ready(kit), ready(kit)):
        released(attempt)
    threads, peak = threads_with_all_at_work(kit), status_number(worker, "VmHWM")

    with stalled(kit, *texts) as connections:
        for name, attempt in zip(BROKEN, good, strict=True):
            send_broken(kit, name)
            is_well(kit)
            released(attempt)
        answers = [receive(connection, "POST") for connection in connections[:24] + connections[32:]]

    assert {code(answer) for answer in answers[:24]} == {(408, "request_timeout"), (503, "too_many_bodies")}
    assert {code(answer) for answer in answers[24:104]} == {(401, "credentials_missing")}
    # Connect's own statuses; its "code" is a class.
    assert {code(answer) for answer in answers[104:]} == {(504, "deadline_exceeded"), (503, "unavailable")}
    assert worker_of(kit.world.kas) == worker
    assert status_number(worker, "VmHWM") - peak < 32 * 1024
    assert threads_with_all_at_work(kit) == threads


def test_attack_z03_one_caller_has_eight_slots_and_others_have_theirs(kit: Kit) -> None:
    """Beyond them he is told when those have ended; his whole bodies pass, and so does another's slow one."""
    whole, slow = ready(kit), kit.attempt("fra-secret")
    body = json.dumps(slow.request).encode()
    texts = [head + b"{" for head in heads(kit.attempt(), 12, "Content-Length: 60000")]
    slow_text = head_of(slow, f"Content-Length: {len(body)}") + body[:100]
    with stalled(kit, slow_text, *texts) as (slow_connection, *connections):
        refusals = answers_of(connections, 4)
        released(whole)
        slow_connection.sendall(body[100:])
        assert slow.open(receive(slow_connection, "POST")) == slow.data_keys
        assert {code(answer) for answer in refusals} == {(503, "too_many_bodies")}
        assert {answer.headers["Retry-After"] for answer in refusals} == {"5"}
        assert select.select(connections, [], [], 0)[0] == []  # eight are waited for


def answers_of(connections: list[socket.socket], count: int) -> list[Answer]:
    """The first ``count`` answers, whichever connections they come on; those are taken out of the list."""
    found: list[Answer] = []
    while len(found) < count:
        readable = select.select(connections, [], [], 10)[0]
        assert readable
        found += [receive(connection, "POST") for connection in readable]
        connections[:] = [connection for connection in connections if connection not in readable]
    return found
