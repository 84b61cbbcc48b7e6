"""The measurements run, check what they measure, and find what the requirement has a bound for: tiny numbers, no bound here."""

from __future__ import annotations

import json
import re
import sys

import pytest

from bench import cold, kms, peak, scale, transports
from bench.deployment import deployed
from bench.host import BenchFailed
from bench.report import TRANSPORTS, report_name
from bench.stages import STAGES

# Names of the requirement's table.
OF_A_START = {"first_rewrap_kms_ratio", "health_ratio", "unauthorized_ratio"}
OF_CLOUD_KMS = {
    "memory_mb",
    "memory_growth_mb",
    "single_p95_over_injected_ms",
    "bulk50_p95_ms",
    "repeat_p95_ms",
    "hit_rate_of_possible",
}
COLUMNS = {"first_cpu_ms", "first_wall_ms", "call_cpu_ms", "call_wall_ms", "memory_mb"}


@pytest.fixture(scope="module")
def deployment():
    with deployed() as running:
        yield running


def test_a_start_has_its_figures_and_the_values_behind_them(deployment):
    results = cold.starts(deployment, rounds=2)
    figures = cold.print_starts(results)
    assert figures.keys() == OF_A_START
    assert all(0.2 < ratio < 20 for ratio in figures.values())
    stages = cold.stages(deployment, rounds=1)
    assert all(of.keys() == STAGES.keys() for of in stages.values())
    assert stages["POST /rewrap"]["request"] > 0
    context = json.loads(json.dumps(cold.context(results, stages)))
    assert [len(values) for values in context["wallRatios"].values()] == [2, 2, 2]


def test_the_parts_of_cloud_kms_have_their_figures_and_the_values_behind_them():
    parts = [kms.latencies(2), kms.pilot_trace(0.5, 6, within_seconds=1.0), kms.memory(4, 8, 12)]
    figures = {name: value for part in parts for name, value in part.figures.items()}
    assert figures.keys() == OF_CLOUD_KMS
    raw = json.loads(json.dumps({name: value for part in parts for name, value in part.raw.items()}))
    assert {name: len(values) for name, values in raw["latenciesMs"].items()} == {
        "one key": 2,
        "the same again": 2,
        "50 keys": 2,
    }
    assert min(raw["latenciesMs"]["one key"]) > kms.INJECTED_MS > min(raw["latenciesMs"]["the same again"])
    trace = raw["trace"]
    assert len(trace["opensMs"]) == 6 + trace["possible"]
    assert 0 < trace["possible"] >= trace["hits"]
    assert max(trace["opensMs"]) > kms.INJECTED_MS
    assert raw["memoryMb"].keys() == {"4", "8", "12"}


def test_the_transports_stand_beside_each_other(deployment):
    figures = transports.figures(transports.measure(deployment, rounds=1, calls=2))
    assert figures.keys() == {f"{kind}_{name}" for kind in TRANSPORTS for name in COLUMNS}
    assert all(value > 0 for value in figures.values())
    assert figures["grpc_first_cpu_ms"] > 2 * figures["http_first_cpu_ms"]  # so it is what it says
    head, _, *rows = transports.table(figures)
    assert head.count("|") == 7
    assert [row.split("`")[1] for row in rows] == list(TRANSPORTS)


def test_an_operation_that_the_audit_does_not_know_ends_a_run(deployment, tmp_path):
    log = tmp_path / "log"
    log.write_text('{"event": "rewrap", "keyOperations": 1000}\n', "utf-8")
    with pytest.raises(BenchFailed, match="operations, the audit 1000"):
        kms.Stand(deployment, 0, 0, log).check_operations()


SMALL = {"THREADS": "2", "KAS_RATE_MEMORY_REQUESTS": "11000", "KAS_REPLAY_STORE_CLAIMS": "6000"}


def test_the_most_memory_is_looked_for_while_everything_is_full():
    held = peak.measure(20, 2, 1, **SMALL, KAS_KEY_OPERATIONS_PER_MINUTE="11000")
    assert held.ends == {"released": 2}
    assert held.looks > 1
    assert held.started < held.full <= held.resident
    figures = peak.figures_of(held)
    assert figures["smallest_instance_mb"] % 128 == 0
    assert figures["smallest_instance_mb"] > 1.15 * (figures["loaded_mb"] + 2)


def test_a_store_that_is_not_filled_ends_the_run():
    """One that the measurement no longer finds would make it lighter, unseen."""
    with pytest.raises(BenchFailed, match=re.escape("filled is {'claims': 1}")):
        peak._demand_filled("filled 5 claims\n")


@pytest.mark.parametrize(
    ("module", "option"),
    [(cold, "--rounds"), (kms, "--repeats"), (scale, "--rounds"), (transports, "--rounds")],
    ids=["cold", "kms", "scale", "transports"],
)
def test_fewer_rounds_than_nine_are_refused(module, option, mocker, capsys):
    mocker.patch.object(sys, "argv", ["bench", option, "8"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert f"{option}: 9 or more" in capsys.readouterr().err


def test_reports_of_other_transports_have_names_of_their_own():
    assert report_name("bench-kms", "http") == "bench-kms"
    assert report_name("bench-kms", "grpc") == "bench-kms-grpc"
