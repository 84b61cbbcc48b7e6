"""What leaves this machine: the function's own files, each by name, whatever lies beside them."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.processes import ROOT
from tests.package.docker_context import ALWAYS, sent
from tests.package.upload import taken

GCLOUD, DOCKER = shutil.which("gcloud"), shutil.which("docker")
OWN = ["config/federation.json", "config/issuers.json"]
SECRET = [
    ".env",
    ".git/config",
    ".local/keys/rsa.pem",
    ".local/keys/keys.json",
    ".venv/lib/kas/config/labels.json",
    "build/kas/report.py",
    "config/.env",
    "config/key.pem",
    "config/keys/keys.json",
    "config/service-account.json",
    "deploy.env",
    "id_rsa",
    "kas/.draft.py",
    "kas/.env",
    "kas/.ipynb_checkpoints/config.py",
    "kas/__pycache__/config.cpython-313.pyc",
    "kas/google/service-account.json",
    "kas/id_rsa",
    "kas/keys/key.pem",
    "key.pem",
    "local/kas/config.py",
    "service-account.json",
    "sub/config/issuers.json",
    "sub/kas/config.py",
    "sub/main.py",
]


def committed() -> list[str]:
    """The files of this tree that git would have, committed already or not."""
    return taken(ROOT, ROOT / ".gitignore")


def needed() -> list[str]:
    """The function, and what it reads: all of `kas`, and the configuration but for examples and what is for others."""
    config = [f"config/{name}.json" for name in ("attributes", "clearances", "countries", "labels")]
    return sorted(["main.py", "requirements.txt", *config, *(name for name in committed() if name.startswith("kas/"))])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Every name of this tree, what an operator adds, and what must not get out."""
    folder = tmp_path_factory.mktemp("tree")
    for name in {*committed(), *OWN, *SECRET}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in (".gcloudignore", ".dockerignore", ".gitignore", "deploy/Dockerfile"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def test_what_the_function_needs_is_uploaded_and_nothing_else(tree):
    """All of `kas`, so that no file of data is forgotten; tests, documents, `local` and `deploy` stay."""
    assert taken(tree, tree / ".gcloudignore") == sorted([*needed(), *OWN])


def test_each_folder_is_taken_by_its_name_as_a_cloud_function_asks_for_it():
    """`gcloud functions deploy` asks for "." and for folders as for files: no rule for folders fits, the last that does decides."""
    lines = (ROOT / ".gcloudignore").read_text("utf-8").splitlines()
    fitting = [line for line in lines if fnmatch.fnmatch(".", line.removeprefix("!").strip("/"))]
    assert fitting[-1].startswith("!")
    folders = {str(parent) for name in needed() for parent in Path(name).parents if parent != Path()}
    assert folders == {line.removeprefix("!/") for line in lines if line.startswith("!/")} & folders


def test_what_is_uploaded_from_here_is_what_is_committed():
    assert set(taken(ROOT)) - set(OWN) == set(needed())


def test_each_secret_would_be_seen(tree):
    """Without the rules it would go out."""
    (tree / "none").touch()
    assert {name for name in SECRET if not name.startswith(".git/")} <= set(taken(tree, tree / "none"))


def by_rules_of_docker(names: list[str]) -> list[str]:
    """The last line that fits a path, or a folder above it, decides; only ``**`` crosses a slash."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [(not line.startswith("!"), line.lstrip("!")) for line in lines if not line.startswith("#")]

    def is_taken(name: str) -> bool:
        parts, is_left = name.split("/"), False
        for leaves, rule in rules:
            if any(fits(parts[:length], rule.split("/")) for length in range(1, len(parts) + 1)):
                is_left = leaves
        return not is_left

    return sorted(name for name in names if is_taken(name))


def fits(parts: list[str], rule: list[str]) -> bool:
    if rule[0] == "**":
        return any(fits(parts[start:], rule[1:]) for start in range(len(parts)))
    return len(parts) == len(rule) and all(map(fnmatch.fnmatchcase, parts, rule))


def test_docker_reads_what_is_uploaded(tree):
    """A folder that is new in `kas` has to be named in .dockerignore."""
    everything = [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]
    assert by_rules_of_docker(everything) == taken(tree, tree / ".gcloudignore")


@pytest.mark.skipif(
    DOCKER is None, reason="docker's client is not installed: its rules are compared as they are written down"
)
def test_the_client_of_docker_reads_what_is_uploaded(tree, tmp_path):
    assert all((tree / name).is_file() for name in ALWAYS)
    assert sent(DOCKER, tree, tmp_path) == taken(tree, tree / ".gcloudignore")


@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed: git's rules, which it has, are asked alone")
@pytest.mark.parametrize("rules", [".gcloudignore", ".gitignore"])
def test_gcloud_lists_the_same_files(tree, tmp_path, rules):
    """Of the rules for a deployment, and of those for a build."""
    env = {"PATH": os.environ["PATH"], "CLOUDSDK_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    copied = shutil.copytree(tree, tmp_path / "tree")
    shutil.copyfile(tree / rules, copied / ".gcloudignore")
    command = [GCLOUD, "meta", "list-files-for-upload", "."]
    done = subprocess.run(command, cwd=copied, env=env, capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split()) == taken(tree, tree / rules), done.stderr


def test_a_build_gets_the_tree_without_what_is_secret(tree):
    """`gcloud builds submit --ignore-file=.gitignore`: the tests go with it, no key that lies about, no history."""
    uploaded = set(taken(tree, tree / ".gitignore"))
    assert {*committed(), *OWN} <= uploaded
    assert not {name for name in uploaded if name.endswith((".pem", ".pyc", ".env"))} - {"deploy.env"}
    assert not {name for name in uploaded if name.startswith((".git/", ".local/", ".venv/", "build/"))}
