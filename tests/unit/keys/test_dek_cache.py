"""Kept keys: found only by all that they were unwrapped from, and overwritten when they are dropped."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.datakey import DataKey
from kas.keys.dek_cache import DekCache, dek_digest, new_dek_cache
from kas.keys.registry import WrappedMaterial

KEY = b"canary-canary-canary-canary-0123"
P256, OTHER_P256 = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))
P384 = ec.generate_private_key(ec.SECP384R1()).public_key()
# One part differs at a time, or a byte has moved from one part to the next.
INPUTS = {
    "good": ("acp240", "k1", WrappedMaterial(b"2345")),
    "other-dialect": ("opentdf", "k1", WrappedMaterial(b"2345")),
    "other-kid": ("acp240", "k2", WrappedMaterial(b"2345")),
    "other-ciphertext": ("acp240", "k1", WrappedMaterial(b"2346")),
    "same-first-bytes": ("acp240", "k1", WrappedMaterial(b"2345" + bytes(64))),
    "byte-moved-to-the-kid": ("acp240", "k12", WrappedMaterial(b"345")),
    "byte-moved-to-the-ciphertext": ("acp240", "k", WrappedMaterial(b"12345")),
    "sealed": ("acp240", "k1", WrappedMaterial(b"2345", P256)),
    "sealed-by-another": ("acp240", "k1", WrappedMaterial(b"2345", OTHER_P256)),
    "sealed-on-another-curve": ("acp240", "k1", WrappedMaterial(b"2345", P384)),
    "nothing": ("acp240", "", WrappedMaterial(b"")),
}


@dataclass
class World:
    """A cache of two keys at the time ``now``."""

    now: float = 0.0
    cache: DekCache = None

    def __post_init__(self):
        self.cache = new_dek_cache(capacity=2, ttl_seconds=60, clock=lambda: self.now)

    def kept(self, key):
        """The bytes that the cache holds, not a copy."""
        return self.cache._entries[key][1]._material


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(INPUTS, 2)))
def test_attack_c06_keys_are_kept_apart_by_every_part_of_what_they_were_unwrapped_from(world, one, other):
    world.cache.put(dek_digest(*INPUTS[one]), DataKey(KEY))
    assert world.cache.find(dek_digest(*INPUTS[other])) is None
    assert world.cache.find(dek_digest(*INPUTS[one])).reveal() == KEY


def test_fault_15_keys_are_found_under_a_whole_hash_and_not_a_prefix():
    assert {len(dek_digest(*parts)) for parts in INPUTS.values()} == {32}
    same_start = [bytes(4096) + bytes([last]) for last in range(2)]
    assert len({dek_digest("acp240", "k1", WrappedMaterial(text)) for text in same_start}) == 2


def test_the_same_parts_give_the_same_hash_however_the_point_was_read():
    again = ec.EllipticCurvePublicNumbers(P256.public_numbers().x, P256.public_numbers().y, ec.SECP256R1())
    sealed = WrappedMaterial(b"2345", again.public_key())
    assert dek_digest("acp240", "k1", sealed) == dek_digest(*INPUTS["sealed"])


def expire(world):
    world.now += 60
    world.cache.find(b"another")


def evict(world):
    world.cache.put(b"b", DataKey(KEY))
    world.cache.put(b"c", DataKey(KEY))


def replace(world):
    world.cache.put(b"a", DataKey(bytes(32)))


@pytest.mark.parametrize("drop", [expire, evict, replace])
def test_a_key_that_is_dropped_is_overwritten_in_place(world, drop):
    world.cache.put(b"a", DataKey(KEY))
    kept = world.kept(b"a")
    assert kept == KEY
    drop(world)
    assert kept == bytes(32)


def test_a_key_that_another_thread_still_uses_outlives_the_cache_s_own(world):
    mine = DataKey(KEY)
    world.cache.put(b"a", mine)
    found = world.cache.find(b"a")
    expire(world)
    assert (mine.reveal(), found.reveal()) == (KEY, KEY)


def test_a_receiver_who_wipes_his_key_leaves_it_to_the_next(world):
    mine = DataKey(KEY)
    world.cache.put(b"a", mine)
    mine.wipe()
    world.cache.find(b"a").wipe()
    assert world.cache.find(b"a").reveal() == KEY


def test_no_readable_form_of_the_cache_has_the_key(world):
    world.cache.put(b"a", DataKey(KEY))
    assert "canary" not in repr(world.cache) + repr(world.cache._entries) + str(vars(world.cache))
