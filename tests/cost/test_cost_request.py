"""What one request costs: by the key, its level, the instance and its location."""

from __future__ import annotations

import pytest

from kas.cost.marginal import billed, new_tariff
from kas.keys.registry import KeyRecord

VERSION = "projects/my-project/locations/{}/keyRings/kas/cryptoKeys/{}/cryptoKeyVersions/1"


def record(kid, algorithm="RSA-2048", location="us-central1"):
    version = None if location is None else VERSION.format(location, kid)
    return KeyRecord(kid, algorithm, "active", frozenset({"acp240"}), kms_version=version)


def tariff(*records, level="HSM", vcpu=1, memory_mib=512):
    return new_tariff(records, protection_level=level, vcpu=vcpu, memory_mib=memory_mib)


@pytest.mark.parametrize(
    ("algorithm", "level", "price"),
    [
        ("RSA-2048", "HSM", 3.0),
        ("RSA-3072", "HSM", 15.0),
        ("RSA-4096", "HSM", 15.0),
        ("RSA-2048", "SOFTWARE", 3.0),
        ("RSA-4096", "SOFTWARE", 3.0),
    ],
)
def test_an_operation_has_the_price_of_its_key(algorithm, level, price):
    assert tariff(record("k", algorithm), level=level).operations == {"k": pytest.approx(price)}


def test_keys_of_one_service_have_prices_of_their_own():
    """A key of this process costs its time and no more."""
    mixed = tariff(record("old"), record("new", "RSA-4096"), record("ec", "P-256", None))
    assert mixed.cost(0.0, {"old": 1, "new": 1, "ec": 1}) == pytest.approx(0.4 + 2.525 + 18.0, abs=0.001)
    assert mixed.cost(0.0, {"ec": 5}) == mixed.cost(0.0, {})


@pytest.mark.parametrize(
    ("location", "factor"), [("us-central1", 1.0), ("europe-west1", 1.0), ("europe-west2", 1.4), (None, 1.0)]
)
def test_an_instance_is_priced_where_its_first_key_in_cloud_kms_is(location, factor):
    found = tariff(record("ec", "P-256", None), record("k", location=location), record("other"))
    assert found.second == pytest.approx(25.25 * factor)
    assert found.request == pytest.approx(0.4)


def test_an_instance_is_priced_by_its_size():
    assert tariff(vcpu=2, memory_mib=1024).second == pytest.approx(2 * 24 + 2.5)


@pytest.mark.parametrize(
    ("seconds", "whole"),
    [(0.0, 0.1), (0.0999, 0.1), (0.1, 0.1), (0.1001, 0.2), (0.3, 0.3), (0.7, 0.7), (1.1, 1.1), (5.01, 5.1)],
)
def test_begun_intervals_are_billed_whole(seconds, whole):
    """A length of so many intervals is so many, whatever binary fractions make of it."""
    assert billed(seconds) == pytest.approx(whole)
