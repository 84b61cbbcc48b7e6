"""Settings: every one has its default, its range and a name in the error when it is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from kas.config import Settings
from kas.errors import ConfigError

PRODUCTION = {"KAS_ID": "kas-usa", "KAS_PUBLIC_BASES": "https://kas.example"}
LOCAL = {"KAS_MODE": "local", "HOST": "127.0.0.1"}
ROOT = Path(__file__).resolve().parent.parent.parent

DEFAULTS: dict[str, Any] = {
    "mode": "production",
    "kas_id": "kas-usa",
    "public_bases": ("https://kas.example",),
    "issuers_path": ROOT / "config/issuers.json",
    "policy_dir": ROOT / "config",
    "keys_dir": ROOT / ".local/keys",
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
    "rate_rewrap": 100,
    "key_budget": "metered",
    "key_operations_per_minute": 1000,
    "kms_operations_per_day": 20_000,
    "dek_cache_seconds": 60,
    "dek_cache_entries": 10_000,
    "jwks_cache_seconds": 3600,
    "public_key_cache_seconds": 3600,
    "metrics": "off",
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
}
RANGES = {
    "KAS_REPLAY_STORE_CLAIMS": (8, 10_000_000),
    "KAS_TRUSTED_PROXY_HOPS": (0, 3),
    "KAS_RATE_NETWORK_PER_MINUTE": (1, 1_000_000),
    "KAS_RATE_GLOBAL_PER_MINUTE": (1, 1_000_000),
    "KAS_RATE_HEALTH_PER_10_SECONDS": (1, 1_000_000),
    "KAS_RATE_REWRAP_PER_MINUTE": (1, 1_000_000),
    "KAS_KEY_OPERATIONS_PER_MINUTE": (1, 1_000_000),
    "KAS_KMS_OPERATIONS_PER_DAY": (1, 100_000_000),
    "KAS_DEK_CACHE_SECONDS": (0, 3600),
    "KAS_DEK_CACHE_ENTRIES": (1, 1_000_000),
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
    return next(field.name for field in dataclasses.fields(Settings) if field.metadata["name"] == name)


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
    numbers = {field.metadata["name"] for field in dataclasses.fields(Settings) if field.type == "int"}
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


@pytest.mark.parametrize("environ", [PRODUCTION, LOCAL], ids=["production", "local"])
def test_kas_req_110_software_keys_are_refused_on_cloud_run(environ: dict[str, str]) -> None:
    """`K_SERVICE` is set there: neither mode may run on keys in files, whatever its value."""
    for value in ("kas", ""):
        with pytest.raises(ConfigError, match="K_SERVICE"):
            Settings.from_environ({**environ, "K_SERVICE": value})


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
