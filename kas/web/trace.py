"""The platform's trace of a request: from ``traceparent`` (W3C Trace Context) or ``X-Cloud-Trace-Context``.

Whatever does not have the exact form is as if it were absent: these headers end up in log lines.
"""

from __future__ import annotations

import re
from typing import Final

import flask

from kas.journal import Trace

# Version ff, and a trace or span of zeros, are forbidden.
_TRACE: Final = r"((?!0{32})[0-9a-f]{32})"
_W3C: Final = re.compile(rf"(?!ff)[0-9a-f]{{2}}-{_TRACE}-((?!0{{16}})[0-9a-f]{{16}})-([0-9a-f]{{2}})")
_CLOUD: Final = re.compile(rf"{_TRACE}/([0-9]{{1,20}})(?:;o=([01]))?")
_MAX_SPAN: Final = 2**64


def read_trace(request: flask.Request) -> Trace | None:
    """The trace that the request belongs to, None when it names none."""
    parent = _W3C.fullmatch(request.headers.get("traceparent", ""))
    if parent is not None:
        return Trace(parent[1], parent[2], is_sampled=bool(int(parent[3], 16) & 1))
    cloud = _CLOUD.fullmatch(request.headers.get("X-Cloud-Trace-Context", ""))
    if cloud is not None and int(cloud[2]) < _MAX_SPAN:
        return Trace(cloud[1], f"{int(cloud[2]):016x}", is_sampled=cloud[3] == "1")
    return None
