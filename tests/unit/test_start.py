"""What the operator is told of a start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kas.web.start import age_milliseconds, start_line, tell_start

UPTIME = "1000.50 3000.00\n"
AFTER_THE_NAME = "S 1 1 1 0 -1 4194560 1 0 0 0 5 1 0 0 20 0 1 0 {} 1000 2000"


def test_the_first_worker_tells_what_the_start_took() -> None:
    assert start_line(1, 412) == {"severity": "INFO", "event": "start", "worker": 1, "ms": 412}


def test_where_that_is_not_known_it_is_not_told() -> None:
    assert start_line(1, None) == {"severity": "INFO", "event": "start", "worker": 1}


def test_a_further_worker_stands_in_for_one_that_died() -> None:
    """Its parent is as old as the service."""
    assert start_line(2, 86_400_000) == {"severity": "WARNING", "event": "start", "worker": 2}


@pytest.mark.parametrize("name", ["python", "a b", "a) (b", ") S 1 2 3"])
def test_the_age_is_from_the_start_of_the_process_whatever_its_name(name: str) -> None:
    assert age_milliseconds(f"7 ({name}) {AFTER_THE_NAME.format(100_009)}", UPTIME, 100) == 410


@pytest.mark.parametrize(
    ("stat", "uptime"),
    [
        ("", UPTIME),
        ("7 (x) S 1", UPTIME),
        ("7 (x) " + AFTER_THE_NAME.format("-"), UPTIME),
        ("7 (x) " + AFTER_THE_NAME.format(100_009), ""),
        ("7 (x) " + AFTER_THE_NAME.format(100_009), "soon"),
        ("7 (x) " + AFTER_THE_NAME.format(200_000), UPTIME),  # would have started in the future
    ],
)
def test_an_age_that_cannot_be_read_is_none(stat: str, uptime: str) -> None:
    assert age_milliseconds(stat, uptime, 100) is None


def test_the_age_of_a_real_process_is_what_the_clock_says(capfd: pytest.CaptureFixture[str]) -> None:
    before = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        after = time.monotonic()
        tell_start(1, process.pid)
        least, most = time.monotonic() - after, time.monotonic() - before
        process.communicate(b"\n")
    told = json.loads(capfd.readouterr().err)
    tick = 1000 / os.sysconf("SC_CLK_TCK")
    assert 1000 * least - 2 * tick <= told["ms"] <= 1000 * most + 2 * tick


def test_a_process_that_is_not_there_has_no_age(capfd: pytest.CaptureFixture[str]) -> None:
    gone = int(Path("/proc/sys/kernel/pid_max").read_text("ascii")) + 1
    tell_start(1, gone)
    assert json.loads(capfd.readouterr().err) == {"severity": "INFO", "event": "start", "worker": 1}
