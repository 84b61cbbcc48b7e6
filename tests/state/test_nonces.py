"""Nonces of several instances: good for each other, and over when the store has lost its memory."""

from __future__ import annotations

import random
import secrets
import threading
import time

import pytest

from kas.auth.nonce import NonceSource
from kas.errors import NonceInvalid, ProofReplayed, ReplayStoreUnavailable
from kas.state.firestore import FirestoreStore
from kas.state.firestore_documents import Documents
from kas.state.guard import StoreGuard
from kas.state.nonces import SharedNonces
from kas.state.shared import StoreUnavailable
from kas.state.shared_replay import SharedReplayStore
from tests.state.test_claims import outcome


class Instance:
    """One of several on a store."""

    def __init__(self, store, secret=b"s" * 32):
        guard = StoreGuard("test", time.monotonic, lambda _line: None)
        self.nonces = SharedNonces(store, guard, lambda era: NonceSource(time.time, [secret], lambda: era))
        self.store = SharedReplayStore(store, guard, self.nonces)

    def ask(self, nonce, jti="a"):
        """As the authenticator does."""
        try:
            self.nonces.verify(nonce)
        except NonceInvalid:
            return NonceInvalid
        return outcome(self.store, jti=jti)


def instances(server, number=2):
    name = secrets.token_hex(4)
    return [Instance(server.store(name=name)) for _ in range(number)]


def lose(server, instance):
    """As a server that starts empty."""
    keys = server.shared_client.call("KEYS", instance.nonces._store._prefix.replace(b"{", b"*{") + b"*")
    server.shared_client.call("DEL", *keys)


def test_nonce_of_one_is_good_for_another(shared):
    """Under the same secret alone."""
    one, other = instances(shared)
    nonce = one.nonces.issue()
    assert [other.ask(nonce), one.ask(nonce)] == [None, ProofReplayed]
    assert Instance(shared.store(), b"t" * 32).ask(nonce) is NonceInvalid


def test_nonce_of_another_services_store_is_refused(shared):
    """Under the same secret, where two services have one address: a proof that was used at one would pass at the other."""
    one, other = (Instance(shared.store(name=f"kas-{secrets.token_hex(4)}")) for _ in range(2))
    nonce = one.nonces.issue()
    assert [other.ask(nonce), one.ask(nonce)] == [NonceInvalid, None]


def test_value_of_firestore_is_that_of_one_service_in_one_database():
    def era(database, name):
        documents = Documents(None, f"projects/p/databases/{database}", timeout_seconds=1.0)
        clocks = {"clock": time.time, "timer": time.monotonic, "sleep": time.sleep, "random": random.random}
        return FirestoreStore(documents, name=name, ttl_seconds=100.0, timeout_seconds=1.0, **clocks).era()

    places = [(database, name) for database in ("kas-usa", "other") for name in ("kas-usa", "kas-usa-blue")]
    assert len({era(*place) for place in places}) == 4
    assert [era(*place) for place in places] == [era(*place) for place in places]


def test_while_one_state_gives_way_to_another_a_nonce_is_of_one_side_alone(redis_server, firestore):
    """Between a process, Redis and Firestore under one secret, so that a proof with a nonce passes once, wherever it is sent."""
    process = NonceSource(time.time, [b"s" * 32])
    sides = [process, Instance(redis_server.store()).nonces, Instance(firestore.store()).nonces]
    for one in sides:
        nonce = one.issue()
        one.verify(nonce)
        for other in sides:
            if other is not one:
                with pytest.raises(NonceInvalid):
                    other.verify(nonce)


def test_attack_p10_redis_that_lost_its_memory_takes_no_proof_of_before(redis_server):
    """Whether the instance knows of it yet or not; the next nonce is good again for all."""
    one, other = instances(redis_server)
    nonce = one.nonces.issue()
    assert one.ask(nonce) is None
    other.nonces.verify(nonce)
    lose(redis_server, one)
    assert [one.ask(nonce), other.ask(nonce), other.ask(nonce, "b"), one.ask(nonce, "b")] == [NonceInvalid] * 4
    fresh = one.nonces.issue()
    assert [one.ask(fresh, "c"), other.ask(fresh, "c"), other.ask(fresh, "d")] == [None, ProofReplayed, None]


def test_nonce_that_was_verified_before_is_not_claimed_after(redis_server):
    """Though another thread has learnt of the new memory between the two."""
    (one,) = instances(redis_server, 1)
    nonce = one.nonces.issue()
    one.nonces.verify(nonce)
    lose(redis_server, one)
    thread = threading.Thread(target=one.ask, args=(nonce, "z"))
    thread.start()
    thread.join()
    one.nonces.issue()
    assert outcome(one.store) is NonceInvalid


def test_proof_without_nonce_is_claimed_all_the_same(redis_server):
    """Where it is taken without, no memory is promised across a loss."""
    (one,) = instances(redis_server, 1)
    assert one.ask(one.nonces.issue()) is None
    lose(redis_server, one)
    assert [outcome(one.store), outcome(one.store)] == [None, ProofReplayed]


def test_without_the_store_a_nonce_is_offered_that_is_good_for_nothing():
    """And none is verified."""

    class Broken:
        def era(self):
            raise StoreUnavailable("gone")

    one = Instance(Broken())
    nonce = one.nonces.issue()
    assert len(nonce) == 75
    with pytest.raises(ReplayStoreUnavailable):
        one.nonces.verify(nonce)
