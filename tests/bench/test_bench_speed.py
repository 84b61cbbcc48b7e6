"""The measurements of speed run, check what they measure, and find what the requirement has a bound for: tiny numbers, no
bound here.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from bench import soak, speed, speed_stand, speed_table
from bench.asked import new_document
from bench.host import BenchFailed
from bench.load import Exchanged
from bench.speed import CASES, CONNECTIONS, Case
from bench.speed_stand import Users, standing
from bench.speed_table import EMPTY

FEW = {
    "ACP-240, RSA-2048": replace(CASES["ACP-240, RSA-2048"], requests=2),
    "ACP-240, cached": replace(CASES["ACP-240, cached"], requests=6),
    "ACP-240, 100 keys": replace(CASES["ACP-240, 100 keys"], kaos=3, requests=1),
    "REST, P-256": replace(CASES["REST, P-256"], requests=1),
    "Connect, RSA-2048": replace(CASES["Connect, RSA-2048"], requests=1),
}


@pytest.fixture(scope="module")
def stand():
    with standing() as running:
        yield running


def test_what_a_request_takes_stands_beside_its_cryptography(stand):
    found = speed.costs(stand, 2, FEW)
    speed_table.print_costs(found)
    assert found.keys() == {EMPTY, *FEW}
    assert all(cost.cpu > cost.floor > 0 for name in FEW for cost in found[name])
    ratios = speed_table.ratios(found)
    assert ratios.keys() == {"single_ratio", "bulk100_ratio", "cached_ratio"}
    assert all(0.2 < value < 50 for values in ratios.values() for value in values)
    assert all(
        one.floor < other.floor for one, other in zip(found["ACP-240, cached"], found["ACP-240, RSA-2048"], strict=True)
    )


def test_the_waits_at_several_connections_have_their_figure(stand):
    found, memory = speed.waits(stand, 2, 8)
    speed_table.print_waits(found, memory)
    assert len(found) == 2 * len(CONNECTIONS)
    assert all(0 < one.p50 <= one.p95 <= one.p99 for of in found.values() for one in of)
    assert len(speed_table.tails(found)) == 2
    assert memory > 20
    assert json.loads(json.dumps(speed_table.context({EMPTY: []}, found)))["waits"].keys() == found.keys()


def test_a_wrong_answer_ends_a_run(stand):
    with stand.serving(1) as (kas, _):
        (asked,) = stand.ask(kas, [new_document("acp240", stand.holders["acp-2048"], 1)])
        loaded, cpu = kas.send([asked.raw])
        answer = loaded.exchanged[0].answer()
        asked.check(answer)
        again, _ = kas.send([asked.raw])
        with pytest.raises(BenchFailed, match=r"401 .*proof_replayed"):
            asked.check(again.exchanged[0].answer())
        with pytest.raises(BenchFailed, match="0 of 1 repeats"):
            speed._check_hits(kas, [Case("acp240", "acp-2048", 1, 1, repeated=True)], 1)
        assert cpu > 0


def test_users_are_made_again_before_their_tokens_end(monkeypatch):
    times = itertools.count()
    users = Users(lambda: [next(times)])
    assert [users.some(2), users.some(1)] == [[0, 0], [0]]
    monkeypatch.setattr(speed_stand, "_TOKEN_SECONDS", -1.0)
    assert users.some(1) == [1]


def test_an_answer_is_read_as_it_came():
    raw = b"HTTP/1.1 200 OK\r\nDPoP-Nonce: n\r\nContent-Length: 2\r\n\r\nok"
    answer = Exchanged(0.1, raw).answer()
    assert (answer.status, answer.headers["DPoP-Nonce"], answer.body) == (200, "n", b"ok")


def test_a_soak_counts_errors_and_looks_at_memory(stand, monkeypatch):
    monkeypatch.setattr(soak, "_PART_SECONDS", 0.5)
    found = soak.soak(stand, 1.5, 20)
    assert (found.requests, found.errors, len(found.looks)) == (30, [], 3)
    assert -20 < found.growth < 20


def test_growth_is_from_when_it_has_settled_to_the_end():
    looks = [10.0] * 30 + [50.0] * 6 + [50.0] * 80 + [53.0] * 5
    assert soak.Soaked(0, [], looks, []).growth == 3.0


def test_an_answer_of_the_soak_that_is_wrong_is_an_error(stand):
    with stand.serving(1) as (kas, _):
        asked = stand.ask(kas, [new_document("acp240", stand.holders["acp-2048"], 1)] * 2)
        loaded, _ = kas.send([one.raw for one in asked])
        swapped = replace(loaded, exchanged=list(reversed(loaded.exchanged)))
        assert soak._errors(asked, loaded) == []
        assert len(soak._errors(asked, swapped)) == 2
