"""Networks: by the entry that the platform wrote, one key for one subscriber, and never the caller's text."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.web.network import UNKNOWN, network_of

ODD = [
    "",
    " ",
    "unknown",
    "_hidden",
    "203.0.113.7:443",
    "[2001:db8::1]",
    "[2001:db8::1]:443",
    "fe80::1%eth0",
    "2001:db8::1%25",
    "203.0.113.07",
    "203.0.113",
    "203.0.113.256",
    "3405803783",
    "0x7f000001",
    "203.0.113.7/32",
    "203.0.113.7 203.0.113.8",
    '"203.0.113.7"',
    "for=203.0.113.7",
    "٢٠٣.0.113.7",
    "203.0.113.7\r\n",
    "\u2009203.0.113.7",
    "2001:db8:::1",
    "0" * 40 + "2001:db8::1",
    "localhost",
]


def behind(forwarded_for, hops=0):
    return network_of("169.254.1.1", forwarded_for, hops)


def test_attack_l01_leftmost_entries_are_the_callers_own_and_count_for_nothing():
    """Whatever a client writes there, he is counted as the platform saw him."""
    forged = ["1.2.3.4", "1.2.3.4, 5.6.7.8", "2001:db8::1", "unknown", ",,,", "x" * 5000, ",".join(["1.2.3.4"] * 2000)]
    assert {behind(f"{text}, 203.0.113.7") for text in forged} == {"203.0.113.7"}


@pytest.mark.parametrize(
    ("hops", "expected"), [(0, "203.0.113.3"), (1, "203.0.113.2"), (2, "203.0.113.1"), (3, UNKNOWN), (-1, UNKNOWN)]
)
def test_attack_l01_hops_count_from_the_right(hops, expected):
    """0 is the last entry; where there are too few, nobody in particular is meant."""
    assert behind("203.0.113.1, 203.0.113.2,203.0.113.3", hops) == expected


def test_attack_l01_local_mode_reads_no_header():
    """The connection's own address counts."""
    assert network_of("127.0.0.1", "203.0.113.7", None) == "127.0.0.1"


def test_behind_a_proxy_the_connection_is_not_the_caller():
    """Without the header there is nothing to go by."""
    assert network_of("127.0.0.1", "", 0) == UNKNOWN


@pytest.mark.parametrize("text", ODD)
def test_attack_l01_anything_odd_is_one_shared_key(text):
    """In the header as on the connection: the text itself never becomes a key."""
    assert behind(f"1.2.3.4, {text}") == UNKNOWN
    assert network_of(text, "", None) == UNKNOWN


def test_attack_l03_addresses_of_one_subscriber_are_one_network():
    """An IPv6 /64 is one, the next is another."""
    same = ["2001:db8:1:2::1", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002:0000:0000:0000:0003"]
    assert {behind(text) for text in same} == {"2001:db8:1:2::/64"}
    assert behind("2001:db8:1:3::1") == "2001:db8:1:3::/64"


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_attack_l03_no_choice_of_the_lower_half_makes_another_network(prefix, one, other):
    """For any prefix but that of the mapped addresses."""
    first, second = (str(ipaddress.IPv6Address(((prefix | 1) << 64) + low)) for low in (one, other))
    assert behind(first) == behind(second) != UNKNOWN


def test_attack_l03_mapped_address_is_the_ipv4_address():
    """One caller is not two by writing himself twice; other embeddings are IPv6 like any."""
    spellings = ["203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107", "0000:0000:0000:0000:0000:ffff:203.000.113.7"]
    assert [behind(text) for text in spellings] == ["203.0.113.7"] * 3 + [UNKNOWN]
    assert behind("2002:cb00:7107:1::1") == "2002:cb00:7107:1::/64"
    assert behind("64:ff9b::203.0.113.7") == "64:ff9b::/64"


def test_ipv4_addresses_count_whole():
    """Neighbours are two."""
    assert (behind("203.0.113.7"), behind("203.0.113.8")) == ("203.0.113.7", "203.0.113.8")


def test_header_is_cut_before_it_is_read():
    """What is cut in two is not read as an address; what lies within the bound is."""
    padding = "," * 450
    assert behind(padding + ",203.0.113.7", 0) == "203.0.113.7"
    assert behind("1203.0.113.7" + " " * 489 + ",203.0.113.8", 1) == UNKNOWN
    assert behind("203.0.113.7," * 600, 500) == UNKNOWN


@given(st.text(max_size=600), st.integers(0, 3))
def test_any_header_gives_an_address_a_network_or_unknown(text, hops):
    """Never a piece of the text, never an exception."""
    network = behind(text, hops)
    assert network == UNKNOWN or str(ipaddress.ip_network(network)).removesuffix("/32") == network
