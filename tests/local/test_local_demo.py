"""`make demo`: everything held, readable without a terminal, and a false expectation is told by the exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from local.client import Http
from local.demo import FILE, POLICY, Demo, Stage, main
from local.otdf.act import ATTRIBUTES, DENIED, OtdfAct
from local.otdf.client import ClientUnavailable, run_client
from local.processes import environment_without_settings

COMMAND = [sys.executable, "-m", "local.demo"]


def test_everything_holds_whatever_the_shell_has_set():
    env = environment_without_settings() | {"KAS_ID": "not valid!", "PORT": "1", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\033" not in done.stdout
    codes = ("clearance_insufficient", "country_not_releasable", "key_material_rejected", "proof_key_mismatch")
    for code in (
        *codes,
        "proof_replayed",
        "usa-secret reads the same",
        "fra-secret reads the same",
        f"usa-secret reads the same {FILE.stat().st_size} bytes by otdf-python",
        "usa-unclassified: otdf-python ends with status 1 and no file",
        DENIED,
        "gbr-topsecret asks for an explanation: releasability needs one of FRA, USA, there is GBR",
        "All as expected.",
    ):
        assert code in done.stdout


def test_it_can_be_stopped():
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("Starting")
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "everything is stopped" in output
    assert errors == ""


def test_an_expectation_that_fails_is_counted(capsys):
    stage = Stage(colour=False)
    stage.expect(held=True, text="this")
    stage.expect(held=False, text="that")
    assert stage.failures == 1
    assert "FAIL  that" in capsys.readouterr().out


def test_a_refusal_that_does_not_come_or_has_another_reason_is_counted(pair):
    demo = Demo(Stage(colour=False), pair, Http())
    container = demo.session("usa-secret").encrypt(b"the file", POLICY)
    demo.refuses("clearance_insufficient", "usa-unclassified", lambda: demo.session("usa-unclassified").open(container))
    assert demo.stage.failures == 0
    demo.refuses("coi_not_satisfied", "usa-unclassified", lambda: demo.session("usa-unclassified").open(container))
    demo.refuses("clearance_insufficient", "usa-secret", lambda: demo.session("usa-secret").open(container))
    assert demo.stage.failures == 2


def test_an_explanation_of_another_decision_is_counted(pair, http):
    demo = Demo(Stage(colour=False), pair, http)
    demo.explains("country_not_releasable", "gbr-topsecret")
    assert demo.stage.failures == 0
    demo.explains("clearance_insufficient", "gbr-topsecret")
    demo.explains("country_not_releasable", "usa-secret")
    assert demo.stage.failures == 2


def test_the_wrong_bytes_are_counted(pair):
    demo = Demo(Stage(colour=False), pair, Http())
    container = demo.session("usa-secret").encrypt(b"the file", POLICY)
    demo.opens("usa-secret", container, b"another file")
    assert demo.stage.failures == 1


FOR_ANYONE = ("https://kas.example/attr/classification/value/UNCLASSIFIED", ATTRIBUTES[1])


@pytest.fixture
def act(pair, tmp_path):
    return OtdfAct(pair.kas.base, tmp_path)


def test_a_published_client_that_is_let_in_is_counted(act, tmp_path):
    """The one file keeps usa-unclassified out, the other does not, as if the decision were another."""
    assert act.encrypts(FILE, tmp_path / "secret.tdf", ATTRIBUTES).held
    assert act.refuses("usa-unclassified", tmp_path / "secret.tdf").held
    assert act.encrypts(FILE, tmp_path / "mild.tdf", FOR_ANYONE).held
    let_in = act.refuses("usa-unclassified", tmp_path / "mild.tdf")
    assert not let_in.held
    assert let_in.text == "usa-unclassified: otdf-python ends with status 0 and a file"


def test_a_published_client_that_fails_for_another_reason_has_not_been_refused(act, tmp_path):
    (tmp_path / "file.tdf").write_bytes(b"no TDF")
    assert not act.refuses("usa-unclassified", tmp_path / "file.tdf").held


def test_a_published_client_that_cannot_open_or_reads_other_bytes_is_counted(act, tmp_path):
    tdf = tmp_path / "file.tdf"
    assert act.encrypts(FILE, tdf, ATTRIBUTES).held
    assert act.opens("usa-secret", tdf, FILE.read_bytes()).held
    assert not act.opens("usa-secret", tdf, b"another file").held
    unopened = act.opens("usa-unclassified", tdf, FILE.read_bytes())
    assert not unopened.held
    assert DENIED in unopened.words


SAYS, WRITES, FAILS = f"echo '{DENIED}' >&2", 'cp "${12}" "${14}"', "exit 1"


def stand_in(folder, *commands):
    """An installation whose client does only this; its 12th and 14th arguments are the source and the target."""
    python = folder / "python" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("\n".join(["#!/bin/bash", *commands, ""]), "utf-8")
    python.chmod(0o700)
    (folder / "python.made-from").touch()
    return folder / "python"


@pytest.mark.parametrize(
    ("commands", "held"),
    [((SAYS, FAILS), True), ((FAILS,), False), ((SAYS,), False), ((SAYS, WRITES, FAILS), False)],
    ids=["refused", "without the words", "without the status", "with a file"],
)
def test_a_refusal_has_the_words_the_status_and_no_file(tmp_path, commands, held):
    act = OtdfAct("http://127.0.0.1:9", tmp_path, stand_in(tmp_path, *commands))
    assert act.refuses("usa-unclassified", FILE).held is held


@pytest.mark.parametrize(
    ("commands", "held"),
    [(("echo TDF > ${14}",), True), ((), False), ((WRITES,), False), ((WRITES, FAILS), False)],
    ids=["encrypted", "no file", "the plain text", "failed"],
)
def test_an_encrypted_file_is_there_and_does_not_hold_the_plain_text(tmp_path, commands, held):
    act = OtdfAct("http://127.0.0.1:9", tmp_path, stand_in(tmp_path, *commands))
    assert act.encrypts(FILE, tmp_path / "file.tdf", ATTRIBUTES).held is held


def test_what_does_not_hold_of_the_published_client_makes_the_demonstration_fail(pair, tmp_path, capsys):
    """With a client that does nothing, all three expectations."""
    demo = Demo(Stage(colour=False), pair, Http(), stand_in(tmp_path))
    demo.published_client()
    assert demo.stage.failures == 3
    assert "FAIL  usa-unclassified: otdf-python ends with status 0 and no file" in capsys.readouterr().out


def test_without_the_published_client_it_fails_and_says_how_to_get_it(tmp_path, capsys):
    assert main(otdf_home=tmp_path / "python") == 1
    output = capsys.readouterr().out
    assert "FAIL  otdf-python is not installed: run local/otdf/setup.sh" in output
    assert "All as expected." not in output


def test_a_client_that_cannot_be_started_or_does_not_end_is_told(tmp_path):
    with pytest.raises(ClientUnavailable, match="cannot be run: No such file"):
        run_client([str(tmp_path / "nothing")], tmp_path / "target")
    with pytest.raises(ClientUnavailable, match="did not end within"):
        run_client([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "target", timeout_seconds=0.2)


def test_a_client_sees_no_settings_of_ours_and_its_target_is_new(tmp_path, monkeypatch):
    monkeypatch.setenv("KAS_ID", "ours")
    target = tmp_path / "target"
    target.write_bytes(b"old")
    outcome = run_client(
        [sys.executable, "-c", "import os; os.write(2, str(dict(os.environ)).encode())"], target, {"MORE": "given"}
    )
    assert outcome.content is None
    assert "KAS_ID" not in outcome.error
    assert "'MORE': 'given'" in outcome.error


def test_a_file_that_a_failing_client_left_is_not_its_outcome(tmp_path):
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); sys.exit(3)"
    outcome = run_client([sys.executable, "-c", script, str(tmp_path / "target")], tmp_path / "target")
    assert (outcome.status, outcome.content) == (3, None)
