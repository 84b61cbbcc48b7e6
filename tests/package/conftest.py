"""One environment for all tests here, made by the steps of the Dockerfile: the requirements and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package import buildpack, upload
from tests.package.deployment import Surroundings, surroundings
from tests.package.dockerfile import built
from tests.package.rooms import Image


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with surroundings(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture(scope="session")
def source(around: Surroundings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is uploaded, and what docker reads, from a tree in which the operator has put the issuers."""
    folder = upload.copy(tmp_path_factory.mktemp("source"))
    issuers = folder / "config" / "issuers.json"
    issuers.write_text(around.issuers, "utf-8")
    issuers.chmod(0o600)
    return folder


@pytest.fixture(scope="session")
def container(source: Path) -> Iterator[Image]:
    """The image of the Dockerfile. Not below pytest's folders, which are closed to other users."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield built(source, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def function(container: Image, source: Path) -> Image:
    """What Google's buildpack makes of the upload, with the same environment."""
    root = container.root.with_name("function")
    shutil.copytree(container.root / "venv", root / "venv", symlinks=True, copy_function=os.link)
    return buildpack.built(source, root)
