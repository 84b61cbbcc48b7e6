"""The same by way of Cloud Functions."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal import existing

FUNCTION = "projects/my-project/locations/us-central1/functions/kas-usa"


@pytest.fixture(scope="module")
def applied(rehearsal):
    return rehearsal.deploy("apply --via functions")


def test_the_function_answers_and_opens_files_of_both_dialects(applied):
    assert "ok  acp240: a file was encrypted and opened again" in applied.said
    assert "ok  opentdf: a data key was wrapped and released" in applied.said


def test_it_is_what_was_asked_for(rehearsal):
    function = rehearsal.world.resources.find("cloudfunctions.projects.locations.functions", FUNCTION)
    config, build = function["serviceConfig"], function["buildConfig"]
    assert (config["availableCpu"], config["maxInstanceCount"], config["maxInstanceRequestConcurrency"]) == ("1", 1, 32)
    assert config["serviceAccountEmail"] == existing.ACCOUNT.removeprefix("serviceAccount:")
    assert (build["runtime"], build["entryPoint"]) == ("python313", "kas")
    asked, deployed = existing.asked_settings(rehearsal.checkout), config["environmentVariables"]
    names = ("KAS_MODE", "KAS_REWRAP_DPOP_NONCE", "KAS_KMS_OPERATIONS_PER_DAY")
    assert {name: deployed[name] for name in names} == {name: asked[name] for name in names}


def test_it_answers_under_the_addresses_that_it_takes_proofs_for(rehearsal):
    bases = existing.settings(rehearsal.world)["KAS_PUBLIC_BASES"].split(",")
    assert "https://us-central1-my-project.cloudfunctions.net/kas-usa" in bases
    for base in bases:
        assert json.loads(rehearsal.ok(f"curl -fsS {base}/health").said)["status"]


def test_what_was_uploaded_is_what_the_ignore_file_lets_through(rehearsal):
    listed = rehearsal.ok("gcloud meta list-files-for-upload .").said.split()
    assert set(existing.uploaded(rehearsal.world)) == set(listed)


def test_again_it_changes_nothing(rehearsal):
    done = rehearsal.deploy("apply --via functions")
    assert (done.changes, done.commands) == ([], [])


def test_the_way_back_removes_it(rehearsal):
    rehearsal.deploy("destroy --yes --via functions")
    assert existing.made(rehearsal.world, "cloudfunctions.projects.locations.functions") == []
    assert existing.made(rehearsal.world, "run.namespaces.services") == []
