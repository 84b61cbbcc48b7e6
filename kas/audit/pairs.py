"""Pairing two lists of times, each with one of the other that is close enough."""

from __future__ import annotations

from collections.abc import Sequence


def unpaired(times: Sequence[float], others: Sequence[float], within_seconds: float) -> list[int]:
    """Which of ``times`` are left, by place, when as many as possible are paired with one of ``others`` each, that is no
    further away. Both are in order.

    The earliest of each that fit are paired: whatever else could be paired with them could be paired with later ones.
    """
    left, other = [], 0
    for place, time in enumerate(times):
        while other < len(others) and others[other] < time - within_seconds:
            other += 1
        if other < len(others) and others[other] <= time + within_seconds:
            other += 1
        else:
            left.append(place)
    return left
