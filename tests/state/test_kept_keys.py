"""Unwrapped keys in a shared store: encrypted, bound to their place, no longer than they may, and nothing without the store."""

from __future__ import annotations

import secrets
import time

import pytest

from kas.datakey import DataKey
from kas.state.guard import StoreGuard
from kas.state.kept_keys import KeptKeys
from kas.state.shared import StoreFull, StoreUnavailable
from tests.state.servers import redis
from tests.state.test_claims import Time

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
DEK = secrets.token_bytes(32)
NAME, OTHER = ("rsa-2026", b"d" * 32), ("rsa-2026", b"e" * 32)


class InMemory:
    """A store that a test may change; ``kept`` is what is in it."""

    def __init__(self):
        self.kept = {}

    def find(self, names):
        return [self.kept.get(name) for name in names]

    def keep(self, encrypted, _seconds):
        self.kept |= encrypted


def over(store, *state_keys, told=None, clock=time.time, ttl_seconds=60):
    guard = StoreGuard("test", time.monotonic, (told if told is not None else []).append)
    return KeptKeys(store, guard, state_keys=state_keys or (KEY,), ttl_seconds=ttl_seconds, clock=clock)


def found(keys, *names):
    return {name: key.reveal() for name, key in keys.find_all(names).items()}


def test_key_that_one_keeps_another_finds(shared):
    """Under its own name alone, until it is replaced."""
    name = secrets.token_hex(4)
    one, other = over(shared.store(name=name)), over(shared.store(name=name))
    assert found(other, NAME, OTHER) == {}
    one.put_all({NAME: DataKey(DEK)})
    assert found(other, NAME, OTHER) == {NAME: DEK}
    one.put_all({NAME: DataKey(KEY), OTHER: DataKey(bytes(16))})
    assert found(other, NAME, OTHER) == {NAME: KEY, OTHER: bytes(16)}
    assert found(other) == {}


def test_many_keys_are_asked_for_at_once(shared):
    """More than the store takes in one question."""
    keys = over(shared.store())
    values = {("rsa", number.to_bytes(32, "big")): DataKey(number.to_bytes(16, "big")) for number in range(250)}
    keys.put_all(values)
    assert found(keys, *values) == {name: key.reveal() for name, key in values.items()}


def test_what_is_kept_is_encrypted():
    """Each time anew; its length alone shows."""
    store = InMemory()
    keys = over(store)
    keys.put_all({NAME: DataKey(DEK)})
    first = store.kept[NAME[1]]
    keys.put_all({NAME: DataKey(DEK)})
    assert DEK not in first
    assert first != store.kept[NAME[1]]
    assert len(first) == 4 + 12 + 8 + 32 + 16


@pytest.mark.parametrize("place", [4, 15, 16, 30, -1])
def test_altered_value_is_none_and_told(place):
    """Nonce, ciphertext and tag; the operator is told once."""
    store, told = InMemory(), []
    keys = over(store, told=told)
    keys.put_all({NAME: DataKey(DEK)})
    value = bytearray(store.kept[NAME[1]])
    value[place] ^= 1
    store.kept[NAME[1]] = bytes(value)
    assert found(keys, NAME) == found(keys, NAME) == {}
    assert [line["event"] for line in told] == ["state_altered"]
    assert keys._guard.counts() == {("keys", "altered"): 2}


def test_truncated_value_is_none():
    """Whatever is left of it."""
    store = InMemory()
    keys = over(store)
    keys.put_all({NAME: DataKey(DEK)})
    whole = store.kept[NAME[1]]
    for length in range(len(whole)):
        store.kept[NAME[1]] = whole[:length]
        assert found(keys, NAME) == {}


def test_value_in_anothers_place_is_none():
    """Neither under another digest nor under another kid."""
    store = InMemory()
    keys = over(store)
    keys.put_all({NAME: DataKey(DEK)})
    store.kept[OTHER[1]] = store.kept[NAME[1]]
    assert found(keys, OTHER) == {}
    assert found(keys, ("rsa-2025", NAME[1])) == {}
    assert found(keys, NAME) == {NAME: DEK}


def test_value_under_another_key_is_none_and_no_alarm():
    """As after a rotation; the previous key still opens, and the current one encrypts."""
    store, told = InMemory(), []
    over(store, OTHER_KEY).put_all({NAME: DataKey(DEK)})
    assert found(over(store, KEY, told=told), NAME) == {}
    assert told == []
    rotated = over(store, KEY, OTHER_KEY)
    assert found(rotated, NAME) == {NAME: DEK}
    rotated.put_all({NAME: DataKey(DEK)})
    assert found(over(store, KEY), NAME) == {NAME: DEK}


def test_store_that_keeps_longer_prolongs_nothing():
    """The end is encrypted with the key; nor is one taken whose end is later than we would have set it."""
    store, clock = InMemory(), Time()
    keys = over(store, clock=clock)
    keys.put_all({NAME: DataKey(DEK)})
    clock.now += 59.5
    assert found(keys, NAME) == {NAME: DEK}
    clock.now += 0.5
    assert found(keys, NAME) == {}
    over(store, clock=clock, ttl_seconds=3600).put_all({NAME: DataKey(DEK)})
    assert found(keys, NAME) == {}


def test_redis_forgets_by_itself(redis_server):
    """When its life is over."""
    name = secrets.token_hex(4)
    over(redis_server.store(name=name), ttl_seconds=0.2).put_all({NAME: DataKey(DEK)})
    assert len(redis_server.shared_client.call("KEYS", f"*{name}*")) == 1
    time.sleep(0.3)
    assert redis_server.shared_client.call("KEYS", f"*{name}*") == []


@pytest.mark.parametrize("failure", [StoreUnavailable("no answer in time"), StoreFull("no memory left")])
def test_without_the_store_there_is_no_key_and_no_error(failure):
    """Whoever asks goes to the key service."""

    class Broken:
        def find(self, _names):
            raise failure

        def keep(self, _encrypted, _seconds):
            raise failure

    keys = over(Broken())
    keys.put_all({NAME: DataKey(DEK)})
    assert found(keys, NAME) == {}


def test_no_key_is_in_what_redis_writes_down(tmp_path):
    """Its whole memory, uncompressed."""
    with redis(tmp_path) as server:
        over(server.store()).put_all({NAME: DataKey(DEK)})
        server.shared_client.call("SET", "a control", DEK)
        server.shared_client.call("SAVE")
        assert DEK in (tmp_path / "dump.rdb").read_bytes()
        server.shared_client.call("DEL", "a control")
        server.shared_client.call("SAVE")
        dump = (tmp_path / "dump.rdb").read_bytes()
    assert NAME[1] in dump
    assert DEK not in dump
    assert KEY not in dump
