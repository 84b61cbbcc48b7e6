"""A project of its own for each part of the rehearsal, and a checkout in it as an operator has one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.rehearsal.checkout import copy_checkout
from local.rehearsal.stage import GCLOUD, Stage, stage
from local.rehearsal.world import PROJECT_ID, World

_TIMEOUT_SECONDS = 1200


@dataclass(frozen=True)
class Done:
    """How a command ended: ``said`` is both outputs, ``changes`` what was asked of Google that changes something."""

    status: int
    said: str
    changes: list[str]

    @property
    def commands(self) -> list[str]:
        """The lines that deploy.sh printed as commands, without its private folder and names that Google gives."""
        return [line for line in self.said.splitlines() if line.startswith(("gcloud ", "openssl ", ".venv/"))]


@dataclass(frozen=True)
class Rehearsal:
    """``run`` is a shell of somebody who has logged in and stands in his checkout."""

    stage: Stage
    checkout: Path

    @property
    def world(self) -> World:
        return self.stage.world

    def run(self, command: str, **settings: str) -> Done:
        self.world.journal.clear()
        environment = {
            **self.stage.environment,
            "CLOUDSDK_CORE_PROJECT": PROJECT_ID,
            "SETTLE_SECONDS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **settings,
        }
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        assert self.world.journal.missing() == [], "gcloud asked for what is not stood in for"
        assert self.stage.proxy.refused == [], "something was looked for elsewhere, or the stand-in failed"
        return Done(done.returncode, done.stdout, self.world.journal.changes())

    def ok(self, command: str, **settings: str) -> Done:
        """As `run`, and it has to succeed."""
        done = self.run(command, **settings)
        assert done.status == 0, done.said
        return done

    def be_patient(self) -> None:
        """With a store that shares this machine with all the rest."""
        with (self.checkout / "env.yaml").open("a", encoding="utf-8") as file:
            file.write('KAS_STATE_TIMEOUT_MILLISECONDS: "10000"\n')

    def deploy(self, words: str, **settings: str) -> Done:
        return self.ok(f"./deploy.sh {words}", **settings)


@contextlib.contextmanager
def rehearsing(folder: Path) -> Iterator[Rehearsal]:
    """With the issuer that the stage has for `config/issuers.json`."""
    (folder / "stage").mkdir()
    with stage(folder / "stage") as one:
        yield Rehearsal(one, copy_checkout(folder, one.issuer))


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    if GCLOUD is None:
        pytest.skip("gcloud is not installed: nothing of this is tried")
    with rehearsing(tmp_path_factory.mktemp("rehearsal")) as one:
        yield one
