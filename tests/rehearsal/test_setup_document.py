"""`docs/GCP-KMS-SETUP.md` is true: its commands, in their order, make what the service starts on, and rotate it; and
what else an administrator asks the stand-in for by gcloud.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.google.remote import Google, google
from local.processes import ROOT, world
from tests.attacks.rewrap_answers import kao_refused, released
from tests.canaries import CANARIES
from tests.kit import UNLIMITED, Attempt, Kit, stderr_into
from tests.wrappers import published_ec_key, seal_all

GCLOUD = shutil.which("gcloud")
DOCUMENT = ROOT / "docs" / "GCP-KMS-SETUP.md"
ADMIN_TOKEN = "admin-token"
SETUP = {
    "projects": {"my-project": 123456789012},
    "tokens": {ADMIN_TOKEN: "user:admin@example.com"},
    "metadata": {"member": "serviceAccount:kas@my-project.iam.gserviceaccount.com"},
    "hsmGenerationSeconds": 1,
    "bindings": [{"resource": "projects/my-project", "role": "roles/owner", "members": ["user:admin@example.com"]}],
}
KEY = "projects/my-project/locations/us-central1/keyRings/kas/cryptoKeys"
SECRET = "sm://projects/my-project/secrets"

SEALING = ".venv/bin/python -m kas.admin.sealed_keys make"
OWNER = "projects/my-project", "roles/owner", "serviceAccount:kas@my-project.iam.gserviceaccount.com"

pytestmark = pytest.mark.skipif(
    GCLOUD is None,
    reason="gcloud is not installed, which nothing here does and Debian has no package for: nothing of this is tried",
)


def blocks(heading: str) -> list[str]:
    """The commands under one heading, as a shell takes them."""
    section = re.split(r"^## ", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    (text,) = [one for one in section if one.startswith(heading)]
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@dataclass(frozen=True)
class Project:
    """An empty project, in which an administrator runs commands and a KAS is started."""

    cloud: Google
    folder: Path

    def run(self, heading: str) -> str:
        """What the commands print."""
        return "".join(
            self.seal(block) if block.startswith(SEALING) else self.shell(block) for block in blocks(heading)
        )

    def seal(self, command: str) -> str:
        """It takes the account of the metadata server, which is the service's, and is told where Google is."""
        self.cloud.control.give(*OWNER)
        endpoints = f" --kms-endpoint {self.cloud.base} --secrets-endpoint {self.cloud.base}"
        printed = self.shell(command.rstrip() + endpoints)
        self.cloud.control.take(*OWNER)
        return printed

    def shell(self, text: str) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": "my-project",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_AUTH_ACCESS_TOKEN": ADMIN_TOKEN,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS": f"{self.cloud.base}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{self.cloud.base}/",
            **self.cloud.metadata_environment(),
        }
        command = ["/bin/bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def kas(self, unwrap: list[dict[str, Any]], signing: list[dict[str, Any]], nonce: int) -> Iterator[Kit]:
        """A KAS with these keys."""
        env = {
            **UNLIMITED,
            "KAS_DEK_CACHE_SECONDS": "0",
            "KAS_KEYS": json.dumps({"unwrapKeys": unwrap, "signingKeys": signing}),
            "KAS_NONCE_SECRET": f"{SECRET}/kas-nonce/versions/{nonce}",
            "KAS_KMS_ENDPOINT": self.cloud.base,
            "KAS_SECRETS_ENDPOINT": self.cloud.base,
            **self.cloud.metadata_environment(),
        }
        log = self.folder / "log"
        CANARIES.watch(self.folder)
        with log.open("ab") as file, stderr_into(self.folder / "stderr"), world(self.folder, env, file) as pair:
            kit = Kit(pair, log)
            yield kit
            kit.http.close()


def entry(kid: str, key: str, version: int, dialect: str, status: str = "active") -> dict[str, Any]:
    one = {"kid": kid, "algorithm": "RSA-2048", "status": status, "dialects": [dialect]}
    return {**one, "kms": f"{KEY}/{key}/cryptoKeyVersions/{version}"}


def signing(*versions: int) -> list[dict[str, Any]]:
    """The first is current."""
    return [
        {
            "kid": f"sig-{number}",
            "status": "previous" if place else "current",
            "secret": f"{SECRET}/kas-signing/versions/{number}",
        }
        for place, number in enumerate(versions)
    ]


def wrapped_to_the_old_key(kit: Kit, file: Attempt) -> Attempt:
    """A request for the key of a file that was made before."""
    attempt = kit.attempt()
    attempt.request["requests"][0]["policy"] = file.policy
    attempt.kao.update({name: file.kao[name] for name in ("kid", "wrappedKey", "policyBinding")})
    attempt.data_keys = file.data_keys
    attempt.resign()
    return attempt


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("setup")
    path = folder / "setup.json"
    path.write_text(json.dumps(SETUP), "utf-8")
    with google(path) as cloud:
        yield Project(cloud, folder)


def listed(kit: Kit) -> set[str]:
    return {key["kid"] for key in kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]}


def test_the_commands_make_working_keys_and_rotate_them_without_losing_a_file(project):
    for heading in ("2.", "3.", "4."):
        assert blocks(heading)
    project.run("2.")
    project.run("3.")
    (sealed,) = [json.loads(line) for line in project.run("4.").splitlines() if line.startswith('{"kid"')]
    roles = {row["resource"] for row in project.cloud.control.operations("SetIamPolicy")}
    assert "projects/my-project" not in roles
    assert len(roles) == 6
    assert (sealed["kid"], sealed["sealedBy"]) == ("ec-2026", f"{KEY}/seal")

    others = [entry("tdf-2026", "opentdf", 1, "opentdf"), sealed]
    with project.kas([entry("rsa-2026", "acp240", 1, "acp240"), *others], signing(1), 1) as kit:
        file, sealed_file = kit.attempt(), seal_all(kit.attempt(), *published_ec_key(kit))
        released(file)
        released(sealed_file)
        assert sealed_file.kao["kid"] == "ec-2026"
        assert listed(kit) == {"rsa-2026", "tdf-2026", "ec-2026", "sig-1"}

    make_version, retire_version = blocks("Rotating an unwrap key")
    project.shell(make_version)
    old = entry("rsa-2026", "acp240", 1, "acp240", "decrypt-only")
    keys = [entry("rsa-2027", "acp240", 2, "acp240"), old, *others]
    with project.kas(keys, signing(1), 1) as kit:
        new = kit.attempt()
        released(new)
        assert new.kao["kid"] == "rsa-2027"
        released(wrapped_to_the_old_key(kit, file))
        project.shell(retire_version)
        kao_refused(wrapped_to_the_old_key(kit, file), "key_unavailable", 503)
        released(kit.attempt())

    project.run("Rotating the signing key")
    with project.kas(keys, signing(2, 1), 2) as kit:
        released(kit.attempt())
        assert listed(kit) == {"rsa-2027", "tdf-2026", "ec-2026", "sig-2", "sig-1"}


KEYS = "gcloud kms keys {verb} other --keyring=other --location=us-central1 "
ENDS = '--format="value(labels, rotationPeriod, nextRotationTime)"'


def test_gcloud_changes_labels_and_rotation_of_a_key(project):
    project.shell("gcloud kms keyrings create other --location=us-central1")
    project.shell(KEYS.format(verb="create") + "--purpose=encryption --labels=team=red")
    change = "--update-labels=team=blue,use=seal --rotation-period=90d --next-rotation-time=2100-01-01T00:00:00Z"
    project.shell(KEYS.format(verb="update") + change)
    read = KEYS.format(verb="describe") + ENDS
    assert project.shell(read).split() == ["team=blue;use=seal", "7776000s", "2100-01-01T00:00:00Z"]
    project.shell(KEYS.format(verb="update") + "--remove-labels=use --remove-rotation-schedule")
    assert project.shell(read).split() == ["team=blue"]


def test_gcloud_lists_secrets_by_a_filter(project):
    for name, team in (("one", "red"), ("two", "blue")):
        project.shell(f"gcloud secrets create listed-{name} --replication-policy=automatic --labels=team={team}")
    listing = "gcloud secrets list --format='value(name.basename())' --filter="
    assert project.shell(f"{listing}'name:listed AND labels.team=blue'").split() == ["listed-two"]
    assert project.shell(f"{listing}name:listed").split() == ["listed-one", "listed-two"]
    with pytest.raises(AssertionError, match="It reads name:part"):
        project.shell(f"{listing}'NOT name:listed'")
