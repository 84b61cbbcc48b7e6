"""What `Parts` hands over: each setting of Cloud KMS, of public keys and of nonces reaches what it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kas.auth import nonce
from kas.auth.nonce import NonceSource
from kas.encoding import b64url_encode
from kas.errors import KeyUnavailable, NonceInvalid
from kas.google.cloud import Cloud
from kas.parts import Parts
from tests.unit.keys.fake_kms import RECORD, SLOW, VERSION, FakeKms, FakeVersion, private_key, wrap
from tests.unit.test_service import settings, write_keys
from tests.unit.test_service_settings import Time
from tests.vectors.replay import clock

ENDPOINT = "https://kms.example"
SECRETS = {name: b64url_encode(name.encode() * 32) for name in "abc"}


class FakeCloud(Cloud):
    """Cloud KMS without a network; ``asked`` is what transport the wiring wanted."""

    def __init__(self) -> None:
        super().__init__({}, clock, clock)
        self.fake = FakeKms({VERSION: FakeVersion(private_key("unwrap"))})
        self.asked: list[tuple[object, ...]] = []

    def kms_for_workers(self, *asked: object) -> Any:
        self.asked.append(asked)
        return self.fake


class World:
    """Parts over a key in Cloud KMS, whose time is the test's."""

    def __init__(self, folder: Path, **changes: str) -> None:
        write_keys(folder / "keys")
        index = {
            "unwrapKeys": [
                {"kid": "k", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "kms": VERSION}
            ],
            "signingKeys": [{"kid": "s-1", "status": "current", "file": "signing.pem"}],
        }
        self.time, self.cloud = Time(), FakeCloud()
        own = {"KAS_KEYS": json.dumps(index), "KAS_KMS_ENDPOINT": ENDPOINT, **changes}
        self.parts = Parts(settings(folder, **own), clock, self.time, self.cloud)

    def seconds_of_attempts(self) -> list[float]:
        """For how long each attempt of one unwrap may take, all of which fail at once."""
        self.cloud.fake.always["decrypt"] = SLOW
        with pytest.raises(KeyUnavailable):
            self.parts.key_service.unwrap(RECORD, wrap(), lambda: None)
        return [call.timeout_seconds for call in self.cloud.fake.calls if call.method == "decrypt"]

    def reads(self, *times: float) -> list[int]:
        """How often Cloud KMS was asked for the public key, when somebody wants it after so many seconds."""
        counts, began = [], self.time.now
        for seconds in times:
            self.time.now = began + seconds
            self.parts.key_service.public_key(RECORD)
            counts.append(self.cloud.fake.count("public_key"))
        return counts


def test_an_attempt_has_its_time(tmp_path: Path) -> None:
    assert World(tmp_path, KAS_KMS_TIMEOUT_SECONDS="2").seconds_of_attempts() == [2] * 3


def test_all_attempts_of_a_key_have_the_time_of_a_request(tmp_path: Path) -> None:
    """Where one attempt might have more, it has no more than is left."""
    changes = {"KAS_KMS_TIMEOUT_SECONDS": "30", "KAS_KMS_DEADLINE_SECONDS": "5"}
    assert World(tmp_path, **changes).seconds_of_attempts() == [5] * 3


def test_all_keys_of_a_request_have_the_time_of_a_request(tmp_path: Path) -> None:
    world = World(tmp_path, KAS_KMS_DEADLINE_SECONDS="5")
    assert world.parts.opener.side_by_side.deadline() == world.time.now + 5


def test_operations_side_by_side_are_as_many_as_set_and_each_has_a_call(tmp_path: Path) -> None:
    world = World(tmp_path, KAS_KMS_CONCURRENCY="7", KAS_KMS_TRANSPORT="rest")
    assert world.parts.opener.side_by_side._flights._threads == 7
    assert world.cloud.asked == [("rest", ENDPOINT, 7)]


@pytest.mark.parametrize(
    ("seconds", "fresh"), [("100", 100), ("60", 60), ("59", 60), ("0", 60)], ids=["as-set", "floor", "below", "none"]
)
def test_public_keys_in_cloud_kms_are_fresh_as_long_as_set_and_a_minute_at_least(
    tmp_path: Path, seconds: str, fresh: float
) -> None:
    """Whoever asks for them must not use up the quota of reads."""
    world = World(tmp_path, KAS_PUBLIC_KEY_CACHE_SECONDS=seconds)
    assert world.reads(0, fresh - 0.1, fresh) == [1, 1, 2]


def test_issuers_keys_are_fetched_with_the_context_that_google_is_called_with(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.parts.jwks._fetch._tls == world.cloud.tls  # type: ignore[attr-defined]


# ---- Nonces


@pytest.fixture
def one_process(mocker: Any) -> None:
    """Every source draws the same value, so that the secrets alone tell them apart."""
    mocker.patch.object(nonce.secrets, "token_bytes", bytes)


def nonces(folder: Path, names: str) -> NonceSource:
    """Of a service whose secrets are these, the current one first."""
    folder.mkdir()
    secrets = ",".join(SECRETS[name] for name in names)
    return World(folder, **({"KAS_NONCE_SECRET": secrets} if secrets else {})).parts.stores.nonces


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("made", "verified"), [("a", "a"), ("a", "ba"), ("ba", "b"), ("", "")])
def test_a_nonce_is_made_under_the_current_secret_and_taken_under_the_previous_one_too(
    tmp_path: Path, made: str, verified: str
) -> None:
    issued, verifying = nonces(tmp_path / "made", made).issue(), nonces(tmp_path / "verified", verified)
    verifying.verify(issued)
    with pytest.raises(NonceInvalid):
        verifying.verify(issued[::-1])


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("made", "verified"), [("ba", "a"), ("a", "b"), ("a", "bc"), ("", "a"), ("a", "")])
def test_a_nonce_under_another_secret_is_refused(tmp_path: Path, made: str, verified: str) -> None:
    issued = nonces(tmp_path / "made", made).issue()
    with pytest.raises(NonceInvalid):
        nonces(tmp_path / "verified", verified).verify(issued)
