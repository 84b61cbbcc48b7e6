"""The stand-in refuses what Google refuses, as gcloud shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import ROOT

SERVICES = "run artifactregistry iam cloudbuild cloudkms billingbudgets compute"
MEMBER = "--member=serviceAccount:nobody@my-project.iam.gserviceaccount.com --role=roles/viewer"
POLICY = {
    "displayName": "a",
    "combiner": "OR",
    "conditions": [
        {
            "displayName": "c",
            "conditionThreshold": {
                "filter": 'metric.type="logging.googleapis.com/user/none" resource.type="cloud_run_revision"',
                "comparison": "COMPARISON_GT",
                "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_DELTA"}],
            },
        }
    ],
}


@pytest.fixture(scope="module")
def project(rehearsal):
    """One in which the interfaces are enabled, after one of them has refused."""
    refused = rehearsal.run("gcloud kms keyrings list --location=us-central1")
    assert refused.status == 1
    assert "SERVICE_DISABLED" in refused.said
    rehearsal.ok("gcloud services enable " + " ".join(f"{name}.googleapis.com" for name in SERVICES.split()))
    return rehearsal


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("gcloud projects describe another-project", "does not have permission"),
        ("gcloud services enable nothing.googleapis.com", "not found or permission denied"),
        (f"gcloud projects add-iam-policy-binding my-project {MEMBER} --condition=None", "does not exist"),
        ("gcloud iam service-accounts create kas", "between 6 and 30|6 to 30"),
        ("gcloud logging metrics create a --log-filter=''", "filter"),
        ("gcloud compute backend-services describe none --global", "was not found"),
        ("gcloud run services describe none --region=us-central1", "Cannot find service"),
        ("gcloud artifacts repositories describe none --location=us-central1", "not found"),
        (
            "gcloud billing budgets create --billing-account=000000-000000-000000 --display-name=a --budget-amount=1USD",
            "permission",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(project, command, reason):
    done = project.run(command)
    assert done.status != 0
    assert any(part.lower() in done.said.lower() for part in reason.split("|")), done.said


def test_an_alert_on_a_metric_that_there_is_not_is_refused(project):
    (project.checkout / "policy.json").write_text(json.dumps(POLICY), "utf-8")
    done = project.run("gcloud alpha monitoring policies create --policy-from-file=policy.json")
    assert (done.status, "Cannot find metric" in done.said) == (1, True)


def test_a_member_that_the_interface_does_not_have_is_refused_by_its_name(project):
    """Past gcloud, which would refuse it itself."""
    done = project.run(
        "curl -sS -H \"Authorization: Bearer $(gcloud auth print-access-token)\" -H 'Content-Type: application/json' "
        '-d \'{"displayName": "a", "tiles": []}\' https://monitoring.googleapis.com/v1/projects/my-project/dashboards'
    )
    assert 'Unknown name \\"tiles\\"' in done.said


def test_a_deleted_account_leaves_roles_that_its_successor_does_not_get(project):
    member = "--member=serviceAccount:kas-old@my-project.iam.gserviceaccount.com --role=roles/logging.logWriter"
    project.ok("gcloud iam service-accounts create kas-old")
    project.ok(f"gcloud projects add-iam-policy-binding my-project {member} --condition=None")
    project.ok("gcloud iam service-accounts delete kas-old@my-project.iam.gserviceaccount.com")
    project.ok("gcloud iam service-accounts create kas-old")
    said = project.ok("gcloud projects get-iam-policy my-project").said
    assert "deleted:serviceAccount:kas-old@my-project.iam.gserviceaccount.com?uid=" in said
    assert "- serviceAccount:kas-old@" not in said


SHELL = [sys.executable, "-m", "local.rehearsal"]


def test_a_shell_of_its_own_has_somebody_who_owns_an_empty_project_and_leaves_nothing(tmp_path):
    ask = (
        "gcloud config get-value account; gcloud projects get-iam-policy my-project; cat config/issuers.json; echo; pwd"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([*SHELL, "bash", "-c", ask], cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0], Path(lines[-1]).name) == (0, "lead@example.com", "checkout")
    assert "- user:lead@example.com\n  role: roles/owner" in done.stdout
    assert '"issuer": "https://idp.example"' in done.stdout
    assert Path(lines[-1]).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_shell_that_is_ended_from_outside_leaves_nothing(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [*SHELL, "bash", "-c", "echo there; exec sleep 600"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == "there\n"
        (folder,) = tmp_path.iterdir()
        shell.terminate()
        assert shell.wait(60) == 143
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if bytes(folder) in environment_of(path)]


def environment_of(path):
    try:
        return path.read_bytes()
    except OSError:  # somebody else's, or it has ended
        return b""


def test_what_is_not_stood_in_for_is_remembered(rehearsal):
    """And fails the rehearsal: `run` asserts that there is no such thing."""
    with pytest.raises(AssertionError, match="not stood in for"):
        rehearsal.run("gcloud pubsub topics list")
    rehearsal.stage.proxy.refused.clear()
    with pytest.raises(AssertionError, match="looked for elsewhere"):
        rehearsal.run("curl -sS https://example.org/")
    assert rehearsal.stage.proxy.refused == ["example.org:443"]
    rehearsal.stage.proxy.refused.clear()
