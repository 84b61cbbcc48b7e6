"""Settings: the only reader of the environment, once, into one frozen object.

Every name begins with ``KAS_``; an unknown one is refused, since a misspelt limit would be no limit. A bad value
stops the start, and the error names the setting and what it takes. `docs/configuration.md` prints the table and a test
holds both together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kas.errors import ConfigError
from kas.host_variables import refuse_host_variables, refuse_open_local_mode
from kas.setting import (
    PREFIX,
    bases,
    count,
    flag,
    identifier,
    one_of,
    origins,
    path,
    project,
    schemes,
    setting,
)
from kas.uri import is_secure_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `service` and `parts` unpack it; no other module receives it whole."""

    mode: str = setting(
        "MODE",
        one_of("production", "local"),
        "production, local",
        "production",
        "local: keys made on first start, plain HTTP, this machine only",
    )
    kas_id: str = setting(
        "ID",
        identifier,
        "1–64 of A–Z a–z 0–9 . _ -",
        None,
        "name of this KAS in the signature of each result",
    )
    public_bases: tuple[str, ...] = setting(
        "PUBLIC_BASES",
        bases,
        "URLs, comma between",
        None,
        "every public address of this service, origin and optional path prefix; https outside local mode",
    )
    issuers_path: Path = setting(
        "ISSUERS_PATH",
        path,
        "path",
        "config/issuers.json",
        "token issuers: JWKS, audience, accepted types, claim names, acr levels, countries",
    )
    policy_dir: Path = setting(
        "POLICY_DIR", path, "path", "config", "folder of labels.json, clearances.json, countries.json, attributes.json"
    )
    keys_dir: Path = setting(
        "KEYS_DIR",
        path,
        "path",
        ".local/keys",
        "folder of keys.json and the private keys it names; made on first start in local mode only",
    )
    rewrap_schemes: frozenset[str] = setting(
        "REWRAP_SCHEMES",
        schemes,
        "DPoP; DPoP,Bearer",
        "DPoP,Bearer",
        "schemes of Authorization that /rewrap takes for a bound token; the proof is demanded with either",
    )
    rewrap_dpop_nonce: Literal["off", "offer", "require"] = setting(
        "REWRAP_DPOP_NONCE",
        one_of("off", "offer", "require"),
        "off, offer, require",
        "require",
        "nonces in DPoP proofs on /rewrap; only require accepts a proof at most once across restarts",
    )
    require_client_key_hash: bool = setting(
        "REQUIRE_CLIENT_KEY_HASH",
        flag,
        "true, false",
        "false",
        "refuse key access objects whose signature does not cover the client's key (clientKeyHash)",
    )
    opentdf_bearer: Literal["allow", "refuse"] = setting(
        "OPENTDF_BEARER",
        one_of("allow", "refuse"),
        "allow, refuse",
        "refuse",
        "access tokens that are bound to no key, on OpenTDF routes; allow by default in local mode",
    )
    opentdf_dpop_nonce: Literal["off", "offer", "require"] = setting(
        "OPENTDF_DPOP_NONCE",
        one_of("off", "offer", "require"),
        "off, offer, require",
        "offer",
        "nonces in DPoP proofs on OpenTDF routes; some of their clients cannot answer a challenge",
    )
    opentdf_base_key: str = setting(
        "OPENTDF_BASE_KEY",
        one_of("off", "rsa:2048", "rsa:4096", "ec:secp256r1", "ec:secp384r1", "ec:secp521r1"),
        "off, rsa:2048, rsa:4096, ec:secp256r1, ec:secp384r1, ec:secp521r1",
        "off",
        "the key that OpenTDF clients are told to prefer, whatever they would choose",
    )
    opentdf_empty_policy: Literal["allow", "refuse"] = setting(
        "OPENTDF_EMPTY_POLICY",
        one_of("allow", "refuse"),
        "allow, refuse",
        "refuse",
        "policies without attributes and recipients: any authenticated caller, or nobody; allow by default in local mode",
    )
    replay_store_claims: int = count(
        "REPLAY_STORE_CLAIMS",
        8,
        10_000_000,
        "claims",
        100_000,
        "used proofs remembered at once; one caller or key may hold an eighth",
    )
    cors_origins: frozenset[str] = setting(
        "CORS_ORIGINS",
        origins,
        "origins, comma between; empty for none",
        "",
        "web origins whose pages may call this service, each exactly as the browser sends it",
    )
    trusted_proxy_hops: int = count(
        "TRUSTED_PROXY_HOPS",
        0,
        3,
        "proxies",
        0,
        "load balancers in front of the platform's own: the caller's address stands so many entries before the last",
    )
    rate_network: int = count(
        "RATE_NETWORK_PER_MINUTE",
        1,
        1_000_000,
        "requests",
        600,
        "requests a minute of one network, before it is known who asks",
    )
    rate_global: int = count("RATE_GLOBAL_PER_MINUTE", 1, 1_000_000, "requests", 1000, "requests a minute of everybody")
    rate_health: int = count(
        "RATE_HEALTH_PER_10_SECONDS", 1, 1_000_000, "requests", 50, "health requests in 10 s of one network"
    )
    rate_rewrap: int = count(
        "RATE_REWRAP_PER_MINUTE", 1, 1_000_000, "requests", 100, "rewrap requests a minute of one caller, on all routes"
    )
    key_budget: Literal["metered", "all"] = setting(
        "KEY_BUDGET",
        one_of("metered", "all"),
        "metered, all",
        "metered",
        "which key operations the two budgets below count: those that cost money, or software keys' too",
    )
    key_operations_per_minute: int = count(
        "KEY_OPERATIONS_PER_MINUTE", 1, 1_000_000, "operations", 1000, "key operations a minute of one caller"
    )
    kms_operations_per_day: int = count(
        "KMS_OPERATIONS_PER_DAY", 1, 100_000_000, "operations", 20_000, "key operations in 24 hours of this process"
    )
    dek_cache_seconds: int = count(
        "DEK_CACHE_SECONDS",
        0,
        3600,
        "s",
        60,
        "how long an unwrapped key is kept for the next who may have it; 0: not at all",
    )
    dek_cache_entries: int = count("DEK_CACHE_ENTRIES", 1, 1_000_000, "keys", 10_000, "unwrapped keys kept at once")
    jwks_cache_seconds: int = count("JWKS_CACHE_SECONDS", 1, 86_400, "s", 3600, "how long an issuer's keys are fresh")
    public_key_cache_seconds: int = count(
        "PUBLIC_KEY_CACHE_SECONDS", 0, 86_400, "s", 3600, "how long others may keep our public keys"
    )
    metrics: Literal["on", "off"] = setting(
        "METRICS",
        one_of("on", "off"),
        "on, off",
        "off",
        "/metrics in Prometheus text, for whoever asks; on by default in local mode",
    )
    gcp_project: str = setting(
        "GCP_PROJECT",
        project,
        "project id, or empty",
        "",
        "Google Cloud project, to name traces in log lines as Cloud Logging wants them",
    )
    body_timeout_seconds: int = count("BODY_TIMEOUT_SECONDS", 1, 60, "s", 5, "time for a body to arrive whole")
    max_body_bytes: int = count("MAX_BODY_BYTES", 1024, 32 * 2**20, "bytes", 2**20, "size of a request body")
    max_groups: int = count("MAX_GROUPS", 1, 10_000, "groups", 100, "groups (policies) in one request")
    max_kaos: int = count("MAX_KAOS", 1, 10_000, "KAOs", 500, "key access objects in one request")
    max_json_depth: int = count("MAX_JSON_DEPTH", 8, 100, "levels", 32, "nesting of a body; its outermost value is 1")
    max_json_values: int = count(
        "MAX_JSON_VALUES", 100, 10_000_000, "values", 50_000, "values in a body: members, items and the outermost"
    )
    max_json_string_chars: int = count(
        "MAX_JSON_STRING_CHARS", 1024, 32 * 2**20, "characters", 2**17, "length of any text in a body, names included"
    )
    max_id_chars: int = count("MAX_ID_CHARS", 16, 4096, "characters", 256, "length of an id, kid or sid")
    max_url_chars: int = count("MAX_URL_CHARS", 64, 8192, "characters", 2048, "length of a KAO's url")
    max_client_key_chars: int = count(
        "MAX_CLIENT_KEY_CHARS", 512, 2**16, "characters", 8192, "length of clientPublicKey"
    )
    max_wrapped_key_chars: int = count(
        "MAX_WRAPPED_KEY_CHARS", 512, 2**20, "characters", 8192, "length of a wrappedKey as sent"
    )
    max_metadata_chars: int = count(
        "MAX_METADATA_CHARS", 0, 2**20, "characters", 65536, "length of an encryptedMetadata as sent"
    )
    max_policy_bytes: int = count(
        "MAX_POLICY_BYTES",
        256,
        2**20,
        "bytes",
        65536,
        "size of a policy as canonical JSON; of OpenTDF's, before base64",
    )

    @property
    def local(self) -> bool:
        return self.mode == "local"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Reads and checks the whole environment. Raises ConfigError, which names the setting."""
        refuse_host_variables(environ)
        fields = {field.metadata["name"]: field for field in dataclasses.fields(cls)}
        unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in fields)
        if unknown:
            raise ConfigError(f"{unknown[0]}: unknown setting")
        defaults = _local_defaults(environ) if environ.get("KAS_MODE") == "local" else {}
        values = {
            field.name: _read(field.metadata, environ.get(name, defaults.get(name, field.metadata["default"])))
            for name, field in fields.items()
        }
        settings = cls(**values)
        if settings.local:
            refuse_open_local_mode(environ)
        if not all(is_secure_url(base, allow_loopback_http=settings.local) for base in settings.public_bases):
            raise ConfigError("KAS_PUBLIC_BASES: every base must be https (http on loopback in local mode only)")
        return settings


def _read(metadata: Mapping[str, Any], text: str | None) -> Any:
    if text is None:
        raise ConfigError(f"{metadata['name']}: must be set ({metadata['takes']})")
    try:
        return metadata["parse"](text)
    except ValueError as error:
        raise ConfigError(f"{metadata['name']}: must be {metadata['takes']}") from error


def _local_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    port = environ.get("PORT", "8080")
    return {
        "KAS_ID": "kas-local",
        "KAS_PUBLIC_BASES": f"http://127.0.0.1:{port},http://localhost:{port}",
        "KAS_OPENTDF_BEARER": "allow",
        "KAS_OPENTDF_EMPTY_POLICY": "allow",
        "KAS_METRICS": "on",
    }
