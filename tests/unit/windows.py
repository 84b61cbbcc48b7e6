"""Windows of this process, as the edge has them made."""

from __future__ import annotations

from kas.ratelimit import SlidingWindow


def own_windows(clock):
    """By ``clock``, in seconds."""
    return lambda limit, capacity, refusal: SlidingWindow(limit, clock, capacity=capacity, refusal=refusal)
