"""The script that installs the clients: what it says where it cannot, and that it looks for what it has made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.clients import HERE

NODE = "#!/bin/sh\nexit 0\n"
OLD_NODE = '#!/bin/sh\n[ "$1" = --version ] && echo v18.1.0\nexit 1\n'
NPM = '#!/bin/sh\nmkdir -p "$3/node_modules/@opentdf/client"\n: >"$3/node_modules/@opentdf/client/package.json"\n'
GO = '#!/bin/sh\n[ "$1" = env ] && echo go1.25.0 && exit\n: >"$5"\n'
OLD_GO = "#!/bin/sh\necho go1.24.9\n"
FAILING_GO = '#!/bin/sh\n[ "$1" = env ] && echo go1.25.0 && exit\nexit 1\n'
TOOLS = {"node": NODE, "npm": NPM, "go": GO}
MISSING = {
    "node": "tests/interop: node is not there: Node 20 or later is needed (on Debian: apt-get install nodejs npm)",
    "npm": "tests/interop: npm is not there (on Debian: apt-get install npm)",
    "go": "tests/interop: go is not there: Go 1.25 or later is needed (on Debian: apt-get install golang-go)",
}


class Copy:
    """The script in a tree of its own, with nothing on the path but ``tools`` and what it needs of the system."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / "bin"
        shutil.copytree(HERE, root / "tests" / "interop", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        self.path.mkdir()
        for name in ("dirname", "cat", "cmp", "cp", "mkdir", "rm"):
            (self.path / name).symlink_to(shutil.which(name) or name)
        for name, text in TOOLS.items():
            self.tool(name, text)
        self._script(root / "local" / "otdf" / "setup.sh", "#!/bin/sh\n")

    def tool(self, name: str, text: str) -> None:
        self._script(self.path / name, text)

    def _script(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def run(self) -> tuple[int, str, list[str]]:
        """Exit status, output, and the lines of errors."""
        script = self.root / "tests" / "interop" / "setup.sh"
        environ = {"PATH": str(self.path), "HOME": os.devnull}
        done = subprocess.run([str(script)], env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.parametrize("names", [["node"], ["npm"], ["go"], ["node", "npm", "go"]], ids="-".join)
def test_each_tool_that_is_missing_is_named_with_what_is_needed(copy: Copy, names: list[str]) -> None:
    for name in names:
        (copy.path / name).unlink()
    assert copy.run() == (1, "", [MISSING[name] for name in names])


def test_each_tool_that_is_too_old_is_named_with_its_version(copy: Copy) -> None:
    copy.tool("node", OLD_NODE)
    copy.tool("go", OLD_GO)
    assert copy.run() == (
        1,
        "",
        [
            "tests/interop: node is v18.1.0: Node 20 or later is needed",
            "tests/interop: go is go1.24.9: Go 1.25 or later is needed",
        ],
    )


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("npm", "#!/bin/sh\nexit 7\n", "@opentdf/client could not be installed: npm says why above"),
        ("go", FAILING_GO, "the program over the Go SDK could not be built: go says why above"),
    ],
)
def test_a_tool_that_fails_is_named_and_is_asked_again(copy: Copy, name: str, text: str, sentence: str) -> None:
    copy.tool(name, text)
    for _ in range(2):
        status, _, errors = copy.run()
        assert (status, errors) == (1, [f"tests/interop: {sentence}"])


@pytest.mark.parametrize(
    ("artefact", "begins"), [("npm/node_modules", "Installing @opentdf/client"), ("go-sdk", "Building the program")]
)
def test_what_has_gone_is_made_again_and_nothing_else(copy: Copy, artefact: str, begins: str) -> None:
    """Its mark is left behind, and would say that all is there."""
    assert copy.run()[0] == 0
    assert copy.run() == (0, "", [])
    made = copy.root / ".local" / "interop" / artefact
    shutil.rmtree(made) if made.is_dir() else made.unlink()
    status, output, _ = copy.run()
    assert status == 0
    assert [line.startswith(begins) for line in output.splitlines()] == [True]
    assert made.exists()
