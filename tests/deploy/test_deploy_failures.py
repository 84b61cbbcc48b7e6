"""Whatever fails, it is said which, why and how to go on; and running again ends where an undisturbed run ends."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.deploy.conftest import Deployment
from tests.deploy.recorder.call import Call

# Each step fails in one of two ways; EVERY_FAILURE=1 has it fail in the other as well, in another run.
TURNS = (0, 1) if os.environ.get("EVERY_FAILURE") else (0,)


class Once:
    """Fails every command that changes something, the first time that it comes: before its effect, or after, when Google
    has done it and the answer is lost, by turns.
    """

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.failed: set[str] = set()

    def __call__(self, call: Call) -> str | None:
        line = re.sub(r"/\S*/kas-deploy\.\w+|notificationChannels/\d+", "", call.line())
        if not call.is_changing or line in self.failed:
            return None
        self.failed.add(line)
        return ("before", "after")[(len(self.failed) + self.turn) % 2]


def until_done(deployment: Deployment, *words: str) -> int:
    """How often it failed before it did not."""
    for failures in range(100):
        done = deployment.run(*words)
        if done.status == 0:
            return failures
        assert done.status == 1, done.err
        assert "permission_denied: refused for the test" in done.err.lower()
    raise AssertionError("it never ends")


NUMBERED = ("alertPolicies", "dashboards", "channels", "uptime", "budgets")


def comparable(deployment: Deployment) -> object:
    """What is there, without the numbers that Google chose, the marks over them, and how many revisions there were."""
    state, *rest = deployment.project.snapshot()
    state.pop("revisions")
    texts = {kind: sorted(_plain(thing) for thing in state.pop(kind, {}).values()) for kind in NUMBERED}
    return [texts, _plain(state), *(_plain(one) for one in rest)]


def _plain(thing: object) -> str:
    text = json.dumps(thing, sort_keys=True)
    return re.sub(
        r"(?<=kas-usa-)\d{5}|/\d+(?=\")|(?<=kas_content\": \")\w+|(?<=kas_content=)\w+|kas_[0-9a-f]{12}", "#", text
    )


@pytest.mark.parametrize("turn", TURNS)
def test_a_failure_at_each_step_and_apply_again_end_in_the_same_state(deployment, finished, turn):
    deployment.recorder.fail = fail = Once(turn)
    failures = until_done(deployment, "apply")
    assert failures == len(fail.failed) > 40
    undisturbed = Deployment(deployment.tree, deployment.folder, finished)
    assert comparable(deployment) == comparable(undisturbed)
    assert deployment.ok("apply").changes == []


def test_a_step_that_fails_says_which_why_and_how_to_go_on(deployment):
    deployment.recorder.fail = lambda call: "before" if call.words[:3] == ["kms", "keys", "create"] else None
    done = deployment.run("apply")
    assert done.status == 1
    said = [line.strip() for line in done.err.splitlines() if line.strip()]
    command = (
        "gcloud kms keys create acp240 --keyring=kas-usa --location=us-central1 --purpose=asymmetric-encryption"
        " --protection-level=hsm --default-algorithm=rsa-decrypt-oaep-2048-sha256 --project=my-project"
    )
    assert said[-6:] == [
        'deploy.sh: the step "keys" failed',
        f"command: {command}",
        "reason:  ERROR: (gcloud) PERMISSION_DENIED: refused for the test",
        *said[-3:],
    ]
    assert said[-3].startswith("do:      see Google's reason. If it refuses -sha1 at level HSM")
    assert said[-1] == "then:    run the same again; what is done is skipped"


def test_a_question_that_fails_for_another_reason_than_absence_is_no_absence(deployment):
    """Else what is there would be made again."""
    deployment.recorder.fail = lambda call: "before" if call.words[:3] == ["kms", "keyrings", "describe"] else None
    done = deployment.run("apply")
    assert done.status == 1
    assert 'the step "key ring" failed' in done.err
    assert not any("keyrings" in call.argv and call.is_changing for call in done.calls)


def test_what_google_does_not_know_yet_of_itself_is_asked_again(deployment):
    """An interface that was enabled just now, an account that was made just now."""
    left = {"kms keyrings": 2, "kms keys": 3}

    def unsettled(call: Call) -> str | None:
        kind = " ".join(call.words[:2])
        if (kind == "kms keyrings" or "add-iam-policy-binding" in call.argv) and left.get(kind, 0) > 0:
            left[kind] -= 1
            return "unsettled"
        return None

    deployment.recorder.fail = unsettled
    deployment.ok("apply")
    assert left == {"kms keyrings": 0, "kms keys": 0}


def test_what_never_settles_ends(deployment):
    deployment.recorder.fail = lambda call: "unsettled" if call.words[:2] == ["kms", "keyrings"] else None
    done = deployment.run("apply")
    assert done.status == 1
    assert "SERVICE_DISABLED" in done.err
    assert len([call for call in done.calls if call.words[:2] == ["kms", "keyrings"]]) == 12


def test_a_secret_that_cannot_be_made_is_not_stored(deployment, tmp_path):
    """Half of a pipeline would store an empty secret, or a part of one."""
    script = '#!/bin/sh\n[ "$1" = rand ] || exec /usr/bin/openssl "$@"\nprintf part\nexit 1\n'
    (tmp_path / "openssl").write_text(script, "utf-8")
    (tmp_path / "openssl").chmod(0o755)
    done = deployment.run("apply", PATH=f"{tmp_path}:{deployment.tree / 'bin'}:/usr/bin:/bin")
    assert done.status == 1
    assert 'the step "secrets" failed' in done.err
    assert list(deployment.project.secrets) == ["kas-usa-signing"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [("projects describe", "there is no project my-project"), ("billing projects", "nobody pays for my-project")],
)
def test_without_a_project_or_somebody_who_pays_nothing_is_begun(deployment, missing, said):
    deployment.recorder.fail = lambda call: "absent" if call.line().startswith(f"gcloud {missing}") else None
    done = deployment.run("apply")
    assert (done.status, done.changes) == (1, [])
    assert said in done.err


def test_a_secret_without_a_version_gets_one(deployment):
    """A first attempt came as far as the secret."""
    deployment.project.kind("secrets")["kas-usa-nonce"] = {"name": "projects/1/secrets/kas-usa-nonce", "versions": []}
    deployment.ok("apply")
    assert list(deployment.project.secrets["kas-usa-nonce"]) == [1]


def test_a_revision_that_did_not_start_is_deployed_again_and_gets_no_traffic_before(deployed):
    deployed.service["status"]["latestReadyRevisionName"] = "kas-usa-00001-abc"
    changes = deployed.ok("apply").changes
    assert [call.words[2] for call in changes] == ["update", "update-traffic"]
    assert "no-traffic" in changes[0].flags
