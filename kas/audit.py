"""One JSON line per key access object (who, what, decision, reason), and one per request that a route refuses (what
and why: the caller may be unknown). No secrets.

Lines go to file descriptor 1, each in one write and no longer than a pipe takes whole, before the answer leaves.
Whatever a caller chose is escaped to ASCII, so that it can neither break a line nor colour a terminal; long values
are replaced by their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from kas.descriptor import MAX_LINE_BYTES, Write
from kas.encoding import b64url_encode
from kas.errors import AuditUnavailable
from kas.journal import Trace

_MAX_TEXT_BYTES: Final = 300
STDOUT: Final = 1
_HASHED: Final = "sha256:"


class AuditLog:
    """Writes events with ``write``, which returns how many bytes it took.

    ``project`` is the Google Cloud project in whose name Cloud Logging files traces; empty for none.
    """

    def __init__(self, write: Write, *, project: str = "") -> None:
        self._write = write
        self._project = project

    def record(self, event: Mapping[str, Any], trace: Trace | None = None) -> None:
        """Writes one event. Raises AuditUnavailable when the line cannot be written whole."""
        line = _line({**event, **self._trace_members(trace)})
        try:
            written = self._write(line)
        except OSError as error:
            raise AuditUnavailable from error
        if written != len(line):
            raise AuditUnavailable

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


def _line(event: Mapping[str, Any]) -> bytes:
    short = {name: _shorten(value) for name, value in event.items()}
    line = json.dumps(short, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:  # events are made so that this does not happen
        raise AuditUnavailable
    return line


def _shorten(value: Any) -> Any:
    """A long text becomes its hash, and so does one that would pass for a hash."""
    if isinstance(value, str) and (len(json.dumps(value)) > _MAX_TEXT_BYTES or value.startswith(_HASHED)):
        return _HASHED + b64url_encode(hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest())
    return value
