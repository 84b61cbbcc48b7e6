"""The measurements of several instances run, and find what is wrong where something is: tiny numbers, on a real Redis."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from bench import scale_load, scale_replay, scale_stand
from bench.asked import ask, new_document
from bench.host import BenchFailed
from bench.scale_kill import killed
from bench.scale_limit import counted
from bench.scale_load import KID, KIDS, nonces_in_memory, running_fleets, throughput
from bench.scale_operations import operations
from bench.scale_replay import accepted
from bench.scale_stand import FIRESTORE, MEMORY, REDIS, backend, instances
from bench.speed_stand import standing
from local.client import Answer
from local.firestore_emulator import NO_EMULATOR

LIMIT = 10


@pytest.fixture(scope="module")
def stand():
    with standing(KIDS) as running:
        yield running


@pytest.fixture(scope="module")
def redis(stand):
    with backend(stand, REDIS) as one:
        yield one


@pytest.fixture(scope="module")
def every(stand, redis):
    """Two instances in memory and two on Redis, behind nginx."""
    with (
        backend(stand, MEMORY) as memory,
        running_fleets(stand, [memory, redis], (1, 2), KAS_RATE_REWRAP_PER_MINUTE=str(LIMIT)) as running,
    ):
        yield running


def test_each_size_has_its_row(every):
    found = throughput(every, 1, 6)
    assert found.keys() == {("memory", 1), ("redis", 1), ("redis", 2)}
    for (name, _), (row,) in found.items():
        assert 0 < row.p50 <= row.p95 <= row.p99
        assert min(row.per_second, row.cpu, row.nginx_cpu) > 0
        assert (row.store_cpu > 0) is (name == REDIS)
    tried = [one.tried[0][0] for one in every.nginx.passed()]
    assert all(tried.count(of.port) > 1 for of in every.by_store[REDIS][1])


def test_nonces_of_one_memory_are_refused_by_another(every):
    nonces = nonces_in_memory(every, 2, 8)
    assert nonces.first == 4  # nginx takes turns
    assert nonces.first + nonces.second <= 8


def test_a_proof_at_all_instances_is_accepted_by_one_and_by_all_where_they_share_nothing(stand, every):
    for of, servers in every.by_store.values():
        assert accepted(stand, of, servers, 3) == [1] * 3
    memory, _ = every.by_store[MEMORY]
    with instances(stand, memory, 2, KAS_REWRAP_DPOP_NONCE="off") as servers:
        assert accepted(stand, memory, servers, 3) == [2] * 3


def test_a_proof_that_nobody_accepts_or_that_is_refused_for_something_else_ends_a_run(stand):
    asked = ask(stand.users.some(1)[0], new_document("acp240", stand.holders[KID], 1), None)
    refused = Answer(HTTPStatus.UNAUTHORIZED, {}, b'{"code": "proof_replayed"}')
    with pytest.raises(BenchFailed, match="by no instance"):
        scale_replay._accepted(asked, [refused, refused], "proof_replayed")
    with pytest.raises(BenchFailed, match=r"/rewrap: 401 .*proof_replayed"):
        scale_replay._accepted(asked, [refused], "nonce_invalid")


def test_a_limit_is_that_of_all_instances_and_in_memory_that_of_each(stand, every):
    shared, apart = (counted(stand, *every.by_store[name], LIMIT) for name in (REDIS, MEMORY))
    assert (shared.sent, shared.accepted, shared.error, shared.told) == (14, 10, 0.0, [])
    assert (apart.sent, apart.accepted, apart.error) == (26, 20, 1.0)


def test_what_a_rewrap_asks_the_store_is_counted(stand, every):
    of, (server, _) = every.by_store[REDIS]
    found = operations(stand, of, server, 2)
    assert found.first["round trips"] == found.again["round trips"] + 1  # the key is kept
    assert found.again["round trips"] > 3


@pytest.mark.skipif(bool(NO_EMULATOR), reason=str(NO_EMULATOR))
def test_documents_of_firestore_are_counted_behind_a_front_of_their_own(stand, every, monkeypatch):
    monkeypatch.setattr(scale_stand, "_WARMING", 3)
    with backend(stand, FIRESTORE) as of:
        found = operations(stand, of, every.by_store[MEMORY][1][0], 2)
    assert found.first == {"calls": 5.0, "documents read": 2.0, "documents written": 3.0}
    assert found.again == {"calls": 4.0, "documents read": 2.0, "documents written": 2.0}


def test_what_is_lost_with_an_instance_is_what_its_connections_carried(stand, redis):
    found = killed(stand, redis, 60)
    assert (found.lost, found.replayed) == (0, 18)
    assert found.failed <= found.open_connections <= scale_load.CONNECTIONS
    assert found.used <= found.failed


def test_a_store_that_failed_ends_a_run(every):
    log = every.by_store[REDIS][1][0].log
    log.with_name(f"{log.name}-errors").write_text('{"event": "state_busy", "use": "limits"}\n', "utf-8")
    with pytest.raises(BenchFailed, match=r"a store failed: \['state_busy \(limits\)"):
        throughput(every, 1, 2)
