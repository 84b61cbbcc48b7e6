"""What a service's processes hold of the machine's memory."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Final

from bench.host import members

_PSS: Final = re.compile(r"^Pss:\s+([0-9]+) kB$", re.MULTILINE)


def memory_mb(group: int) -> float:
    """Proportional set size of all processes of a process group, in MB of 1,048,576 bytes: shared pages count once."""
    kilobytes = 0
    for pid in members(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"))
            kilobytes += int(found[1]) if found else 0
    return kilobytes / 1024
