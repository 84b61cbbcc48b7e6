"""How a smoke test ends that did not get the answers it should."""

from __future__ import annotations


class SmokeFailed(Exception):
    """The text says what was asked, and what came back."""
