"""A KAS that starts while Cloud KMS or Secret Manager is down, or refuses: what stops the start, and what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.google.remote import Control, Google, google
from local.google_world import (
    ACP240_VERSION,
    KAS_MEMBER,
    NONCE_SECRET,
    SEALED_SECRET,
    SEALING_KEY,
    SIGNING_SECRET,
    make_project,
)
from local.ports import free_port
from tests.attacks.rewrap_answers import codes, released
from tests.host.functions import local_settings, refused_start
from tests.kms.google_kit import DECRYPT, SHORT, knowing, running_google_kit
from tests.wrappers import published_ec_key, seal_all

ACCESSOR = "roles/secretmanager.secretAccessor"
DECRYPTER = "roles/cloudkms.cryptoKeyDecrypter"


# ---- Keys in Cloud KMS are asked for when they are needed


def down(control: Control, *calls: str) -> None:
    for method in calls:
        control.fail("UNAVAILABLE", method=method, times=None)


def test_with_cloud_kms_down_from_the_start_other_keys_serve_and_the_rest_recovers(tmp_path):
    """The service starts, publishes and uses what it has, says what it has not, and needs no restart."""

    def prepare(control: Control) -> None:
        down(control, DECRYPT, "GetPublicKey")

    settings = {**SHORT, "KAS_DEK_CACHE_SECONDS": "0"}
    with running_google_kit(tmp_path, prepare, **settings) as running:
        kit = knowing(running.kit, running.project)
        published = kit.http("GET", f"{kit.base}/.well-known/jwks.json")
        assert sorted(key["alg"] for key in published.json()["keys"]) == ["ECDH-ES", "ES256"]
        assert published.headers["Cache-Control"] == "public, max-age=60"
        assert kit.http("GET", f"{kit.base}/health").status == 200
        assert kit.http("GET", f"{kit.base}/health/ready").status == 503
        assert ACP240_VERSION in {line["version"] for line in running.told() if line["event"] == "kms_unavailable"}

        attempt = kit.attempt(kaos=2)
        answer = attempt.send()
        assert codes(attempt, answer) == ["key_unavailable"] * 2
        assert answer.status == 503
        released(seal_all(kit.attempt(), *published_ec_key(kit)))

        running.check_operations()
        running.control.reset()
        attempt.proof = None
        released(attempt)


# ---- What is read at the start stops it


@dataclass(frozen=True)
class Starts:
    """Starts that end by themselves, on one stand-in."""

    cloud: Google
    settings: dict[str, str]

    def refused(self, **settings: str) -> str:
        """The last line that the KAS says."""
        said = refused_start({**self.settings, **settings}).splitlines()
        assert said[-1].startswith("The Key Access Service does not start: ")
        return said[-1]


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Starts]:
    folder = tmp_path_factory.mktemp("starts")
    project = make_project(folder / "google")
    with google(project.setup_path) as cloud:
        yield Starts(cloud, {**local_settings(folder), **project.environment(cloud)})


@pytest.fixture
def starts(standing: Starts) -> Iterator[Starts]:
    yield standing
    standing.cloud.control.reset()


SECRETS = {SIGNING_SECRET: "signingKeys[0].secret", NONCE_SECRET: "KAS_NONCE_SECRET", SEALED_SECRET: "[2].sealed"}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_cannot_be_had_stops_the_start(starts, secret):
    """Denied, disabled, corrupted on the way: its place is named, and nothing of it."""
    control = starts.cloud.control
    control.take(secret, ACCESSOR, KAS_MEMBER)
    denied = starts.refused()
    control.give(secret, ACCESSOR, KAS_MEMBER)
    control.set_state(f"{secret}/versions/1", "DISABLED")
    disabled = starts.refused()
    control.set_state(f"{secret}/versions/1", "ENABLED")
    control.corrupt("response.payload.data", method="AccessSecretVersion", resource=secret, times=None)
    corrupted = starts.refused()
    assert all(SECRETS[secret] in said for said in (denied, disabled, corrupted))
    assert "PERMISSION_DENIED" in denied
    assert "DISABLED" in disabled
    assert "checksum" in corrupted


def test_secret_manager_that_is_away_stops_the_start(starts):
    assert "UNAVAILABLE" in starts.refused(KAS_SECRETS_ENDPOINT=f"http://127.0.0.1:{free_port()}")


SEALED_PLACE = "KAS_KEYS.unwrapKeys[2].sealed"


def test_a_sealed_key_that_is_not_ours_to_open_stops_the_start(starts):
    """The role on the sealing key taken; the sealing key disabled."""
    control = starts.cloud.control
    control.take(SEALING_KEY, DECRYPTER, KAS_MEMBER)
    denied = starts.refused()
    control.give(SEALING_KEY, DECRYPTER, KAS_MEMBER)
    control.set_state(f"{SEALING_KEY}/cryptoKeyVersions/1", "DISABLED")
    disabled = starts.refused()
    control.set_state(f"{SEALING_KEY}/cryptoKeyVersions/1", "ENABLED")
    assert all(SEALED_PLACE in said for said in (denied, disabled))
    assert "PERMISSION_DENIED" in denied
    assert "FAILED_PRECONDITION" in disabled


@pytest.mark.parametrize("field", ["response.plaintext", "request.ciphertext"])
def test_a_sealed_key_that_arrives_corrupted_stops_the_start(starts, field):
    starts.cloud.control.corrupt(field, method="Decrypt", times=None)
    assert SEALED_PLACE in starts.refused()


def test_cloud_kms_that_is_down_stops_the_start_where_there_is_a_sealed_key(starts):
    down(starts.cloud.control, "Decrypt")
    said = starts.refused()
    assert SEALED_PLACE in said
    assert "UNAVAILABLE" in said


def test_a_sealed_key_opens_for_its_own_kid_alone(starts):
    """A ciphertext that is put in another's place is refused by Cloud KMS."""
    index = json.loads(starts.settings["KAS_KEYS"])
    index["unwrapKeys"][2]["kid"] = "another"
    assert "does not open it for 'another'" in starts.refused(KAS_KEYS=json.dumps(index))
