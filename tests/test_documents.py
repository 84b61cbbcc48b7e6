"""The documents say what is true: their tables are written from the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kas.auth.issuers import load_issuers
from kas.config import Settings
from kas.policy.rules import load_rules

ROOT = Path(__file__).resolve().parent.parent


def test_tables_of_settings_and_errors_are_those_of_the_code():
    result = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_a_table_that_no_document_prints_fails_the_check(tmp_path):
    """Nobody would see when it is wrong."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "kas").symlink_to(ROOT / "kas")
    tables = (ROOT / "docs" / "tables.py").read_text("utf-8")
    (tmp_path / "docs" / "tables.py").write_text(tables.replace('"faults": faults', '"unseen": faults'), "utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        text = re.sub(r"<!-- table: faults -->", "", path.read_text("utf-8"))
        (tmp_path / "docs" / path.name).write_text(text, "utf-8")
    result = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "in no document: unseen\n")


def test_every_file_that_a_document_names_exists():
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name
        for document in documents
        for name in re.findall(r"`((?:config|docs|kas|local|tests)/[\w./-]*)`", document.read_text("utf-8"))
    }
    assert len(named) > 20
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == {"config/issuers.json"}  # the operator's own


def _production_settings() -> dict[str, str]:
    lines = [line for line in (ROOT / "env.yaml").read_text("utf-8").splitlines() if not line.startswith("#")]
    pairs = [re.fullmatch(r'(KAS_[A-Z_]+): "(.*)"', line) for line in lines]
    assert all(pairs), "every line is a name and a quoted text"
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_the_settings_of_a_deployment_are_accepted_and_strict():
    settings = Settings.from_environ(_production_settings())
    assert (settings.mode, settings.rewrap_dpop_nonce) == ("production", "require")
    assert all(base.startswith("https://") for base in settings.public_bases)


@pytest.mark.parametrize("name", ["issuers.example.json"])
def test_the_example_of_an_issuer_is_accepted(name):
    countries = load_rules(ROOT / "config").countries
    issuers = load_issuers(ROOT / "config" / name, countries=countries, allow_loopback_http=False)
    assert all(issuer.authorization_endpoint and issuer.token_endpoint for issuer in issuers.values())
    assert issuers
