"""That a process has started, and what it took: a line for the operator from each worker, before it takes a connection.

Where a platform scales to zero it starts processes by itself, and a request waits for each. A worker that is not the first
stands in for one that has died, with a new memory of proofs, limits and budget.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

from kas.diagnostics import tell_operator

START: Final = "start"
_STARTED_AT: Final = 19  # of what follows the name in /proc/PID/stat, see proc(5): in ticks, since the machine started
_MILLISECONDS: Final = 1000


def tell_start(worker: int, parent: int) -> None:
    """Of the ``worker``-th that the process ``parent``, which the platform has started, has forked."""
    tell_operator(start_line(worker, _age_of(parent)))


def start_line(worker: int, milliseconds: int | None) -> dict[str, Any]:
    """``milliseconds`` are from the start of the process; None where they cannot be had."""
    if worker > 1:
        return {"severity": "WARNING", "event": START, "worker": worker}
    took = {} if milliseconds is None else {"ms": milliseconds}
    return {"severity": "INFO", "event": START, "worker": worker, **took}


def age_milliseconds(stat: str, uptime: str, ticks_per_second: int) -> int | None:
    """The age of a process by its ``/proc/PID/stat`` and ``/proc/uptime``; None where these do not say it."""
    fields = stat.rpartition(")")[2].split()  # the name before it may be anything
    try:
        age = float(uptime.split(maxsplit=1)[0]) - int(fields[_STARTED_AT]) / ticks_per_second
    except (ValueError, IndexError):
        return None
    return round(age * _MILLISECONDS) if age >= 0 else None


def _age_of(process: int) -> int | None:
    with contextlib.suppress(OSError):
        stat, uptime = (Path(f"/proc/{name}").read_text("utf-8", "replace") for name in (f"{process}/stat", "uptime"))
        return age_milliseconds(stat, uptime, os.sysconf("SC_CLK_TCK"))
    return None
