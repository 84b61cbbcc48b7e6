"""Google refuses in the middle, or what was deployed does not start: it says which step, and the next run goes on from
there to the same end.
"""

from __future__ import annotations

from local.google.faults import Fault
from tests.rehearsal import existing
from tests.rehearsal.existing import RING

NO_METRIC = "monitoring.projects.alertPolicies.create"


def failing(rehearsal, step: str):
    """An apply that fails in this step."""
    done = rehearsal.run("./deploy.sh apply")
    assert done.status == 1
    assert f'the step "{step}" failed' in done.said
    return done


def test_a_refusal_is_told_with_googles_reason_and_nothing_is_made_twice(rehearsal):
    rehearsal.world.cloud.faults.add(Fault(kind="error", method="CreateCryptoKey", status="PERMISSION_DENIED", skip=1))
    done = failing(rehearsal, "keys")
    assert "Injected: PERMISSION_DENIED" in done.said
    assert list(existing.keys(rehearsal.world)) == [f"{RING}/cryptoKeys/acp240"]


def test_a_service_that_does_not_start_gets_no_traffic_and_the_next_source_does(rehearsal):
    issuers = rehearsal.checkout / "config" / "issuers.json"
    good = issuers.read_text("utf-8")
    issuers.write_text("{", "utf-8")
    done = failing(rehearsal, "the function")
    assert "failed to start and listen on the port" in done.said
    assert "cloudkms.CreateKeyRing" not in " ".join(done.changes)
    log = rehearsal.world.fleet.log_of(existing.service(rehearsal.world)["latest"]).read_text("utf-8")
    assert "issuers.json: cannot be read" in log
    issuers.write_text(good, "utf-8")


def test_a_metric_that_is_not_known_yet_stops_the_alerts_and_the_next_run_makes_the_rest(rehearsal):
    rehearsal.world.cloud.faults.add(Fault(kind="error", method=NO_METRIC, status="NOT_FOUND", skip=2))
    failing(rehearsal, "alert policies")
    assert len(existing.made(rehearsal.world, "monitoring.projects.alertPolicies")) == 2

    done = rehearsal.deploy("apply")
    assert not any("cloudkms" in change or "run." in change for change in done.changes)
    assert "ok  acp240: a file was encrypted and opened again" in done.said
    alerts = existing.made(rehearsal.world, "monitoring.projects.alertPolicies")
    files = list((rehearsal.checkout / "deploy" / "alerts").glob("*.json"))
    assert len(alerts) == len(files) - 1  # that of the other profile
    assert set(existing.keys(rehearsal.world)) == {f"{RING}/cryptoKeys/{key}" for key in ("acp240", "opentdf", "seal")}
    assert rehearsal.deploy("apply").changes == []
