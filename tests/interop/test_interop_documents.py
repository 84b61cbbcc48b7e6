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


def test_the_python_client_that_is_installed_is_the_pinned_one():
    """It tells its own version."""
    done = subprocess.run(
        [str(HOME / "python" / "bin" / "python"), "-m", "otdf_python", "--version"], capture_output=True, text=True
    )
    assert f"otdf-python=={done.stdout.split()[-1]} " in PINS.read_text("utf-8")


def test_the_npm_packages_that_are_installed_are_the_pinned_ones():
    """What npm noted as it unpacked them, each by version and hash; the client itself is looked at."""
    pinned = json.loads((HERE / "npm" / "package-lock.json").read_text("utf-8"))["packages"]
    modules = HOME / "npm" / "node_modules"
    installed = json.loads((modules / ".package-lock.json").read_text("utf-8"))["packages"]
    assert installed.keys() == pinned.keys() - {""}
    for name, package in installed.items():
        assert (package["version"], package["integrity"]) == (pinned[name]["version"], pinned[name]["integrity"]), name
    client = json.loads((modules / "@opentdf" / "client" / "package.json").read_text("utf-8"))
    assert client["version"] == pinned["node_modules/@opentdf/client"]["version"]


def test_the_go_modules_that_were_built_in_are_the_pinned_ones():
    """The program says which it has, each with the hash of ``go.sum``."""
    done = subprocess.run(["go", "version", "-m", str(HOME / "go-sdk")], capture_output=True, text=True, check=True)
    built = re.findall(r"^\tdep\t(\S+)\t(\S+)\t(h1:\S+)$", done.stdout, re.MULTILINE)
    sums = (HERE / "go" / "go.sum").read_text("utf-8").splitlines()
    assert {"github.com/opentdf/platform/sdk", "github.com/opentdf/platform/lib/ocrypto"} <= {
        name for name, *_ in built
    }
    assert not [dependency for dependency in built if " ".join(dependency) not in sums]
    assert not re.search(r"^\t(dep|=>)\t\S+\t\S+\s*$", done.stdout, re.MULTILINE)  # one without a hash


def test_no_lock_file_says_where_a_package_was_fetched():
    assert '"resolved"' not in (HERE / "npm" / "package-lock.json").read_text("utf-8")
