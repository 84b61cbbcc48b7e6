"""What one request costs at the margin, for its audit line.

That is its key operations, Cloud Run's fee for a request, and the instance for as long as the request took by itself,
begun intervals of 100 ms counted whole. Free tiers, and time that requests share, make a bill smaller than the sum of
these; key versions and whatever else costs the same without a request make it larger, and so do logs and the way to the
caller, which cost nothing below a free tier of their own.

A start pays for every module and file that it reads, so the few prices that are needed here are written down again; a
test holds them to ``prices.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from kas.dataclass import dataclass

PRICES: Final[Mapping[str, float]] = {
    "kms.operations.software": 0.03,
    "kms.operations.hsm": 0.03,
    "kms.operations.hsm.large": 0.15,
    "run.cpu": 0.000024,
    "run.memory": 0.0000025,
    "run.requests": 0.40,
    "run.tier2": 1.4,
}
TIER_2: Final = frozenset({"europe-west2"})
INTERVAL_SECONDS: Final = 0.1
_MICRO: Final = 1_000_000
_OPERATIONS: Final = 10_000  # that have the price
_DECIMALS: Final = 3


class Key(Protocol):
    """An unwrap key; ``kms_version`` is its full name in Cloud KMS, None where this process holds it."""

    @property
    def kid(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def kms_version(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Tariff:
    """Millionths of a US dollar: of a request, of a second of the instance, of an operation by the kid of its key."""

    request: float
    second: float
    operations: Mapping[str, float]

    def cost(self, seconds: float, operations: Mapping[str, int]) -> float:
        """A request that has taken so long and made these operations, by the kid of the key."""
        spent = sum(self.operations.get(kid, 0.0) * number for kid, number in operations.items())
        return round(self.request + self.second * billed(seconds) + spent, _DECIMALS)


def new_tariff(keys: Iterable[Key], *, protection_level: str, vcpu: int, memory_mib: int) -> Tariff:
    """For an instance in the location of the first key that is in Cloud KMS. A key of this process costs nothing but
    time. Cloud KMS tells the level of a key when it answers, so the price is that of ``protection_level``, the least
    that is taken.
    """
    remote = [(key.kid, key.algorithm, key.kms_version) for key in keys if key.kms_version is not None]
    tier = PRICES["run.tier2"] if remote and remote[0][2].split("/")[3] in TIER_2 else 1.0
    return Tariff(
        request=PRICES["run.requests"],
        second=_MICRO * tier * (vcpu * PRICES["run.cpu"] + memory_mib / 1024 * PRICES["run.memory"]),
        operations={kid: _operation(algorithm, protection_level) for kid, algorithm, _ in remote},
    )


def _operation(algorithm: str, protection_level: str) -> float:
    kind = operation_kind(algorithm.lower(), protection_level.lower())
    return _MICRO * PRICES[f"kms.operations.{kind}"] / _OPERATIONS


def operation_kind(key: str, protection: str) -> str:
    """Of prices: in software all keys have one, in an HSM larger ones another. Such as ``rsa-2048`` and ``hsm``."""
    return "hsm.large" if protection == "hsm" and key in {"rsa-3072", "rsa-4096"} else protection


def billed(seconds: float) -> float:
    """Begun intervals of 100 ms, whole; one at least."""
    return INTERVAL_SECONDS * max(1, math.ceil(round(seconds / INTERVAL_SECONDS, 6)))
