"""Several instances on a store: the real gcloud makes it, the service remembers in it, and goes back to one instance."""

from __future__ import annotations

import json

import pytest

from local.firestore_jar import installed
from local.rehearsal.firestore import DATABASES
from tests.rehearsal import existing
from tests.rehearsal.existing import ACCOUNT

DATABASE = "projects/my-project/databases/kas-usa"
FIELDS = f"{DATABASES}.collectionGroups.fields"
WRITES, READS = "firestore.documents.commit", "firestore.documents.batchGet"
SHARED = {"PROFILE": "shared"}


@pytest.fixture(scope="module")
def planned(rehearsal):
    if installed() is None:
        pytest.skip("the Firestore emulator of gcloud is not installed")
    rehearsal.be_patient()
    return rehearsal.deploy("plan", **SHARED)


@pytest.fixture(scope="module")
def applied(rehearsal, planned):
    return rehearsal.deploy("apply", **SHARED)


def test_what_was_planned_is_run_and_files_of_both_dialects_open(planned, applied):
    assert planned.changes == []
    store = [line for line in planned.commands if "firestore" in line or "datastore" in line]
    assert [line for line in applied.commands if "firestore" in line or "datastore" in line] == store
    assert len(store) == 6  # the interface among them
    assert "ok  acp240: a file was encrypted and opened again" in applied.said
    assert "ok  opentdf: a data key was wrapped and released" in applied.said


def test_the_database_is_in_the_region_and_its_documents_expire(rehearsal, applied):
    world = rehearsal.world
    database = world.resources.find(DATABASES, DATABASE)
    assert (database["type"], database["locationId"]) == ("FIRESTORE_NATIVE", "us-central1")
    expiring = {
        f"{DATABASE}/collectionGroups/kas-kas-usa-{kind}/fields/expireAt" for kind in ("claims", "windows", "keys")
    }
    assert set(world.resources.all(FIELDS)) == expiring


def test_the_role_is_for_the_one_database(rehearsal, applied):
    (binding,) = [
        one for one in rehearsal.world.access.read("projects/my-project").bindings if one.role == "roles/datastore.user"
    ]
    assert list(binding.members) == [ACCOUNT]
    assert binding.condition.expression == f'resource.name=="{DATABASE}"'
    assert rehearsal.world.access.may_use(ACCOUNT, DATABASE)
    assert not rehearsal.world.access.may_use(ACCOUNT, f"{DATABASE}-other")


def test_every_setting_of_the_store_is_deployed(rehearsal, applied):
    settings = existing.settings(rehearsal.world)
    assert (settings["KAS_STATE_BACKEND"], settings["KAS_FIRESTORE_DATABASE"]) == ("firestore", "kas-usa")
    assert settings["KAS_STATE_KEY"] == "sm://projects/my-project/secrets/kas-usa-state/versions/1"
    annotations = existing.service(rehearsal.world)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/maxScale"] == "3"
    alerts = {
        one["userLabels"]["kas_alert"] for one in existing.made(rehearsal.world, "monitoring.projects.alertPolicies")
    }
    assert "state" in alerts
    assert "traffic" not in alerts


def test_the_service_remembers_in_it_as_its_account(rehearsal, applied):
    rehearsal.deploy("smoke", **SHARED)
    calls = [one for one in rehearsal.world.journal.entries() if one.method.startswith("firestore.documents.")]
    assert {one.method for one in calls} == {WRITES, READS}
    assert {(one.resource, one.member, one.outcome) for one in calls} == {(DATABASE, ACCOUNT, "OK")}


def test_again_it_changes_nothing(rehearsal, applied):
    done = rehearsal.deploy("apply", **SHARED)
    assert (done.changes, done.commands) == ([], [])


def test_status_tells_of_the_store(rehearsal, applied):
    said = rehearsal.deploy("status").said
    assert "state: firestore, database kas-usa" in said
    assert "store: Firestore database kas-usa, FIRESTORE_NATIVE, us-central1" in said


def test_without_the_role_nothing_is_released(rehearsal, applied):
    """So it is the store that was asked, and not something beside it."""
    rule = f'expression=resource.name=="{DATABASE}",title=database-kas-usa'
    role = f"--member={ACCOUNT} --role=roles/datastore.user --condition='{rule}'"
    rehearsal.ok(f"gcloud projects remove-iam-policy-binding my-project {role}")
    refused = rehearsal.run("./deploy.sh smoke", **SHARED)
    assert refused.status == 1
    log = rehearsal.world.fleet.log_of(existing.service(rehearsal.world)["latest"]).read_text("utf-8")
    told = [json.loads(line) for line in log.splitlines() if '"state_unavailable"' in line]
    assert [(one["backend"], one["status"]) for one in told][:1] == [("firestore", "PERMISSION_DENIED")]
    done = rehearsal.deploy("apply", **SHARED)
    assert [line.split()[1:3] for line in done.commands] == [["projects", "add-iam-policy-binding"]]
    assert "ok  acp240: a file was encrypted and opened again" in done.said


def test_a_pilot_again_and_back(rehearsal, applied):
    done = rehearsal.deploy("apply")
    assert "ok  acp240: a file was encrypted and opened again" in done.said
    settings = existing.settings(rehearsal.world)
    assert settings["KAS_STATE_BACKEND"] == "memory"
    assert not {"KAS_STATE_KEY", "KAS_FIRESTORE_DATABASE"} & settings.keys()
    annotations = existing.service(rehearsal.world)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/maxScale"] == "1"
    rehearsal.deploy("rollback")
    said = rehearsal.deploy("smoke", **SHARED).said
    assert "ok  opentdf: a data key was wrapped and released" in said


def test_the_way_back_leaves_the_database_and_nobody_who_may_use_it(rehearsal, applied):
    said = rehearsal.deploy("destroy --yes --secrets").said
    assert "gcloud firestore databases delete --database=kas-usa" in said
    assert rehearsal.world.resources.has(DATABASES, DATABASE)
    assert existing.roles(rehearsal.world, ACCOUNT) == set()
    assert existing.secrets(rehearsal.world) == {"kas-usa-ec": ["ENABLED"]}
