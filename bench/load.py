"""Load from a process of its own: requests that were made beforehand, over so many connections at once.

The process is `python -m bench.load`, which `Load` starts and asks. It sends nothing by itself, parses no more of an answer
than where it ends, and never waits for one connection while another has something for it.
"""

from __future__ import annotations

import pickle
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final, Self

from bench.host import BenchFailed
from local.client import Answer
from local.ports import HOST
from local.processes import ROOT

_LENGTH: Final = struct.Struct(">Q")
_PIECE: Final = 2**16
_SECONDS: Final = 60.0  # that nothing comes
_ENDLESS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Exchanged:
    """``seconds`` from the first byte sent to the last received, and the answer as it came."""

    seconds: float
    raw: bytes

    def answer(self) -> Answer:
        head, _, body = self.raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return Answer(int(first.split()[1]), headers, body)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every exchange in the order of the requests, and the seconds from the first to the last."""

    exchanged: Sequence[Exchanged]
    seconds: float


def raw_request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """As the platform's front end passes it on: somebody else's address before its own, and that TLS ended there."""
    lines = {
        "Host": "kas.example",
        **headers,
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


class Load:
    """The process; ended by ``close``."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "bench.load"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, port: int, requests: Sequence[bytes], connections: int = 1, per_second: float = 0.0) -> Loaded:
        """Sends each request once, as soon as a connection is free, or so many a second. Raises BenchFailed."""
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchFailed("no load")
        _write(self._process.stdin, (port, list(requests), connections, per_second))
        found = _read(self._process.stdout)
        if isinstance(found, str):
            raise BenchFailed(found)
        exchanged, seconds = found
        return Loaded([Exchanged(*one) for one in exchanged], seconds)


@dataclass(slots=True)
class _Line:
    """One connection, what it waits for, and what has come of it."""

    sock: socket.socket
    number: int | None = None
    began: float = 0.0
    came: bytearray = field(default_factory=bytearray)

    def send(self, number: int, request: bytes) -> None:
        self.number, self.began, self.came = number, time.perf_counter(), bytearray()
        self.sock.setblocking(True)
        self.sock.sendall(request)
        self.sock.setblocking(False)

    def is_whole(self) -> bool:
        piece = self.sock.recv(_PIECE)
        if not piece:
            raise BenchFailed("a connection ended before its answer had")
        self.came += piece
        head, end, body = self.came.partition(b"\r\n\r\n")
        if not end:
            return False
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return len(body) >= int(length.partition(b":")[2])


def exchange_all(
    port: int, requests: Sequence[bytes], connections: int, per_second: float
) -> tuple[list[tuple[float, bytes]], float]:
    """Seconds and answer of each. With ``per_second`` the seconds are from when a request was due."""
    found: list[tuple[float, bytes]] = [(0.0, b"")] * len(requests)
    with selectors.DefaultSelector() as ready:
        free = [_Line(socket.create_connection((HOST, port))) for _ in range(connections)]
        for line in free:
            line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(line.sock, selectors.EVENT_READ, line)
        began, next_one, left = time.perf_counter(), 0, len(requests)
        due = [began + number / per_second for number in range(left)] if per_second else [began] * left
        while left:
            while free and next_one < len(requests) and due[next_one] <= time.perf_counter():
                free.pop(0).send(next_one, requests[next_one])
                next_one += 1
            for line in _whole(ready, due[next_one] if free and next_one < len(requests) else began + _ENDLESS):
                now = time.perf_counter()
                start = line.began if not per_second or line.number is None else due[line.number]
                found[line.number or 0] = (now - start, bytes(line.came))
                free.append(line)
                left -= 1
        seconds = time.perf_counter() - began
        for line in free:
            line.sock.close()
    return found, seconds


def _whole(ready: selectors.BaseSelector, until: float) -> Iterator[_Line]:
    """The connections whose answers have come whole; nobody waits longer than ``until``."""
    wait = min(max(0.0, until - time.perf_counter()), _SECONDS)
    events = ready.select(wait)
    if not events and wait == _SECONDS:
        raise BenchFailed("nothing comes")
    for key, _ in events:
        if key.data.is_whole():
            yield key.data


def _write(stream: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise BenchFailed("the load has ended")
    return pickle.loads(stream.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - of our own process


def main() -> None:
    while True:
        try:
            asked = _read(sys.stdin.buffer)
        except BenchFailed:
            return
        try:
            _write(sys.stdout.buffer, exchange_all(*asked))
        except (BenchFailed, OSError) as error:
            _write(sys.stdout.buffer, repr(error))


if __name__ == "__main__":
    main()
