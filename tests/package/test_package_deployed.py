"""What is deployed is what was tested: the upload and nothing else, with its requirements and nothing else, on a file system
that cannot be written, as a user who owns nothing, with the settings of ``env.yaml`` and the variables of Cloud Run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.host import members
from local.google_world import ACP240_VERSION, OPENTDF_VERSION
from tests.attacks.rewrap_answers import released
from tests.kms.google_kit import DECRYPT
from tests.opentdf.pieces import policy_text
from tests.opentdf.tdf_client import TdfAttempt
from tests.package import buildpack, rooms
from tests.package.deployment import ISSUER, Deployed, deployed, placed

SECRET_TO_USA = [
    f"https://kas.example/attr/{value}" for value in ("classification/value/SECRET", "releasability/value/USA")
]
CACHE_TAG = sys.implementation.cache_tag
TOKEN = {"claims": {"iss": ISSUER}}


@pytest.fixture(scope="module", params=["function", "container"])
def running(request, around) -> Iterator[Deployed]:
    """As Google's buildpack starts it, and as the Dockerfile does."""
    with deployed(request.getfixturevalue(request.param), around) as one:
        yield one


def test_it_is_ready_to_work(running):
    answer = running.kit.http("GET", f"{running.kit.base}/health/ready")
    assert (answer.status, answer.json()["status"]) == (200, "ready")


def test_a_key_of_each_dialect_is_released_by_cloud_kms(running, around):
    around.google.control.reset()
    released(running.kit.attempt(override=TOKEN))
    attempt = TdfAttempt.good(running.kit, override=TOKEN, policies=[policy_text(SECRET_TO_USA)])
    assert attempt.open(attempt.read(attempt.send())) == attempt.data_keys
    asked = {row["resource"] for row in around.google.control.operations(DECRYPT)}
    assert asked == {ACP240_VERSION, OPENTDF_VERSION}


LOADED = """
import json, sys
from functions_framework import create_app
create_app("kas", "main.py", "http")
origins = {name: str(getattr(module, "__file__", None) or "") for name, module in sys.modules.items()}
print(json.dumps({"origins": origins, "prefix": [sys.prefix, sys.base_prefix]}))
"""


def test_nothing_comes_from_outside(running):
    """Every module is of the upload, of the requirements or of Python itself."""
    done = rooms.run(running.image, ["python", "-P", "-c", LOADED])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    places = {name: path for name, path in found["origins"].items() if path and not path.startswith("<")}
    own = {name for name, path in places.items() if path.startswith(f"{running.image.folder}/")}
    assert {name.partition(".")[0] for name in own} == {"kas", "main"}
    roots = (f"{running.image.folder}/", *(f"{prefix}/" for prefix in found["prefix"]))
    assert [path for path in places.values() if not path.startswith(roots)] == []


def test_nothing_of_it_can_be_written(running):
    text = "import os, sys; [os.open(path, os.O_WRONLY | os.O_CREAT) for path in sys.argv[1:]]"
    for path in ("main.py", "new.py", "kas/new.py", "kas/__pycache__/new.pyc", "/new"):
        done = rooms.run(running.image, ["python", "-c", text, path])
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def compiled_at_start(image) -> list[str]:
    """The modules of ours whose source a start compiles."""
    done = rooms.run(image, ["python", "-v", "-P", "-c", LOADED])
    assert done.returncode == 0, done.stderr[-1000:]
    loaded = re.findall(rf"code object from '?({image.folder}/[^\s']+)", done.stderr)
    assert (
        f"{image.folder}/kas/service.py" in loaded
        or f"{image.folder}/kas/__pycache__/service.{CACHE_TAG}.pyc" in loaded
    )
    return [path for path in loaded if path.endswith(".py")]


def test_a_start_compiles_nothing(running):
    assert compiled_at_start(running.image) == []


def test_without_the_variable_of_the_build_each_start_compiles_everything(function, source, around):
    """The export changes the time of each source, which bytecode without a digest is compared with."""
    root = function.root.with_name("stale")
    shutil.copytree(function.root / "venv", root / "venv", symlinks=True, copy_function=os.link)
    stale = buildpack.built(source, root, variables={})
    compiled = compiled_at_start(placed(stale, around))
    assert {"/workspace/main.py", "/workspace/kas/service.py"} <= set(compiled)
    assert len(compiled) > 50


@pytest.mark.skipif(not rooms.IS_ROOT, reason="only root can become another user")
def test_it_is_nobody_in_particular(running):
    users = {
        line
        for pid in members(running.service.process.pid)
        for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        if line.startswith(("Uid:", "CapEff:"))
    }
    number = running.image.user.partition(":")[0]
    assert users == {"Uid:" + 4 * f"\t{number}", "CapEff:\t0000000000000000"}
