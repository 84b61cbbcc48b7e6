"""(to be written)"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``quota`` requests in any ``window_seconds``; ``name`` as the headers show it."""

    name: str
    quota: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left: ``remaining`` requests now, and the next place free in ``reset_seconds``."""

    limit: Limit
    remaining: int
    reset_seconds: float
