"""With a load balancer before it, that speaks TLS 1.3 and nothing older."""

from __future__ import annotations

import pytest

from local.rehearsal.compute import KIND
from tests.rehearsal import existing

DOMAIN = "kas.example.org"
PARTS = {
    "addresses",
    "networkEndpointGroups",
    "backendServices",
    "urlMaps",
    "sslCertificates",
    "sslPolicies",
    "targetHttpsProxies",
    "forwardingRules",
}


@pytest.fixture(scope="module")
def applied(rehearsal):
    """As long as nobody has pointed the name at the address there is no certificate, and no smoke test."""
    return rehearsal.deploy("apply --tls13", DOMAIN=DOMAIN)


def test_every_part_is_made_and_its_price_told(rehearsal, applied):
    assert "$18.25" in applied.said
    assert "203.0.113.80" in applied.said
    assert {name.split("/")[-2] for name in rehearsal.world.resources.all(KIND)} == PARTS
    (policy,) = [part for name, part in rehearsal.world.resources.all(KIND).items() if "/sslPolicies/" in name]
    assert (policy["minTlsVersion"], policy["profile"]) == ("TLS_1_3", "RESTRICTED")


def test_the_direct_addresses_are_closed_and_one_more_hop_is_trusted(rehearsal):
    settings = existing.settings(rehearsal.world)
    assert (settings["KAS_TRUSTED_PROXY_HOPS"], settings["KAS_PUBLIC_BASES"]) == ("1", f"https://{DOMAIN}")
    annotations = existing.service(rehearsal.world)["metadata"]["annotations"]
    assert annotations["run.googleapis.com/ingress"] == "internal-and-cloud-load-balancing"
    assert annotations["run.googleapis.com/default-url-disabled"].lower() == "true"
    refused = rehearsal.run("curl -fsS https://kas-usa-123456789012.us-central1.run.app/health")
    assert (refused.status, "404" in refused.said) == (22, True)


def test_again_it_changes_nothing(rehearsal):
    done = rehearsal.deploy("apply --tls13", DOMAIN=DOMAIN)
    assert (done.changes, done.commands) == ([], [])


def test_once_there_is_a_certificate_it_answers_with_tls_1_3_alone(rehearsal):
    for name, part in rehearsal.world.resources.all(KIND).items():
        if "/sslCertificates/" in name:
            part["managed"]["status"] = "ACTIVE"
    said = rehearsal.deploy("smoke --tls13", DOMAIN=DOMAIN).said
    assert "ok  acp240: a file was encrypted and opened again" in said
    assert "leads nowhere" in said
    rehearsal.ok(f"curl -fsS --tlsv1.3 https://{DOMAIN}/health")
    assert rehearsal.run(f"curl -fsS --tls-max 1.2 https://{DOMAIN}/health").status == 35


def test_the_way_back_removes_every_part(rehearsal):
    rehearsal.deploy("destroy --yes --tls13", DOMAIN=DOMAIN)
    assert rehearsal.world.resources.all(KIND) == {}
