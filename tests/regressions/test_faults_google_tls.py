"""Fault 20 of earlier systems: TLS verification that depended on a CA being configured. Cloud KMS and Secret Manager.

What each transport does with a certificate is in `tests/kms/test_transports_life.py`; here it is the deployed service.
"""

from __future__ import annotations

import pytest

from local.google_world import make_project
from local.processes import StartFailed
from tests.attacks.rewrap_answers import kao_refused
from tests.interop.production import running_production
from tests.kit import refused
from tests.kms.google_kit import in_cloud_kms_alone, knowing

# With the authority of the test configured, the stranger is one of another; with the system's alone, whoever is ours.
CONFIGURED = {"strangers": ["kms", "secrets"]}
NOT_CONFIGURED = {"SSL_CERT_FILE": ""}


def refused_start(folder, **options) -> str:
    """The last line that the KAS says."""
    with pytest.raises(StartFailed, match="the KAS ended while starting"), running_production(folder, **options):
        raise AssertionError("it has started")
    return (folder / "stderr").read_text("utf-8").splitlines()[-1]


@pytest.mark.parametrize("options", [CONFIGURED, NOT_CONFIGURED], ids=["configured", "not configured"])
def test_fault_20_a_secret_manager_without_a_good_certificate_is_not_believed(tmp_path, options):
    """Neither with an authority configured nor without: no secret is read, and the service does not start."""
    said = refused_start(tmp_path, **options)
    assert "does not start: KAS_NONCE_SECRET: " in said
    assert "UNAVAILABLE" in said


def test_fault_20_a_sealed_key_is_not_sent_to_a_cloud_kms_without_a_good_certificate(tmp_path):
    assert "unwrapKeys[2].sealed: " in refused_start(tmp_path, strangers=["kms"])


def test_fault_20_a_wrapped_key_is_not_sent_to_a_cloud_kms_without_a_good_certificate(tmp_path):
    """Nor is its public key published, on any attempt; secrets, from whom they should be, were read."""
    keys = in_cloud_kms_alone(make_project(tmp_path / "google"))
    with running_production(tmp_path, strangers=["kms"], KAS_KEYS=keys) as production:
        client = knowing(production.client, make_project(tmp_path / "google"))
        for _ in range(2):
            kao_refused(client.attempt(), "key_unavailable", 503)
        answer = client.http("GET", f"{client.base}/.well-known/jwks.json")
        refused(answer, 503, "unavailable", "key_unavailable")
        asked = {row["method"] for row in production.google.control.operations()}
        assert asked == {"AccessSecretVersion", "GetAccessToken"}
