"""A start with everything in the stand-in: the index in a setting, secrets and a sealed key by reference."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from kas.config import Settings
from kas.encoding import b64url_decode
from kas.errors import ConfigError
from kas.google.cloud import Cloud
from kas.parts import Parts
from kas.service import build_service
from local.google.remote import google
from local.google_world import (
    ACP240_VERSION,
    KAS_MEMBER,
    NONCE_SECRET,
    OPENTDF_VERSION,
    PROJECT,
    SIGNING_SECRET,
    make_project,
)
from local.processes import ROOT
from tests.host.functions import ISSUERS, write_issuers
from tests.key_folders import new_key

ACCESS = "AccessSecretVersion"
INDEX_SECRET = f"{PROJECT}/secrets/kas-index"
NEXT = new_key("P-256")
FORM = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project of `make run KEYS=kms`, with a second version of the signing key and the index itself as a secret."""
    made = make_project(tmp_path_factory.mktemp("index") / "google")
    setup = json.loads(made.setup_path.read_text("utf-8"))
    signing = next(secret for secret in setup["secrets"] if secret["name"] == SIGNING_SECRET)
    signing["versions"].append({"text": NEXT.private_bytes(*FORM).decode()})
    setup["secrets"].append({"name": INDEX_SECRET, "versions": [{"text": made.settings["KAS_KEYS"] + "\n"}]})
    accessor = {"role": "roles/secretmanager.secretAccessor", "members": [KAS_MEMBER]}
    setup["bindings"].append({"resource": INDEX_SECRET, **accessor})
    made.setup_path.write_text(json.dumps(setup), "utf-8")
    return made


@pytest.fixture(scope="module")
def running(project):
    with project.setup_path.with_name("log").open("wb") as log, google(project.setup_path, log) as cloud:
        yield cloud


@pytest.fixture
def environ(project, running, tmp_path):
    """A deployment's, outside of Cloud Run; nothing is counted yet."""
    running.control.reset()
    yield {
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": "https://kas.example",
        "KAS_ISSUERS_PATH": str(write_issuers(tmp_path, ISSUERS)),
        "KAS_KEYS_DIR": str(tmp_path / "keys"),
        **project.environment(running),
    }
    running.control.reset()


def start(environ):
    """What a start reads, and what it left open."""
    cloud = Cloud(environ, time.time, time.perf_counter)
    settings = Settings.from_environ(environ, cloud.read_secrets)
    return Parts(settings, time.time, time.perf_counter, cloud)


def index_of(environ):
    return json.loads(environ["KAS_KEYS"])


def refused(environ, reason):
    with pytest.raises(ConfigError, match=reason):
        start(environ)


def _sockets():
    links = (path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return sum(str(link).startswith("socket:") for link in links)


def secret_of(project, name):
    setup = json.loads(project.setup_path.read_text("utf-8"))
    return next(secret["versions"][0] for secret in setup["secrets"] if secret["name"] == name)


def test_a_start_has_every_key_and_secret_and_uses_no_key(environ, project, running):
    """One token serves all; a key in Cloud KMS is not asked for before somebody needs it."""
    parts = start(environ)
    keys = parts.files.keys
    assert [record.kms_version for record in keys.records] == [ACP240_VERSION, OPENTDF_VERSION, None]
    sealed = keys.records[2].kid
    assert keys.unwrap_keys.keys() == {sealed}
    (signing,) = keys.signing_keys.values()
    assert signing.private_bytes(*FORM).decode() == secret_of(project, SIGNING_SECRET)["text"]
    assert parts.settings.nonce_secrets == (b64url_decode(secret_of(project, NONCE_SECRET)["text"]),)
    counts = {method: running.control.count(method) for method in ("GetAccessToken", ACCESS, "Decrypt")}
    assert counts == {"GetAccessToken": 1, ACCESS: 3, "Decrypt": 1}
    assert running.control.count("AsymmetricDecrypt") == 0


def test_a_start_leaves_no_connection_and_no_thread(environ, running):
    """The worker is forked from this process."""
    running.control.http.close()
    threads, sockets = threading.active_count(), _sockets()
    cloud = Cloud(environ, time.time, time.perf_counter)
    settings = Settings.from_environ(environ, cloud.read_secrets)
    build_service(settings, time.time, time.perf_counter, cloud)
    assert (threading.active_count(), _sockets()) == (threads, sockets)


def test_a_start_that_is_refused_leaves_none_either(environ, running):
    running.control.http.close()
    threads, sockets = threading.active_count(), _sockets()
    refused(
        environ | {"KAS_KEYS": environ["KAS_KEYS"].replace("kas-signing/versions/1", "kas-signing/versions/9")},
        "NOT_FOUND",
    )
    assert (threading.active_count(), _sockets()) == (threads, sockets)


def test_signing_keys_overlap_with_the_current_one_first(environ):
    """A rotation: the new version signs, the old one is published as long as answers of it are read."""
    index = index_of(environ)
    old = index["signingKeys"][0]
    new = old | {"kid": "next", "secret": f"sm://{SIGNING_SECRET}/versions/2"}
    index["signingKeys"] = [old | {"status": "previous"}, new]
    keys = start(environ | {"KAS_KEYS": json.dumps(index)}).files.keys.signing_keys
    assert list(keys) == ["next", old["kid"]]
    assert keys["next"].private_numbers() == NEXT.private_numbers()


def test_the_index_itself_may_be_a_secret(environ, running):
    """Read before those that it names."""
    parts = start(environ | {"KAS_KEYS": f"sm://{INDEX_SECRET}/versions/1"})
    assert len(parts.files.keys.records) == 3
    assert running.control.count(ACCESS) == 4


def test_a_signing_key_may_be_in_a_mounted_file(environ, tmp_path, running):
    """As a platform mounts secrets; then Secret Manager is not asked for it."""
    path = tmp_path / "signing"
    path.touch(0o400)
    path.chmod(0o600)
    path.write_bytes(NEXT.private_bytes(*FORM))
    index = index_of(environ)
    index["signingKeys"][0]["secret"] = f"file:{path}"
    (key,) = start(environ | {"KAS_KEYS": json.dumps(index)}).files.keys.signing_keys.values()
    assert key.private_numbers() == NEXT.private_numbers()
    assert running.control.count(ACCESS) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("signing/versions/9", r"^KAS_KEYS\.signingKeys\[0\]\.secret: sm://.*: NOT_FOUND: "),
        ("signing/versions/latest", r"^KAS_KEYS\.signingKeys\[0\]\.secret: must name the version"),
        ("nonce/versions/1", r"^KAS_KEYS\.signingKeys\[0\]\.secret: cannot be read as a private key"),
        ("ec/versions/1", r"^KAS_KEYS\.signingKeys\[0\]\.secret: cannot be read as a private key"),
        ("none/versions/1", r"^KAS_KEYS\.signingKeys\[0\]\.secret: sm://.*: PERMISSION_DENIED: "),
    ],
)
def test_a_signing_key_that_cannot_be_had_stops_the_start(environ, change, reason):
    index = index_of(environ)
    index["signingKeys"][0]["secret"] = f"sm://{PROJECT}/secrets/kas-{change}"
    refused(environ | {"KAS_KEYS": json.dumps(index)}, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"algorithm": "P-384"}, r"unwrapKeys\[2\]: what it names holds no P-384 key"),
        ({"algorithm": "RSA-2048", "dialects": ["acp240"]}, r"unwrapKeys\[2\]: what it names holds no RSA-2048 key"),
        (
            {"sealed": f"sm://{NONCE_SECRET}/versions/1"},
            r"unwrapKeys\[2\]\.sealed: .* does not open it .*INVALID_ARGUMENT",
        ),
        (
            {"sealedBy": ACP240_VERSION.partition("/cryptoKeyVersions")[0]},
            r"unwrapKeys\[2\]\.sealed: .* does not open it",
        ),
    ],
)
def test_a_sealed_key_that_is_not_what_the_index_says_stops_the_start(environ, change, reason):
    index = index_of(environ)
    index["unwrapKeys"][2] |= change
    refused(environ | {"KAS_KEYS": json.dumps(index)}, reason)


def test_a_disabled_sealed_key_is_neither_fetched_nor_opened(environ, running):
    index = index_of(environ)
    index["unwrapKeys"][2]["status"] = "disabled"
    assert start(environ | {"KAS_KEYS": json.dumps(index)}).files.keys.unwrap_keys == {}
    assert (running.control.count(ACCESS), running.control.count("Decrypt")) == (2, 0)


def test_without_a_metadata_server_there_is_no_start(environ):
    """Nobody says who the service is."""
    refused(environ | {"GCE_METADATA_HOST": "127.0.0.1:1"}, r"^KAS_NONCE_SECRET: sm://.*: UNAVAILABLE: access token")
    refused(environ | {"GCE_METADATA_HOST": "no host"}, r"^GCE_METADATA_HOST: must be a host")


def test_a_token_that_is_not_to_be_had_for_a_moment_is_waited_for(environ, running):
    running.control.fail("UNAVAILABLE", method="GetAccessToken")
    assert len(start(environ).files.keys.records) == 3


def test_local_mode_with_an_index_makes_no_keys(environ, tmp_path):
    """There are others, and only those."""
    local = {"KAS_MODE": "local", "HOST": "127.0.0.1", "KAS_PUBLIC_BASES": "http://127.0.0.1:8080"}
    assert len(start(environ | local).files.keys.records) == 3
    assert not (tmp_path / "keys").exists()


IMPORTS = """
import sys
sys.argv = ["functions-framework"]
import main
names = ("kas.google.rest", "kas.google.credentials", "kas.google.secrets", "kas.keys.sealed", "kas.keys.kms")
print([name for name in (*names, "google_crc32c", "google.auth", "google.cloud.kms", "grpc") if name in sys.modules])
"""


def test_a_start_imports_of_google_what_it_uses(environ, tmp_path):
    """With files alone nothing; and never the libraries, which take longer than all the rest."""
    base = {name: value for name, value in environ.items() if name not in {"KAS_KEYS", "KAS_NONCE_SECRET"}}
    local = {"KAS_MODE": "local", "HOST": "127.0.0.1", "KAS_PUBLIC_BASES": "http://127.0.0.1:8080"}

    def imported(env):
        ended = subprocess.run(
            [sys.executable, "-c", IMPORTS], cwd=ROOT, env={"PATH": "/bin", **env}, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()[-1]

    assert imported(base | local) == "[]"
    assert "google.auth" not in (found := imported(environ))
    assert "google.cloud" not in found
    assert "grpc" not in found
    assert "kas.google.secrets" in found
