"""Wiring: settings become a service, and what it cannot safely run with stops the start."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flask
import pytest
from cryptography.hazmat.primitives import serialization
from werkzeug.test import EnvironBuilder

from kas.config import Settings
from kas.errors import ConfigError
from kas.fetch import FetchError
from kas.protocol.acp240.request import Limits
from kas.service import Service, _addresses, _authenticator, _limits, build_service
from kas.web.edge import Routes
from tests.vectors.primitives import ec_key
from tests.vectors.replay import KEYS, RULES, clock, unwrap_key

ISSUERS = {
    "issuers": [
        {
            "issuer": "https://idp.example",
            "jwksUrl": "https://idp.example/jwks.json",
            "audience": "kas",
            "acceptedTypes": ["at+jwt"],
            "claims": {},
            "acrLevels": {"aal2": 2},
            "countries": ["USA"],
        }
    ]
}
LIMIT_SETTINGS = {
    "KAS_MAX_GROUPS": "11",
    "KAS_MAX_KAOS": "12",
    "KAS_MAX_JSON_DEPTH": "13",
    "KAS_MAX_ID_CHARS": "114",
    "KAS_MAX_URL_CHARS": "115",
    "KAS_MAX_CLIENT_KEY_CHARS": "1016",
    "KAS_MAX_WRAPPED_KEY_CHARS": "1017",
    "KAS_MAX_METADATA_CHARS": "1018",
    "KAS_MAX_POLICY_BYTES": "1019",
}


def settings(folder: Path, **changes: str) -> Settings:
    """Production settings with keys and issuers in ``folder``."""
    (folder / "issuers.json").write_text(json.dumps(ISSUERS), "utf-8")
    environ = {
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": "https://kas.example",
        "KAS_ISSUERS_PATH": str(folder / "issuers.json"),
        "KAS_KEYS_DIR": str(folder / "keys"),
    }
    return Settings.from_environ({**environ, **changes})


def write_keys(folder: Path) -> None:
    """A folder of keys as an operator makes one: the keys of the vectors."""
    folder.mkdir(mode=0o700)
    record = {"kid": "k-1", "algorithm": "RSA-2048", "hash": "SHA-256", "status": "active", "dialect": "acp240"}
    index = {
        "unwrapKeys": [record | {"file": "unwrap.pem"}],
        "signingKeys": [{"kid": "s-1", "status": "current", "file": "signing.pem"}],
    }
    (folder / "keys.json").write_text(json.dumps(index), "utf-8")
    for name, key in (("unwrap", unwrap_key()), ("signing", ec_key(KEYS["keys"]["signing"]))):
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.pem").touch(mode=0o600)
        (folder / f"{name}.pem").write_bytes(key.private_bytes(*form))


def production(folder: Path, **changes: str) -> Service:
    write_keys(folder / "keys")
    return build_service(settings(folder, **changes), clock)


def ask(service: Service, routes: Routes, method: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
    sent = {"X-Forwarded-Proto": "https", **(headers or {})}
    environ = EnvironBuilder(path, method=method, headers=sent).get_environ()
    return service.answer(flask.Request({**environ, "REMOTE_ADDR": "127.0.0.1"}), routes)


def test_production_without_keys_does_not_start(tmp_path: Path) -> None:
    """Nothing falls back to keys made on the spot."""
    with pytest.raises(ConfigError, match=r"keys\.json"):
        build_service(settings(tmp_path), clock)
    assert not (tmp_path / "keys").exists()


def test_local_mode_makes_keys_once(tmp_path: Path) -> None:
    """A second start serves the same ones."""
    local = settings(tmp_path, KAS_MODE="local", HOST="127.0.0.1", KAS_PUBLIC_BASES="http://127.0.0.1:8080")
    services = [build_service(local, clock) for _ in range(2)]
    first, second = (
        ask(service, service.mounts.everything, "GET", "/.well-known/jwks.json").get_data() for service in services
    )
    assert first == second


@pytest.mark.parametrize("missing", ["KAS_ISSUERS_PATH", "KAS_POLICY_DIR"])
def test_missing_file_stops_the_start(tmp_path: Path, missing: str) -> None:
    """Without issuers or rules nobody could be judged."""
    with pytest.raises(ConfigError, match="cannot be read"):
        production(tmp_path, **{missing: str(tmp_path / "nowhere")})


def test_issuer_over_plain_http_stops_the_start(tmp_path: Path) -> None:
    """Outside local mode keys are fetched over TLS alone, loopback included."""
    configured = settings(tmp_path)
    entry = {**ISSUERS["issuers"][0], "jwksUrl": "http://127.0.0.1/jwks.json"}
    (tmp_path / "issuers.json").write_text(json.dumps({"issuers": [entry]}), "utf-8")
    write_keys(tmp_path / "keys")
    with pytest.raises(ConfigError, match="must be https"):
        build_service(configured, clock)


def test_fault_20_production_fetches_over_tls_alone(tmp_path: Path) -> None:
    """A second line behind the check of the file: the fetcher itself refuses, loopback included."""
    production(tmp_path)
    find_key = _authenticator(settings(tmp_path), RULES, clock).find_key
    fetch = find_key.__self__._fetch  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match="address not allowed"):
        fetch("http://127.0.0.1/jwks.json")


def test_start_leaves_no_thread_behind(tmp_path: Path) -> None:
    """What is made before the worker is forked would not live in it."""
    before = threading.active_count()
    production(tmp_path)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("mount", "paths"),
    [
        ("everything", {"/rewrap", "/.well-known/jwks.json", "/health"}),
        ("rewrap", {"/rewrap", "/"}),
        ("public_keys", {"/.well-known/jwks.json", "/"}),
        ("health", {"/health", "/"}),
    ],
)
def test_entry_point_serves_its_own_paths(tmp_path: Path, mount: str, paths: set[str]) -> None:
    """Each alone answers at its path and at the root, and nowhere else."""
    service = production(tmp_path)
    routes = getattr(service.mounts, mount)
    assert set(routes) == paths
    everywhere = {"/rewrap", "/.well-known/jwks.json", "/health", "/"}
    answered = {path for path in everywhere if ask(service, routes, "GET", path).status_code != 404}
    assert answered == paths


def test_kas_req_031_rewrap_alone_at_the_root_demands_credentials_too(tmp_path: Path) -> None:
    """The root is the same route, not a way around it."""
    service = production(tmp_path)
    answer = ask(service, service.mounts.rewrap, "POST", "/")
    assert (answer.status_code, json.loads(answer.get_data())["code"]) == (401, "credentials_missing")


def test_kas_req_021_production_answers_over_tls_only(tmp_path: Path) -> None:
    """Every route of it."""
    service = production(tmp_path)
    for path in service.mounts.everything:
        answer = ask(service, service.mounts.everything, "GET", path, {"X-Forwarded-Proto": "http"})
        assert json.loads(answer.get_data())["code"] == "https_required"


def test_every_limit_is_its_setting(tmp_path: Path) -> None:
    """No two are swapped, none is forgotten."""
    limits = dataclasses.asdict(_limits(settings(tmp_path, **LIMIT_SETTINGS)))
    assert limits == {
        "groups": 11,
        "kaos": 12,
        "json_depth": 13,
        "id_chars": 114,
        "url_chars": 115,
        "client_key_chars": 1016,
        "wrapped_key_chars": 1017,
        "metadata_chars": 1018,
        "policy_bytes": 1019,
    }
    assert set(limits) == {field.name for field in dataclasses.fields(Limits)}


def test_addresses_are_every_base_with_every_path() -> None:
    """Normalised, so that they can be compared."""
    bases = ("https://A.example:443", "https://b.example:8443/kas")
    assert _addresses(bases, ("", "/rewrap")) == {
        "https://a.example/",
        "https://a.example/rewrap",
        "https://b.example:8443/kas",
        "https://b.example:8443/kas/rewrap",
    }


def test_published_keys_are_public(tmp_path: Path) -> None:
    """One unwrap key and one signing key, without a private member; a cache may ask whether they changed."""
    service = production(tmp_path)
    answer = ask(service, service.mounts.everything, "GET", "/.well-known/jwks.json")
    keys = json.loads(answer.get_data())["keys"]
    assert [(key["use"], key["alg"]) for key in keys] == [("enc", "RSA-OAEP-256"), ("sig", "ES256")]
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & {name for key in keys for name in key}
    again = ask(
        service, service.mounts.everything, "GET", "/.well-known/jwks.json", {"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.get_data()) == (304, b"")


@pytest.mark.parametrize(("mode", "nonces"), [("require", 1), ("offer", 1), ("off", 0)])
def test_nonce_setting_reaches_the_route(tmp_path: Path, mode: str, nonces: int) -> None:
    """Every answer of the route offers the next one, refusals included, unless nonces are off."""
    service = production(tmp_path, KAS_REWRAP_DPOP_NONCE=mode)
    answer = ask(service, service.mounts.everything, "POST", "/rewrap")
    assert len(answer.headers.getlist("DPoP-Nonce")) == nonces
