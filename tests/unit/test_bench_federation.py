"""The figures of `make bench-federation`: their names, and what they are made of."""

from __future__ import annotations

from bench import federation
from bench.federation import ALONE, FAILOVER, FORWARDED, LOCAL, OPEN, THREE, case, figures

ROUND = {
    THREE: [30.0] * 3,
    "fra": [20.0] * 3,
    "gbr": [25.0] * 3,
    case(1, LOCAL): [4.0] * 3,
    case(1, FORWARDED): [5.0] * 3,
    case(10, LOCAL): [2.0] * 3,
    case(10, FORWARDED): [1.0] * 3,
    FAILOVER: [1008.0] * 3,
    OPEN: [6.0] * 3,
    ALONE: [5.0] * 3,
}


def test_figures_have_the_four_names_and_compare_with_the_dearest():
    """The slower of two partners, the dearer of two sizes."""
    assert federation.SIZES == (1, 10)
    assert figures([ROUND] * 9) == {
        "three_kas_p95_ratio": 1.2,
        "forward_cpu_ratio": 1.25,
        "failover_over_timeout_ms": 8.0,
        "open_breaker_ms": 6.0,
    }


def test_a_figure_is_the_median_of_the_rounds():
    """One bad round does not make it, nor a good one."""
    rounds = [ROUND] * 8 + [{**ROUND, THREE: [300.0] * 3, OPEN: [60.0] * 3}]
    assert figures(rounds) == figures([ROUND] * 9)
