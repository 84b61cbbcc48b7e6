"""Settings: every one has its default, its range and a name in the error when it is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kas.config import Settings
from kas.errors import ConfigError

PRODUCTION = {"KAS_ID": "kas-usa", "KAS_PUBLIC_BASES": "https://kas.example"}
SECRET = "A" * 43  # 32 bytes in base64url
LOCAL = {"KAS_MODE": "local", "HOST": "127.0.0.1"}
ROOT = Path(__file__).resolve().parent.parent.parent
FIELDS = [field for field in dataclasses.fields(Settings) if field.metadata]

DEFAULTS: dict[str, Any] = {
    "mode": "production",
    "kas_id": "kas-usa",
    "public_bases": ("https://kas.example",),
    "issuers_path": ROOT / "config/issuers.json",
    "policy_dir": ROOT / "config",
    "keys_dir": ROOT / ".local/keys",
    "keys": "",
    "kms_transport": "http",
    "kms_endpoint": "https://cloudkms.googleapis.com",
    "secrets_endpoint": "https://secretmanager.googleapis.com",
    "kms_protection_level": "HSM",
    "kms_timeout_seconds": 3,
    "kms_deadline_seconds": 8,
    "federation_config_path": None,
    "federation_deadline_seconds": 10,
    "policy_backend": "builtin",
    "opa_url": "http://127.0.0.1:8181",
    "kms_concurrency": 64,
    "nonce_secrets": (),
    "rewrap_schemes": frozenset({"dpop", "bearer"}),
    "rewrap_dpop_nonce": "require",
    "require_client_key_hash": False,
    "opentdf_bearer": "refuse",
    "opentdf_dpop_nonce": "offer",
    "opentdf_base_key": "off",
    "opentdf_empty_policy": "refuse",
    "replay_store_claims": 100_000,
    "cors_origins": frozenset(),
    "trusted_proxy_hops": 0,
    "rate_network": 600,
    "rate_global": 1000,
    "rate_health": 50,
    "rate_memory": 100_000,
    "rate_rewrap": 100,
    "key_budget": "metered",
    "key_operations_per_minute": 1000,
    "kms_operations_per_day": 20_000,
    "dek_cache_seconds": 60,
    "dek_cache_entries": 10_000,
    "instance_vcpu": 1,
    "instance_memory_mib": 640,
    "jwks_cache_seconds": 3600,
    "public_key_cache_seconds": 3600,
    "metrics": "off",
    "state_backend": "memory",
    "state_keys": (),
    "state_timeout_milliseconds": 500,
    "redis": None,
    "redis_ca_path": None,
    "redis_ca": "",
    "firestore_endpoint": "https://firestore.googleapis.com",
    "firestore_database": "(default)",
    "gcp_project": "",
    "body_timeout_seconds": 5,
    "max_body_bytes": 1_048_576,
    "max_groups": 100,
    "max_kaos": 500,
    "max_json_depth": 32,
    "max_json_values": 50_000,
    "max_json_string_chars": 131_072,
    "max_id_chars": 256,
    "max_url_chars": 2048,
    "max_client_key_chars": 8192,
    "max_wrapped_key_chars": 8192,
    "max_metadata_chars": 65536,
    "max_policy_bytes": 65536,
    "on_cloud_run": False,
    "revision": "",
}
RANGES = {
    "KAS_KMS_TIMEOUT_SECONDS": (1, 30),
    "KAS_KMS_DEADLINE_SECONDS": (1, 60),
    "KAS_FEDERATION_DEADLINE_SECONDS": (1, 60),
    "KAS_KMS_CONCURRENCY": (1, 256),
    "KAS_STATE_TIMEOUT_MILLISECONDS": (10, 10_000),
    "KAS_REPLAY_STORE_CLAIMS": (8, 10_000_000),
    "KAS_TRUSTED_PROXY_HOPS": (0, 3),
    "KAS_RATE_NETWORK_PER_MINUTE": (1, 1_000_000),
    "KAS_RATE_GLOBAL_PER_MINUTE": (1, 1_000_000),
    "KAS_RATE_HEALTH_PER_10_SECONDS": (1, 1_000_000),
    "KAS_RATE_MEMORY_REQUESTS": (1, 10_000_000),
    "KAS_RATE_REWRAP_PER_MINUTE": (1, 1_000_000),
    "KAS_KEY_OPERATIONS_PER_MINUTE": (1, 1_000_000),
    "KAS_KMS_OPERATIONS_PER_DAY": (1, 100_000_000),
    "KAS_DEK_CACHE_SECONDS": (0, 3600),
    "KAS_DEK_CACHE_ENTRIES": (1, 1_000_000),
    "KAS_INSTANCE_VCPU": (1, 8),
    "KAS_INSTANCE_MEMORY_MIB": (128, 32_768),
    "KAS_JWKS_CACHE_SECONDS": (1, 86_400),
    "KAS_PUBLIC_KEY_CACHE_SECONDS": (0, 86_400),
    "KAS_BODY_TIMEOUT_SECONDS": (1, 60),
    "KAS_MAX_BODY_BYTES": (1024, 33_554_432),
    "KAS_MAX_GROUPS": (1, 10_000),
    "KAS_MAX_KAOS": (1, 10_000),
    "KAS_MAX_JSON_DEPTH": (8, 100),
    "KAS_MAX_JSON_VALUES": (100, 10_000_000),
    "KAS_MAX_JSON_STRING_CHARS": (1024, 33_554_432),
    "KAS_MAX_ID_CHARS": (16, 4096),
    "KAS_MAX_URL_CHARS": (64, 8192),
    "KAS_MAX_CLIENT_KEY_CHARS": (512, 65_536),
    "KAS_MAX_WRAPPED_KEY_CHARS": (512, 1_048_576),
    "KAS_MAX_METADATA_CHARS": (0, 1_048_576),
    "KAS_MAX_POLICY_BYTES": (256, 1_048_576),
}
ENDPOINTS = ("KAS_KMS_ENDPOINT", "KAS_SECRETS_ENDPOINT", "KAS_FIRESTORE_ENDPOINT")
BAD_ENDPOINTS = (
    "google.example",
    "http://google.example",
    "http://169.254.169.254",
    "https://google.example/",
    "https://google.example/v1",
    "https://user@google.example",
    "https://Google.example",
    "ftp://127.0.0.1",
    "https://google.example\n",
    "https://a..b",
    "https://.",
    "https://-",
    "https://google.example.",
    "https://-a.example",
    "https://a-.example",
    f"https://{'a' * 64}.example",
    "https://1.2.3",
    "https://1.2.3.256",
    "https://[:::]",
    "https://[::1",
    "https://[1.2.3.4]",
    "https://google.example:0",
    "https://google.example:65536",
    "https://google.example:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:99999",
    "http://[::1]:0",
)
BAD_VALUES = [
    ("KAS_MODE", "Local"),
    ("KAS_MODE", ""),
    ("KAS_ID", ""),
    ("KAS_ID", "-kas"),
    ("KAS_ID", "kas usa"),
    ("KAS_ID", "kas-usa\n"),
    ("KAS_ID", "k" * 65),
    ("KAS_PUBLIC_BASES", ""),
    ("KAS_PUBLIC_BASES", "https://kas.example/"),
    ("KAS_PUBLIC_BASES", "https://kas.example,"),
    ("KAS_PUBLIC_BASES", "https://kas.example, https://b.example"),
    ("KAS_PUBLIC_BASES", "https://kas.example?a"),
    ("KAS_PUBLIC_BASES", "https://kas.example#a"),
    ("KAS_PUBLIC_BASES", "https://user@kas.example"),
    ("KAS_PUBLIC_BASES", "http://kas.example"),
    ("KAS_PUBLIC_BASES", "http://127.0.0.1:8080"),
    ("KAS_PUBLIC_BASES", "kas.example"),
    ("KAS_ISSUERS_PATH", ""),
    ("KAS_POLICY_DIR", ""),
    ("KAS_KEYS_DIR", ""),
    ("KAS_KMS_TRANSPORT", ""),
    ("KAS_KMS_TRANSPORT", "HTTP"),
    *((name, value) for name in ENDPOINTS for value in BAD_ENDPOINTS),
    ("KAS_KMS_ENDPOINT", ""),
    ("KAS_SECRETS_ENDPOINT", ""),
    ("KAS_KMS_PROTECTION_LEVEL", ""),
    ("KAS_KMS_PROTECTION_LEVEL", "EXTERNAL"),
    ("KAS_NONCE_SECRET", "A" * 42),
    ("KAS_NONCE_SECRET", "A" * 43 + "="),
    ("KAS_NONCE_SECRET", "A" * 42 + "B"),
    ("KAS_NONCE_SECRET", "A" * 43 + ","),
    ("KAS_NONCE_SECRET", "A" * 43 + "," + "A" * 10),
    ("KAS_NONCE_SECRET", ",".join(["A" * 43] * 3)),
    ("KAS_NONCE_SECRET", "A" * 42 + "é"),
    ("KAS_REWRAP_SCHEMES", ""),
    ("KAS_REWRAP_SCHEMES", "Bearer"),
    ("KAS_REWRAP_SCHEMES", "dpop"),
    ("KAS_REWRAP_SCHEMES", "DPoP,Basic"),
    ("KAS_REWRAP_DPOP_NONCE", "optional"),
    ("KAS_REWRAP_DPOP_NONCE", ""),
    ("KAS_REQUIRE_CLIENT_KEY_HASH", "1"),
    ("KAS_REQUIRE_CLIENT_KEY_HASH", ""),
    ("KAS_OPENTDF_BEARER", ""),
    ("KAS_OPENTDF_BEARER", "true"),
    ("KAS_OPENTDF_DPOP_NONCE", ""),
    ("KAS_OPENTDF_DPOP_NONCE", "Offer"),
    ("KAS_OPENTDF_BASE_KEY", ""),
    ("KAS_OPENTDF_BASE_KEY", "rsa:1024"),
    ("KAS_OPENTDF_BASE_KEY", "on"),
    ("KAS_OPENTDF_EMPTY_POLICY", ""),
    ("KAS_OPENTDF_EMPTY_POLICY", "permit"),
    ("KAS_CORS_ORIGINS", "*"),
    ("KAS_CORS_ORIGINS", "null"),
    ("KAS_CORS_ORIGINS", "https://app.example/"),
    ("KAS_CORS_ORIGINS", "https://*.example"),
    ("KAS_CORS_ORIGINS", "https://App.example"),
    ("KAS_CORS_ORIGINS", "https://app.example,"),
    ("KAS_CORS_ORIGINS", "https://app.example, https://b.example"),
    ("KAS_CORS_ORIGINS", "app.example"),
    ("KAS_KEY_BUDGET", "off"),
    ("KAS_METRICS", "true"),
    ("KAS_GCP_PROJECT", "No Project"),
    ("KAS_GCP_PROJECT", "p/traces/x"),
    *((name, text) for name in RANGES for text in ("", "-1", "1e3", "1.0", " 10", "٣٠", "9" * 13)),
]


def read(**changes: str) -> Settings:
    return Settings.from_environ({**PRODUCTION, **changes})


def field_of(name: str) -> str:
    return next(field.name for field in FIELDS if field.metadata["name"] == name)


def test_every_setting_has_the_documented_default() -> None:
    """With nothing but the two that must be given, the rest is as listed here, and nothing else exists."""
    assert dataclasses.asdict(read()) == DEFAULTS


@pytest.mark.parametrize("name", PRODUCTION)
def test_setting_without_default_must_be_given(name: str) -> None:
    """The error names it."""
    with pytest.raises(ConfigError, match=f"^{name}: must be set"):
        Settings.from_environ({other: value for other, value in PRODUCTION.items() if other != name})


@pytest.mark.parametrize(("name", "ends"), RANGES.items())
def test_number_takes_both_ends_of_its_range_and_nothing_beyond(name: str, ends: tuple[int, int]) -> None:
    """One less and one more stop the start."""
    low, high = ends
    assert [getattr(read(**{name: str(value)}), field_of(name)) for value in ends] == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"^{name}: must be "):
            read(**{name: str(beyond)})


def test_every_number_has_a_range_here() -> None:
    """A new limit needs its line in the table above."""
    numbers = {field.metadata["name"] for field in FIELDS if field.type == "int"}
    assert numbers == set(RANGES)


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_bad_value_stops_the_start_and_is_not_repeated(name: str, value: str) -> None:
    """The error names the setting and what it takes, never the value: that could be a secret in the wrong place."""
    with pytest.raises(ConfigError, match=f"^{name}: ") as refusal:
        read(**{name: value})
    shown = str(refusal.value).partition(": must be ")[0]
    assert len(value) < 5 or value not in shown


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("KAS_REWRAP_SCHEMES", "DPoP", frozenset({"dpop"})),
        ("KAS_REWRAP_SCHEMES", "Bearer,DPoP", frozenset({"dpop", "bearer"})),
        ("KAS_REWRAP_DPOP_NONCE", "off", "off"),
        ("KAS_REWRAP_DPOP_NONCE", "offer", "offer"),
        ("KAS_REQUIRE_CLIENT_KEY_HASH", "true", True),
        ("KAS_OPENTDF_BEARER", "allow", "allow"),
        ("KAS_OPENTDF_DPOP_NONCE", "require", "require"),
        ("KAS_OPENTDF_BASE_KEY", "ec:secp256r1", "ec:secp256r1"),
        ("KAS_OPENTDF_EMPTY_POLICY", "allow", "allow"),
        ("KAS_KEYS_DIR", "/srv/keys", Path("/srv/keys")),
        ("KAS_KMS_ENDPOINT", "http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("KAS_SECRETS_ENDPOINT", "https://kms.example:8443", "https://kms.example:8443"),
        ("KAS_KMS_ENDPOINT", "http://[::1]:65535", "http://[::1]:65535"),
        ("KAS_KMS_ENDPOINT", f"https://{'a' * 63}.1-2.x:1", f"https://{'a' * 63}.1-2.x:1"),
        ("KAS_SECRETS_ENDPOINT", "https://10.0.0.1", "https://10.0.0.1"),
        ("KAS_KMS_TRANSPORT", "grpc", "grpc"),
        ("KAS_KMS_PROTECTION_LEVEL", "SOFTWARE", "SOFTWARE"),
        ("KAS_NONCE_SECRET", SECRET, (bytes(32),)),
        ("KAS_NONCE_SECRET", f"{'_' * 44},{SECRET}", (b"\xff" * 33, bytes(32))),
        ("KAS_KEYS_DIR", "keys", ROOT / "keys"),
        (
            "KAS_PUBLIC_BASES",
            "https://a.example:8443/p,https://b.example",
            ("https://a.example:8443/p", "https://b.example"),
        ),
    ],
)
def test_good_value_is_read(name: str, value: str, read_as: object) -> None:
    """Every form that the table promises; relative paths are below the project."""
    assert getattr(read(**{name: value}), field_of(name)) == read_as


@pytest.mark.parametrize("name", ["KAS_MAX_KAO", "KAS_REQUIRE_CLIENTKEYHASH", "KAS_"])
def test_unknown_setting_is_refused(name: str) -> None:
    """A misspelt limit would be no limit."""
    with pytest.raises(ConfigError, match=f"^{name}: unknown setting"):
        read(**{name: "1"})


def test_variables_of_others_are_ignored() -> None:
    """Only the prefix is ours."""
    assert read(PATH="/bin", XKAS_MODE="local", kas_mode="local").mode == "production"


@pytest.mark.parametrize("name", ["DEBUG", "FUNCTION_USE_ASGI", "THREADED_TIMEOUT_ENABLED"])
@pytest.mark.parametrize("value", ["1", "true", "True", "yes", "anything"])
def test_variable_that_starts_another_server_is_refused(name: str, value: str) -> None:
    """The host would run a debugger, or a server that nothing here is tested on."""
    with pytest.raises(ConfigError, match=f"^{name}: "):
        read(**{name: value})


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "OFF"])
def test_variable_that_is_switched_off_is_no_hindrance(value: str) -> None:
    """The host reads these as off."""
    assert read(DEBUG=value, FUNCTION_USE_ASGI=value, THREADED_TIMEOUT_ENABLED=value).mode == "production"


@pytest.mark.parametrize("workers", ["2", "0", "", "auto"])
def test_more_than_one_worker_is_refused(workers: str) -> None:
    """Used proofs are remembered in one process."""
    with pytest.raises(ConfigError, match=r"^WORKERS: "):
        read(WORKERS=workers)
    assert read(WORKERS="1").mode == "production"


# ---- on Cloud Run


@pytest.mark.parametrize("value", ["kas", ""])
def test_kas_req_110_on_cloud_run_production_starts_and_local_mode_does_not(value: str) -> None:
    """`K_SERVICE` is set there, whatever its value."""
    assert read(K_SERVICE=value).on_cloud_run
    with pytest.raises(ConfigError, match=r"^KAS_MODE: local mode is refused on Cloud Run"):
        Settings.from_environ({**LOCAL, "K_SERVICE": value})


@pytest.mark.parametrize("name", ENDPOINTS)
def test_fault_20_on_cloud_run_google_is_called_over_tls_alone(name: str) -> None:
    """Elsewhere a stand-in on loopback may be named, in production mode too."""
    assert getattr(read(**{name: "http://127.0.0.1:8090"}), field_of(name)) == "http://127.0.0.1:8090"
    with pytest.raises(ConfigError, match=f"^{name}: must be https on Cloud Run"):
        read(**{name: "http://127.0.0.1:8090", "K_SERVICE": "kas"})
    assert read(**{name: "https://google.example", "K_SERVICE": "kas"}).on_cloud_run


def test_the_platform_says_what_it_calls_the_deployment() -> None:
    """For the first line of an audit trail."""
    assert read(K_REVISION="kas-usa-00007-xyz").revision == "kas-usa-00007-xyz"


def test_fault_20_on_cloud_run_public_bases_are_https() -> None:
    """Loopback included."""
    for base in ("http://kas.example", "http://127.0.0.1:8080", "https://kas.example,http://localhost:8080"):
        with pytest.raises(ConfigError, match=r"^KAS_PUBLIC_BASES: every base must be https"):
            read(KAS_PUBLIC_BASES=base, K_SERVICE="kas")


@pytest.mark.parametrize(
    "host",
    [
        "metadata.example",
        "metadata.google.internal.example",
        "10.0.0.1",
        "169.254.169.253",
        "user@127.0.0.1",
        "127.0.0.1/x",
        "metadata.google.internal\n",
        "metadata.google.internal:",
        "127.0.0.1:80:80",
        " ",
    ],
)
def test_on_cloud_run_nobody_else_says_who_the_service_is(host: str) -> None:
    """The metadata server is asked without TLS: a foreign one would choose the account that we act as."""
    with pytest.raises(ConfigError, match=r"^GCE_METADATA_HOST: "):
        read(K_SERVICE="kas", GCE_METADATA_HOST=host)
    assert not read(GCE_METADATA_HOST=host).on_cloud_run


@pytest.mark.parametrize(
    "host",
    ["", "metadata.google.internal", "metadata.google.internal:80", "169.254.169.254", "127.0.0.1:8090"],
)
def test_on_cloud_run_the_metadata_server_is_the_platforms_or_in_the_same_container(host: str) -> None:
    """By name or by address."""
    assert read(K_SERVICE="kas", GCE_METADATA_HOST=host).on_cloud_run


# ---- values that stand elsewhere


class Manager:
    """A secret that is ``value``; remembers what it was asked."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.calls: list[tuple[str, dict[str, str]]] = []

    def __call__(self, endpoint: str, versions: Mapping[str, str]) -> dict[str, bytes]:
        self.calls.append((endpoint, dict(versions)))
        return dict.fromkeys(versions, self.value.encode())


VERSION = "projects/kas-test/secrets/nonce/versions/1"


def read_with(manager: Manager, **changes: str) -> Settings:
    return Settings.from_environ({**PRODUCTION, **changes}, manager)


@pytest.mark.parametrize("name", ["KAS_NONCE_SECRET", "KAS_KEYS", "KAS_ID", "KAS_PUBLIC_BASES", "KAS_MAX_KAOS"])
def test_any_value_may_be_a_secret(name: str) -> None:
    """Numbers and lists too; it is read as if it stood there, without the line break at its end."""
    text = {"KAS_NONCE_SECRET": SECRET, "KAS_PUBLIC_BASES": "https://kas.example"}.get(name, "12")
    manager = Manager(f"{text}\n")
    assert read_with(manager, **{name: f"sm://{VERSION}"}) == read(**{name: text})
    assert manager.calls == [("https://secretmanager.googleapis.com", {name: VERSION})]


def test_any_value_may_be_a_mounted_file(tmp_path: Path) -> None:
    """Then nobody is asked."""
    path = tmp_path / "nonce"
    path.touch(0o600)
    path.write_text(f"{SECRET}\n")
    manager = Manager("")
    assert read_with(manager, KAS_NONCE_SECRET=f"file:{path}").nonce_secrets == (bytes(32),)
    assert manager.calls == []


def test_all_secrets_are_asked_for_at_once_where_the_setting_says() -> None:
    """One call, so that they can be had side by side."""
    manager, places = Manager("12"), ("KAS_MAX_KAOS", "KAS_MAX_GROUPS")
    read_with(manager, KAS_SECRETS_ENDPOINT="https://sm.example", **dict.fromkeys(places, f"sm://{VERSION}"))
    assert manager.calls == [("https://sm.example", dict.fromkeys(places, VERSION))]


def test_settings_without_references_ask_nobody() -> None:
    """A cold start pays for what it uses."""
    manager = Manager("")
    read_with(manager)
    assert manager.calls == []


@pytest.mark.parametrize("name", ["KAS_MODE", *ENDPOINTS])
@pytest.mark.parametrize("value", [f"sm://{VERSION}", "file:/dev/null"])
def test_what_decides_how_secrets_are_read_is_none(name: str, value: str) -> None:
    """It is read before them."""
    manager = Manager("local" if name == "KAS_MODE" else "https://sm.example")
    with pytest.raises(ConfigError, match=f"^{name}: must be "):
        read_with(manager, **{name: value})
    assert manager.calls == []


def test_latest_is_refused_outside_local_mode() -> None:
    """What runs must be what was chosen."""
    latest = f"sm://{VERSION[:-1]}latest"
    with pytest.raises(ConfigError, match=r"^KAS_NONCE_SECRET: must name the version"):
        read_with(Manager(SECRET), KAS_NONCE_SECRET=latest)
    local = Settings.from_environ({**LOCAL, "KAS_NONCE_SECRET": latest}, Manager(SECRET))
    assert local.nonce_secrets == (bytes(32),)


@pytest.mark.parametrize("value", ["sm://x", "file:x", "sm:///dev/null"])
def test_a_reference_that_is_badly_written_is_not_a_value(value: str) -> None:
    """`KAS_KEYS_DIR` takes almost any text."""
    with pytest.raises(ConfigError, match=r"^KAS_KEYS_DIR: must be sm://"):
        read(KAS_KEYS_DIR=value)


def test_a_secret_that_is_no_such_value_stops_the_start_and_is_not_repeated() -> None:
    """Not in the text and not in what caused it; and one that is good is not shown either."""
    with pytest.raises(ConfigError, match=r"^KAS_NONCE_SECRET: must be 1–2 of base64url") as refusal:
        read_with(Manager("canary é"), KAS_NONCE_SECRET=f"sm://{VERSION}")
    assert refusal.value.__cause__ is None
    assert "canary" not in str(refusal.value)
    shown = repr(read(KAS_NONCE_SECRET=SECRET))
    assert "nonce_secrets" not in shown
    assert repr(bytes(32)) not in shown


def test_local_mode_names_itself_by_its_port() -> None:
    """Its bases are loopback on PORT, 8080 by default."""
    assert Settings.from_environ(LOCAL).public_bases == ("http://127.0.0.1:8080", "http://localhost:8080")
    settings = Settings.from_environ({**LOCAL, "PORT": "9000"})
    assert settings.public_bases == ("http://127.0.0.1:9000", "http://localhost:9000")
    assert (settings.local, settings.kas_id) == (True, "kas-local")
    assert settings.rewrap_dpop_nonce == "require"


def test_local_mode_takes_what_clients_of_opentdf_send_unless_it_is_told_not_to() -> None:
    """Unbound tokens and empty policies, on one machine only; production refuses both until an operator says so."""
    local = Settings.from_environ(LOCAL)
    assert (local.opentdf_bearer, local.opentdf_empty_policy) == ("allow", "allow")
    told = Settings.from_environ({**LOCAL, "KAS_OPENTDF_BEARER": "refuse", "KAS_OPENTDF_EMPTY_POLICY": "refuse"})
    assert (told.opentdf_bearer, told.opentdf_empty_policy) == ("refuse", "refuse")
    assert (read().opentdf_bearer, read().opentdf_empty_policy) == ("refuse", "refuse")


@pytest.mark.parametrize("host", [None, "0.0.0.0", "::", "192.168.1.2", "kas.example", ""])
def test_local_mode_stays_on_this_machine(host: str | None) -> None:
    """The host's own default is every interface."""
    environ = {"KAS_MODE": "local"} if host is None else {**LOCAL, "HOST": host}
    with pytest.raises(ConfigError, match=r"^HOST: "):
        Settings.from_environ(environ)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_local_mode_takes_loopback(host: str) -> None:
    """By address or by name."""
    assert Settings.from_environ({**LOCAL, "HOST": host}).local


def test_local_mode_takes_plain_http_for_loopback_only() -> None:
    """Another machine's address must be https in every mode."""
    with pytest.raises(ConfigError, match=r"^KAS_PUBLIC_BASES: "):
        Settings.from_environ({**LOCAL, "KAS_PUBLIC_BASES": "http://kas.example"})


def test_settings_cannot_be_changed() -> None:
    """What was checked is what runs."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().mode = "local"  # type: ignore[misc]
