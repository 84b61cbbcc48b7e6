"""What the dashboard and the alerts multiply by: ``python3 -m deploy.rates LOCATION VCPU MEMORY KEY PROTECTION`` prints NAME=VALUE.

For one: ``us-central1 1 512Mi rsa-2048 hsm``. The prices are `kas.cost`'s, before free tiers. ``ALERT_CONDITIONS`` is what alerting
is charged by, for ``--alert-conditions`` of `kas.cost`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kas.cost.prices import load_prices

_FOLDER: Final = Path(__file__).resolve().parent
_KEYS: Final = ("rsa-2048", "rsa-3072", "rsa-4096", "aes")
_PROTECTIONS: Final = ("hsm", "software")
_MEMORY: Final = re.compile(r"(\d+)(Mi|Gi)")
_ARGUMENTS: Final = 5
_MIB: Final = 1024


def rates(location: str, vcpu: float, memory_gib: float, key: str, protection: str) -> dict[str, str]:
    """Values of placeholders, in US dollars. Raises ValueError for what has no price that is known."""
    prices = load_prices()
    for value, known in ((location, prices.tiers), (key, _KEYS), (protection, _PROTECTIONS)):
        if value not in known:
            raise ValueError(f"{value} is none of {', '.join(known)}")
    dollars = {
        "INSTANCE_SECOND": prices.instance_second(location, vcpu=vcpu, memory_gib=memory_gib),
        "REQUEST": prices.request,
        "KEY_OPERATION": prices.operation(key, protection),
    }
    return {f"USD_PER_{name}": _plain(value) for name, value in dollars.items()}


def alert_conditions() -> int:
    """Of all policies."""
    return sum(len(json.loads(path.read_text("utf-8"))["conditions"]) for path in _FOLDER.glob("alerts/*.json"))


def gib(memory: str) -> float:
    """As gcloud takes memory, ``512Mi`` or ``1Gi``. Raises ValueError."""
    match = _MEMORY.fullmatch(memory)
    if match is None:
        raise ValueError(f"{memory} is no memory as in 512Mi or 1Gi")
    return int(match[1]) / (_MIB if match[2] == "Mi" else 1)


def _plain(value: float) -> str:
    """Without an exponent."""
    return f"{value:.12f}".rstrip("0")


def main(arguments: Sequence[str]) -> int:
    """The command; 1 where something is wrong, which it says on standard error."""
    if len(arguments) != _ARGUMENTS:
        sys.stderr.write("usage: python3 -m deploy.rates LOCATION VCPU MEMORY KEY PROTECTION\n")
        return 2
    location, vcpu, memory, key, protection = arguments
    try:
        found = rates(location, float(vcpu), gib(memory), key, protection)
    except ValueError as error:
        sys.stderr.write(f"deploy.rates: {error}\n")
        return 1
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in found.items()))
    sys.stdout.write(f"ALERT_CONDITIONS={alert_conditions()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
