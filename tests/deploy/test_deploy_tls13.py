"""TLS 1.3 alone: a load balancer with such a policy, and no way round it; and who is believed about addresses."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.env_file import Refused
from deploy.safety import check
from tests.deploy.conftest import ROOT, Deployment
from tests.deploy.google_http import Google, google_http
from tests.deploy.recorder.call import Call
from tests.deploy.recorder.project import Project
from tests.deploy.recorder.server import Recorder, recording
from tests.deploy.test_deploy_failures import Once, until_done

DOMAIN = "kas.example.org"
PARTS = {
    *("compute addresses", "compute network-endpoint-groups", "compute backend-services", "compute url-maps"),
    *("compute ssl-certificates", "compute target-https-proxies", "compute forwarding-rules"),
}


@pytest.fixture
def google() -> Iterator[Google]:
    with google_http() as google:
        yield google


@pytest.fixture(scope="module")
def finished_closed(tree, tmp_path_factory) -> tuple[Recorder, Google]:
    """A deployment behind a load balancer, whose certificate is ready. Nobody changes it."""
    with recording(Project()) as recorder, google_http() as google:
        deployment = Deployment(
            tree, tmp_path_factory.mktemp("closed"), recorder, {"DOMAIN": DOMAIN, **google.settings}
        )
        deployment.ok("apply", "--tls13")
    recorder.project.kind("compute ssl-certificates")["kas-usa"]["managed"] = {"status": "ACTIVE"}
    return recorder, google


@pytest.fixture
def closed(deployment, google, finished_closed) -> Deployment:
    """One like it, to go on with."""
    recorder, before = finished_closed
    deployment.recorder.project, deployment.recorder.calls = copy.deepcopy(recorder.project), list(recorder.calls)
    google.policies, google.seen = copy.deepcopy(before.policies), list(before.seen)
    deployment.settings |= {"DOMAIN": DOMAIN, **google.settings}
    return deployment


def ingress(deployment: Deployment) -> tuple[str, str, str]:
    own = deployment.service["metadata"]["annotations"]
    hops = deployment.environment["KAS_TRUSTED_PROXY_HOPS"]
    return hops, own["run.googleapis.com/ingress"], own.get("run.googleapis.com/default-url-disabled", "False")


def test_tls13_sets_up_a_load_balancer_that_takes_nothing_older(closed, google):
    assert google.policies["kas-usa"]["minTlsVersion"] == "TLS_1_3"
    assert google.policies["kas-usa"]["profile"] == "RESTRICTED"
    assert {kind for kind in PARTS if closed.project.kind(kind)} == PARTS
    proxy = closed.project.kind("compute target-https-proxies")["kas-usa"]
    assert (proxy["ssl-policy"], proxy["ssl-certificates"], proxy["url-map"]) == ("kas-usa", "kas-usa", "kas-usa")
    assert closed.project.kind("compute forwarding-rules")["kas-usa"]["ports"] == "443"
    assert closed.project.kind("compute ssl-certificates")["kas-usa"]["domains"] == DOMAIN
    assert closed.ok("apply", "--tls13").changes == []


def test_its_price_is_printed_and_in_the_monthly_cost(deployment, google):
    plan = deployment.ok("plan", "--tls13", DOMAIN=DOMAIN, **google.settings)
    assert "# a load balancer is $18.25 a month, whatever is asked of it" in plan.out
    assert re.search(r"#   Load balancer .* 18\.25", plan.out)
    assert plan.changes == []
    assert google.policies == {}


def test_the_token_for_the_policy_is_on_no_command_line(closed, google):
    assert {token for _, token in google.seen} == {"Bearer canary-access-token"}
    assert [call.line() for call in closed.recorder.calls if "canary" in call.line()] == []


def test_a_policy_that_takes_older_versions_is_changed(closed, google):
    google.policies["kas-usa"]["minTlsVersion"] = "TLS_1_2"
    assert "python3 -m deploy.ssl_policy make my-project kas-usa" in closed.ok("apply", "--tls13").shown
    assert google.policies["kas-usa"]["minTlsVersion"] == "TLS_1_3"


def test_a_policy_that_google_refuses_ends_it(closed, google):
    google.refusal = 403, {"error": {"status": "PERMISSION_DENIED"}}
    done = closed.run("apply", "--tls13")
    assert done.status == 1
    assert 'the step "load balancer for TLS 1.3" failed' in done.err
    assert "PERMISSION_DENIED" in done.err


def test_until_the_certificate_is_there_it_says_what_to_do_and_asks_nothing(deployment, google):
    done = deployment.ok("apply", "--tls13", DOMAIN=DOMAIN, **google.settings)
    assert f"point {DOMAIN} at" in done.out
    assert not any("deploy.smoke" in call.argv for call in done.calls)


def test_the_smoke_test_asks_by_the_domain_and_that_the_direct_address_leads_nowhere(closed):
    (smoke,) = [call for call in closed.ok("smoke", "--tls13").calls if "deploy.smoke" in call.argv]
    assert smoke.argv[2] == f"https://{DOMAIN}"
    assert smoke.flags["closed"] == "https://kas-usa-123456789012.us-central1.run.app"


def test_destroy_removes_the_load_balancer(closed, google):
    closed.project.kind("compute ssl-policies")["kas-usa"] = {"name": "kas-usa"}
    closed.ok("destroy", "--yes")
    assert [kind for kind in [*PARTS, "compute ssl-policies"] if closed.project.kind(kind)] == []


# ---- L6: hops above 0 while the direct address is open


def test_attack_l06_behind_the_load_balancer_alone_one_hop_is_believed_and_the_direct_address_is_off(closed):
    assert ingress(closed) == ("1", "internal-and-cloud-load-balancing", "True")
    assert closed.environment["KAS_PUBLIC_BASES"] == f"https://{DOMAIN}"
    deploys = [call for call in closed.recorder.changes if call.words[:2] == ["run", "deploy"]]
    assert [call.argv[0] for call in deploys] == ["beta"], "only there is the flag known"


def test_attack_l06_with_the_direct_address_open_no_hop_is_believed(deployed):
    assert ingress(deployed) == ("0", "all", "False")


@pytest.mark.parametrize("hops", ["1", "2", "3"])
def test_attack_l06_hops_above_zero_while_the_direct_address_is_open_are_refused(deployment, hops):
    text = (deployment.tree / "env.yaml").read_text("utf-8")
    text = text.replace('KAS_TRUSTED_PROXY_HOPS: "0"', f'KAS_TRUSTED_PROXY_HOPS: "{hops}"')
    (deployment.folder / "env.yaml").write_text(text, "utf-8")
    for verb in ("plan", "apply"):
        done = deployment.run(verb, ENV_FILE=str(deployment.folder / "env.yaml"))
        assert (done.status, done.calls) == (2, [])
        assert f"KAS_TRUSTED_PROXY_HOPS is {hops}: above 0 callers would choose the address" in done.err


def test_attack_l06_more_hops_than_the_load_balancer_is_are_refused(deployment, google):
    text = (deployment.tree / "env.yaml").read_text("utf-8")
    text = text.replace('KAS_TRUSTED_PROXY_HOPS: "0"', 'KAS_TRUSTED_PROXY_HOPS: "2"')
    (deployment.folder / "env.yaml").write_text(text, "utf-8")
    done = deployment.run("plan", "--tls13", DOMAIN=DOMAIN, ENV_FILE=str(deployment.folder / "env.yaml"))
    assert (done.status, done.calls) == (2, [])


def test_attack_l06_a_function_whose_address_cannot_be_switched_off_is_refused(deployment):
    done = deployment.run("plan", "--tls13", "--via", "functions", DOMAIN=DOMAIN)
    assert (done.status, done.calls) == (2, [])
    assert "--tls13 needs --via run" in done.err


def test_attack_l06_a_direct_address_that_was_opened_since_is_closed_again(closed):
    closed.service["metadata"]["annotations"]["run.googleapis.com/ingress"] = "all"
    closed.service["metadata"]["annotations"]["run.googleapis.com/default-url-disabled"] = "false"
    closed.ok("apply", "--tls13")
    assert ingress(closed) == ("1", "internal-and-cloud-load-balancing", "True")


def test_attack_l06_who_opens_the_direct_address_again_believes_no_hop_any_more(closed):
    closed.ok("apply")
    assert ingress(closed) == ("0", "all", "False")
    updates = [call for call in closed.recorder.changes if call.words[:3] == ["run", "services", "update"]]
    assert ["default-url" in update.flags for update in updates] == [False, True]
    assert closed.ok("apply").changes == []


def exposed(deployment: Deployment) -> list[str]:
    """Revisions that callers can reach directly, and that believe them."""
    if ingress(deployment)[1:] == ("internal-and-cloud-load-balancing", "True"):
        return []
    revisions = deployment.project.kind("revisions")
    reached = {
        one["revisionName"]
        for one in deployment.service["status"]["traffic"]
        if one["revisionName"] in revisions and (one.get("percent") or "tag" in one)
    }
    return [name for name in reached if hops_of(revisions[name]) != "0"]


def hops_of(revision: dict[str, Any]) -> str:
    listed = revision["spec"]["containers"][0]["env"]
    return next(one["value"] for one in listed if one["name"] == "KAS_TRUSTED_PROXY_HOPS")


def test_attack_l06_no_moment_between_closed_and_open_has_a_believing_revision_reached_directly(closed):
    closed.ok("apply", "--tls13", "--no-traffic", MEMORY="1Gi")
    once, seen = Once(0), []

    def watch(call: Call) -> str | None:
        seen.append(exposed(closed))
        return once(call)

    closed.recorder.fail = watch
    until_done(closed, "apply")
    assert ingress(closed) == ("0", "all", "False")
    until_done(closed, "apply", "--tls13")
    assert ingress(closed) == ("1", "internal-and-cloud-load-balancing", "True")
    assert len(seen) > 50
    assert [names for names in seen if names] == []


def test_attack_l06_opening_breaks_off_before_the_traffic_moved_and_goes_on_with_that(closed):
    """The setting is right by then, in a revision that does not serve."""
    closed.recorder.fail = lambda call: "before" if "update-traffic" in call.argv else None
    assert closed.run("apply").status == 1
    seen = []
    closed.recorder.fail = lambda _: seen.append(exposed(closed))
    closed.ok("apply")
    assert ingress(closed) == ("0", "all", "False")
    assert [names for names in seen if names] == []


@pytest.mark.parametrize("source", [[], ["env.yaml"]])
def test_attack_l06_who_may_reach_it_does_not_change_without_traffic(closed, source):
    closed.project.more_files = source
    done = closed.run("apply", "--no-traffic")
    assert done.status == 1
    assert "who may reach kas-usa would change at once" in done.err
    assert not any(call.words[0] == "run" for call in done.changes)


def test_attack_l06_closing_without_traffic_would_cut_off_who_calls_the_direct_address(deployed, google):
    done = deployed.run("apply", "--tls13", "--no-traffic", DOMAIN=DOMAIN, **google.settings)
    assert done.status == 1
    assert "who may reach kas-usa would change at once" in done.err


def test_attack_l06_a_plan_shows_both_steps_of_opening(closed):
    shown = [line for line in closed.ok("plan").shown if " run " in line]
    assert [re.findall(r"--(?:no-)?default-url|update-traffic", line) for line in shown] == [
        ["--no-default-url"],
        ["update-traffic"],
        ["--default-url"],
        ["update-traffic"],
    ]


def test_attack_l06_no_rollback_to_a_revision_that_believes_a_proxy_while_the_direct_address_is_open(closed):
    believing = closed.service["status"]["latestReadyRevisionName"]
    closed.ok("apply")
    done = closed.run("rollback", "--yes", believing)
    assert (done.status, done.changes) == (1, [])
    assert f"{believing} would believe 1 trusted proxies with ingress all and the direct address on" in done.err
    closed.ok("rollback")
    assert exposed(closed) == []


def test_attack_l06_no_rollback_to_a_revision_that_counts_all_as_the_load_balancer(deployed, google):
    deployed.ok("apply", "--tls13", DOMAIN=DOMAIN, **google.settings)
    done = deployed.run("rollback", "--yes")
    assert (done.status, done.changes) == (1, [])
    assert "would believe 0 trusted proxies with ingress internal-and-cloud-load-balancing" in done.err


def test_attack_l06_no_promotion_of_a_revision_that_believes_a_proxy_while_the_direct_address_is_open(closed):
    closed.ok("apply", "--tls13", "--no-traffic", MEMORY="1Gi")
    closed.service["metadata"]["annotations"]["run.googleapis.com/default-url-disabled"] = "false"
    done = closed.run("promote", "--yes")
    assert (done.status, done.changes) == (1, [])
    assert "would believe 1 trusted proxies" in done.err


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("ingress_", ["all", "internal", "internal-and-cloud-load-balancing"])
@pytest.mark.parametrize("default_url", ["yes", "no"])
def test_attack_l06_of_all_ways_two_are_consistent(monkeypatch, hops, ingress_, default_url):
    monkeypatch.chdir(ROOT)
    is_closed = (ingress_, default_url) == ("internal-and-cloud-load-balancing", "no")
    options = {
        "hops": str(hops),
        "ingress": ingress_,
        "default_url": default_url,
        "state": "memory",
        "max_instances": "1",
    }
    settings = {"KAS_ISSUERS_PATH": "env.yaml"}  # any file that is there
    if hops == (1 if is_closed else 0):
        check(settings, options)
    else:
        with pytest.raises(Refused, match="trusted proxies with ingress"):
            check(settings, options)
