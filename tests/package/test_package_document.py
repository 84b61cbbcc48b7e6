"""`docs/CONTAINER.md`: the real clients of docker and Google Cloud take its commands, and they say what the text says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from local.processes import ROOT
from tests.interop.production import deployed_settings
from tests.package.docker_context import daemon
from tests.package.upload import taken

DOCUMENT = (ROOT / "docs" / "CONTAINER.md").read_text("utf-8")
DOCKER, GCLOUD = shutil.which("docker"), shutil.which("gcloud")
NO_DOCKER = pytest.mark.skipif(DOCKER is None, reason="docker's client is not installed: its commands are not tried")


def commands(kind: str) -> list[str]:
    """The commands of all blocks of a kind, each on one line."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]


def docker(*words: str) -> list[str]:
    (found,) = [line for line in commands("sh") if line.startswith(f"docker {' '.join(words)}")]
    return shlex.split(found)[1:]


def run_docker(arguments, tmp_path, **folders):
    """The client's exit status and words, and what it asked of a daemon that does nothing."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_BUILDKIT": "0"}
    with daemon() as (address, asked):
        command = [DOCKER, "--host", address, *arguments]
        done = subprocess.run(command, **folders, env=env, capture_output=True, text=True, timeout=60)
    return done, asked


def test_every_command_is_one_of_a_shell():
    for kind in ("sh", "gcloud"):
        text = "\n".join(commands(kind))
        assert text
        assert subprocess.run(["bash", "-n"], input=text, text=True, timeout=30).returncode == 0


def test_the_settings_in_the_form_of_docker_are_those_of_env_yaml(tmp_path):
    (command,) = [line for line in commands("sh") if line.startswith("sed ")]
    shutil.copyfile(ROOT / "env.yaml", tmp_path / "env.yaml")
    subprocess.run(["bash", "-euc", command], cwd=tmp_path, check=True, timeout=30)
    lines = (tmp_path / "kas.env").read_text("utf-8").splitlines()
    assert dict(line.split("=", 1) for line in lines) == deployed_settings()


@NO_DOCKER
def test_the_container_that_is_asked_for_can_little(tmp_path):
    """As the client of docker reads the command."""
    (tmp_path / "kas.env").write_text("KAS_ID=kas-usa\n", "ascii")
    done, asked = run_docker(docker("run"), tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (created,) = [json.loads(body) for path, body in asked if path.endswith("/containers/create?name=kas")]
    host = created["HostConfig"]
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (True, ["ALL"], ["no-new-privileges"])
    assert created["Env"] == ["KAS_ID=kas-usa", "GCE_METADATA_HOST=metadata.google.internal"]
    assert (created["Image"], created["User"], created["Cmd"]) == ("kas", "", None)
    assert host["Memory"] == 640 * 2**20


@NO_DOCKER
def test_the_build_that_is_asked_for_takes_the_dockerfile(tmp_path):
    done, asked = run_docker(docker("build"), tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    ((path, _),) = [one for one in asked if "/build?" in one[0]]
    assert "dockerfile=deploy%2FDockerfile" in path
    assert "t=kas" in path


@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed: its parser does not read the commands")
@pytest.mark.parametrize("command", commands("gcloud"), ids=lambda command: " ".join(command.split()[1:4]))
def test_gcloud_takes_the_command(tmp_path, command):
    """Its parser ends with 2 what it does not know; what it takes ends with 1 here, where nobody is logged in."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": "my-project",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
    }
    shutil.copyfile(ROOT / "env.yaml", tmp_path / "env.yaml")
    shutil.copyfile(ROOT / "cloudbuild.yaml", tmp_path / "cloudbuild.yaml")
    (tmp_path / ".gitignore").touch()
    done = subprocess.run(shlex.split(command), cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "active account" in done.stderr


def test_what_is_named_as_uploaded_is():
    named = re.findall(r"`((?:main\.py|requirements\.txt|config/\w+\.json))`", DOCUMENT.split("## The container")[0])
    rules = (ROOT / ".gcloudignore").read_text("utf-8")
    assert {"main.py", "config/issuers.json"} < set(named)
    assert all(name in taken(ROOT) or f"!/{name}\n" in rules for name in named)
