"""A KAS with its keys in the stand-in's Cloud KMS: real processes, driven by its `/control`, searched for secrets."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from jwt.algorithms import ECAlgorithm

from kas.encoding import b64url_decode
from local.client import Answer
from local.client.rewrap import KasKeys
from local.google.material import decrypt
from local.google.remote import Control, Google, google
from local.google_world import NONCE_SECRET, SEALED_SECRET, SIGNING_SECRET, Project, make_project
from local.processes import world
from tests.canaries import CANARIES
from tests.kit import UNLIMITED, Kit, stderr_into

DECRYPT = "AsymmetricDecrypt"
_WAIT_SECONDS = 30.0
# One attempt and one request, short enough to wait for.
SHORT = {"KAS_KMS_TIMEOUT_SECONDS": "1", "KAS_KMS_DEADLINE_SECONDS": "2"}


@dataclass
class Mark:
    """How many lines there were."""

    audit: int = 0
    told: int = 0


@dataclass(frozen=True)
class GoogleKit:
    """``kit`` as everywhere; ``google`` is what it stands on, and ``project`` what is in there."""

    kit: Kit
    google: Google
    project: Project
    mark: Mark = field(default_factory=Mark)

    @property
    def control(self) -> Control:
        return self.google.control

    def told(self) -> list[dict[str, Any]]:
        """What the operator was told."""
        lines = self.kit.log.with_name("stderr").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def audited(self, answer: Answer) -> list[dict[str, Any]]:
        """The audit lines of one request, which are of key access objects alone."""
        events = self.kit.events(answer.headers["X-Request-Id"])
        assert {event["event"] for event in events} == {"rewrap"}
        return events

    def settle(self) -> None:
        """No faults and no counts; what is audited and told from here on is that of the test."""
        self.wait_for_calls()
        self.control.reset()
        self.mark.audit, self.mark.told = len(rewraps_in(self.kit.log)), len(self.told())

    def wait_for_calls(self) -> None:
        """Calls that the KAS no longer waits for are answered, and counted, late."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while self.control.waiting():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def told_now(self) -> list[dict[str, Any]]:
        """What the operator was told since `settle`."""
        return self.told()[self.mark.told :]

    def check_operations(self) -> None:
        """What Cloud KMS was asked for is what the audit says of its keys."""
        self.wait_for_calls()
        sealed = {key["kid"] for key in json.loads(self.project.settings["KAS_KEYS"])["unwrapKeys"] if "sealed" in key}
        events = [event for event in rewraps_in(self.kit.log)[self.mark.audit :] if event["kid"] not in sealed]
        assert self.control.count(DECRYPT) == sum(event["keyOperations"] for event in events)


def rewraps_in(log: Path) -> list[dict[str, Any]]:
    """The audit lines of key access objects."""
    lines = log.read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in events if event.get("event") == "rewrap"]


def _nothing(_control: Control) -> None:
    pass


@contextlib.contextmanager
def running_google_kit(
    folder: Path, prepare: Callable[[Control], None] = _nothing, **settings: str
) -> Iterator[GoogleKit]:
    """As `running_kit`; ``prepare`` does something to the stand-in before the KAS starts. The private keys in there are
    watched for in every output too.
    """
    project, log = make_project(folder / "google"), folder / "log"
    watch_project(project)
    with contextlib.ExitStack() as running:
        file = running.enter_context(log.open("wb"))
        cloud = running.enter_context(google(project.setup_path, file))
        prepare(cloud.control)
        with stderr_into(folder / "stderr"):
            env = {**UNLIMITED, **project.environment(cloud), **settings}
            pair = running.enter_context(world(folder, env, file))
        kit = Kit(pair, log)
        yield GoogleKit(kit, cloud, project)
        kit.http.close()


@dataclass
class KnowingKit(Kit):
    """A client who fetched the public keys long ago."""

    known: KasKeys | None = None

    def kas_keys(self) -> KasKeys:
        assert self.known is not None
        return self.known


def knowing(kit: Kit, project: Project) -> KnowingKit:
    """As ``kit``, without asking the KAS for its keys."""
    private = {name: _load(project.setup_path.with_name(f"{name}.pem")) for name in ("acp240", "signing")}
    index = json.loads(project.settings["KAS_KEYS"])
    wrapping, signing = private["acp240"].public_key(), private["signing"].public_key()
    jwk = {**ECAlgorithm.to_jwk(signing, as_dict=True), "use": "sig"}
    known = KasKeys(index["unwrapKeys"][0]["kid"], wrapping, {index["signingKeys"][0]["kid"]: jwk})
    return KnowingKit(kit.world, kit.log, kit.http, known=known)


def in_cloud_kms_alone(project: Project) -> str:
    """The key index of ``project`` without the key that is sealed."""
    index = json.loads(project.settings["KAS_KEYS"])
    return json.dumps({**index, "unwrapKeys": [key for key in index["unwrapKeys"] if "kms" in key]})


def _load(path: Path) -> Any:
    return serialization.load_pem_private_key(path.read_bytes(), None)


def watch_project(project: Project) -> None:
    """Notes every secret of the project; private keys as files, which is where they are looked for."""
    folder = project.setup_path.parent
    setup = json.loads(project.setup_path.read_text("utf-8"))
    secrets = {secret["name"]: secret["versions"][0] for secret in setup["secrets"]}
    materials = {key["name"].rpartition("/")[2]: key["versions"][0]["material"] for key in setup["keys"]}
    sealing_key = base64.b64decode(materials.pop("seal"))
    CANARIES.keep_key("sealing key", sealing_key)
    CANARIES.keep_key("nonce secret", b64url_decode(secrets[NONCE_SECRET]["text"]))
    kid = json.loads(project.settings["KAS_KEYS"])["unwrapKeys"][2]["kid"]
    der = decrypt(sealing_key, base64.b64decode(secrets[SEALED_SECRET]["data"]), kid.encode())
    assert der is not None
    for name, pem in {**materials, "signing": secrets[SIGNING_SECRET]["text"], "sealed": _pem(der)}.items():
        (folder / f"{name}.pem").write_text(pem, "ascii")
    CANARIES.watch(folder)


def _pem(der: bytes) -> str:
    key = serialization.load_der_private_key(der, None)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode("ascii")
