"""Key operations for tests: as the service runs them, with few threads and a long deadline."""

from __future__ import annotations

import time
from typing import Any

from kas.keys.flights import Flights
from kas.keys.side_by_side import SideBySide


def side_by_side(threads: int = 4, **changes: Any) -> SideBySide:
    """Each with flights of its own; nothing is told to an operator."""
    parts = {"deadline_seconds": 30.0, "timer": time.monotonic, "warn": lambda _line: None} | changes
    return SideBySide(Flights(threads), **parts)
