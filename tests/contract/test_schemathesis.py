"""The running service keeps what its own document says, whatever is sent to it: Schemathesis, with and without valid
credentials; `schemathesis.toml` beside this says what is excepted and why.

Runs of its command line, whose examples are the same each time. ``CONTRACT_EXAMPLES`` makes them longer (`make
contract`). With credentials only those routes are asked again that look at them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import environment_without_settings
from tests.federation.nations import running_nations
from tests.kit import Kit

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "5")


@pytest.fixture(scope="module")
def contract_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Bound tokens alone, so that no rewrap passes without a proof; and one of two services, for there is more to see."""
    folder = tmp_path_factory.mktemp("contract")
    with running_nations(folder, ("usa", "fra"), KAS_OPENTDF_BEARER="refuse") as running:
        yield running["usa"]


def run(kit: Kit, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "tests/contract/schemathesis.toml"]
    return subprocess.run(
        [*command, "run", f"{kit.base}/openapi.json", "--max-examples", EXAMPLES, "--warnings", "off", *arguments],
        cwd=ROOT,
        env={**environment_without_settings(), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_answers_to_strangers_are_those_of_the_document(contract_kit):
    """Every operation, without credentials."""
    result = run(contract_kit)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 39 passed" in result.stdout


def test_answers_to_callers_are_those_of_the_document(contract_kit):
    """A token, and a fresh proof for each request: bodies are read, as the audit shows."""
    token_url = f"{contract_kit.world.provider.base}/token"
    only = ("--include-path-regex", "ewrap$|explain$|ready$|federation")
    result = run(contract_kit, *only, CONTRACT_TOKEN_URL=token_url)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 7 passed" in result.stdout
    known = [line for line in contract_kit.log.read_text("utf-8").splitlines() if "usa-secret" in line]
    assert any('"invalid_structure"' in line for line in known)
