"""``python -m kas.cost`` as a person, a script and Cloud Shell start it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from kas.config import Settings
from kas.cost import report
from kas.cost.__main__ import main
from kas.cost.arguments import new_parser, scenario_of
from local.processes import ROOT


def run(*arguments, bare=False):
    """The command as a process; ``bare`` with the standard library alone."""
    command = [sys.executable, *(["-S"] if bare else []), "-m", "kas.cost", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def scenario(*arguments):
    """What is understood."""
    return scenario_of(new_parser().parse_args(arguments), {})


def told(capsys, *arguments):
    """What ``--json`` says."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_needs_nothing_but_the_standard_library():
    """deploy.sh asks it in Cloud Shell, where nothing is installed."""
    done = run("--dialects", "acp240", "--sealed-ec", "no", bare=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A month costs $1.09." in done.stdout


def test_a_picture_alone_needs_more_and_says_what(tmp_path):
    done = run("--plot", str(tmp_path / "cost.png"), bare=True)
    assert done.returncode == 1
    assert done.stderr == "kas.cost: --plot needs matplotlib (python3 -m pip install matplotlib); all else does not\n"
    assert list(tmp_path.iterdir()) == []


def test_the_picture_shows_every_architecture(tmp_path):
    """In a folder that is made; every line has its colour in it, in more than the legend."""
    from matplotlib.image import imread

    path = tmp_path / "new" / "cost.png"
    done = run("--hit-rate", "0.8", "--plot", str(path))
    assert (done.returncode, done.stderr) == (0, f"The picture is {path}.\n")
    picture = (255 * imread(path)[:, :, :3]).round().astype(int)
    assert picture.shape == (744, 1200, 3)
    for colour in ((0, 114, 178), (0, 158, 115), (230, 159, 0), (204, 121, 167), (213, 94, 0)):
        assert (picture == colour).all(axis=2).sum() > 500


def test_a_picture_that_cannot_be_written_says_why(tmp_path, capsys):
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["--plot", str(tmp_path / "file" / "cost.png")]) == 1
    assert capsys.readouterr().err.startswith("kas.cost: [Errno ")


def test_people_read_the_bill_by_service_and_what_is_free(capsys):
    assert main(["--alert-conditions", "9", "--requests", "100000"]) == 0
    text = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "Cloud KMS rsa-2048 key versions, hsm 2 versions 2.00 0.00 2.00" in rows
    assert "Cloud Monitoring alert conditions [?] 9 alert condition and month 0.90 0.00 0.90" in rows
    assert "requests 3.02 million requests 1.21 0.80 0.41" in rows
    assert "total 39.16 17.89 21.27" in rows
    assert "A month costs $21.27. Prices of 2026-11-29." in rows
    assert "[?] the price is second-hand: look it up at its source (kas/cost/prices.json)." in rows
    assert "KAS_KMS_OPERATIONS_PER_DAY is 20000 by default; each instance would make 100,000." in rows


def test_programs_read_the_same(capsys):
    document = told(capsys, "--alert-conditions", "9", "--requests", "100000")
    assert document["total"] == pytest.approx(21.27, abs=0.005)
    assert document["total"] == pytest.approx(sum(line["cost"] for line in document["lines"]))
    assert (document["currency"], document["pricesOf"]) == ("USD", "2026-11-29")
    assert document["scenario"]["requests_per_day"] == 100_000
    assert document["architectures"][0]["name"] == "pilot"
    assert document["architectures"][0]["cost"] == document["total"]
    assert [step["architecture"] for step in document["steps"]] == ["pilot", "vm", "pilot", "valkey"]
    assert document["paysFrom"]["redisHere"] is None
    assert document["paysFrom"]["instances"] == pytest.approx(2_117_647, abs=1)
    assert [line["item"] for line in document["lines"] if not line["confirmed"]] == ["alert conditions"]


def test_what_does_not_suffice_is_said(capsys):
    assert main(["--instances", "2"]) == 0
    assert "Not sufficient: each instance remembers its own used proofs" in capsys.readouterr().out
    assert told(capsys, "--instances", "2")["shortcomings"]


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--requests", "0"], "requests_per_day", 0.0),
        (["--kaos", "2.5"], "kaos", 2.5),
        (["--hit-rate", "1"], "hit_rate", 1.0),
        (["--latency-ms", "69"], "billed_seconds", 0.1),
        (["--latency-ms", "100.5"], "billed_seconds", 0.2),
        (["--latency-ms", "0"], "billed_seconds", 0.1),
        (["--peak", "20"], "peak", 20.0),
        (["--key", "sealed"], "key", "sealed"),
        (["--protection", "software"], "protection", "software"),
        (["--dialects", "opentdf"], "dialects", ("opentdf",)),
        (["--sealed-ec", "no"], "sealed_ec", False),
        (["--retained", "3"], "retained", 3),
        (["--secrets", "0"], "secrets", 0),
        (["--nations", "gbr,usa"], "nations", ("gbr", "usa")),
        (["--state", "valkey"], "state", "valkey"),
        (["--instances", "5"], "instances", 5),
        (["--min-instances", "1"], "min_instances", 1),
        (["--vcpu", "2"], "vcpu", 2.0),
        (["--memory-mib", "256"], "memory_mib", 256),
        (["--tls13"], "tls13", True),
        (["--alert-conditions", "9"], "alert_conditions", 9),
        (["--uptime-minutes", "0"], "uptime_minutes", 0),
        (["--log-bytes", "0"], "log_bytes", 0.0),
    ],
)
def test_each_argument_changes_its_figure_alone(arguments, name, value):
    usual, changed = scenario(), scenario(*arguments)
    assert getattr(changed, name) == (pytest.approx(value) if isinstance(value, float) else value)
    assert replace(changed, **{name: getattr(usual, name)}) == usual


@pytest.mark.parametrize(
    "arguments",
    [
        ["--requests", "-1"],
        ["--requests", "1e10"],
        ["--requests", "many"],
        ["--requests", "nan"],
        ["--kaos", "501"],
        ["--hit-rate", "1.01"],
        ["--hit-rate", "80"],
        ["--latency-ms", "-1"],
        ["--peak", "0.5"],
        ["--key", "rsa-1024"],
        ["--protection", "external"],
        ["--dialects", ""],
        ["--dialects", "acp240,acp240"],
        ["--sealed-ec", "maybe"],
        ["--retained", "1.5"],
        ["--retained", "-1"],
        ["--retained", "٣"],
        ["--secrets", "1001"],
        ["--nations", "usa,deu"],
        ["--state", "disk"],
        ["--instances", "0"],
        ["--min-instances", "2"],  # of one instance
        ["--vcpu", "0.5"],
        ["--memory-mib", "64"],
        ["--alert-conditions", "x"],
        ["--uptime-minutes", "2"],
        ["--log-bytes", "1e7"],
        ["--days", "1"],  # of no file
        ["--from-audit", "nowhere.json"],
        ["--host", "vm"],
        ["more"],
    ],
)
def test_what_is_out_of_range_or_unknown_ends_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    told_on = capsys.readouterr()
    assert (end.value.code, told_on.out) == (2, "")
    assert "python -m kas.cost: error: " in told_on.err


def test_defaults_that_are_told_are_those_of_the_settings():
    fields = [field.metadata for field in dataclasses.fields(Settings) if field.metadata]
    defaults = {field["name"]: field["default"] for field in fields}
    assert defaults["KAS_RATE_GLOBAL_PER_MINUTE"] == str(report._GLOBAL_LIMIT)
    assert defaults["KAS_KMS_OPERATIONS_PER_DAY"] == str(report._DAY_BUDGET)
