"""`docs/CLOUD-RUN-DEPLOYMENT.md` from top to bottom, by the real gcloud, on one project: what each block does, and that what
there is afterwards is what was asked for. In this order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.processes import ROOT
from local.rehearsal.world import BILLING_ACCOUNT
from tests.rehearsal import existing
from tests.rehearsal.conftest import Done, Rehearsal
from tests.rehearsal.existing import ACCOUNT, BUILDER, RING

DOCUMENT = ROOT / "docs" / "CLOUD-RUN-DEPLOYMENT.md"
DECRYPTER, VIEWER = "roles/cloudkms.cryptoKeyDecrypter", "roles/cloudkms.publicKeyViewer"
ACCESSOR = "roles/secretmanager.secretAccessor"
ADDRESS = "https://kas-usa-123456789012.us-central1.run.app"


@dataclass(frozen=True)
class Guide:
    """The commands of the blocks marked `sh` that are still to come; `follow` runs the next ones."""

    rehearsal: Rehearsal
    commands: Iterator[str]

    def follow(self, *expected: str) -> Done:
        """How the last of them ends. They have to be the next of the document, and to succeed."""
        done = None
        for command in expected:
            assert next(self.commands, "the end") == command
            done = self.rehearsal.ok(command)
        assert done is not None
        return done


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def guide(rehearsal):
    return Guide(rehearsal, iter(commands()))


def plain(command: str) -> str:
    """Without what nobody knows beforehand: the id that Google gives a channel."""
    return re.sub(r"notificationChannels/\w+", "notificationChannels/ID", command)


def published(rehearsal: Rehearsal) -> set[str]:
    keys = json.loads(rehearsal.ok(f"curl -fsS {ADDRESS}/.well-known/jwks.json").said)["keys"]
    return {key["kid"] for key in keys}


# ---- Look, then do


@pytest.fixture(scope="module")
def planned(guide):
    return guide.follow("./deploy.sh plan")


def test_a_plan_changes_nothing_and_tells_the_price(planned):
    assert planned.changes == []
    assert len(planned.commands) > 30
    assert re.search(r"A month costs \$\d+\.\d\d", planned.said)


def test_apply_runs_what_was_planned_and_the_service_answers(guide, planned):
    applied = guide.follow("./deploy.sh apply")
    assert [plain(command) for command in applied.commands] == [plain(command) for command in planned.commands]
    for line in ("acp240: a file was encrypted and opened again", "opentdf: a data key was wrapped and released"):
        assert f"ok  {line}" in applied.said


def test_keys_are_as_asked_and_roles_are_on_them_alone(rehearsal):
    found = existing.keys(rehearsal.world)
    assert found == {
        f"{RING}/cryptoKeys/acp240": ("RSA_DECRYPT_OAEP_2048_SHA256", "HSM", ["ENABLED"]),
        f"{RING}/cryptoKeys/opentdf": ("RSA_DECRYPT_OAEP_2048_SHA1", "HSM", ["ENABLED"]),
        f"{RING}/cryptoKeys/seal": ("GOOGLE_SYMMETRIC_ENCRYPTION", "SOFTWARE", ["ENABLED"]),
    }
    secrets = {f"projects/my-project/secrets/kas-usa-{name}" for name in ("signing", "nonce", "ec")}
    assert existing.roles(rehearsal.world, ACCOUNT) == {
        *((f"{RING}/cryptoKeys/{key}", role) for key in ("acp240", "opentdf") for role in (DECRYPTER, VIEWER)),
        (f"{RING}/cryptoKeys/seal", DECRYPTER),
        *((secret, ACCESSOR) for secret in secrets),
    }
    assert ("projects/my-project", "roles/run.builder") in existing.roles(rehearsal.world, BUILDER)
    assert existing.secrets(rehearsal.world) == {f"kas-usa-{name}": ["ENABLED"] for name in ("signing", "nonce", "ec")}


def test_the_service_has_every_setting_and_limit_that_was_asked_for(rehearsal):
    world, asked = rehearsal.world, existing.asked_settings(rehearsal.checkout)
    own = {"KAS_ID", "KAS_PUBLIC_BASES", "KAS_KEYS", "KAS_NONCE_SECRET", "KAS_GCP_PROJECT", "KAS_TRUSTED_PROXY_HOPS"}
    deployed = existing.settings(world)
    own |= {"KAS_STATE_BACKEND", "THREADS", "KAS_KMS_PROTECTION_LEVEL", "KAS_INSTANCE_VCPU", "KAS_INSTANCE_MEMORY_MIB"}
    kept = asked.keys() - own
    assert {name: deployed.get(name) for name in kept} == {name: asked[name] for name in kept}
    assert (deployed["KAS_ID"], deployed["KAS_GCP_PROJECT"], deployed["THREADS"]) == ("kas-usa", "my-project", "32")
    assert (deployed["KAS_TRUSTED_PROXY_HOPS"], deployed["KAS_REWRAP_DPOP_NONCE"]) == ("0", "require")
    assert deployed["KAS_NONCE_SECRET"] == "sm://projects/my-project/secrets/kas-usa-nonce/versions/1"
    assert existing.key_index(world) == [
        ("usa-acp240-1", "active", ["acp240"]),
        ("usa-opentdf-1", "active", ["opentdf"]),
        ("usa-ec-1", "active", ["acp240", "opentdf"]),
    ]
    spec = existing.service(world)["spec"]["template"]["spec"]
    assert (spec["containerConcurrency"], spec["timeoutSeconds"]) == (32, 60)
    assert spec["serviceAccountName"] == ACCOUNT.removeprefix("serviceAccount:")
    annotations = existing.service(world)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/maxScale"] == "1"
    assert annotations.get("autoscaling.knative.dev/minScale", "0") == "0"
    assert existing.container(world)["resources"]["limits"]["cpu"] == "1"


def test_every_address_of_the_service_is_a_public_base_and_all_traffic_goes_to_the_newest(rehearsal):
    shown = json.loads(rehearsal.ok("gcloud run services describe kas-usa --region=us-central1 --format=json").said)
    urls = json.loads(shown["metadata"]["annotations"]["run.googleapis.com/urls"])
    bases = existing.settings(rehearsal.world)["KAS_PUBLIC_BASES"].split(",")
    assert set(urls) <= set(bases)
    (target,) = shown["status"]["traffic"]
    assert (target["percent"], target["revisionName"]) == (100, shown["status"]["latestReadyRevisionName"])
    for url in urls:
        assert '"status"' in rehearsal.ok(f"curl -fsS {url}/health").said


def test_what_was_uploaded_is_what_the_ignore_file_lets_through(rehearsal):
    uploaded = existing.uploaded(rehearsal.world)
    listed = rehearsal.ok("gcloud meta list-files-for-upload .").said.split()
    assert set(uploaded) == set(listed)
    assert {"main.py", "requirements.txt", "config/issuers.json"} <= set(uploaded)
    assert {name.partition("/")[0] for name in uploaded} == {"main.py", "requirements.txt", "kas", "config"}
    assert all(data == (rehearsal.checkout / name).read_bytes() for name, data in uploaded.items())


def test_what_watches_it_is_what_the_files_say(rehearsal):
    world, folder = rehearsal.world, rehearsal.checkout / "deploy"
    (channel,) = existing.made(world, "monitoring.projects.notificationChannels")
    assert channel["labels"] == {"email_address": "lead@example.com"}
    values = {"SERVICE": "kas-usa", "PROJECT": "my-project", "CHANNEL": channel["name"]}
    policies = {
        one["userLabels"]["kas_alert"]: one for one in existing.made(world, "monitoring.projects.alertPolicies")
    }
    files = {path.stem: path for path in (folder / "alerts").glob("*.json") if path.stem != "state"}
    assert policies.keys() == files.keys()
    for name, path in files.items():
        wanted = existing.asked(path, **values)
        assert existing.holds(policies[name], {"displayName": wanted["displayName"]}) == []
        assert policies[name]["notificationChannels"] == [channel["name"]]
        kinds = [[member for member in one if member.startswith("condition")] for one in policies[name]["conditions"]]
        assert kinds == [[member for member in one if member.startswith("condition")] for one in wanted["conditions"]]
    metrics = {one["name"]: one for one in existing.made(world, "logging.projects.metrics")}
    assert metrics.keys() == {path.stem for path in (folder / "metrics").glob("*.json")}
    for path in (folder / "metrics").glob("*.json"):
        wanted = json.loads(path.read_text("utf-8"))
        assert metrics[path.stem]["filter"] == wanted["filter"]
        assert existing.holds(metrics[path.stem]["metricDescriptor"], wanted["metricDescriptor"]) == []


def test_the_dashboard_and_the_uptime_check_are_there_once(rehearsal):
    world = rehearsal.world
    (dashboard,) = existing.made(world, "monitoring.projects.dashboards")
    wanted = json.loads((rehearsal.checkout / "deploy" / "dashboard.json").read_text("utf-8"))
    assert len(dashboard["mosaicLayout"]["tiles"]) == len(wanted["mosaicLayout"]["tiles"])
    assert "${" not in re.sub(r"\$\{[a-z_]+\}", "", json.dumps(dashboard))
    (check,) = existing.made(world, "monitoring.projects.uptimeCheckConfigs")
    assert check["period"] == "900s"
    assert (check["httpCheck"]["useSsl"], check["httpCheck"]["validateSsl"]) == (True, True)
    assert check["monitoredResource"]["labels"]["host"] == "kas-usa-123456789012.us-central1.run.app"
    assert check["userLabels"]["kas_service"] == "kas-usa"


def test_the_budget_tells_at_a_half_nine_tenths_and_all_of_it(rehearsal):
    (budget,) = existing.made(rehearsal.world, "billingbudgets.billingAccounts.budgets")
    assert budget["name"].startswith(f"billingAccounts/{BILLING_ACCOUNT}/")
    assert existing.holds(budget["amount"]["specifiedAmount"], {"currencyCode": "USD", "units": "20"}) == []
    assert [rule["thresholdPercent"] for rule in budget["thresholdRules"]] == [0.5, 0.9, 1.0]
    assert budget["budgetFilter"]["projects"] == ["projects/123456789012"]
    assert len(budget["notificationsRule"]["monitoringNotificationChannels"]) == 1


def test_every_use_of_a_key_is_logged_and_images_are_cleaned_up(rehearsal):
    assert existing.audit_configs(rehearsal.world) == {"cloudkms.googleapis.com": {"DATA_READ"}}
    (repository,) = existing.made(rehearsal.world, "artifactregistry.projects.locations.repositories")
    actions = {name: policy["action"] for name, policy in repository["cleanupPolicies"].items()}
    assert actions == {"keep-newest": "KEEP", "delete-old": "DELETE"}
    assert repository.get("cleanupPolicyDryRun", False) is False


def test_nothing_is_left_to_change(guide):
    for command in ("apply", "status", "smoke"):
        done = guide.follow(f"./deploy.sh {command}")
        assert (done.changes, done.commands) == ([], [])


def test_what_is_measured_is_what_the_service_has_logged(rehearsal):
    said = rehearsal.deploy("smoke --measure").said
    assert re.search(r"hit rate, repeats +100 %", said)
    assert re.search(r"failed +0 %", said)


def test_the_trail_holds_and_google_counts_the_same_decrypts(rehearsal):
    """The commands of `docs/api.md`, "The trail", on what the real gcloud reads."""
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    reads = re.findall(r"^    (gcloud logging read (?:[^\\\n]|\\\n)*)$", text, re.MULTILINE)
    assert len(reads) == 2
    rehearsal.ok("\n".join(reads))
    (rehearsal.checkout / "keys.json").write_text(existing.settings(rehearsal.world)["KAS_KEYS"], "utf-8")
    rehearsal.ok(f"curl -fsS {ADDRESS}/.well-known/jwks.json > jwks.json")
    said = rehearsal.ok(".venv/bin/python -m kas.audit verify --jwks jwks.json audit.json").said
    assert "fault" not in said
    said = rehearsal.ok(".venv/bin/python -m kas.audit reconcile --keys keys.json audit.json kms.json").said
    assert "surplus" not in said


# ---- Another version of it


def test_a_revision_waits_is_asked_and_gets_the_traffic(guide, rehearsal):
    before = existing.settings(rehearsal.world)
    done = guide.follow("MEMORY=1Gi ./deploy.sh apply --no-traffic", "./deploy.sh smoke --no-traffic")
    assert "https://candidate---kas-usa" in done.said
    kept = existing.service(rehearsal.world)
    assert kept["ready"] not in {one.get("revisionName") for one in kept["spec"]["traffic"] if one.get("percent")}
    guide.follow("./deploy.sh promote")
    assert existing.container(rehearsal.world)["resources"]["limits"]["memory"] == "1Gi"
    assert existing.settings(rehearsal.world)["KAS_KEYS"] == before["KAS_KEYS"]


def test_back_and_forward_again(guide, rehearsal):
    newest = existing.service(rehearsal.world)["ready"]
    guide.follow("./deploy.sh rollback")
    (target,) = [one for one in existing.service(rehearsal.world)["spec"]["traffic"] if one.get("percent")]
    assert target["revisionName"] not in {None, newest}
    assert "usa-acp240-1" in published(rehearsal)
    guide.follow("./deploy.sh promote --yes")
    (target,) = [one for one in existing.service(rehearsal.world)["spec"]["traffic"] if one.get("percent")]
    assert target.get("latestRevision") or target["revisionName"] == newest


# ---- Rotating


def test_a_rotated_key_is_published_and_the_old_one_still_opens(guide, rehearsal):
    guide.follow("./deploy.sh apply")
    done = guide.follow("./deploy.sh rotate-key acp240")
    assert existing.keys(rehearsal.world)[f"{RING}/cryptoKeys/acp240"][2] == ["ENABLED", "ENABLED"]
    assert ("usa-acp240-1", "decrypt-only", ["acp240"]) in existing.key_index(rehearsal.world)
    assert ("usa-acp240-2", "active", ["acp240"]) in existing.key_index(rehearsal.world)
    assert "ok  acp240: a file was encrypted and opened again" in done.said
    assert {"usa-acp240-2", "usa-opentdf-1", "usa-ec-1"} <= published(rehearsal)


def test_rotated_secrets_are_used_and_nothing_secret_was_printed(guide, rehearsal):
    done = guide.follow("./deploy.sh rotate-secrets")
    held = rehearsal.world.cloud.secrets.secrets["projects/my-project/secrets/kas-usa-nonce"]
    first, both, new = (version.data.decode("ascii") for version in held.versions.values())
    assert both == f"{new},{first}"
    deployed = existing.settings(rehearsal.world)
    assert deployed["KAS_NONCE_SECRET"].endswith("/kas-usa-nonce/versions/3")
    signing = json.loads(deployed["KAS_KEYS"])["signingKeys"]
    assert [(one["kid"], one["status"]) for one in signing] == [
        ("usa-signing-2", "current"),
        ("usa-signing-1", "previous"),
    ]
    assert not any(value in done.said for value in (first, new, "PRIVATE KEY"))


def test_going_back_is_refused_where_it_would_close_files(rehearsal):
    """Beyond the document: to a revision that does not know the new key, and that names nothing disabled."""
    names = [one["metadata"]["name"] for one in existing.made(rehearsal.world, "run.namespaces.revisions")]
    refused = rehearsal.run(f"./deploy.sh rollback {min(names)}")
    assert (refused.status, refused.changes) == (1, [])
    assert "usa-acp240-2" in refused.said


# ---- What it has cost; Several nations; Several instances; As a Cloud Function; TLS 1.3 and nothing older


def test_what_it_has_cost_is_told_and_other_ways_are_planned(guide):
    assert re.search(r"RSA_DECRYPT_OAEP_2048_SHA256", guide.follow("./deploy.sh cost").said)
    for command in (
        "./deploy.sh plan --nation fra",
        "PROFILE=shared ./deploy.sh plan",
        "PROFILE=shared STATE=redis ./deploy.sh plan",
        "SERVICE=kas-usa-fn ./deploy.sh plan --via functions",
        "DOMAIN=kas.example.org ./deploy.sh plan --tls13",
    ):
        done = guide.follow(command)
        assert done.changes == []
        assert done.commands


# ---- And back


def test_the_way_back_takes_everything_but_keys(guide, rehearsal):
    world, before = rehearsal.world, existing.keys(rehearsal.world)
    said = guide.follow("./deploy.sh destroy --yes --secrets").said
    assert existing.keys(world) == before
    assert existing.secrets(world) == {"kas-usa-ec": ["ENABLED"]}
    for kind in (
        "run.namespaces.services",
        "run.namespaces.revisions",
        "iam",
        "monitoring.projects.alertPolicies",
        "monitoring.projects.dashboards",
        "monitoring.projects.uptimeCheckConfigs",
        "monitoring.projects.notificationChannels",
        "logging.projects.metrics",
        "billingbudgets.billingAccounts.budgets",
    ):
        assert existing.made(world, kind) == [], kind
    assert existing.roles(world, ACCOUNT) == set()
    assert re.search(r"versions of the key acp240: 2 ENABLED", said)
    assert rehearsal.run(f"curl -fsS {ADDRESS}/health").status != 0


def test_the_document_has_no_more_commands(guide):
    assert list(guide.commands) == []
