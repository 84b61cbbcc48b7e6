"""`cloudbuild.yaml` is one that Cloud Build takes, its steps come in the one safe order, and what they call exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from local.processes import ROOT
from tests.package.buildpack import BUILD_VARIABLES
from tests.package.dockerfile import stages

PATH = ROOT / "cloudbuild.yaml"
TEXT = PATH.read_text("utf-8")
BUILD = yaml.safe_load(TEXT)
STEPS = {step["id"]: step for step in BUILD["steps"]}
DEPLOY = ROOT / "deploy.sh"
# Of Cloud Build's schema what is in use; the whole of it is asked where gcloud is.
FIELDS = {"steps", "substitutions", "timeout", "serviceAccount", "options"}
STEP_FIELDS = {"id", "name", "entrypoint", "args", "env", "volumes", "timeout"}
BUILT_IN = {"PROJECT_ID"}

GCLOUD = shutil.which("gcloud")
PARSER = """
import sys
from googlecloudsdk.api_lib.cloudbuild import cloudbuild_util, config
build = config.LoadCloudbuildConfigFromPath(sys.argv[1], cloudbuild_util.GetMessagesModule())
print(*(step.id for step in build.steps))
"""


def seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9]\d*)s", text)
    assert found
    return int(found[1])


def deploy_calls() -> dict[str, list[str]]:
    """The words after `deploy.sh`, by step."""
    return {name: step["args"][1:] for name, step in STEPS.items() if step["args"][0] == "./deploy.sh"}


def test_it_has_known_fields_alone():
    assert BUILD.keys() == FIELDS
    assert {field for step in BUILD["steps"] for field in step} == STEP_FIELDS
    assert BUILD["options"].keys() == {"logging"}


def test_nothing_is_deployed_that_was_not_tested_and_nothing_gets_traffic_that_was_not_asked():
    """A step that says nothing of whom it waits for waits for all before it."""
    assert list(STEPS) == ["issuers", "go", "node", "test", "deploy", "smoke", "traffic"]
    assert len(STEPS) == len(BUILD["steps"])
    assert "waitFor" not in TEXT
    assert "allowFailure" not in TEXT
    assert "allowExitCodes" not in TEXT
    assert STEPS["test"]["args"] == [".ci/run"]
    assert [words[:2] for words in deploy_calls().values()] == [
        ["apply", "--no-traffic"],
        ["smoke", "--no-traffic"],
        ["promote", "--nation"],
    ]


def test_all_steps_speak_of_the_same_nation_and_project():
    assert all(words[-2:] == ["--nation", "${_NATION}"] for words in deploy_calls().values())
    assert all("PROJECT=$PROJECT_ID" in STEPS[name]["env"] for name in deploy_calls())


def test_it_ends_in_time_and_not_before_its_steps():
    limits = [seconds(step["timeout"]) for step in BUILD["steps"]]
    assert len(limits) == len(STEPS)
    assert sum(limits[:4]) < sum(limits) <= 1.1 * seconds(BUILD["timeout"])


def test_every_value_that_is_put_in_has_a_default_and_every_default_is_used():
    """Cloud Build refuses both."""
    used = set(re.findall(r"(?<!\$)\$\{?([A-Z_]+)\}?", re.sub(r"^\s*#.*$", "", TEXT, flags=re.MULTILINE)))
    assert used == BUILT_IN | BUILD["substitutions"].keys()
    assert BUILD["substitutions"]["_NATION"] == "usa"


def test_an_account_of_ones_own_needs_a_log_of_ones_own():
    assert re.fullmatch(r"projects/\$PROJECT_ID/serviceAccounts/\S+\.gserviceaccount\.com", BUILD["serviceAccount"])
    assert BUILD["options"]["logging"] == "CLOUD_LOGGING_ONLY"


def test_every_image_is_a_release():
    names = [step["name"] for step in BUILD["steps"]]
    released = [name for name in names if re.search(r":\d+\.\d+\.\d+(-[a-z-]+)?$", name)]
    assert set(names) - set(released) == {"debian:trixie-slim"}  # runs one test of a shell


def test_what_is_tested_is_the_release_of_python_that_the_container_has():
    release = stages()[0]["BASE"].split("-")[0]
    assert STEPS["test"]["name"].split("-")[0] == release


@pytest.mark.parametrize(("content", "code"), [(None, 1), ("", 1), ('{"issuers": []}', 0)])
def test_a_source_without_issuers_is_told_so_before_minutes_are_spent(tmp_path: Path, content, code):
    (tmp_path / "config").mkdir()
    if content is not None:
        (tmp_path / "config" / "issuers.json").write_text(content, "utf-8")
    step = STEPS["issuers"]
    done = subprocess.run([step["entrypoint"], *step["args"]], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    assert ("config/issuers.example.json" in done.stderr) == bool(code)
    assert (ROOT / "config" / "issuers.example.json").is_file()


def test_every_verb_and_flag_of_deploy_is_one_that_it_has():
    done = subprocess.run(["bash", str(DEPLOY), "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    verbs = set(re.findall(r"^  ([a-z-]+)", done.stdout, flags=re.MULTILINE))
    flags = set(re.findall(r"--[a-z0-9-]+", done.stdout))
    for verb, *words in deploy_calls().values():
        assert verb in verbs
        assert {word for word in words if word.startswith("--")} <= flags


def test_the_file_that_it_runs_and_the_rules_that_it_names_exist():
    assert (ROOT / STEPS["test"]["args"][0]).is_file()
    (rules,) = re.findall(r"--ignore-file=(\S+)", TEXT)
    assert (ROOT / rules).is_file()


@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed: its reader of build files is not asked")
def test_gcloud_reads_it(tmp_path):
    """Its own reader, which refuses what the schema has not."""
    sdk = Path(GCLOUD).resolve().parent.parent
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{sdk}/lib:{sdk}/lib/third_party", "HOME": str(tmp_path)}
    found = subprocess.run(
        [GCLOUD, "info", "--format=value(basic.python_location)"], capture_output=True, text=True, timeout=60
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("timeout: 120s", "timeuot: 120s"), "utf-8")
    read, refused = (
        subprocess.run([found.stdout.strip(), "-c", PARSER, path], env=env, capture_output=True, text=True, timeout=60)
        for path in (PATH, wrong)
    )
    assert read.stdout.split() == list(STEPS), read.stderr
    assert "timeuot" in refused.stderr


def test_the_build_of_a_deployment_writes_bytecode_that_stays_good():
    """As `test_package_deployed` shows that it has to."""
    text = "".join(path.read_text("utf-8") for path in (ROOT / "deploy").glob("*.sh"))
    (variable,) = BUILD_VARIABLES.items()
    assert f"--set-build-env-vars={'='.join(variable)}" in text
