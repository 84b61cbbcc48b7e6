"""Reads `deploy/Dockerfile`, and does what its steps say in a folder that stands for the root of each image."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.processes import ROOT
from tests.package import rooms
from tests.package.rooms import Image

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
# Where the base image has its interpreter.
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Step:
    """One instruction: ``RUN`` and what follows."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """A list where it is written as one, else the words between spaces."""
        return json.loads(self.text) if self.text.startswith("[") else self.text.split()

    @property
    def command(self) -> list[str]:
        return self.words if self.text.startswith("[") else ["/bin/sh", "-c", self.text]


def stages(path: Path = DOCKERFILE) -> tuple[dict[str, str], list[list[Step]]]:
    """The arguments with their defaults, and the steps of each stage, each beginning with its FROM."""
    text = re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in text.replace("\\\n", "").splitlines() if line.strip()]
    steps = [Step(name, rest) for name, rest in lines]
    arguments = dict(step.text.split("=", 1) for step in steps if step.name == "ARG")
    found: list[list[Step]] = []
    for step in steps:
        if step.name == "FROM":
            found.append([])
        if step.name != "ARG":
            found[-1].append(step)
    return arguments, found


def built(context: Path, folder: Path) -> Image:
    """The last image, of all stages, each in a folder of ``folder``; ``context`` is what docker is given."""
    images: dict[str, Image] = {}
    image = Image(folder)
    for number, steps in enumerate(stages()[1]):
        name = steps[0].words[2] if len(steps[0].words) > 2 else str(number)
        image = images[name] = Image(folder / name, {"PATH": PATH})
        image.root.mkdir()
        _give_interpreter(image.root)
        for step in steps[1:]:
            _STEPS[step.name](image, step, context, images)
    return image


def _give_interpreter(root: Path) -> None:
    """As `python` of the base image: the interpreter of the tests, which builds for itself."""
    script = root / "base" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]} "$@"\n')
    script.chmod(0o755)


def _run(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    rooms.build(image, step.command, {"PATH": f"/base:{os.environ['PATH']}"})


def _copy(image: Image, step: Step, context: Path, images: Mapping[str, Image]) -> None:
    *names, target = step.words
    is_of_image = names[0].startswith("--from=")
    origin = images[names.pop(0).removeprefix("--from=")].root if is_of_image else context
    for name in names:
        _copy_one(origin / name.lstrip("/"), image.root / target.lstrip("/"), is_folder=target.endswith("/"))


def _copy_one(source: Path, target: Path, *, is_folder: bool) -> None:
    """Of a folder what is in it, as Docker does; modes and times stay, and links are links."""
    assert source.exists(), f"{source} is not there"
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        goal = target / source.name if is_folder else target
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, goal)


def _env(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    image.env |= dict(word.split("=", 1) for word in step.words)


def _workdir(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    image.folder = step.text


def _user(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    image.user = step.text


def _cmd(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    image.command = step.words


def _healthcheck(image: Image, step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    image.health = Step("CMD", step.text.partition(" CMD ")[2]).words


def _nothing(_image: Image, _step: Step, _context: Path, _images: Mapping[str, Image]) -> None:
    pass


_STEPS = {
    "RUN": _run,
    "COPY": _copy,
    "ENV": _env,
    "WORKDIR": _workdir,
    "USER": _user,
    "CMD": _cmd,
    "HEALTHCHECK": _healthcheck,
    "EXPOSE": _nothing,
}
