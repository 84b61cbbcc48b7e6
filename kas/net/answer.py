"""The bytes of an answer as they come: until a deadline that all reads share, up to a bound, and no part unasked."""

from __future__ import annotations

import io
import re
import socket
from typing import Any, BinaryIO, Final, cast

from kas.net.deadline import Deadline, Timer

_LENGTH: Final = re.compile(r"[0-9]{1,12}")
LOWEST_FINAL_STATUS: Final = 200


class BadAnswer(Exception):
    """An answer that is not read to its end. The text says why, in words of ours."""


class TooLarge(BadAnswer):
    """The answer has, or declares, more than ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the answer has more than {max_bytes} bytes")


class Unreadable(BadAnswer):
    """The answer is not HTTP as it should be; ``what`` is where, or the type of what was raised."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the answer cannot be read: {what}")


def check_length(unverified_length: str | None) -> None:
    """Raises Unreadable for a Content-Length that is none: `http.client` would pass over it."""
    if unverified_length is not None and not _LENGTH.fullmatch(unverified_length):
        raise Unreadable("Content-Length")


class TimedSocket:
    """A socket whose time-out is that of a whole answer, not of each read; all else is the socket's.

    ``received`` counts the bytes of the answer since the time-out was set, headers included; ``has_surplus`` says that
    behind an answer there came what nobody asked for.
    """

    def __init__(self, sock: socket.socket, timer: Timer, max_answer_bytes: int) -> None:
        self.socket = sock
        self.max_answer_bytes = max_answer_bytes
        self.received = 0
        self.has_surplus = False
        self._timer = timer
        self.deadline = Deadline(timer, timer())

    def settimeout(self, seconds: float) -> None:
        self.deadline = Deadline.after(seconds, self._timer)
        self.received = 0
        self.socket.settimeout(seconds)

    def makefile(self, *_args: Any, **_kwargs: Any) -> BinaryIO:
        return cast("BinaryIO", _Reader(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


class _Answer(io.RawIOBase):
    """Reads from the socket of ``stream`` until its deadline and up to its bound."""

    def __init__(self, stream: TimedSocket) -> None:
        super().__init__()
        self._stream = stream
        self._raw = stream.socket.makefile("rb", buffering=0)
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_over:
            return 0
        stream = self._stream
        stream.socket.settimeout(stream.deadline.left())
        count = self._raw.readinto(buffer) or 0
        stream.received += count
        if stream.received > stream.max_answer_bytes:
            raise TooLarge(stream.max_answer_bytes)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reader(io.BufferedReader):
    """Reads no part whose declared size cannot be; at its end it tells ``stream`` whether more came than was read."""

    def __init__(self, stream: TimedSocket) -> None:
        self._answer = _Answer(stream)
        self._stream = stream
        super().__init__(self._answer)

    def read(self, size: int | None = None, /) -> bytes:
        if size is not None and size < 0:
            raise Unreadable("a size below 0")
        if size is not None and size > self._stream.max_answer_bytes:
            raise TooLarge(self._stream.max_answer_bytes)
        return super().read(size)

    def close(self) -> None:
        if not self.closed:
            self._answer.is_over = True  # so that what is in the buffer is all there is
            self._stream.has_surplus |= bool(self.peek(1))
        super().close()
