"""Several instances on a server of Redis that the real gcloud makes: reached by its network alone, with the password from Google."""

from __future__ import annotations

import json

import pytest

from local.rehearsal.memorystore import ADDRESS, SERVERS, program
from tests.rehearsal import existing

SERVER = "projects/my-project/locations/us-central1/instances/kas-usa"
SHARED = {"PROFILE": "shared", "STATE": "redis"}
NETWORK, EGRESS = "run.googleapis.com/network-interfaces", "run.googleapis.com/vpc-access-egress"


@pytest.fixture(scope="module")
def applied(rehearsal):
    if program() is None:
        pytest.skip("redis-server is not installed")
    rehearsal.be_patient()
    return rehearsal.deploy("apply", **SHARED)


def template(rehearsal) -> dict[str, str]:
    return dict(existing.service(rehearsal.world)["spec"]["template"]["metadata"]["annotations"])


def password(rehearsal) -> str:
    return str(rehearsal.world.resources.find("redis.passwords", SERVER)["authString"])


def test_files_of_both_dialects_open(applied):
    assert "ok  acp240: a file was encrypted and opened again" in applied.said
    assert "ok  opentdf: a data key was wrapped and released" in applied.said


def test_the_server_is_as_it_was_asked_for(rehearsal, applied):
    server = rehearsal.world.resources.find(SERVERS, SERVER)
    assert (server["tier"], server["redisVersion"], server["connectMode"]) == ("BASIC", "REDIS_7_0", "DIRECT_PEERING")
    assert (server["authEnabled"], server["transitEncryptionMode"]) == (True, "SERVER_AUTHENTICATION")
    assert server["redisConfigs"] == {"maxmemory-policy": "noeviction"}
    assert server["labels"] == {"kas_nation": "usa"}


def test_the_service_is_connected_to_its_network_and_to_no_more(rehearsal, applied):
    assert json.loads(template(rehearsal)[NETWORK]) == [{"network": "default", "subnetwork": "default"}]
    assert template(rehearsal)[EGRESS] == "private-ranges-only"
    settings = existing.settings(rehearsal.world)
    assert settings["KAS_REDIS_URL"] == "sm://projects/my-project/secrets/kas-usa-redis/versions/1"
    assert settings["KAS_REDIS_CA"] == rehearsal.world.authority.trust.read_text("ascii")


def test_the_address_has_the_password_and_nothing_that_was_printed_has_it(rehearsal, applied):
    held = rehearsal.world.cloud.secrets.secrets["projects/my-project/secrets/kas-usa-redis"]
    (version,) = held.versions.values()
    assert version.data.decode("ascii") == f"rediss://:{password(rehearsal)}@{ADDRESS}:6378/0"
    assert password(rehearsal) not in applied.said


def test_again_it_changes_nothing(rehearsal, applied):
    done = rehearsal.deploy("apply", **SHARED)
    assert (done.changes, done.commands) == ([], [])


def test_a_revision_that_is_not_connected_releases_nothing(rehearsal, applied):
    """So it is this server that remembers."""
    command = "gcloud run services update kas-usa --region=us-central1 --clear-network"
    rehearsal.ok(command)
    assert rehearsal.run("./deploy.sh smoke", **SHARED).status == 1
    done = rehearsal.deploy("apply", **SHARED)
    assert [line.split()[1:4] for line in done.commands] == [
        ["run", "services", "update"],
        ["run", "services", "update-traffic"],
    ]
    assert "ok  acp240: a file was encrypted and opened again" in done.said


def test_a_pilot_again_has_left_the_network(rehearsal, applied):
    done = rehearsal.deploy("apply")
    assert "ok  acp240: a file was encrypted and opened again" in done.said
    assert not {NETWORK, EGRESS} & template(rehearsal).keys()
    assert "store: Redis server kas-usa, READY, REDIS_7_0, 1 GiB, paid for" in rehearsal.deploy("status").said


def test_the_way_back_removes_the_server(rehearsal, applied):
    rehearsal.deploy("destroy --yes --secrets")
    assert existing.made(rehearsal.world, SERVERS) == []
    assert existing.secrets(rehearsal.world) == {"kas-usa-ec": ["ENABLED"]}
