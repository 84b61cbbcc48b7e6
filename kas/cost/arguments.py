"""The arguments of ``python -m kas.cost``, each within its range."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kas.cost.marginal import billed
from kas.cost.scenario import DIALECTS, KEYS, NATIONS, PROTECTIONS, STATES, Scenario

_DESCRIPTION: Final = (
    "What a month costs, the cheapest architecture that suffices, and from what traffic on the next pays."
)
_UPTIME_MINUTES: Final = (0, 1, 5, 10, 15)  # as Google takes them; 0 for none


def number(low: float, high: float) -> Callable[[str], float]:
    """A number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a number from {low:,g} to {high:,g}, not {text!r}")
        return value

    return parse


def count(low: int, high: int) -> Callable[[str], int]:
    """A whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return parse


def some_of(names: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """One or more of ``names``, comma between, none twice."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if not set(found) <= set(names) or len(set(found)) != len(found):
            raise argparse.ArgumentTypeError(f"must be of {', '.join(names)}, comma between, not {text!r}")
        return found

    return parse


def new_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kas.cost", description=_DESCRIPTION)
    _add_traffic(parser.add_argument_group("what is asked of it"))
    _add_keys(parser.add_argument_group("keys and secrets"))
    _add_deployment(parser.add_argument_group("how it runs"))
    _add_watching(parser.add_argument_group("how it is watched"))
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="for programs, numbers not rounded")
    output.add_argument("--plot", type=Path, metavar="FILE.png", help="draw cost against traffic (needs matplotlib)")
    return parser


def _add_traffic(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--requests", dest="requests_per_day", type=number(0, 1e9), metavar="N", help="a day, of each nation (1000)")
    add("--kaos", type=number(0, 500), metavar="N", help="key access objects of a request (1)")
    add("--hit-rate", type=number(0, 1), metavar="0..1", help="share of them that needs no key operation (0)")
    add("--latency-ms", type=number(0, 60_000), metavar="MS", help="of a request; billed are whole 100 ms (200)")
    add("--peak", type=number(1, 1000), metavar="N", help="the busiest moment, in multiples of the mean (4)")
    add(
        "--from-audit",
        type=Path,
        metavar="FILE",
        help="take all of these but the peak, and the size of logs, from audit lines",
    )
    add("--days", type=number(1e-3, 3660), metavar="N", help="that the file covers (from its first line to its last)")


def _add_keys(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--key", choices=KEYS, help="of each dialect (rsa-2048); sealed: Cloud KMS only opens it at a start")
    add("--protection", choices=PROTECTIONS, help="level in Cloud KMS (hsm)")
    add("--dialects", type=some_of(DIALECTS), metavar="LIST", help="with a key each (acp240,opentdf)")
    add("--sealed-ec", choices=("yes", "no"), help="whether there is a sealed EC key (yes)")
    add("--retained", type=count(0, 1000), metavar="N", help="old versions of each dialect's key that are kept (0)")
    add("--secrets", type=count(0, 1000), metavar="N", help="versions in Secret Manager, of each nation (3)")


def _add_deployment(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--nations", type=some_of(tuple(NATIONS)), metavar="LIST", help="of usa,fra,gbr, on one billing account (usa)")
    add("--state", choices=STATES, help="where used proofs are remembered (memory)")
    add("--instances", type=count(1, 1000), metavar="N", help="at most (1)")
    add("--min-instances", type=count(0, 1000), metavar="N", help="that are never stopped (0)")
    add("--vcpu", type=number(1, 8), metavar="N", help="of an instance (1)")
    add("--memory-mib", type=count(128, 32_768), metavar="N", help="of an instance (640)")
    add("--tls13", action="store_const", const=True, help="a load balancer that takes TLS 1.3 alone")


def _add_watching(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--alert-conditions", type=count(0, 1000), metavar="N", help="of alert policies, of each nation (0)")
    add(
        "--uptime-minutes",
        type=int,
        choices=_UPTIME_MINUTES,
        help="between uptime checks from six regions (15), 0: none",
    )
    add(
        "--log-bytes",
        type=number(0, 1e6),
        metavar="N",
        help="of one request (1000, and 1500 a KAO, and 2000 an operation)",
    )


def scenario_of(arguments: argparse.Namespace, measured: Mapping[str, Any]) -> Scenario:
    """What was given wins over what a file says, and that over the defaults."""
    given = {name: getattr(arguments, name, None) for name in Scenario.__annotations__}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.latency_ms is not None:
        given["billed_seconds"] = billed(arguments.latency_ms / 1000)
    if arguments.sealed_ec is not None:
        given["sealed_ec"] = arguments.sealed_ec == "yes"
    return Scenario(**{**measured, **given})
