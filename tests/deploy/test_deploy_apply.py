"""`apply`: what is there afterwards is what was asked for, and nothing more."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kas.config import Settings
from kas.keys.index import read_index
from tests.deploy.conftest import Deployment
from tests.deploy.recorder.call import Call
from tests.deploy.recorder.project import Project

ACCOUNT = "serviceAccount:kas-usa@my-project.iam.gserviceaccount.com"
KEYS = "projects/my-project/locations/us-central1/keyRings/kas-usa/cryptoKeys"


def settings_of(deployment: Deployment) -> Settings:
    """As the service reads them on Cloud Run; raises where it would not start."""

    def read_secrets(_endpoint, versions):
        places = {name: version.split("/") for name, version in versions.items()}
        return {name: deployment.project.secrets[place[3]][int(place[5])].encode() for name, place in places.items()}

    return Settings.from_environ({**deployment.environment, "K_SERVICE": "kas-usa"}, read_secrets)


def test_a_second_apply_changes_nothing(deployed):
    before = deployed.project.snapshot()
    again = deployed.ok("apply")
    assert again.changes == []
    assert "# 0 commands were run\n" in again.out
    assert deployed.project.snapshot() == before


def test_the_service_starts_on_the_settings_that_are_deployed(deployed):
    settings = settings_of(deployed)
    assert (settings.kas_id, settings.gcp_project, settings.mode) == ("kas-usa", "my-project", "production")
    assert (settings.rewrap_dpop_nonce, settings.trusted_proxy_hops) == ("require", 0)
    assert len(settings.nonce_secrets) == 1
    index = read_index(settings.keys, Path(), takes_files=False)
    assert [(entry.record.kid, entry.record.status, entry.record.is_remote) for entry in index.unwrap] == [
        ("usa-acp240-1", "active", True),
        ("usa-opentdf-1", "active", True),
        ("usa-ec-1", "active", False),
    ]
    assert [entry.kid for entry in index.signing] == ["usa-signing-1"]


def test_all_of_env_yaml_is_passed_on(deployed):
    lines = (deployed.tree / "env.yaml").read_text("utf-8").splitlines()
    pairs = dict(re.fullmatch(r"""(\w+): ["'](.*)["']""", line).groups() for line in lines if not line.startswith("#"))
    own = {
        *("KAS_ID", "KAS_PUBLIC_BASES", "KAS_KEYS", "KAS_NONCE_SECRET", "KAS_GCP_PROJECT", "KAS_TRUSTED_PROXY_HOPS"),
        *("KAS_KMS_PROTECTION_LEVEL", "KAS_INSTANCE_VCPU", "KAS_INSTANCE_MEMORY_MIB", "THREADS", "KAS_STATE_BACKEND"),
    }
    environment = deployed.environment
    assert environment.keys() == pairs.keys() | own
    assert {name: environment[name] for name in pairs.keys() - own} == {
        name: pairs[name] for name in pairs.keys() - own
    }


def test_every_address_of_the_service_is_one_of_its_public_bases(deployed):
    hosts = ["kas-usa-123456789012.us-central1.run.app", "kas-usa-abcdefghij-uc.a.run.app"]
    bases = deployed.environment["KAS_PUBLIC_BASES"].split(",")
    assert bases == [f"https://{host}" for host in [*hosts, *(f"candidate---{host}" for host in hosts)]]


def test_what_the_service_starts_with_is_explicit(deployed):
    spec, own = deployed.service["spec"]["template"]["spec"], deployed.service["metadata"]["annotations"]
    assert (spec["containerConcurrency"], spec["timeoutSeconds"]) == (32, 60)
    assert deployed.environment["THREADS"] == "32"
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "640Mi"}
    assert f"serviceAccount:{spec['serviceAccountName']}" == ACCOUNT
    assert deployed.service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == "1"
    assert own["run.googleapis.com/ingress"] == "all"
    (deploy,) = [call for call in deployed.recorder.changes if "deploy" in call.argv]
    assert {"cpu-boost", "no-invoker-iam-check", "no-session-affinity", "cpu-throttling"} <= deploy.flags.keys()
    assert (deploy.flags["function"], deploy.flags["base-image"], deploy.flags["min-instances"]) == (
        "kas",
        "python313",
        "0",
    )


def test_the_account_has_its_roles_on_keys_and_secrets_and_none_on_the_project(deployed):
    given = {
        (place, binding["role"].removeprefix("roles/"))
        for place, policy in deployed.project.policies.items()
        for binding in policy["bindings"]
        if ACCOUNT in binding["members"]
    }
    access = "secretmanager.secretAccessor"
    assert given == {
        *((f"kms keys/{key}", "cloudkms.cryptoKeyDecrypter") for key in ("acp240", "opentdf", "seal")),
        *((f"kms keys/{key}", "cloudkms.publicKeyViewer") for key in ("acp240", "opentdf")),
        *((f"secrets/kas-usa-{secret}", access) for secret in ("signing", "nonce", "ec")),
    }


def test_each_dialect_has_a_key_with_its_hash(deployed):
    templates = {name: key["template"] for name, key in deployed.project.kind("kms keys").items()}
    assert templates == {
        "acp240": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA256", "protectionLevel": "HSM"},
        "opentdf": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA1", "protectionLevel": "HSM"},
        "seal": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "SOFTWARE"},
    }


def test_one_dialect_alone_without_a_sealed_key(deployment):
    deployment.ok("apply", DIALECTS="acp240", SEALED_EC="no", PROTECTION="software", KEY_ALGORITHM="rsa-4096")
    assert list(deployment.project.kind("kms keys")) == ["acp240"]
    settings = settings_of(deployment)
    (entry,) = json.loads(settings.keys)["unwrapKeys"]
    assert (entry["kid"], entry["algorithm"], entry["dialects"]) == ("usa-acp240-1", "RSA-4096", ["acp240"])
    assert settings.kms_protection_level == "SOFTWARE"
    assert list(deployment.project.kind("secrets")) == ["kas-usa-signing", "kas-usa-nonce"]


def test_the_secrets_are_keys_that_the_service_takes(deployed):
    signing = load_pem_private_key(deployed.project.secrets["kas-usa-signing"][1].encode(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    assert signing.curve.name == "secp256r1"
    nonce = deployed.project.secrets["kas-usa-nonce"][1]
    assert len(base64.urlsafe_b64decode(f"{nonce}=")) == 32


def secret_texts(project: Project) -> set[str]:
    """Every line of every secret that is long enough to be told from anything else."""
    values = [value for versions in project.secrets.values() for value in versions.values()]
    lines = {line for value in values for line in re.split(r"[\n,]", value)}
    return {line for line in lines if len(line) > 30 and not line.startswith("-----")}


def test_no_secret_is_on_a_command_line_in_the_output_or_in_a_file(deployment):
    runs = [
        deployment.ok("apply"),
        deployment.ok("rotate-key", "acp240"),
        deployment.ok("rotate-secrets"),
        deployment.ok("rollback", "--yes"),
        deployment.ok("status"),
    ]
    texts = secret_texts(deployment.project)
    assert len(texts) >= 8
    files = [path.read_bytes().decode("utf-8", "replace") for path in deployment.folder.rglob("*") if path.is_file()]
    seen = [*files, *(run.out + run.err for run in runs), *(call.line() for run in runs for call in run.calls)]
    assert [text for text in texts for place in seen if text in place] == []


def test_a_trace_of_the_shell_shows_no_secret(deployment):
    done = deployment.ok("apply", through=("bash", "-x"))
    texts = secret_texts(deployment.project)
    assert len(texts) >= 4
    assert "+ change_with" in done.err
    assert [text for text in texts if text in done.err] == []


def test_secrets_are_sent_by_standard_input(deployed):
    sent = {call.words[2]: call.stdin for call in deployed.recorder.changes if call.flags.get("data-file") == "-"}
    assert sent.keys() == {"kas-usa-signing", "kas-usa-nonce"}
    assert sent["kas-usa-signing"].startswith("-----BEGIN PRIVATE KEY-----")


def test_a_key_in_an_hsm_is_waited_for(deployment):
    deployment.project.pending = 3
    done = deployment.ok("apply")
    assert done.out.count("  waiting for version 1 of the key acp240\n") == 2
    assert json.loads(deployment.environment["KAS_KEYS"])["unwrapKeys"][0]["kid"] == "usa-acp240-1"


def test_a_key_that_google_cannot_make_ends_it(deployment):
    def spoil(call: Call) -> None:
        for key in deployment.project.kind("kms keys").values():
            key["versions"][0]["state"] = "GENERATION_FAILED"

    deployment.recorder.fail = spoil
    done = deployment.run("apply")
    assert done.status == 1
    assert "Google could not make version 1 of the key acp240" in done.err


def test_the_audit_log_of_keys_is_added_to_what_the_project_has(deployed):
    project = deployed.project.policies["project"]
    theirs = {
        "service": "allServices",
        "auditLogConfigs": [{"logType": "ADMIN_READ", "exemptedMembers": ["user:x@example.com"]}],
    }
    own = {"service": "cloudkms.googleapis.com", "auditLogConfigs": [{"logType": "DATA_WRITE"}]}
    project["auditConfigs"] = [theirs, own]
    project["bindings"].append({"role": "roles/viewer", "members": ["user:y@example.com"], "condition": {"title": "t"}})
    deployed.ok("apply")
    after = deployed.project.policies["project"]
    assert after["auditConfigs"] == [
        theirs,
        {**own, "auditLogConfigs": [{"logType": "DATA_WRITE"}, {"logType": "DATA_READ"}]},
    ]
    assert {"role": "roles/viewer", "members": ["user:y@example.com"], "condition": {"title": "t"}} in after["bindings"]
    assert {"role": "roles/owner", "members": ["user:admin@example.com"]} in after["bindings"]


def test_nobody_stays_exempted_from_the_audit_log_of_keys(deployed):
    exempted = [{"logType": "DATA_READ", "exemptedMembers": ["user:x@example.com"]}]
    deployed.project.policies["project"]["auditConfigs"] = [
        {"service": "cloudkms.googleapis.com", "auditLogConfigs": exempted}
    ]
    deployed.ok("apply")
    (config,) = deployed.project.policies["project"]["auditConfigs"]
    assert config["auditLogConfigs"] == [{"logType": "DATA_READ"}]


def test_a_change_of_the_projects_policy_meanwhile_wins(deployed):
    """What was read before it is refused, and running again adds to what is there then."""

    def meanwhile(call: Call) -> None:
        if "set-iam-policy" in call.argv:
            policy = deployed.project.policies["project"]
            policy["bindings"].append({"role": "roles/viewer", "members": ["user:new@example.com"]})
            policy["etag"] = "BwXotherh0wA="
            deployed.recorder.fail = lambda _: None

    del deployed.project.policies["project"]["auditConfigs"]
    deployed.recorder.fail = meanwhile
    done = deployed.run("apply")
    assert done.status == 1
    assert "concurrent policy changes" in done.err
    deployed.ok("apply")
    assert any(one["role"] == "roles/viewer" for one in deployed.project.policies["project"]["bindings"])


def test_other_settings_are_deployed_without_building_again(deployed):
    settings = {"MEMORY": "1Gi", "THREADS": "16", "CPU": "2"}
    changes = deployed.ok("apply", **settings).changes
    assert [call.words[:3] for call in changes if call.words[0] == "run"] == [
        ["run", "services", "update"],
        ["run", "services", "update-traffic"],
    ]
    flags = changes[0].flags
    assert (flags["memory"], flags["concurrency"], flags["cpu"]) == ("1Gi", "16", "2")
    assert deployed.ok("apply", **settings).changes == []


def test_what_was_changed_elsewhere_is_set_right(deployed):
    deployed.service["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "false"
    deployed.service["spec"]["template"]["spec"]["containerConcurrency"] = 80
    deployed.service["spec"]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "KAS_METRICS_X", "value": "on"}
    )
    changes = deployed.ok("apply").changes
    assert [call.words[2] for call in changes] == ["update", "update-traffic"]
    assert deployed.service["spec"]["template"]["spec"]["containerConcurrency"] == 32
    assert "KAS_METRICS_X" not in deployed.environment


def test_another_source_is_built_and_gets_the_traffic_when_it_has_started(deployed):
    deployed.project.more_files = ["env.yaml"]
    changes = deployed.ok("apply").changes
    assert [call.words[1] for call in changes] == ["deploy", "services"]
    assert {"no-traffic", "tag"} <= changes[0].flags.keys()
    assert changes[1].flags["remove-tags"] == "candidate"
    assert deployed.service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def test_a_file_that_a_setting_names_and_that_is_not_sent_is_refused(deployment):
    text = (deployment.tree / "env.yaml").read_text("utf-8").replace("config/issuers.json", "config/labels.json")
    (deployment.folder / "env.yaml").write_text(text, "utf-8")
    done = deployment.run("apply", ENV_FILE=str(deployment.folder / "env.yaml"))
    assert done.status == 1
    assert "KAS_ISSUERS_PATH names config/labels.json, which is not there or which .gcloudignore does not" in done.err
    assert "run services" not in " ".join(call.line() for call in done.changes)
