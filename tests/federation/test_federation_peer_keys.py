"""Keys of other services: pinned ones at once, others over real HTTP and only with a listed thumbprint."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from kas.errors import PeerUnavailable
from kas.federation.peer_keys import PeerKeys
from kas.federation.registry import FetchedKeys
from kas.fetch import HttpFetcher
from local.client.keys import new_proof_key
from local.ports import free_port
from tests.fake_issuer import send, serving
from tests.federation.registry_documents import GBR, GOOD, jwk, load, thumbprint

OTHER = new_proof_key()


@dataclass
class World:
    """A peer whose key set is served on loopback, and the clock of whoever asks."""

    port: int = 0
    now: float = 1_790_000_000.0
    keys: list = field(default_factory=lambda: [jwk(GBR)])
    body: bytes | None = None
    asked: list = field(default_factory=list)
    peer: object = None
    found: PeerKeys = None

    def answer(self, handler):
        self.asked.append(handler.path)
        send(handler, 200, json.dumps({"keys": self.keys}).encode() if self.body is None else self.body)

    def find(self, kid="sig-1"):
        key = self.found.find(self.peer, kid)
        return None if key is None else key.thumbprint

    def list_also(self, *keys):
        """Whoever asks from now on has asked nobody before, and takes these keys too."""
        listed = frozenset(map(thumbprint, (GBR, *keys)))
        self.peer = replace(self.peer, keys=FetchedKeys(f"http://127.0.0.1:{self.port}/jwks", listed))
        self.found = PeerKeys([self.peer], HttpFetcher(time.perf_counter, allow_loopback_http=True), lambda: self.now)


@pytest.fixture
def registry(tmp_path):
    return load(tmp_path, GOOD)


@pytest.fixture
def world(registry):
    world = World(peer=registry.find("kas-gbr"))
    with serving(world.answer) as server:
        world.port = server.server_port
        world.list_also()
        yield world


def unreachable(url):
    raise AssertionError(url)


def test_a_pinned_key_is_found_by_its_kid_without_asking_anybody(registry):
    peer = registry.find("kas-fra")
    keys = PeerKeys(registry.peers.values(), unreachable, lambda: 0.0)
    assert keys.find(peer, "sig-1") is peer.keys["sig-1"]
    for kid in ("sig-2", "SIG-1", ""):
        assert keys.find(peer, kid) is None


def test_a_listed_key_is_fetched_from_the_configured_address_when_it_is_asked_for(world):
    assert world.asked == []
    assert world.find() == thumbprint(GBR)
    assert world.asked == ["/jwks"]


def test_a_set_serves_for_an_hour(world):
    world.find()
    world.now += 3600
    assert world.find() == thumbprint(GBR)
    assert len(world.asked) == 1
    world.now += 1
    assert world.find() == thumbprint(GBR)
    assert len(world.asked) == 2


def test_attack_f05_a_key_whose_thumbprint_is_not_listed_does_not_count(world):
    """Whoever answers at the address cannot bring in a key, under a new kid or under a known one."""
    world.keys = [jwk(GBR), jwk(OTHER, "sig-2")]
    assert world.find("sig-2") is None
    world.list_also()
    world.keys = [jwk(OTHER)]
    assert world.find() is None


def test_a_successor_whose_thumbprint_is_listed_counts_after_the_cool_down(world):
    world.list_also(OTHER)
    assert world.find() == thumbprint(GBR)
    world.keys = [jwk(OTHER, "sig-2")]
    assert world.find("sig-2") is None
    world.now += 60
    assert world.find("sig-2") == thumbprint(OTHER)
    assert world.find() is None


def test_a_flood_of_unknown_kids_asks_once_in_a_minute(world):
    world.find()
    for seconds in (0, 59):
        world.now += seconds
        for number in range(10):
            assert world.find(f"unknown-{number}") is None
        assert len(world.asked) == 1
    world.now += 1
    assert world.find("unknown") is None
    assert world.find("unknown-2") is None
    assert len(world.asked) == 2


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"keys":' + b" " * 300_000 + b"[]}"], ids=len)
def test_without_a_set_the_peer_is_unavailable_and_left_alone_for_a_minute(world, body):
    world.body = body
    for seconds, told in ((0.0, 60.0), (59.0, 1.0)):
        world.now += seconds
        with pytest.raises(PeerUnavailable) as refusal:
            world.find()
        assert (refusal.value.code, refusal.value.status) == ("peer_unavailable", 503)
        assert refusal.value.retry_after == told
    assert len(world.asked) == 1
    world.now += 1
    world.body = None
    assert world.find() == thumbprint(GBR)


def test_a_peer_that_is_away_is_unavailable(world):
    world.port = free_port()
    world.list_also()
    with pytest.raises(PeerUnavailable):
        world.find()


def test_a_failure_that_is_remembered_holds_no_connection(world):
    """Its frames would, until the next fetch."""
    world.body = b" " * 300_000
    with pytest.raises(PeerUnavailable) as refusal:
        world.find()
    failure = refusal.value.__cause__
    assert (str(failure), failure.__traceback__) == ("too large", None)


def test_attack_f01_a_key_set_that_redirects_leads_nowhere(world):
    lured = []

    def redirect(handler):
        lured.append(handler.path)
        send(handler, 302, b"", Location=f"http://127.0.0.1:{world.port}/jwks")

    with serving(redirect) as server:
        asked_port, world.port = world.port, server.server_port
        world.list_also()
        world.port = asked_port
        with pytest.raises(PeerUnavailable):
            world.find()
    assert (lured, world.asked) == (["/jwks"], [])


@pytest.mark.parametrize(
    "members",
    [{"use": "enc"}, {"alg": "ES384"}, {"d": "AQ"}, {"key_ops": ["sign"]}],
    ids=lambda members: next(iter(members)),
)
def test_a_listed_key_that_is_not_for_signatures_does_not_count(world, members):
    world.keys = [jwk(GBR, **members)]
    assert world.find() is None


@pytest.mark.parametrize("algorithm", ["ES384", "RS256", "EdDSA"])
def test_a_listed_key_of_another_family_does_not_count(world, algorithm):
    key = new_proof_key(algorithm)
    world.list_also(key)
    world.keys = [jwk(key, alg=key.alg)]
    assert world.find() is None


def test_many_at_once_ask_once(world):
    start = threading.Barrier(8)

    def find(_):
        start.wait(10)
        return world.find()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(find, range(8))) == {thumbprint(GBR)}
    assert len(world.asked) == 1


def test_each_service_has_a_set_of_its_own(world):
    """The same kid names another key at another service."""
    twin = replace(
        world.peer, kas_id="kas-nld", keys=FetchedKeys(world.peer.keys.jwks_url, frozenset({thumbprint(OTHER)}))
    )
    world.found = PeerKeys(
        [world.peer, twin], HttpFetcher(time.perf_counter, allow_loopback_http=True), lambda: world.now
    )
    assert world.find() == thumbprint(GBR)
    world.keys = [jwk(OTHER)]
    assert world.found.find(twin, "sig-1").thumbprint == thumbprint(OTHER)
    assert world.find() == thumbprint(GBR)
