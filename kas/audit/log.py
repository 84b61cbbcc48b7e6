"""One JSON line per key access object, explained policy, public key handed out and refused request (`kas.events`), and
checkpoints between them. No secrets.

Lines go to file descriptor 1, each in one write and no longer than a pipe takes whole, before the answer leaves.
Whatever a caller chose is escaped to ASCII, so that it can neither break a line nor colour a terminal; long values
are replaced by their hash.

The lines of a process are a chain (`kas.audit.chain`), begun at its first line, after the fork: a worker that is forked again
begins another. Checkpoints are lines between them, since the processor is ours during requests only: one before the first
line, one after each request while requests are few, one after so many lines in any case, one at an orderly end. A line that
cannot be written whole is refused, takes its number, and the next one says so.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from kas.audit.chain import PROCESS_BYTES, link
from kas.audit.checkpoint import Signer, sign
from kas.audit.texts import shorten
from kas.descriptor import MAX_LINE_BYTES, Write
from kas.encoding import b64url_encode, compact_json
from kas.errors import AuditUnavailable, InvalidRequest
from kas.events import Reason, checkpoint_event
from kas.journal import Trace

STDOUT: Final = 1
EVERY_LINES: Final = 16  # a checkpoint in any case: so many at most are covered by none
# One after each request, but of many requests no more than so many at once and then one in a second: signing costs more
# than the rest of a line.
AT_ONCE: Final = 8
_WAIT_SECONDS: Final = 1.0  # for the lines of other threads, while none is taken
_MAX_WAITS: Final = 10


def draw_process() -> str:
    """A name that no other process has."""
    return b64url_encode(secrets.token_bytes(PROCESS_BYTES))


class AuditLog:
    """Writes events with ``write``, which returns how many bytes it took; ``signer`` signs the checkpoints.

    ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start; ``draw`` names the process, once, at its first
    line. ``project`` is the Google Cloud project in whose name Cloud Logging files traces, ``revision`` what the platform
    calls this deployment; empty for none.
    """

    def __init__(
        self,
        write: Write,
        signer: Signer,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        project: str = "",
        revision: str = "",
        draw: Callable[[], str] = draw_process,
    ) -> None:
        self._write = write
        self._signer = signer
        self._clock = clock
        self._timer = timer
        self._project = project
        self._revision = revision
        self._draw = draw
        self._lock = threading.Lock()  # around making a line and writing it: numbers are in the order of writing
        self._process = ""
        self._number = 0  # of the last line that was written, and its hash
        self._hash = ""
        self._lost = _Count()  # lines since then that were not
        self._is_torn = False
        self._is_closed = False
        self._since = 0  # lines since the last checkpoint
        self._allowance = float(AT_ONCE)  # checkpoints that may follow requests now; one more each second
        self._allowed_at = 0.0

    def record(self, events: Sequence[Mapping[str, Any]], trace: Trace | None = None) -> None:
        """Writes the events of one request, in their order. Raises AuditUnavailable when one cannot be written whole."""
        members = self._trace_members(trace)
        for position, event in enumerate(events, start=1):
            with self._turn():
                if not self._hash:
                    self._write_checkpoint("start")
                self._append({**event, **members})
                if self._is_due(is_last=position == len(events)):
                    # The event is on record; where the checkpoint is not, it is due again after the next line.
                    with contextlib.suppress(AuditUnavailable):
                        self._write_checkpoint("due")

    def close(self) -> None:
        """Ends the chain in order, where one was begun. Whatever comes afterwards is refused."""
        with contextlib.suppress(AuditUnavailable), self._turn():
            if self._hash:
                self._write_checkpoint("end")
            self._is_closed = True

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Alone with the chain."""
        if not self._wait():
            self._lost.add(1)
            raise AuditUnavailable
        try:
            if self._is_closed:
                raise AuditUnavailable
            yield
        finally:
            self._lock.release()

    def _wait(self) -> bool:
        """Whether it is our turn. Nobody waits long where lines are not taken; where they are, the many of others come first."""
        for _ in range(_MAX_WAITS):
            before = self._number
            if self._lock.acquire(timeout=_WAIT_SECONDS):
                return True
            if self._number == before:
                break
        return False

    def _is_due(self, *, is_last: bool) -> bool:
        now = self._timer()
        self._allowance = min(AT_ONCE, self._allowance + now - self._allowed_at)
        self._allowed_at = now
        return self._since >= EVERY_LINES or (is_last and self._allowance >= 1)

    def _write_checkpoint(self, reason: Reason) -> None:
        signer = self._signer
        self._append(
            checkpoint_event(reason, kas=signer.kas, kid=signer.kid, revision=self._revision, now=self._clock()),
            is_checkpoint=True,
        )
        self._since, self._allowance = 0, max(0.0, self._allowance - 1)

    def _append(self, event: Mapping[str, Any], *, is_checkpoint: bool = False) -> None:
        lost = self._lost.value
        if not self._process:
            self._process = self._draw()
        short = {name: shorten(value) for name, value in event.items()}
        number = self._number + lost + 1
        try:
            line = link(short, process=self._process, number=number, previous=self._hash, lost=lost)
        except InvalidRequest as error:  # events are made so that it does not happen
            self._lost.add(1)
            raise AuditUnavailable from error
        if is_checkpoint:
            line["chain"]["signature"] = sign(self._signer, line["chain"]["hash"])
        self._write_line(line)
        self._number, self._hash, self._since = number, line["chain"]["hash"], self._since + 1
        self._lost.add(-lost)

    def _write_line(self, line: Mapping[str, Any]) -> None:
        data = compact_json(line) + b"\n"
        is_short = len(data) <= MAX_LINE_BYTES  # events are made so that it is
        data = b"\n" + data if self._is_torn else data  # ends what was written of the line before
        try:
            written = self._write(data) if is_short else 0
        except OSError as error:
            self._lost.add(1)
            raise AuditUnavailable from error
        if written != len(data):
            self._lost.add(1)
            self._is_torn = self._is_torn or written > 0
            raise AuditUnavailable
        self._is_torn = False

    def _trace_members(self, trace: Trace | None) -> dict[str, Any]:
        """As Cloud Logging reads them; what it calls a trace has the project in its name."""
        if trace is None:
            return {}
        name = f"projects/{self._project}/traces/{trace.trace}" if self._project else trace.trace
        return {
            "logging.googleapis.com/trace": name,
            "logging.googleapis.com/spanId": trace.span,
            "logging.googleapis.com/trace_sampled": trace.is_sampled,
        }


class _Count:
    """A number that threads change without waiting for a line that another one writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    def add(self, number: int) -> None:
        with self._lock:
            self.value += number
