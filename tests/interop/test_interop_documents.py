"""`docs/clients.md` speaks of the clients that are driven here."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from local.processes import ROOT
from tests.interop.clients import CLIENTS, HERE, HOME
from tests.interop.test_interop_refusals import DENIED, TAMPERED

PINS = ROOT / "local" / "otdf" / "requirements.txt"
DOCUMENT = (ROOT / "docs" / "clients.md").read_text("utf-8")


def test_the_document_names_the_versions_that_are_pinned():
    python = re.search(r"^otdf-python==([\d.]+)", PINS.read_text("utf-8"), re.MULTILINE)
    npm = json.loads((HERE / "npm" / "package-lock.json").read_text("utf-8"))["packages"][
        "node_modules/@opentdf/client"
    ]
    go = re.search(r"opentdf/platform/sdk v([\d.]+)", (HERE / "go" / "go.mod").read_text("utf-8"))
    assert python
    assert go
    for version in (python[1], npm["version"], go[1]):
        assert re.search(rf"^\|.*\| {re.escape(version)}, ", DOCUMENT, re.MULTILINE), version


@pytest.mark.parametrize("client", CLIENTS)
def test_the_document_has_the_words_of_each_refusal(client):
    for words in (DENIED[client], TAMPERED[client]):
        assert words.rpartition("AxiosError: ")[2].removesuffix("]") in DOCUMENT


def test_what_is_installed_is_what_is_pinned():
    """The Python client tells its own version; the others are verified by their lock files as they are installed."""
    done = subprocess.run(
        [str(HOME / "python" / "bin" / "python"), "-m", "otdf_python", "--version"], capture_output=True, text=True
    )
    assert f"otdf-python=={done.stdout.split()[-1]} " in PINS.read_text("utf-8")


def test_no_lock_file_says_where_a_package_was_fetched():
    assert '"resolved"' not in (HERE / "npm" / "package-lock.json").read_text("utf-8")
