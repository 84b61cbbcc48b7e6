"""What the operator is told besides the audit: one JSON line on standard error, without a word of what was sent.

Nothing depends on these lines: one that nobody takes within a fraction of a second is dropped, and the answer goes on.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final

from kas.descriptor import MAX_LINE_BYTES, Write, descriptor_writer

_STDERR: Final = 2
_write_line: Final[Write] = descriptor_writer(_STDERR, wait_seconds=0.2)


def tell_operator(line: Mapping[str, Any]) -> None:
    """Writes the line in one piece; ``severity`` and ``event`` are as Cloud Logging and its filters read them.

    One that is too long for that is cut: it is no JSON then, but it can be read.
    """
    with contextlib.suppress(OSError):
        _write_line(json.dumps(line).encode("ascii")[: MAX_LINE_BYTES - 1] + b"\n")
