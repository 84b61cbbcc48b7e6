"""The prices of ``prices.json``: each with its unit, the page of Google's that says it, and the date on which it did.

A price that is not ``is_confirmed`` was not seen there. All are of us-central1; Cloud Run's tier of a location is the
only difference between locations that is known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kas.cost.marginal import operation_kind
from kas.dataclass import dataclass

FILE: Final = Path(__file__).with_name("prices.json")
_TEN_THOUSAND: Final = 10_000
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """``value`` US dollars for each ``unit``, or so many units for nothing where the name ends in ``.free``."""

    value: float
    unit: str
    source: str
    date: str
    is_confirmed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """By name; ``tiers`` are Cloud Run's, by location."""

    date: str
    tiers: Mapping[str, int]
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> float:
        return self.by_name[name].value

    @property
    def request(self) -> float:
        """Cloud Run's, for one request."""
        return self["run.requests"] / _MILLION

    def operation(self, key: str, protection: str) -> float:
        """One key operation of Cloud KMS. ``key`` is ``rsa-2048``, ``rsa-3072``, ``rsa-4096`` or ``aes``, ``protection``
        ``hsm`` or ``software``.
        """
        return self[f"kms.operations.{operation_kind(key, protection)}"] / _TEN_THOUSAND

    def version(self, key: str, protection: str) -> float:
        """One key version of Cloud KMS for a month."""
        return self[f"kms.version.{operation_kind(key, protection)}"]

    def instance_second(self, location: str, *, vcpu: float, memory_gib: float) -> float:
        """A second in which an instance answers somebody."""
        return self.tier_factor(location) * (vcpu * self["run.cpu"] + memory_gib * self["run.memory"])

    def tier_factor(self, location: str) -> float:
        """What Cloud Run's processor and memory cost there, of what they cost in tier 1."""
        return self["run.tier2"] if self.tiers.get(location) == 2 else 1.0  # noqa: PLR2004 - the name of the tier


def load_prices(path: Path = FILE) -> Prices:
    """The prices of a file of ours."""
    document = json.loads(path.read_text("utf-8"))
    by_name = {
        name: Price(
            price["value"], price["unit"], price["source"], price["date"], price["confirmed"], price.get("note", "")
        )
        for name, price in document["prices"].items()
    }
    return Prices(document["date"], document["tiers"], by_name)
