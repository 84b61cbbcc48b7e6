"""The scripts themselves: what shellcheck says, how they are asked, and that they stay readable."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT

SCRIPTS = [ROOT / "deploy.sh", *sorted((ROOT / "deploy").glob("*.sh"))]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")


def test_shellcheck_finds_nothing():
    done = subprocess.run([SHELLCHECK, "-x", "-a", "deploy.sh"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    stand_in = ROOT / "tests" / "deploy" / "recorder" / "gcloud"
    assert subprocess.run([SHELLCHECK, stand_in]).returncode == 0


def test_every_part_is_sourced_so_that_shellcheck_sees_it():
    sourced = {line.split()[1] for line in SCRIPTS[0].read_text("utf-8").splitlines() if line.startswith("source ")}
    assert sourced == {str(path.relative_to(ROOT)) for path in SCRIPTS[1:]}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_at_one_sitting(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 200
    assert all(len(line) <= 125 for line in lines)


def test_only_what_shows_or_asks_runs_gcloud():
    """Else a plan would not show it, or change something."""
    direct = {
        (path.name, line.strip().split(" ", 1)[0])
        for path in SCRIPTS
        for line in path.read_text("utf-8").splitlines()
        if "gcloud " in line
        and not line.lstrip().startswith("#")
        and "$(gcloud" not in line
        and "shown gcloud" not in line
    }
    assert {name for name, word in direct if word == "gcloud"} == {"function.sh"}, "which lists what would be sent"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["apply", "--help"]])
def test_help_tells_the_verbs(deployment, words):
    done = deployment.ok(*words)
    assert "rotate-key KEY" in done.out
    assert done.calls == []


@pytest.mark.parametrize("words", [[], ["deploy"]])
def test_without_a_verb_that_is_known_it_tells_them(deployment, words):
    done = deployment.run(*words)
    assert (done.status, done.calls) == (2, [])
    assert "rotate-key KEY" in done.out + done.err


@pytest.mark.parametrize(
    ("gone", "said"), [("gcloud", "gcloud is not installed"), ("python3", "python3 is not installed")]
)
def test_without_its_tools_it_says_which(deployment, tmp_path, gone, said):
    tools = ("bash", "dirname", "mktemp", "rm", "grep", "tail", "sed", "env", "python3", "openssl", "sha256sum", "cat")
    (tmp_path / "bin").mkdir()
    for name in tools:
        if name != gone:
            (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    if gone != "gcloud":
        (tmp_path / "bin" / "gcloud").symlink_to(deployment.tree / "bin" / "gcloud")
    done = deployment.run("status", PATH=str(tmp_path / "bin"))
    assert done.status == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("is_example", "words"),
    [
        (False, "cp config/issuers.example.json config/issuers.json"),
        (True, "config/issuers.json is the example as it was: put your issuers into it"),
    ],
)
def test_without_issuers_of_his_own_an_operator_is_told_what_to_do(deployment, tmp_path, is_example, words):
    tree = tmp_path / "tree"
    (tree / "config").mkdir(parents=True)
    for path in deployment.tree.iterdir():
        if path.name != "config":
            (tree / path.name).symlink_to(path)
    for name in ("issuers.example.json", "issuers.json") if is_example else ():
        shutil.copyfile(ROOT / "config" / "issuers.example.json", tree / "config" / name)
    deployment.tree = tree
    done = deployment.run("apply")
    assert (done.status, done.calls) == (2, [])
    assert words in done.err


def test_a_name_that_is_none_is_no_number(tmp_path):
    """What is compared as a number would be evaluated: whoever names a version could run what he likes."""
    made = tmp_path / "made"
    names = [
        "keys/a/cryptoKeyVersions/2",
        f"PATH[$(touch {made})]",
        f"a/$(touch {made})",
        "keys/a/cryptoKeyVersions/10",
    ]
    lines = "".join(f"{name}\tENABLED\t2026-01-01T00:00:00Z\n" for name in names)
    script = "source deploy/rotate.sh; number=$(last_number); ((number > 2)) && echo $number"
    done = subprocess.run(["bash", "-euc", script], cwd=ROOT, input=lines, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("10\n", "")
    assert not made.exists()


def test_what_is_interrupted_leaves_no_private_folder(deployment):
    """The fixture sees to it that there is none."""
    deployment.recorder.fail = lambda call: "unsettled" if call.words[:2] == ["kms", "keyrings"] else None
    deployment.work.mkdir()
    env = {
        "PATH": f"{deployment.tree / 'bin'}:/usr/bin:/bin",
        "TMPDIR": str(deployment.work),
        "RECORDER_PORT": str(deployment.recorder.port),
        "SETTLE_SECONDS": "30",
    }
    with subprocess.Popen(
        [deployment.tree / "deploy.sh", "apply"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        while b"# key ring" not in process.stdout.readline():
            pass
        assert len(list(deployment.work.iterdir())) == 1
        assert oct(next(deployment.work.iterdir()).stat().st_mode)[-3:] == "700"
        subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=True)
        process.communicate(timeout=20)


def test_usage_says_which_verbs_a_flag_is_of(deployment):
    out = deployment.ok("--help").out
    verbs = {flag: out.partition(f"\n  {flag} ")[2].partition("\n  --")[0] for flag in ("--secrets", "--yes")}
    assert "destroy:" in verbs["--secrets"]
    assert all(verb in verbs["--yes"] for verb in ("destroy:", "promote:", "rollback:", "rotate-key"))
