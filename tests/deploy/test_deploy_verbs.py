"""What is done with a service that is there: rotations, going back, candidates, other ways to deploy, and the way back."""

from __future__ import annotations

import json
import re

import pytest

from tests.deploy.conftest import Deployment
from tests.deploy.test_deploy_failures import TURNS, Once, comparable, until_done


def kids(deployment: Deployment) -> dict[str, str]:
    return {entry["kid"]: entry["status"] for entry in json.loads(deployment.environment["KAS_KEYS"])["unwrapKeys"]}


def signing(deployment: Deployment) -> dict[str, str]:
    return {entry["kid"]: entry["status"] for entry in json.loads(deployment.environment["KAS_KEYS"])["signingKeys"]}


def serving(deployment: Deployment) -> str:
    (name,) = [one["revisionName"] for one in deployment.service["status"]["traffic"] if one.get("percent") == 100]
    return str(name)


# ---- rotations


def test_rotate_key_publishes_a_new_version_and_the_old_one_still_opens(deployed):
    deployed.project.pending = 3
    done = deployed.ok("rotate-key", "acp240")
    assert "waiting for version 2 of the key acp240" in done.out
    assert kids(deployed) == {
        "usa-acp240-2": "active",
        "usa-acp240-1": "decrypt-only",
        "usa-opentdf-1": "active",
        "usa-ec-1": "active",
    }
    assert serving(deployed) == "kas-usa-00003-abc"


def test_a_rotated_key_of_opentdf_leaves_files_without_a_kid_to_the_old_version(deployed):
    deployed.ok("rotate-key", "opentdf")
    entries = json.loads(deployed.environment["KAS_KEYS"])["unwrapKeys"]
    assert [entry["kid"] for entry in entries if entry.get("legacy")] == ["usa-opentdf-1"]


def test_a_rotation_that_breaks_off_anywhere_is_continued_and_not_doubled(deployed):
    deployed.recorder.fail = Once(0)
    assert until_done(deployed, "rotate-key", "acp240") == 3
    assert len(deployed.project.kind("kms keys")["acp240"]["versions"]) == 2
    assert kids(deployed)["usa-acp240-2"] == "active"
    deployed.recorder.fail = lambda _: None
    assert deployed.ok("apply").changes == []


def test_a_rotation_of_today_is_not_repeated_unless_one_insists(deployed):
    """Its last answer may have been lost: who runs it again means the same rotation."""
    deployed.ok("rotate-key", "acp240")
    again = deployed.ok("rotate-key", "acp240")
    assert again.changes == []
    assert "and is deployed: nothing is left to do; --yes makes another" in again.out
    assert deployed.ok("rotate-key", "acp240", "--yes").changes != []


def test_a_rotation_of_secrets_of_today_is_not_repeated_either(deployed):
    deployed.ok("rotate-secrets")
    assert deployed.ok("rotate-secrets").changes == []


def test_a_disabled_version_is_listed_as_that_and_a_destroyed_one_not_at_all(deployed):
    versions = deployed.project.kind("kms keys")["acp240"]["versions"]
    for number, state in ((2, "DISABLED"), (3, "ENABLED")):
        versions.append({**versions[0], "name": f"{versions[0]['name'][:-1]}{number}", "state": state})
    versions[0]["state"] = "DESTROYED"
    deployed.ok("apply")
    assert {kid: status for kid, status in kids(deployed).items() if "acp240" in kid} == {
        "usa-acp240-3": "active",
        "usa-acp240-2": "disabled",
    }


def test_after_a_newest_version_that_is_disabled_a_rotation_makes_another(deployed):
    deployed.ok("rotate-key", "acp240")
    deployed.project.kind("kms keys")["acp240"]["versions"][1]["state"] = "DISABLED"
    deployed.ok("apply")
    deployed.ok("rotate-key", "acp240")
    assert kids(deployed)["usa-acp240-3"] == "active"


@pytest.mark.parametrize("words", [["rotate-key"], ["rotate-key", "seal"]])
def test_only_keys_of_dialects_are_rotated(deployed, words):
    done = deployed.run(*words)
    assert (done.status, done.changes) == (2, [])


def test_rotate_secrets_keeps_the_old_signing_key_published_and_the_old_nonces_valid(deployed):
    old = deployed.project.secrets["kas-usa-nonce"][1]
    seen = []

    def watch(call):
        if "update-traffic" in call.argv:
            seen.append(deployed.environment["KAS_NONCE_SECRET"].rpartition("/")[2])

    deployed.recorder.fail = watch
    deployed.ok("rotate-secrets")
    nonces = deployed.project.secrets["kas-usa-nonce"]
    assert nonces[2] == f"{nonces[3]},{old}"
    assert nonces[3] != old
    assert seen == ["2", "3"]
    assert signing(deployed) == {"usa-signing-2": "current", "usa-signing-1": "previous"}
    assert len(set(deployed.project.secrets["kas-usa-signing"].values())) == 2


@pytest.mark.parametrize("turn", TURNS)
def test_a_rotation_of_secrets_that_breaks_off_anywhere_is_continued_and_not_doubled(deployed, turn):
    deployed.recorder.fail = Once(turn)
    failures = until_done(deployed, "rotate-secrets")
    assert failures >= 4
    nonces = deployed.project.secrets["kas-usa-nonce"]
    assert list(nonces) == [1, 2, 3]
    assert nonces[2] == f"{nonces[3]},{nonces[1]}"
    assert list(deployed.project.secrets["kas-usa-signing"]) == [1, 2]
    assert deployed.environment["KAS_NONCE_SECRET"].endswith("/3")
    assert signing(deployed) == {"usa-signing-2": "current", "usa-signing-1": "previous"}


def test_a_rotation_without_a_service_is_refused(deployment):
    done = deployment.run("rotate-secrets")
    assert (done.status, done.changes) == (1, [])
    assert "there is no service kas-usa: ./deploy.sh apply makes it" in done.err


# ---- revisions


def test_no_traffic_leaves_the_new_revision_waiting_until_it_is_promoted(deployed):
    deployed.project.more_files = ["env.yaml"]
    before = serving(deployed)
    done = deployed.ok("apply", "--no-traffic")
    assert serving(deployed) == before
    assert "# the new revision waits under the tag candidate" in done.out
    (smoke,) = [call for call in done.calls if "deploy.smoke" in call.argv]
    assert smoke.argv[2] == "https://candidate---kas-usa-123456789012.us-central1.run.app"
    assert smoke.argv[2] in deployed.environment["KAS_PUBLIC_BASES"].split(",")
    deployed.ok("promote")
    assert serving(deployed) == "kas-usa-00003-abc"
    assert [one for one in deployed.service["spec"]["traffic"] if "tag" in one] == []


def test_without_a_candidate_nothing_is_promoted(deployed):
    done = deployed.run("promote")
    assert (done.status, done.changes) == (1, [])
    assert "no revision is tagged candidate" in done.err


def test_a_candidate_that_is_not_the_newest_is_not_promoted(deployed):
    deployed.project.more_files = ["env.yaml"]
    deployed.ok("apply", "--no-traffic")
    deployed.service["status"]["latestReadyRevisionName"] = "kas-usa-00009-xyz"
    done = deployed.run("promote")
    assert (done.status, done.changes) == (1, [])
    assert "candidate is kas-usa-00003-abc, and kas-usa-00009-xyz has been made since" in done.err


def test_rollback_goes_to_the_revision_before_and_apply_leaves_it_there(deployed):
    deployed.ok("rollback")
    assert serving(deployed) == "kas-usa-00001-abc"
    assert deployed.ok("apply").changes == []
    assert serving(deployed) == "kas-usa-00001-abc"


def test_after_a_rollback_another_source_is_deployed_and_serves(deployed):
    deployed.ok("rollback")
    deployed.project.more_files = ["env.yaml"]
    deployed.ok("apply")
    assert serving(deployed) == "kas-usa-00003-abc"


def test_after_a_rollback_other_settings_do_not_bring_the_withdrawn_revision_back(deployed):
    deployed.ok("rollback")
    done = deployed.run("apply", MEMORY="1Gi")
    assert (done.status, done.changes) == (1, [])
    assert "kas-usa was rolled back" in done.err
    assert "give kas-usa-00002-abc the traffic again first: ./deploy.sh promote --yes" in done.err
    done = deployed.run("promote")
    assert (done.status, done.changes) == (1, []), "a build promotes too"
    assert "kas-usa-00002-abc was withdrawn by a rollback" in done.err
    deployed.ok("promote", "--yes")
    assert serving(deployed) == "kas-usa-00002-abc"


def test_rollback_to_a_revision_by_name(deployed):
    deployed.ok("apply", MEMORY="1Gi")
    deployed.ok("rollback", "kas-usa-00001-abc")
    assert serving(deployed) == "kas-usa-00001-abc"
    done = deployed.run("rollback", "kas-usa-00007-abc")
    assert (done.status, done.changes) == (1, [])
    assert "there is no revision kas-usa-00007-abc; there are kas-usa-00003-abc" in done.err


def test_rollback_says_what_will_not_open_and_wants_to_be_told_twice(deployed):
    """Files are wrapped to the new key since."""
    deployed.ok("rotate-key", "acp240")
    done = deployed.run("rollback")
    assert (done.status, done.changes) == (1, [])
    assert "it does not know the key usa-acp240-2" in done.err
    deployed.ok("rollback", "--yes")
    assert serving(deployed) == "kas-usa-00002-abc"


def test_rollback_to_a_revision_that_would_not_start_is_refused(deployed):
    deployed.ok("rotate-secrets")
    deployed.project.kind("secrets")["kas-usa-nonce"]["versions"][0]["state"] = "DISABLED"
    done = deployed.run("rollback", "kas-usa-00001-abc")
    assert (done.status, done.changes) == (1, [])
    assert "secrets/kas-usa-nonce/versions/1, which is not enabled: it would not start" in done.err


def test_before_the_first_revision_there_is_none(deployed):
    deployed.ok("rollback")
    done = deployed.run("rollback")
    assert (done.status, done.changes) == (1, [])
    assert "there is none before it" in done.err


# ---- other ways


def test_a_nation_has_its_own_region_ring_account_secrets_and_service(deployment):
    nation, region = "fra", "europe-west1"
    deployment.ok("apply", "--nation", nation)
    project = deployment.project
    assert list(project.kind("kms keyrings")) == [f"kas-{nation}"]
    assert project.kind("kms keyrings")[f"kas-{nation}"]["location"] == region
    assert f"kas-{nation}@my-project.iam.gserviceaccount.com" in project.kind("accounts")
    assert list(project.kind("secrets")) == [f"kas-{nation}-{secret}" for secret in ("signing", "nonce", "ec")]
    (service,) = project.kind("run services").values()
    listed = service["spec"]["template"]["spec"]["containers"][0]["env"]
    environment = {one["name"]: one["value"] for one in listed}
    assert environment["KAS_ID"] == f"kas-{nation}"
    keys = json.loads(environment["KAS_KEYS"])["unwrapKeys"]
    assert {key["kid"] for key in keys} == {f"{nation}-acp240-1", f"{nation}-opentdf-1", f"{nation}-ec-1"}
    assert keys[0]["kms"].startswith(f"projects/my-project/locations/{region}/keyRings/kas-{nation}/")
    regions = {
        call.flags[name]
        for call in deployment.recorder.changes
        for name in ("region", "location")
        if name in call.flags
    }
    assert regions == {region}


def test_two_nations_in_one_project_share_what_is_the_projects(deployed):
    before = deployed.project.snapshot()
    deployed.recorder.project.kind("kms keys").clear()  # the recorder has one ring's keys at a time
    deployed.ok("apply", "--nation", "fra")
    assert [budget["displayName"] for budget in deployed.project.kind("budgets").values()] == ["kas my-project"]
    assert deployed.project.kind("metrics") == before[0]["metrics"]
    assert len(deployed.project.kind("alertPolicies")) == 2 * len(before[0]["alertPolicies"])
    assert deployed.service == before[0]["run services"]["kas-usa"]


def test_by_cloud_functions_every_setting_is_explicit_too(deployment):
    deployment.ok("apply", "--via", "functions")
    deploys = [call for call in deployment.recorder.changes if call.words[:2] == ["functions", "deploy"]]
    assert len(deploys) == 2, "once more with the address that nobody knew"
    flags = deploys[-1].flags
    assert {"gen2", "trigger-http", "allow-unauthenticated", "serve-all-traffic-latest-revision"} <= flags.keys()
    assert (flags["concurrency"], flags["max-instances"], flags["min-instances"]) == ("32", "1", "0")
    assert (flags["runtime"], flags["entry-point"], flags["cpu"], flags["memory"]) == ("python313", "kas", "1", "640Mi")
    assert flags["ingress-settings"] == "all"
    assert deployment.environment["KAS_PUBLIC_BASES"].split(",") == [
        "https://kas-usa-123456789012.us-central1.run.app",
        "https://kas-usa-abcdefghij-uc.a.run.app",
        "https://us-central1-my-project.cloudfunctions.net/kas-usa",
    ]
    assert "cloudfunctions.googleapis.com" in deployment.project.enabled
    assert deployment.ok("apply", "--via", "functions").changes == []
    deployment.ok("destroy", "--yes")
    assert deployment.project.kind("functions") == {}


def test_what_was_deployed_by_the_one_way_is_not_taken_over_by_the_other(deployed):
    done = deployed.run("apply", "--via", "functions")
    assert done.status == 1
    assert "kas-usa is there and is no function" in done.err


def test_where_nobody_is_to_be_told_alerts_are_made_all_the_same(deployment):
    deployment.project.account = "robot@my-project.iam.gserviceaccount.com"
    done = deployment.ok("apply")
    assert "# nobody is told of alerts: set ALERT_EMAIL" in done.out
    assert deployment.project.kind("channels") == {}
    assert {"notificationChannels" in policy for policy in deployment.project.kind("alertPolicies").values()} == {False}


def test_another_address_for_alerts_replaces_the_first(deployed):
    deployed.ok("apply", ALERT_EMAIL="ops@example.com")
    ((name, channel),) = deployed.project.kind("channels").items()
    assert channel["labels"] == {"email_address": "ops@example.com"}
    policies = deployed.project.kind("alertPolicies").values()
    assert {tuple(policy["notificationChannels"]) for policy in policies} == {(name,)}
    assert deployed.ok("apply", ALERT_EMAIL="ops@example.com").changes == []


def test_a_channel_without_an_address_is_not_taken_for_one(deployed):
    """Such as one of a pager: an empty column in what gcloud prints."""
    ((name, channel),) = deployed.project.kind("channels").items()
    channel["labels"] = {}
    done = deployed.ok("apply")
    assert f"gcloud beta monitoring channels delete {name} --force --project=my-project" in done.shown
    assert list(deployed.project.kind("channels")) != [name]


def test_an_alert_whose_own_name_is_missing_goes_by_its_full_name(deployed):
    labels = {"kas_service": "kas-usa", "kas_content": "0"}
    policies = deployed.project.kind("alertPolicies")
    policies["projects/1/alertPolicies/old"] = {"name": "projects/1/alertPolicies/old", "userLabels": labels}
    deployed.ok("apply")
    assert "projects/1/alertPolicies/old" not in policies


def test_an_alert_of_an_earlier_release_goes_and_a_changed_one_is_made_anew(deployed):
    policies = deployed.project.kind("alertPolicies")
    labels = {"kas_service": "kas-usa", "kas_content": "0"}
    policies["projects/1/alertPolicies/old"] = {
        "name": "projects/1/alertPolicies/old",
        "userLabels": {**labels, "kas_alert": "old"},
    }
    theirs = {"name": "projects/1/alertPolicies/theirs", "userLabels": {"kas_service": "kas-fra", "kas_alert": "old"}}
    policies[theirs["name"]] = theirs
    done = deployed.ok("apply", DAILY_ALERT="5")
    alerts = [call.words[2] for call in done.changes if "policies" in call.argv]
    assert alerts == ["create", "delete", "delete"]
    assert theirs["name"] in policies
    assert "projects/1/alertPolicies/old" not in policies
    (daily,) = [one for one in policies.values() if one["userLabels"]["kas_alert"] == "daily-cost"]
    assert "5" in daily["conditions"][0]["displayName"]
    assert deployed.ok("apply", DAILY_ALERT="5").changes == []


def test_status_tells_what_is_there_and_changes_nothing(deployed):
    done = deployed.ok("status")
    assert done.changes == []
    for line in (
        "service: newest ready revision kas-usa-00002-abc",
        "traffic: 100 % to kas-usa-00002-abc",
        "serves: usa-acp240-1 (acp240), active",
        "alert policies: 9",
        "budgets: 1",
    ):
        assert line in done.out.splitlines()


def test_status_of_an_empty_project(deployment):
    assert "service: none" in deployment.ok("status").out.splitlines()


# ---- the way back


def test_destroy_removes_everything_but_keys_and_secrets_and_says_what_remains(deployed):
    keys, secrets = deployed.project.kind("kms keys"), dict(deployed.project.secrets)
    before = json.dumps(keys)
    done = deployed.run("destroy", stdin="kas-usa\nno\n")
    assert done.status == 0, done.err
    rest = {kind: names for kind, names in deployed.project.snapshot()[0].items() if names}
    assert rest.keys() == {"kms keyrings", "kms keys", "secrets", "repositories"}
    assert json.dumps(keys) == before
    assert deployed.project.secrets == secrets
    members = {
        member
        for policy in deployed.project.policies.values()
        for binding in policy["bindings"]
        for member in binding["members"]
    }
    assert members == {"user:admin@example.com"}
    assert re.search(r"#   versions of the key acp240: 1 ENABLED\s+HSM", done.out)
    assert "#   the secret kas-usa-signing" in done.out
    assert "A version of a key in an HSM is $1.00 a month" in done.out
    assert deployed.ok("destroy", "--yes").changes == []


def test_destroy_never_touches_a_key(deployed):
    done = deployed.ok("destroy", "--yes", "--secrets")
    assert deployed.project.kind("secrets").keys() == {"kas-usa-ec"}, "a sealed key is a key"
    verbs = {call.words[2] for call in done.changes if call.words[0] == "kms"}
    assert verbs == {"remove-iam-policy-binding"}


@pytest.mark.parametrize("typed", ["", "yes\n", "kas-fra\n"])
def test_destroy_wants_the_name_typed(deployed, typed):
    before = deployed.project.snapshot()
    done = deployed.run("destroy", stdin=typed)
    assert (done.status, done.changes) == (2, [])
    assert deployed.project.snapshot() == before


def test_a_destruction_that_breaks_off_anywhere_goes_on(deployed):
    deployed.recorder.fail = fail = Once(0)
    assert until_done(deployed, "destroy", "--yes") == len(fail.failed) > 20
    rest = {kind for kind, names in deployed.project.snapshot()[0].items() if names}
    assert rest == {"kms keyrings", "kms keys", "secrets", "repositories"}


def test_what_nations_share_stays_while_one_of_them_does(deployed):
    deployed.project.kind("accounts")["kas-fra@my-project.iam.gserviceaccount.com"] = {
        "email": "kas-fra@my-project.iam.gserviceaccount.com"
    }
    deployed.ok("destroy", "--yes")
    assert deployed.project.kind("budgets")
    assert deployed.project.kind("metrics")
    assert "kas-image@my-project.iam.gserviceaccount.com" in deployed.project.kind("accounts")


def test_what_another_service_of_the_nation_needs_stays(deployed):
    deployed.ok("apply", SERVICE="kas-usa-staging")
    done = deployed.ok("destroy", "--yes", "--secrets", SERVICE="kas-usa-staging")
    assert list(deployed.project.kind("run services")) == ["kas-usa"]
    assert "# roles, secrets and account stay: another service of usa has them" in done.out
    assert deployed.ok("apply").changes == []


def test_a_service_whose_name_begins_alike_keeps_what_it_needs(deployed):
    """The account, its roles, the secrets and the budget are those of kas-usa-staging too."""
    deployed.ok("apply", SERVICE="kas-usa-staging")
    done = deployed.ok("destroy", "--yes", "--secrets")
    assert list(deployed.project.kind("run services")) == ["kas-usa-staging"]
    assert "# roles, secrets and account stay: another service of usa has them" in done.out
    assert "kas-usa@my-project.iam.gserviceaccount.com" in deployed.project.kind("accounts")
    assert deployed.project.kind("budgets")
    assert deployed.project.kind("channels")
    assert deployed.ok("apply", SERVICE="kas-usa-staging").changes == []


@pytest.mark.parametrize(("nation", "service"), [("usa", "billing"), ("fra", "kas-usa"), ("usa", "kas-usable")])
@pytest.mark.parametrize("words", [["destroy", "--yes"], ["apply"]])
def test_a_service_that_is_not_of_the_nation_is_refused(deployed, nation, service, words):
    done = deployed.run(*words, NATION=nation, SERVICE=service)
    assert (done.status, done.calls) == (2, [])
    assert f"SERVICE is kas-{nation}, or begins with kas-{nation}-, not '{service}'" in done.err


@pytest.mark.parametrize("words", [["destroy", "--yes"], ["apply"], ["promote", "--yes"], ["rollback"]])
def test_a_service_that_somebody_else_made_under_the_name_is_left_alone(deployed, words):
    deployed.service["metadata"]["labels"] = {"team": "billing"}
    deployed.service["spec"]["template"]["spec"]["serviceAccountName"] = "billing@my-project.iam.gserviceaccount.com"
    done = deployed.run(*words)
    assert (done.status, done.changes) == (1, [])
    assert "there is a service kas-usa that this script has not made" in done.err


def test_apply_after_destroy_ends_where_it_was(deployed, finished):
    deployed.ok("destroy", "--yes")
    deployed.ok("apply")
    assert comparable(deployed) == comparable(Deployment(deployed.tree, deployed.folder, finished))
