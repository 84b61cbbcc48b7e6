"""`deploy/Dockerfile`: what its steps make runs by its own command, is healthy by its own check, and ends when it is told to.

Its steps are run here without docker, on the interpreter of the tests; no base image is fetched.
"""

from __future__ import annotations

import re
import shutil
import signal
from dataclasses import replace

import pytest

from local.processes import ROOT
from tests.package import rooms
from tests.package.deployment import deployed
from tests.package.dockerfile import DOCKERFILE, PATH, built, stages

BASE, STAGES = stages()
FINAL = STAGES[-1]


def steps(name: str) -> list[str]:
    return [step.text for stage in STAGES for step in stage if step.name == name]


def test_the_base_is_one_release_of_python_and_the_same_for_all_stages():
    """The minor version is that of the buildpack (`--base-image=python313`); a digest may take its place."""
    assert re.fullmatch(r"python:3\.13\.\d+-slim-[a-z]+", BASE["BASE"])
    assert {stage[0].words[0] for stage in STAGES} == {"${BASE}"}


def test_it_does_not_lie_where_gcloud_would_take_it():
    """`gcloud run deploy --source .` refuses `--base-image` when the folder has a Dockerfile, whatever .gcloudignore says."""
    assert not (ROOT / "Dockerfile").exists()
    assert DOCKERFILE.is_file()


def test_requirements_are_installed_by_their_hashes_and_never_built():
    (pip,) = [step.words for stage in STAGES for step in stage if step.name == "RUN" and "pip" in step.words]
    assert {"--require-hashes", "--only-binary"} <= set(pip)
    assert pip[-2:] == ["--requirement", "/build/requirements.txt"]


def test_the_last_image_is_made_of_files_alone_and_needs_no_shell():
    assert {step.name for step in FINAL} == {
        *("FROM", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "CMD")
    }
    assert all(step.text.startswith("--from=build ") for step in FINAL if step.name == "COPY")
    assert steps("CMD") == ['["functions-framework"]']
    assert " CMD [" in steps("HEALTHCHECK")[0]


def test_its_user_is_a_number_that_is_not_root():
    """A platform that demands so can see it."""
    (user,) = steps("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_nothing_secret_is_in_its_variables(container):
    assert container.env.keys() == {
        *("PATH", "FUNCTION_TARGET", "PORT", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    }
    assert container.env["PATH"] == f"/venv/bin:{PATH}"


@pytest.fixture(scope="module")
def running(container, around):
    with deployed(container, around) as one:
        yield one


def test_its_check_says_that_it_is_healthy(running):
    done = rooms.run(running.image, running.image.health)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_check_fails_when_nobody_listens(running):
    silent = replace(running.image, env={**running.image.env, "PORT": "1"})
    assert rooms.run(silent, running.image.health).returncode == 1


def test_sigterm_ends_it_in_time_for_cloud_run(container, around):
    with deployed(container, around) as one:
        one.service.process.send_signal(signal.SIGTERM)
        assert one.service.process.wait(10) == 0


def test_every_file_of_the_source_is_in_it(running, source):
    there = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()} - {"requirements.txt"}
    service = running.image.root / "service"
    copied = {str(path.relative_to(service)) for path in service.rglob("*") if path.suffix != ".pyc" and path.is_file()}
    assert copied == there


def test_a_step_that_fails_ends_the_build(source, tmp_path):
    """So a requirement whose hash is another's does."""
    (tmp_path / "images").mkdir()
    changed = shutil.copytree(source, tmp_path / "source")
    text = (changed / "requirements.txt").read_text("utf-8")
    (changed / "requirements.txt").write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", text), "utf-8")
    with pytest.raises(AssertionError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        built(changed, tmp_path / "images")
