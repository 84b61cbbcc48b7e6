"""What the operator is told besides the audit: one JSON line on standard error, without a word of what was sent."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

_STDERR: Final = 2


def tell_operator(line: Mapping[str, Any]) -> None:
    """Writes the line in one piece; ``severity`` and ``event`` are as Cloud Logging and its filters read them."""
    sys.stderr.flush()
    os.write(_STDERR, json.dumps(line).encode("ascii") + b"\n")
