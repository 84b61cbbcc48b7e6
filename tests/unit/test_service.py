"""Wiring: settings become a service, and what it cannot safely run with stops the start."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import flask
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.test import EnvironBuilder

from kas.config import Settings
from kas.errors import ConfigError
from kas.fetch import FetchError
from kas.parts import Parts
from kas.protocol.acp240.request import Limits
from kas.protocol.opentdf.request import Limits as OpenTdfLimits
from kas.request_limits import acp240_limits, opentdf_limits
from kas.service import Service, _Rewraps, build_service
from kas.uri import addresses
from kas.web.replies import Routes
from tests.unit.good_edge import sent
from tests.vectors.primitives import ec_key
from tests.vectors.replay import KEYS, clock, unwrap_key

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
    "KAS_MAX_JSON_VALUES": "1013",
    "KAS_MAX_JSON_STRING_CHARS": "2013",
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


@cache
def opentdf_key() -> rsa.RSAPrivateKey:
    """Made once: that takes as long as all else of a start."""
    return rsa.generate_private_key(65537, 2048)


def write_keys(folder: Path) -> None:
    """A folder of keys as an operator makes one: the keys of the vectors."""
    folder.mkdir(mode=0o700)
    record = {"kid": "k-1", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "file": "unwrap.pem"}
    index = {
        "unwrapKeys": [
            record,
            record | {"kid": "k-2", "dialects": ["opentdf"], "file": "tdf.pem"},
            record | {"kid": "k-3", "algorithm": "P-256", "dialects": ["acp240", "opentdf"], "file": "unseal.pem"},
        ],
        "signingKeys": [{"kid": "s-1", "status": "current", "file": "signing.pem"}],
    }
    (folder / "keys.json").write_text(json.dumps(index), "utf-8")
    keys = {
        "unwrap": unwrap_key(),
        "tdf": opentdf_key(),
        "unseal": ec_key(KEYS["keys"]["receivingEc"]),
        "signing": ec_key(KEYS["keys"]["signing"]),
    }
    for name, key in keys.items():
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.pem").touch(mode=0o600)
        (folder / f"{name}.pem").write_bytes(key.private_bytes(*form))


def production(folder: Path, **changes: str) -> Service:
    write_keys(folder / "keys")
    return build_service(settings(folder, **changes), clock, clock)


def rewraps(folder: Path, **changes: str) -> _Rewraps:
    write_keys(folder / "keys")
    return _Rewraps(Parts(settings(folder, **changes), clock, clock))


def ask(service: Service, routes: Routes, method: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
    over_tls = {"X-Forwarded-Proto": "https", **(headers or {})}
    environ = EnvironBuilder(path, method=method, headers=over_tls).get_environ()
    request = flask.Request({**environ, "REMOTE_ADDR": "127.0.0.1"})
    return sent(service.answer(request, routes), request)


def test_production_without_keys_does_not_start(tmp_path: Path) -> None:
    """Nothing falls back to keys made on the spot."""
    with pytest.raises(ConfigError, match=r"keys\.json"):
        build_service(settings(tmp_path), clock, clock)
    assert not (tmp_path / "keys").exists()


def test_local_mode_makes_keys_once(tmp_path: Path) -> None:
    """A second start serves the same ones."""
    local = settings(tmp_path, KAS_MODE="local", HOST="127.0.0.1", KAS_PUBLIC_BASES="http://127.0.0.1:8080")
    services = [build_service(local, clock, clock) for _ in range(2)]
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
        build_service(configured, clock, clock)


@pytest.mark.parametrize("name", ["rsa:4096", "ec:secp384r1"])
def test_a_preferred_key_that_is_not_there_stops_the_start(tmp_path: Path, name: str) -> None:
    """Clients would be told to use it and be left without the whole configuration."""
    with pytest.raises(ConfigError, match=f"^KAS_OPENTDF_BASE_KEY: .*{name}"):
        production(tmp_path, KAS_OPENTDF_BASE_KEY=name)


@pytest.mark.parametrize("name", ["off", "rsa:2048", "ec:secp256r1"])
def test_a_preferred_key_that_is_there_starts(tmp_path: Path, name: str) -> None:
    """Its algorithm is one of an active key of OpenTDF."""
    service = production(tmp_path, KAS_OPENTDF_BASE_KEY=name)
    answer = ask(service, service.mounts.everything, "GET", "/.well-known/opentdf-configuration")
    base_key = json.loads(answer.get_data()).get("base_key", {"public_key": {"algorithm": "off"}})
    assert base_key["public_key"]["algorithm"] == name


def test_fault_20_production_fetches_over_tls_alone(tmp_path: Path) -> None:
    """A second line behind the check of the file: the fetcher itself refuses, loopback included."""
    find_key = rewraps(tmp_path).acp240().authenticator.find_key
    fetch = find_key.__self__._fetch  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match="address not allowed"):
        fetch("http://127.0.0.1/jwks.json")


def test_start_leaves_no_thread_behind(tmp_path: Path) -> None:
    """What is made before the worker is forked would not live in it."""
    before = threading.active_count()
    production(tmp_path)
    assert threading.active_count() == before


SERVICES = {
    "/kas.AccessService/",
    "/wellknownconfiguration.WellKnownService/",
    "/policy.kasregistry.KeyAccessServerRegistryService/",
    "/policy.attributes.AttributesService/",
    "/grpc.health.v1.Health/",
}
HEALTH = {"/health", "/health/live", "/health/ready", "/healthz"}
OPENTDF = {
    "/kas/v2/rewrap",
    "/kas/v2/kas_public_key",
    "/kas/kas_public_key",
    "/.well-known/opentdf-configuration",
    "/kas.AccessService/Rewrap",
    "/kas.AccessService/PublicKey",
    "/kas.AccessService/LegacyPublicKey",
    "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration",
    "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers",
    "/policy.attributes.AttributesService/GetKeyMappingsByFqns",
    "/policy.attributes.AttributesService/GetAttributeValuesByFqns",
    "/grpc.health.v1.Health/Check",
}


@pytest.mark.parametrize(
    ("mount", "paths"),
    [
        ("everything", {"/rewrap", "/explain", "/.well-known/jwks.json", "/openapi.json"} | HEALTH | OPENTDF),
        ("rewrap", {"/rewrap", "/"}),
        ("explain", {"/explain", "/"}),
        ("public_keys", {"/.well-known/jwks.json", "/"}),
        ("health", HEALTH | {"/", "/live", "/ready"}),
    ],
)
def test_entry_point_serves_its_own_paths(tmp_path: Path, mount: str, paths: set[str]) -> None:
    """Each alone answers at its path and at the root, and nowhere else."""
    service = production(tmp_path)
    routes = getattr(service.mounts, mount)
    assert set(routes.exact) == paths
    assert set(routes.prefixes) == (SERVICES if mount == "everything" else set())
    everywhere = (
        {"/rewrap", "/explain", "/.well-known/jwks.json", "/openapi.json", "/", "/live", "/ready"} | HEALTH | OPENTDF
    )
    answered = {path for path in everywhere if ask(service, routes, "GET", path).status_code != 404}
    assert answered == paths


def test_the_health_of_every_protocol_counts_against_the_limit_of_health(tmp_path: Path) -> None:
    """And nothing else does."""
    routes = production(tmp_path).mounts.everything
    counted = {path for path, route in (routes.exact | routes.prefixes).items() if route.is_health}
    assert counted == HEALTH | {"/grpc.health.v1.Health/Check"}


def test_kas_req_031_rewrap_alone_at_the_root_demands_credentials_too(tmp_path: Path) -> None:
    """The root is the same route, not a way around it."""
    service = production(tmp_path)
    answer = ask(service, service.mounts.rewrap, "POST", "/")
    assert (answer.status_code, json.loads(answer.get_data())["code"]) == (401, "credentials_missing")


def test_kas_req_021_production_answers_over_tls_only(tmp_path: Path) -> None:
    """Every route of it, each in the form of its clients."""
    service = production(tmp_path)
    routes = service.mounts.everything
    for path in [*routes.exact, *(f"{service_name}Anything" for service_name in routes.prefixes)]:
        answer = ask(service, routes, "GET", path, {"X-Forwarded-Proto": "http"})
        body = json.loads(answer.get_data())
        assert answer.status_code == 403
        assert "https_required" in (body["code"], body["message"].partition(":")[0])


def test_every_limit_is_its_setting(tmp_path: Path) -> None:
    """No two are swapped, none is forgotten."""
    limits = dataclasses.asdict(acp240_limits(settings(tmp_path, **LIMIT_SETTINGS)))
    assert limits == {
        "groups": 11,
        "kaos": 12,
        "json": {"depth": 13, "values": 1013, "string_chars": 2013},
        "id_chars": 114,
        "url_chars": 115,
        "client_key_chars": 1016,
        "wrapped_key_chars": 1017,
        "metadata_chars": 1018,
        "policy_bytes": 1019,
    }
    assert set(limits) == {field.name for field in dataclasses.fields(Limits)}


def test_every_limit_of_opentdf_is_its_setting(tmp_path: Path) -> None:
    """The same settings; a policy comes in base64 there, four characters for three bytes."""
    limits = dataclasses.asdict(opentdf_limits(settings(tmp_path, **LIMIT_SETTINGS)))
    assert limits == {
        "json": {"depth": 13, "values": 1013, "string_chars": 2013},
        "groups": 11,
        "kaos": 12,
        "id_chars": 114,
        "url_chars": 115,
        "client_key_chars": 1016,
        "wrapped_key_chars": 1017,
        "policy_chars": 4 * 340,
    }
    assert set(limits) == {field.name for field in dataclasses.fields(OpenTdfLimits)}


def test_routes_share_what_is_remembered_and_nothing_that_is_allowed(tmp_path: Path) -> None:
    """One memory of used proofs, one nonce key, one set of issuers' keys; addresses and leniency are each route's."""
    built = rewraps(tmp_path, KAS_OPENTDF_BEARER="allow")
    acp240, opentdf = built.acp240().authenticator, built.opentdf("/kas/v2/rewrap").authenticator
    assert acp240.limit is opentdf.limit is not None
    assert built.acp240().release.opener is built.opentdf("/kas/v2/rewrap").release.opener
    assert acp240.replay_store is opentdf.replay_store
    assert acp240.nonces is opentdf.nonces
    assert acp240.find_key == opentdf.find_key
    assert (acp240.uris, opentdf.uris) == ({"https://kas.example/rewrap"}, {"https://kas.example/kas/v2/rewrap"})
    assert (acp240.takes_unbound, opentdf.takes_unbound) == (False, True)
    assert (acp240.schemes, opentdf.schemes) == ({"dpop", "bearer"}, {"dpop"})
    assert (acp240.nonce_mode, opentdf.nonce_mode) == ("require", "offer")


def test_unbound_tokens_are_taken_nowhere_by_default(tmp_path: Path) -> None:
    """Outside local mode an operator must say so."""
    built = rewraps(tmp_path)
    assert not built.acp240().authenticator.takes_unbound
    assert not built.opentdf("/kas/v2/rewrap").authenticator.takes_unbound


def test_addresses_are_every_base_with_every_path() -> None:
    """Normalised, so that they can be compared."""
    bases = ("https://A.example:443", "https://b.example:8443/kas")
    assert addresses(bases, ("", "/rewrap")) == {
        "https://a.example/",
        "https://a.example/rewrap",
        "https://b.example:8443/kas",
        "https://b.example:8443/kas/rewrap",
    }


def test_published_keys_are_public(tmp_path: Path) -> None:
    """Each unwrap key and the signing key, without a private member; a cache may ask whether they changed."""
    service = production(tmp_path)
    answer = ask(service, service.mounts.everything, "GET", "/.well-known/jwks.json")
    keys = json.loads(answer.get_data())["keys"]
    assert [(key["use"], key["alg"]) for key in keys] == [
        ("enc", "RSA-OAEP-256"),
        ("enc", "RSA-OAEP"),
        ("enc", "ECDH-ES"),
        ("sig", "ES256"),
    ]
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & {name for key in keys for name in key}
    again = ask(
        service, service.mounts.everything, "GET", "/.well-known/jwks.json", {"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.get_data()) == (304, b"")


@pytest.mark.parametrize(("mode", "nonces"), [("require", 1), ("offer", 1), ("off", 0)])
@pytest.mark.parametrize("path", ["/rewrap", "/explain"])
def test_nonce_setting_reaches_the_route(tmp_path: Path, mode: str, nonces: int, path: str) -> None:
    """Every answer of the route offers the next one, refusals included, unless nonces are off."""
    service = production(tmp_path, KAS_REWRAP_DPOP_NONCE=mode)
    answer = ask(service, service.mounts.everything, "POST", path)
    assert len(answer.headers.getlist("DPoP-Nonce")) == nonces
