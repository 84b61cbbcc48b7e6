"""What is watched is priced as the cost model prices it, and the model's documents count the conditions that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from deploy.preview.definitions import EXAMPLE, conditions
from kas.cost.prices import load_prices
from local.processes import ROOT


def test_the_example_of_the_dashboard_is_at_the_prices_of_a_pilot() -> None:
    """Worked by hand: 0.000024 for a vCPU, 0.0000025 for a GiB."""
    prices = load_prices()
    assert {name: float(value) for name, value in EXAMPLE.items() if name.startswith("USD_PER_")} == pytest.approx(
        {
            "USD_PER_INSTANCE_SECOND": prices.instance_second("us-central1", vcpu=1, memory_gib=0.5),
            "USD_PER_REQUEST": prices.request,
            "USD_PER_KEY_OPERATION": prices.operation("rsa-2048", "hsm"),
        }
    )
    assert EXAMPLE["USD_PER_INSTANCE_SECOND"] == "0.00002525"


def test_the_documents_of_cost_count_as_many_conditions() -> None:
    document = (ROOT / "docs" / "COST-OPTIMIZATION.md").read_text("utf-8")
    assert set(re.findall(r"--alert-conditions (\d+)", document)) == {str(conditions())}


def test_the_cost_model_prices_the_conditions() -> None:
    command = [sys.executable, "-m", "kas.cost", "--json", "--alert-conditions", str(conditions())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in json.loads(done.stdout)["lines"] if line["item"] == "alert conditions"]
    assert (line["quantity"], line["cost"]) == (9, pytest.approx(0.9))
