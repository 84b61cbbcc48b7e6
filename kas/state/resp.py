"""Redis' protocol (RESP2) as far as this service speaks it: a command, one answer, over a few kept connections.

Connecting, the handshake, signing in, every write and every read of a call share one deadline. An answer is bounded in
size and nesting. A call is sent once: whether one that brought no answer was done nobody knows. Nothing is opened before
the first call, so that a client may be made in the parent process and used in a worker; `RespClient.close` ends every
connection that rests.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kas.net.connection import Origin, Tls, any_address, is_quiet, open_socket, send_all
from kas.net.deadline import Deadline, Slots, Timer
from kas.state.shared import StoreFull, StoreUnavailable

MAX_CONNECTIONS: Final = 64
MAX_ANSWER_BYTES: Final = 8 * 2**20
_MAX_IDLE_SECONDS: Final = 60.0
_CHUNK: Final = 65_536
_NUMBER: Final = re.compile(rb"-?[0-9]{1,18}")
_WORD: Final = re.compile(r"[A-Z]{1,32}")

Argument = bytes | str | int
Answer = Any  # bytes, int, None, or a list of these


class RedisRefusal(Exception):
    """The server answered with an error; ``kind`` is its first word."""

    def __init__(self, text: str) -> None:
        word = text.partition(" ")[0]
        self.kind = word if _WORD.fullmatch(word) else "ERR"
        super().__init__(self.kind)


class ScriptUnknown(Exception):
    """The server has not seen the script, or has forgotten it."""


class RespClient:
    """One server. Safe to use from many threads; as many calls at once as connections, the others wait in their time.

    ``sign_in`` are the arguments of AUTH, or none; ``database`` is selected.
    """

    def __init__(
        self,
        origin: Origin,
        timer: Timer,
        *,
        tls: Tls,
        sign_in: Sequence[str],
        database: int,
        timeout_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._origin = origin
        self._timer = timer
        self._tls = tls
        self._sign_in = tuple(sign_in)
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._slots = Slots(max_connections)
        self._lock = threading.Lock()
        self._idle: list[tuple[_Connection, float]] = []  # the one used last is last

    def call(self, *arguments: Argument) -> Answer:
        """The answer. Raises StoreFull, StoreUnavailable, and ScriptUnknown, after which nothing was done."""
        deadline = Deadline.after(self._timeout_seconds, self._timer)
        try:
            with self._slots.one(deadline):
                answer = self._exchange(self._take() or self._open(deadline), arguments, deadline)
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time") from error
        except (OSError, ValueError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        if isinstance(answer, RedisRefusal):
            raise _failure(answer) from answer
        return answer

    def close(self) -> None:
        """Ends every connection that rests."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _exchange(self, connection: _Connection, arguments: Sequence[Argument], deadline: Deadline) -> Answer:
        with contextlib.ExitStack() as failed:
            failed.callback(connection.close)
            answer = connection.exchange(arguments, deadline)
            failed.pop_all()
        self._put_back(connection)
        return answer

    def _take(self) -> _Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if self._timer() - since <= _MAX_IDLE_SECONDS and connection.is_quiet():
                return connection
            connection.close()

    def _put_back(self, connection: _Connection) -> None:
        with self._lock:
            self._idle.append((connection, self._timer()))

    def _open(self, deadline: Deadline) -> _Connection:
        connection = _Connection(open_socket(self._origin, self._tls, deadline, any_address))
        greetings = [("AUTH", *self._sign_in)] if self._sign_in else []
        greetings += [("SELECT", str(self._database))] if self._database else []
        with contextlib.ExitStack() as failed:
            failed.callback(connection.close)
            for greeting in greetings:
                if isinstance(answer := connection.exchange(greeting, deadline), RedisRefusal):
                    raise _failure(answer) from answer
            failed.pop_all()
        return connection


class _Connection:
    """One thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._received = 0

    def exchange(self, arguments: Sequence[Argument], deadline: Deadline) -> Answer:
        """The answer, a RedisRefusal too. Raises OSError, and ValueError for what is no answer."""
        self._received = 0
        send_all(self._sock, _command(arguments), deadline)
        answer = self._read(deadline)
        if self._buffer:
            raise ValueError("more than was asked for")
        return answer

    def is_quiet(self) -> bool:
        return is_quiet(self._sock)

    def close(self) -> None:
        self._sock.close()

    def _read(self, deadline: Deadline, depth: int = 0) -> Answer:
        line = self._line(deadline)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisRefusal(rest.decode("utf-8", "replace"))
        number = _number(rest)
        if kind == b":":
            return number
        if kind == b"$":
            return None if number < 0 else self._bulk(number, deadline)
        if kind == b"*" and not depth:
            return list(self._items(number, deadline))
        raise ValueError("no answer of Redis")

    def _items(self, number: int, deadline: Deadline) -> Iterator[Answer]:
        for _ in range(number):
            item = self._read(deadline, depth=1)
            if isinstance(item, RedisRefusal):
                raise ValueError("an error within an answer")  # noqa: TRY004 - an answer that cannot be used
            yield item

    def _bulk(self, size: int, deadline: Deadline) -> bytes:
        if size > MAX_ANSWER_BYTES:
            raise ValueError("too large an answer")
        while len(self._buffer) < size + 2:
            self._receive(deadline)
        data = bytes(self._buffer[:size])
        del self._buffer[: size + 2]
        return data

    def _line(self, deadline: Deadline) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _receive(self, deadline: Deadline) -> None:
        self._sock.settimeout(deadline.left())
        data = self._sock.recv(_CHUNK)
        self._received += len(data)
        if not data:
            raise ConnectionResetError
        if self._received > MAX_ANSWER_BYTES:
            raise ValueError("too large an answer")
        self._buffer += data


def _failure(refusal: RedisRefusal) -> Exception:
    if refusal.kind == "OOM":
        return StoreFull("no memory left")
    if refusal.kind == "NOSCRIPT":
        return ScriptUnknown()
    return StoreUnavailable(f"refused: {refusal.kind}")


def _command(arguments: Sequence[Argument]) -> bytes:
    parts = [argument if isinstance(argument, bytes) else str(argument).encode("utf-8") for argument in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _number(text: bytes) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    return int(text)
