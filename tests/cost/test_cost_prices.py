"""The price list: every price has a unit, a page of Google's and a date; what a running service needs is the same."""

from __future__ import annotations

import json
from datetime import date
from urllib.parse import urlsplit

import pytest

from kas.cost.marginal import PRICES, TIER_2
from kas.cost.prices import FILE, load_prices

LIST = load_prices()
DOCUMENT = json.loads(FILE.read_text("utf-8"))
# Second-hand: not taken from the page that is named, or of one that only announces it.
UNCONFIRMED = {
    "build.minutes",
    "monitoring.conditions",
    "monitoring.uptime",
    "valkey.nano",
    "firestore.writes",
    "firestore.deletes",
    "firestore.reads",
    "vm.hour",
    "vm.disk",
}


@pytest.mark.parametrize("name", LIST.by_name)
def test_a_price_says_for_what_it_is_and_who_says_so_when(name):
    price = LIST.by_name[name]
    source = urlsplit(price.source)
    assert (source.scheme, source.netloc) == ("https", "cloud.google.com")
    assert source.path.count("pricing") == 1
    assert date(2026, 1, 1) <= date.fromisoformat(price.date) <= date.fromisoformat(LIST.date)
    assert price.value > 0
    assert price.unit


def test_prices_that_were_not_seen_at_their_source_are_marked():
    assert {name for name, price in LIST.by_name.items() if not price.is_confirmed} == UNCONFIRMED


@pytest.mark.parametrize("name", PRICES)
def test_the_running_service_has_the_prices_of_the_list(name):
    assert PRICES[name] == LIST[name]


def test_the_running_service_has_the_tiers_of_the_list():
    assert {location for location, tier in LIST.tiers.items() if tier == 2} == TIER_2
    assert set(LIST.tiers) == {"us-central1", "europe-west1", "europe-west2"}
    assert [LIST.tier_factor(location) for location in LIST.tiers] == [1.0, 1.0, 1.4]


def test_every_price_is_one_line_of_the_file():
    """So that a change of one is a change of one line."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if '"source"' in line]
    assert len(lines) == len(DOCUMENT["prices"])


@pytest.mark.parametrize(
    ("key", "protection", "version", "operation"),
    [
        ("rsa-2048", "hsm", 1.0, 0.03e-4),
        ("rsa-3072", "hsm", 2.5, 0.15e-4),
        ("rsa-4096", "hsm", 2.5, 0.15e-4),
        ("aes", "hsm", 1.0, 0.03e-4),
        ("rsa-2048", "software", 0.06, 0.03e-4),
        ("rsa-4096", "software", 0.06, 0.03e-4),
    ],
)
def test_a_key_has_the_price_of_its_size_and_level(key, protection, version, operation):
    assert LIST.version(key, protection) == version
    assert LIST.operation(key, protection) == pytest.approx(operation, rel=1e-12)
