"""The figures of `make bench-scale`: what they are made of, and which of them break a promise."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench import nginx, scale_stand, scale_table
from bench.host import BenchFailed
from bench.scale_kill import Killed
from bench.scale_limit import Counted
from bench.scale_load import Nonces, Row
from bench.scale_operations import Operations
from bench.scale_table import Found, figures, is_kept

ROW = Row(10.0, 20.0, 30.0, 100.0, 4.0, 0.5, 0.1)
COUNTED = Counted(100, 130, 100, 2.0, is_steady=False, told=[])
KILLED = Killed(600, 8, 5, 5, 2, 180, 3)
FOUND = Found(
    rows={
        ("memory", 1): [replace(ROW, cpu=3.0, store_cpu=0.0)] * 3,
        ("redis", 4): [ROW, replace(ROW, cpu=9.0), replace(ROW, cpu=5.0)],
    },
    operations={"redis": Operations({"round trips": 6.0}, {"round trips": 5.0})},
    nonces={2: Nonces(300, 150, 70)},
    replays={"memory": [1, 1], "redis": [1, 1, 1]},
    accepted_without_nonces=[4, 4],
    limits={"memory": [replace(COUNTED, accepted=400)], "redis": [COUNTED, replace(COUNTED, limit=1000, accepted=990)]},
    kills={"redis": [KILLED, KILLED]},
)


def test_figures_are_the_worst_of_all_stores_and_the_limit_that_of_those_that_are_shared():
    found = figures(FOUND)
    assert (
        found["replay_accepted_max"] == found["redis_replay_accepted_max"] == found["memory_replay_accepted_max"] == 1
    )
    assert (found["limit_error"], found["redis_limit_error"], found["memory_limit_error"]) == (0.01, 0.01, 3.0)
    assert (found["killed_lost"], found["redis_4_cpu"], found["redis_4_p99"]) == (0.0, 5.0, 30.0)
    assert is_kept(found)


def test_what_was_not_measured_has_no_figure():
    found = figures(Found(replays={"memory": [1]}, limits={"memory": [replace(COUNTED, accepted=400)]}))
    assert found.keys() == {"replay_accepted_max", "memory_replay_accepted_max", "memory_limit_error"}


@pytest.mark.parametrize(
    "broken",
    [
        replace(FOUND, replays={"memory": [1], "redis": [1, 2, 1]}),
        replace(FOUND, limits={"redis": [replace(COUNTED, accepted=103)]}),
        replace(FOUND, limits={"redis": [replace(COUNTED, accepted=97)]}),
        replace(FOUND, kills={"redis": [KILLED, replace(KILLED, failed=6)]}),
        replace(FOUND, kills={"redis": [replace(KILLED, failed=9, failed_there=9)]}),
    ],
    ids=["a proof twice", "above the limit", "below the limit", "lost elsewhere", "lost beyond the connections"],
)
def test_each_promise_can_be_broken(broken):
    assert not is_kept(figures(broken))


def test_the_table_has_every_part_and_says_what_was_not_measured(capsys):
    scale_table.print_found(FOUND, {"firestore": "it is not installed"})
    told = capsys.readouterr().out
    for part in (
        "redis, 4 instances          10.0    20.0     30.0     100.0    5.00    0.50    0.10",
        "redis, 4 instances      2.00 (1.50 to 4.00, 1.00 to 6.00)",
        "memory, 2 instances     of 300 requests 150 accepted, 70 more when challenged once",
        "firestore               not measured: it is not installed",
        "6 round trips; with a kept key 5 round trips",
        "memory, no nonces              4       4       2",
        "redis                       1000     130      990       2.0 at once",
        "redis                          8       5        0         2     180       3   of 600",
    ):
        assert part in told
    assert json.loads(json.dumps(scale_table.context(FOUND, {})))["kills"]["redis"][0]["used"] == 3


def test_a_store_that_is_not_installed_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr(scale_stand, "NO_EMULATOR", "it is not installed")
    assert scale_stand.available(["redis", "firestore"]) == (["redis"], {"firestore": "it is not installed"})
    assert scale_stand.available(["memory", "redis"]) == (["memory", "redis"], {})


def test_a_line_of_nginx_says_who_was_tried_and_whether_it_was_sent_anything():
    (one, several) = map(
        nginx._passed,
        ["200\t127.0.0.1:7001\t200\t1500", "200\t127.0.0.1:7001, 127.0.0.1:7002\t502, 200\t0, 1500"],
    )
    assert one == nginx.Passed(200, [(7001, 200, True)])
    assert several == nginx.Passed(200, [(7001, 502, False), (7002, 200, True)])
    with pytest.raises(BenchFailed, match="nginx logged"):
        nginx._passed("200")
