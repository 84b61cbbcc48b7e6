"""deploy.sh in a tree of its own, on a project that is recorded instead of Google's."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.recorder.call import Call
from tests.deploy.recorder.project import Project
from tests.deploy.recorder.server import Recorder, recording

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).with_name("recorder") / "gcloud"


@dataclass
class Done:
    """How deploy.sh ended, and the commands that it gave meanwhile."""

    status: int
    out: str
    err: str
    calls: list[Call]

    @property
    def changes(self) -> list[Call]:
        return [call for call in self.calls if call.is_changing]

    @property
    def shown(self) -> list[str]:
        """The commands that it printed."""
        return [line for line in self.out.splitlines() if line and not line.startswith("#") and not line[0].isspace()]


@dataclass
class Deployment:
    """``run("apply")`` runs deploy.sh; ``settings`` are further variables of its environment."""

    tree: Path
    folder: Path
    recorder: Recorder
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        return self.recorder.project

    @property
    def service(self) -> dict[str, Any]:
        return self.project.kind("run services")["kas-usa"]

    @property
    def environment(self) -> dict[str, str]:
        """What the newest revision starts with."""
        listed = self.service["spec"]["template"]["spec"]["containers"][0]["env"]
        return {one["name"]: one["value"] for one in listed}

    @property
    def work(self) -> Path:
        """Where private folders are made; nothing may be left in it."""
        return self.folder / "tmp"

    def run(self, *words: str, stdin: str = "", through: tuple[str, ...] = (), **settings: str) -> Done:
        """``through`` is a shell with flags, where its own first line is not to decide."""
        self.work.mkdir(exist_ok=True)
        env = {
            "PATH": f"{self.tree / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.work),
            "LANG": "C.UTF-8",
            "RECORDER_PORT": str(self.recorder.port),
            "SETTLE_SECONDS": "0",
            **self.settings,
            **settings,
        }
        number = len(self.recorder.calls)
        command = [*through, str(self.tree / "deploy.sh"), *words]
        done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, timeout=120)
        calls = self.recorder.calls[number:]
        assert [call.line() for call in calls if call.program == "unknown"] == []
        return Done(done.returncode, done.stdout, done.stderr, calls)

    def ok(self, *words: str, **arguments: Any) -> Done:
        """As `run`, and it has to succeed."""
        done = self.run(*words, **arguments)
        assert done.status == 0, f"{done.err}\n{done.out}"
        return done


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """What deploy.sh needs of this project, an operator's issuers, and stand-ins on the PATH."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("deploy.sh", "deploy", "kas", "env.yaml", "main.py", "requirements.txt"):
        (tree / name).symlink_to(ROOT / name)
    (tree / "config").mkdir()
    for path in (ROOT / "config").glob("*.json"):
        (tree / "config" / path.name).symlink_to(path)
    (tree / "config" / "issuers.json").unlink(missing_ok=True)
    example = (ROOT / "config" / "issuers.example.json").read_text("utf-8")
    (tree / "config" / "issuers.json").write_text(example.replace("idp.example", "idp.operator.example"), "utf-8")
    for folder, name, target in (
        ("bin", "gcloud", STAND_IN),
        (".venv/bin", "python", STAND_IN),
        ("bin", "python3", Path(getattr(sys, "_base_executable", sys.executable))),
    ):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        (tree / folder / name).symlink_to(target)
    return tree


@pytest.fixture
def deployment(tree, tmp_path) -> Iterator[Deployment]:
    """An empty project."""
    with recording(Project()) as recorder:
        yield Deployment(tree, tmp_path, recorder)
    assert not (tmp_path / "tmp").exists() or list((tmp_path / "tmp").iterdir()) == [], "the private folder is gone"


@pytest.fixture(scope="session")
def finished(tree, tmp_path_factory) -> Recorder:
    """A project in which everything is there, and the commands that made it. Nobody changes it."""
    with recording(Project()) as recorder:
        Deployment(tree, tmp_path_factory.mktemp("finished"), recorder).ok("apply")
    return recorder


@pytest.fixture
def deployed(deployment, finished) -> Deployment:
    """One like it, to go on with."""
    deployment.recorder.project = copy.deepcopy(finished.project)
    deployment.recorder.calls = list(finished.calls)
    return deployment
