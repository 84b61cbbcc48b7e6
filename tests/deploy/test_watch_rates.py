"""What dashboard and alerts multiply by is what the cost model has, and the conditions it is told of are those of the files."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from deploy.preview.definitions import EXAMPLE, conditions
from deploy.rates import alert_conditions, gib, main, rates
from local.processes import ROOT


def test_the_example_of_the_dashboard_is_at_the_prices_of_a_pilot() -> None:
    found = rates("us-central1", 1, 0.5, "rsa-2048", "hsm")
    assert found == {name: value for name, value in EXAMPLE.items() if name.startswith("USD_PER_")}


@pytest.mark.parametrize(
    ("arguments", "second", "operation"),
    [
        (("us-central1", 1, 0.25, "rsa-2048", "hsm"), "0.000024625", "0.000003"),
        (("us-central1", 2, 1, "rsa-2048", "software"), "0.0000505", "0.000003"),
        (("europe-west2", 1, 1, "rsa-4096", "hsm"), "0.0000371", "0.000015"),
    ],
)
def test_rates_are_of_the_region_the_size_and_the_key(arguments: tuple, second: str, operation: str) -> None:
    """Worked by hand: 0.000024 for a vCPU, 0.0000025 for a GiB, 1.4 times that in tier 2."""
    found = rates(*arguments)
    assert (found["USD_PER_INSTANCE_SECOND"], found["USD_PER_KEY_OPERATION"]) == (second, operation)


def test_memory_is_as_gcloud_takes_it() -> None:
    assert (gib("512Mi"), gib("1Gi"), gib("2Gi")) == (0.5, 1.0, 2.0)


def test_the_command_gives_deploy_sh_a_value_a_line_without_a_package_of_ours() -> None:
    arguments = ["us-central1", "1", "512Mi", "rsa-2048", "hsm"]
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); runpy.run_module('deploy.rates', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = dict(line.split("=") for line in done.stdout.splitlines())
    assert found.pop("ALERT_CONDITIONS") == str(conditions()) == str(alert_conditions())
    assert found == rates("us-central1", 1, 0.5, "rsa-2048", "hsm")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["mars", "1", "512Mi", "rsa-2048", "hsm"], 1, "mars"),
        (["us-central1", "one", "512Mi", "rsa-2048", "hsm"], 1, "one"),
        (["us-central1", "1", "512M", "rsa-2048", "hsm"], 1, "512M"),
        (["us-central1", "1", "512Mi", "rsa-1024", "hsm"], 1, "rsa-1024"),
        (["us-central1", "1", "512Mi", "rsa-2048", "paper"], 1, "paper"),
        ([], 2, "LOCATION"),
    ],
)
def test_what_has_no_price_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    """Else an alert would compare with nothing."""
    assert main(arguments) == status
    said = capsys.readouterr()
    assert (said.out, words in said.err) == ("", True)


def test_the_documents_of_cost_count_as_many_conditions() -> None:
    document = (ROOT / "docs" / "COST-OPTIMIZATION.md").read_text("utf-8")
    assert set(re.findall(r"--alert-conditions (\d+)", document)) == {str(alert_conditions())}


def test_the_cost_model_prices_the_conditions() -> None:
    command = [sys.executable, "-m", "kas.cost", "--json", "--alert-conditions", str(alert_conditions())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in json.loads(done.stdout)["lines"] if line["item"] == "alert conditions"]
    assert (line["quantity"], line["cost"]) == (9, pytest.approx(0.9))
