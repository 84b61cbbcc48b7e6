"""What an operation with each unwrap key costs, and the instance in whose location the first of them is.

Cloud KMS says the protection level of a key only once it answers, so the price is that of the configured level, below
which nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from kas.cost.marginal import MICRO, Tariff, instance_second
from kas.cost.prices import Prices
from kas.google.kms import VERSION_NAME
from kas.keys.registry import KeyRecord


def new_tariff(
    prices: Prices, records: Iterable[KeyRecord], *, protection_level: str, vcpu: int, memory_mib: int
) -> Tariff:
    """What a request costs at the margin; an operation with a key of this process costs nothing but its time."""
    remote = {record.kid: record for record in records if record.kms_version is not None}
    locations = [found[1] for record in remote.values() if (found := VERSION_NAME.fullmatch(record.kms_version or ""))]
    level = protection_level.lower()
    return Tariff(
        request=MICRO * prices.request,
        second=MICRO
        * instance_second(prices, locations[0] if locations else "", vcpu=vcpu, memory_gib=memory_mib / 1024),
        operations={kid: MICRO * prices.operation(record.algorithm.lower(), level) for kid, record in remote.items()},
    )
