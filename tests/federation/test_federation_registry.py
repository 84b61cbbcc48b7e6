"""F4: a url names the service whose address it is, and nothing that looks like one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kas.federation.registry_file import load_federation
from tests.federation.registry_documents import GOOD, RULES, load, write

OF_FRANCE = [
    "https://kas.fra.example",
    "https://kas.fra.example/",
    "https://kas.fra.example/rewrap",
    "https://kas2.fra.example",
    "https://kas2.fra.example/",
    "https://kas2.fra.example/rewrap",
    "https://gate.example/fra",
    "https://gate.example/fra/",
    "https://gate.example/fra/rewrap",
]
EQUAL = [
    "HTTPS://kas.fra.example/rewrap",
    "https://KAS.FRA.example",
    "https://kas.fra.example:443/rewrap",
    "https://kas.fra.example:443",
]
OTHERS = [
    "https://kas.fra.example.evil.org",
    "https://kas.fra.example.evil.org/rewrap",
    "https://evil.org/kas.fra.example",
    "https://evil.org/https://kas.fra.example/rewrap",
    "https://kas.fra.exampleX",
    "https://kas.fra.exampl",
    "https://fra.example",
    "https://xkas.fra.example",
    "https://a.kas.fra.example",
    "https://kas.fra.example.",
    "https://kas.fra.example:444",
    "https://kas.fra.example:444/rewrap",
    "https://kas.fra.example:80",
    "https://kas.fra.example:4430",
    "https://kas.fra.example:0",
    "http://kas.fra.example",
    "http://kas.fra.example/rewrap",
    "http://kas.fra.example:443/rewrap",
    "ftp://kas.fra.example",
    "//kas.fra.example",
    "kas.fra.example",
    "kas-fra",
    "https://user@kas.fra.example",
    "https://@kas.fra.example",
    "https://user:pass@kas.fra.example/rewrap",
    "https://kas.fra.example@evil.org",
    "https://kas.fra.example%40evil.org",
    "https://kas.fra.example\\@evil.org",
    "https://kas.fra.example#@evil.org",
    "https://kas.fra.example?",
    "https://kas.fra.example?x=1",
    "https://kas.fra.example/rewrap?",
    "https://kas.fra.example/rewrap?x",
    "https://kas.fra.example/rewrap#",
    "https://kas.fra.example/rewrap#x",
    "https://kas.fra.example/rewrap/",
    "https://kas.fra.example/rewrap/x",
    "https://kas.fra.example/rewrapx",
    "https://kas.fra.example/rewra",
    "https://kas.fra.example/REWRAP",
    "https://kas.fra.example/Rewrap",
    "https://kas.fra.example/%72ewrap",
    "https://kas.fra.example//rewrap",
    "https://kas.fra.example//",
    "https://kas.fra.example/./rewrap",
    "https://kas.fra.example/x/../rewrap",
    "https://kas.fra.example/rewrap;x",
    "https://gate.example",
    "https://gate.example/",
    "https://gate.example/rewrap",
    "https://gate.example/FRA",
    "https://gate.example/fra2",
    "https://gate.example/fra/rewrap/",
    "https://kas.fra.example\t",
    "https://kas.fra\n.example",
    " https://kas.fra.example",
    "https://kas.fra.example ",
    "https://kas.fra.ехample",
    "https://kas。fra。example",
    "https://kas.fra.example\0",
    "",
    "*",
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return load(tmp_path_factory.mktemp("registry"), GOOD)


@pytest.mark.parametrize("url", OF_FRANCE + EQUAL)
def test_an_address_of_the_registry_names_its_service(registry, url):
    assert registry.find_by_url(url) is registry.peers["kas-fra"]


@pytest.mark.parametrize("url", OTHERS)
def test_attack_f04_what_looks_like_an_address_of_a_peer_names_nobody(registry, url):
    assert registry.find_by_url(url) is None


def test_each_address_names_its_own_service(registry):
    assert registry.find_by_url("https://kas.gbr.example/rewrap") is registry.peers["kas-gbr"]


def near(url):
    """The url with a piece put in, taken out or changed."""
    piece = st.sampled_from(
        ["", ".", "/", ":", "@", "?", "#", "%", "x", "A", ":443", ":444", "..", "//", "\\", "rewrap"]
    )
    cut = st.integers(0, len(url))
    return st.builds(lambda a, b, middle: url[: min(a, b)] + middle + url[max(a, b) :], cut, cut, piece)


URLS = st.text(max_size=80) | st.sampled_from(OF_FRANCE).flatmap(near)


def is_written_as(address, url):
    """Whether the url is this address but for the case of scheme and host, and the default port; a second opinion."""
    origin, path = re.fullmatch("(https://[^/]*)(.*)", address).groups()
    host = re.match(f"{re.escape(origin)}(:0*443|:)?(?=/|$)", url, re.IGNORECASE | re.ASCII)
    return host is not None and url[host.end() :] == path


@given(URLS)
@example("https://kas.fra.example:443/rewrap")
@example("https://kas.fra.example.evil.org/rewrap")
def test_attack_f04_only_the_listed_addresses_match(registry, url):
    """Whatever stands before, behind or in the middle of one."""
    expected = any(is_written_as(address, url) for address in OF_FRANCE)
    assert (registry.find_by_url(url) is registry.peers["kas-fra"]) is expected


def test_one_file_serves_all_parties(tmp_path):
    """Each of the three loads it, and they name each other."""
    for entry in GOOD["kases"]:
        seen = load_federation(
            write(tmp_path, GOOD),
            kas_id=entry["id"],
            public_bases=(entry["origin"], *entry.get("aliases", ())),
            countries=RULES.countries,
            levels=RULES.levels,
            allow_loopback_http=False,
        )
        others = {other["id"]: other["rewrapUrl"] for other in GOOD["kases"] if other is not entry}
        assert {kas_id: peer.rewrap_url for kas_id, peer in seen.peers.items()} == others
