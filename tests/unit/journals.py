"""A journal for tests: one request whose time stands still."""

from __future__ import annotations

from typing import Any

from kas.journal import Journal


def journal(**changes: Any) -> Journal:
    """One ``POST /rewrap``, changed."""
    return Journal(**{"request_id": "request-1", "method": "POST", "path": "/rewrap", "timer": lambda: 0.0} | changes)
