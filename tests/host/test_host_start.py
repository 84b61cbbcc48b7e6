"""Starts that must not happen: the host ends with a failure and names the setting, file or variable."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kas.keys.folder import make_local_keys
from local.client import Http
from local.processes import ROOT
from tests.host.functions import ISSUERS, function, local_settings, refused_start, write_issuers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAS_MAX_KAO", "5"),
        ("KAS_MODE", "development"),
        ("KAS_ID", "kas usa"),
        ("KAS_PUBLIC_BASES", "http://kas.example"),
        ("KAS_PUBLIC_BASES", "https://kas.example/"),
        ("KAS_REWRAP_SCHEMES", "Bearer"),
        ("KAS_REWRAP_DPOP_NONCE", "optional"),
        ("KAS_REQUIRE_CLIENT_KEY_HASH", "yes"),
        ("KAS_REPLAY_STORE_CLAIMS", "7"),
        ("KAS_BODY_TIMEOUT_SECONDS", "0"),
        ("KAS_MAX_BODY_BYTES", "1e6"),
        ("KAS_ISSUERS_PATH", ""),
        ("WORKERS", "2"),
        ("HOST", "0.0.0.0"),
        ("HOST", None),
        ("DEBUG", "1"),
        ("FUNCTION_USE_ASGI", "1"),
        ("THREADED_TIMEOUT_ENABLED", "true"),
    ],
)
def test_setting_that_is_not_safe_stops_the_start(tmp_path: Path, name: str, value: str | None) -> None:
    """Each kind of value once, and the variables of the host that would change what is run."""
    said = refused_start({**local_settings(tmp_path), name: value})
    assert f"does not start: {name}: " in said
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("target", "method", "path", "status"),
    [
        ("kas", "GET", "/health", 200),
        ("health", "GET", "/health", 200),
        ("public_keys", "GET", "/.well-known/jwks.json", 200),
        ("rewrap", "POST", "/rewrap", 401),
    ],
)
def test_no_variable_makes_another_kind_of_function_of_an_entry_point(
    tmp_path: Path, target: str, method: str, path: str, status: int
) -> None:
    """The host would take events in place of requests, where the code did not say what each entry point is."""
    event = {**local_settings(tmp_path), "FUNCTION_SIGNATURE_TYPE": "cloudevent"}
    with function(target, event) as service, contextlib.closing(Http()) as http:
        answer = http(method, service.base + path)
        assert answer.status == status, answer.body


def test_kas_req_110_local_mode_is_refused_on_cloud_run(tmp_path: Path) -> None:
    """There is no silent way from a laptop's keys to production."""
    said = refused_start({**local_settings(tmp_path), "K_SERVICE": "kas"})
    assert "does not start: KAS_MODE: " in said
    assert "K_SERVICE" in said
    assert not (tmp_path / "keys").exists()


def _production(folder: Path) -> dict[str, str | None]:
    make_local_keys(folder / "keys")
    return {
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": "https://kas.example",
        "KAS_ISSUERS_PATH": str(write_issuers(folder, ISSUERS)),
        "KAS_KEYS_DIR": str(folder / "keys"),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAS_PUBLIC_BASES", None),
        ("KAS_PUBLIC_BASES", "http://kas.example"),
        ("KAS_PUBLIC_BASES", "https://kas.example,http://127.0.0.1:8080"),
        ("KAS_ID", None),
        ("KAS_SECRETS_ENDPOINT", "http://secrets.example"),
        ("KAS_KMS_ENDPOINT", "http://10.0.0.1"),
        ("KAS_NONCE_SECRET", "sm://projects/kas-test/secrets/nonce/versions/latest"),
        ("KAS_NONCE_SECRET", "sm://projects/kas-test/secrets/nonce"),
        ("KAS_NONCE_SECRET", "file:nonce"),
        ("KAS_NONCE_SECRET", "file:/nowhere"),
        ("KAS_KEYS", "{"),
    ],
)
def test_production_setting_that_is_not_safe_stops_the_start(tmp_path: Path, name: str, value: str | None) -> None:
    """Nothing is guessed in production, and nothing goes over plain http."""
    assert f"does not start: {name}: " in refused_start({**_production(tmp_path), name: value})


VERSION = "projects/kas-test/locations/us-central1/keyRings/kas/cryptoKeys/unwrap/cryptoKeyVersions/1"
SECRET = "sm://projects/kas-test/secrets/signing/versions/1"
IN_KMS = {"kid": "k", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "kms": VERSION}
IN_FILE = {"kid": "f", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "file": "rsa.pem"}
SIGNING = {"kid": "s", "status": "current", "secret": SECRET}


def _keys(unwrap: tuple[dict[str, Any], ...] = (IN_KMS,), signing: tuple[dict[str, Any], ...] = (SIGNING,)) -> str:
    return json.dumps({"unwrapKeys": unwrap, "signingKeys": signing})


def _cloud_run(folder: Path) -> dict[str, str | None]:
    """Everything that Cloud Run demands: what is changed is what is refused, before anything is asked for."""
    return {**_production(folder), "K_SERVICE": "kas", "KAS_KEYS": _keys()}


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"KAS_MODE": "local"}, "KAS_MODE", "local mode is refused"),
        ({"KAS_KEYS": ""}, "keys.json.unwrapKeys[0].file", "private keys in files are refused"),
        ({"KAS_KEYS": _keys((IN_KMS, IN_FILE))}, "KAS_KEYS.unwrapKeys[1].file", "private keys in files are refused"),
        (
            {"KAS_KEYS": _keys(signing=({"kid": "s", "status": "current", "file": "sig.pem"},))},
            "KAS_KEYS.signingKeys[0].file",
            "private keys in files are refused",
        ),
        ({"KAS_NONCE_SECRET": f"file:{ROOT}/README.md"}, "KAS_NONCE_SECRET", "deployed with the code, not mounted"),
        ({"KAS_SECRETS_ENDPOINT": "http://127.0.0.1:8090"}, "KAS_SECRETS_ENDPOINT", "must be https on Cloud Run"),
        ({"KAS_KMS_ENDPOINT": "http://127.0.0.1:8090"}, "KAS_KMS_ENDPOINT", "must be https on Cloud Run"),
        ({"KAS_PUBLIC_BASES": "http://127.0.0.1:8080"}, "KAS_PUBLIC_BASES", "every base must be https"),
        ({"GCE_METADATA_HOST": "10.0.0.1"}, "GCE_METADATA_HOST", "must be absent on Cloud Run"),
        ({"WORKERS": "2"}, "WORKERS", "must be 1"),
        ({"DEBUG": "1"}, "DEBUG", "must not be set"),
    ],
)
def test_fault_14_nothing_for_one_machine_starts_on_cloud_run(
    tmp_path: Path, changes: dict[str, str], place: str, reason: str
) -> None:
    """Each is refused by name, with the reason; nothing stands in for it."""
    said = refused_start({**_cloud_run(tmp_path), **changes})
    assert f"does not start: {place}: " in said
    assert reason in said


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://localhost:8081", "jwksUrl": "https://idp.example/jwks"},
        {"jwksUrl": "https://127.0.0.1:8081/jwks"},
        {"issuer": "http://idp.example"},
        {"tokenEndpoint": "https://idp.localhost/token"},
    ],
)
def test_fault_14_an_issuer_for_development_does_not_start_on_cloud_run(tmp_path: Path, change: dict[str, str]) -> None:
    """By any of its addresses."""
    environment = _cloud_run(tmp_path)
    write_issuers(tmp_path, {**ISSUERS, **change})
    said = refused_start(environment)
    assert "does not start: issuers.json.issuers[0]: is for development" in said
    assert "refused on Cloud Run" in said


def test_fault_14_production_without_keys_makes_none(tmp_path: Path) -> None:
    """A missing folder is a refused start, not a reason to make keys on the spot."""
    environment = _production(tmp_path)
    shutil.rmtree(tmp_path / "keys")
    said = refused_start(environment)
    assert f"does not start: {tmp_path}/keys/keys.json: cannot be read" in said
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "{path}: cannot be read (No such file"),
        ("", "{path}: cannot be read (invalid_json)"),
        ("{", "{path}: cannot be read (invalid_json)"),
        ("[]", "issuers.json: "),
        ('{"issuers": []}', "issuers.json: lists no issuer"),
        ('{"issuers": [{}]}', "issuers.json.issuers[0]"),
        ('{"issuers": [], "x": 1}', "issuers.json: "),
    ],
)
def test_issuers_file_that_names_nobody_stops_the_start(tmp_path: Path, text: str | None, said: str) -> None:
    """Missing, no JSON, empty, or with what we do not know."""
    environment = local_settings(tmp_path)
    path = Path(environment["KAS_ISSUERS_PATH"])
    path.unlink() if text is None else path.write_text(text, "utf-8")
    assert f"does not start: {said.format(path=path)}" in refused_start(environment)


def test_issuer_over_plain_http_stops_the_start(tmp_path: Path) -> None:
    """Its keys would be whatever the network says."""
    environment = local_settings(tmp_path)
    write_issuers(tmp_path, {**ISSUERS, "jwksUrl": "http://idp.example/jwks"})
    assert "jwksUrl: must be https" in refused_start(environment)


@pytest.mark.parametrize("name", ["labels.json", "clearances.json", "countries.json"])
def test_policy_file_that_is_broken_stops_the_start(tmp_path: Path, name: str) -> None:
    """A member that nobody reads is a rule that nobody applies."""
    folder = tmp_path / "policy"
    shutil.copytree(ROOT / "config", folder)
    document = json.loads((folder / name).read_text("utf-8"))
    (folder / name).write_text(json.dumps({**document, "unknown": 1}), "utf-8")
    assert f"does not start: {name}" in refused_start({**local_settings(tmp_path), "KAS_POLICY_DIR": str(folder)})
