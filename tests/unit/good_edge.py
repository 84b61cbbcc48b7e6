"""The edge with its defaults and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kas.audit import AuditLog
from kas.metrics import NoMetrics
from kas.web.cors import Cors
from kas.web.edge import Edge
from kas.web.limits import edge_limits


def good_edge(write: Callable[[bytes], int], **changes: Any) -> Edge:
    """An edge with its defaults, but ``changes``."""
    parts = {
        "local": True,
        "hops": 0,
        "audit": AuditLog(write),
        "limits": edge_limits(network=600, everybody=1000, health=50, clock=lambda: 0.0),
        "cors": Cors(frozenset()),
        "meter": NoMetrics(),
        "clock": lambda: 1_790_000_000.0,
        "timer": lambda: 0.0,
    }
    return Edge(**{**parts, **changes})
