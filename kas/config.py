"""Settings: the only reader of the environment, once, into one frozen object.

Every name begins with ``KAS_``; an unknown one is refused, since a misspelt limit would be no limit. A value may stand
elsewhere, in Secret Manager or in a mounted file (`kas.references`). A bad value stops the start, and the error names
the setting and what it takes, never the value. `docs/configuration.md` prints the table and a test holds both together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from kas.dataclass import dataclass
from kas.environment import read_values
from kas.errors import ConfigError
from kas.host_variables import is_on_cloud_run, refuse_host_variables, refuse_open_local_mode
from kas.references import ReadSecrets, no_secrets
from kas.setting import (
    bases,
    certificates,
    choice,
    count,
    database,
    endpoint,
    flag,
    identifier,
    nonce_secret,
    optional_path,
    origins,
    path,
    project,
    schemes,
    setting,
    state_key,
)
from kas.state_settings import RedisServer, parse_redis_url, refuse_half_a_store
from kas.uri import is_secure_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `service`, `parts`, `files`, `request_limits` and `stores` unpack it; no other module receives it whole."""

    mode: str = choice(
        "MODE", "production, local", "production", "local: keys made on first start, plain HTTP, this machine only"
    )
    kas_id: str = setting(
        "ID", identifier, "1–64 of A–Z a–z 0–9 . _ -", None, "name of this KAS in the signature of each result"
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
    keys: str = setting(
        "KEYS",
        str,
        "JSON, or empty",
        "",
        "what keys.json says, in its place: unwrap keys in Cloud KMS or sealed by it, signing keys in secrets",
    )
    kms_transport: Literal["http", "grpc", "rest"] = choice(
        "KMS_TRANSPORT",
        "http, grpc, rest",
        "http",
        "how Cloud KMS is called: http by this service itself, the others by google-cloud-kms",
    )
    kms_endpoint: str = setting(
        "KMS_ENDPOINT",
        endpoint,
        "https origin, or http on loopback",
        "https://cloudkms.googleapis.com",
        "where Cloud KMS answers; http never on Cloud Run",
    )
    secrets_endpoint: str = setting(
        "SECRETS_ENDPOINT",
        endpoint,
        "https origin, or http on loopback",
        "https://secretmanager.googleapis.com",
        "where Secret Manager answers; http never on Cloud Run",
    )
    kms_protection_level: Literal["HSM", "SOFTWARE"] = choice(
        "KMS_PROTECTION_LEVEL",
        "HSM, SOFTWARE",
        "HSM",
        "the least that holds an unwrap key in Cloud KMS: HSM, or SOFTWARE for either",
    )
    kms_timeout_seconds: int = count("KMS_TIMEOUT_SECONDS", 1, 30, "s", 3, "time for one attempt at Cloud KMS")
    kms_deadline_seconds: int = count(
        "KMS_DEADLINE_SECONDS", 1, 60, "s", 8, "time for all key operations of one request, attempts and waits included"
    )
    kms_concurrency: int = count(
        "KMS_CONCURRENCY", 1, 256, "operations", 64, "key operations in Cloud KMS side by side in this process"
    )
    nonce_secrets: tuple[bytes, ...] = setting(
        "NONCE_SECRET",
        nonce_secret,
        "1–2 of base64url, 32 bytes or more each, comma between; or empty",
        "",
        "covers DPoP nonces, beside a value of the process or of Redis; with Firestore alone: the current one first, then the previous",
        is_secret=True,
    )
    rewrap_schemes: frozenset[str] = setting(
        "REWRAP_SCHEMES",
        schemes,
        "DPoP; DPoP,Bearer",
        "DPoP,Bearer",
        "schemes of Authorization that /rewrap takes for a bound token; the proof is demanded with either",
    )
    rewrap_dpop_nonce: Literal["off", "offer", "require"] = choice(
        "REWRAP_DPOP_NONCE",
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
    opentdf_bearer: Literal["allow", "refuse"] = choice(
        "OPENTDF_BEARER",
        "allow, refuse",
        "refuse",
        "access tokens that are bound to no key, on OpenTDF routes; allow by default in local mode",
    )
    opentdf_dpop_nonce: Literal["off", "offer", "require"] = choice(
        "OPENTDF_DPOP_NONCE",
        "off, offer, require",
        "offer",
        "nonces in DPoP proofs on OpenTDF routes; some of their clients cannot answer a challenge",
    )
    opentdf_base_key: str = choice(
        "OPENTDF_BASE_KEY",
        "off, rsa:2048, rsa:4096, ec:secp256r1, ec:secp384r1, ec:secp521r1",
        "off",
        "the key that OpenTDF clients are told to prefer, whatever they would choose",
    )
    opentdf_empty_policy: Literal["allow", "refuse"] = choice(
        "OPENTDF_EMPTY_POLICY",
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
    state_backend: Literal["memory", "redis", "firestore"] = choice(
        "STATE_BACKEND",
        "memory, redis, firestore",
        "memory",
        "where used proofs, limits and unwrapped keys are remembered: this process, which is then the only one, or a shared store",
    )
    state_keys: tuple[bytes, ...] = setting(
        "STATE_KEY",
        state_key,
        "1–2 of base64url, 32 bytes each, comma between; or empty",
        "",
        "encrypts unwrapped keys in a shared store: the current one first, then the previous",
        is_secret=True,
    )
    state_timeout_milliseconds: int = count(
        "STATE_TIMEOUT_MILLISECONDS", 10, 10_000, "ms", 500, "time for one call of a shared store"
    )
    redis: RedisServer | None = setting(
        "REDIS_URL",
        parse_redis_url,
        "rediss://[user]:password@host[:port][/database], or empty",
        "",
        "Redis or Valkey; redis:// in local mode on loopback only",
        is_secret=True,
    )
    redis_ca_path: Path | None = setting(
        "REDIS_CA_PATH",
        optional_path,
        "path, or empty",
        "",
        "PEM file of the authorities that vouch for Redis, in place of the system's",
    )
    redis_ca: str = setting(
        "REDIS_CA", certificates, "PEM, or empty", "", "what such a file says, in its place: one of the two at most"
    )
    firestore_endpoint: str = setting(
        "FIRESTORE_ENDPOINT",
        endpoint,
        "https origin, or http on loopback",
        "https://firestore.googleapis.com",
        "where Firestore answers; http never on Cloud Run",
    )
    firestore_database: str = setting(
        "FIRESTORE_DATABASE",
        database,
        "(default), or 4–63 of a–z 0–9 -",
        "(default)",
        "of the project in KAS_GCP_PROJECT",
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
        "RATE_NETWORK_PER_MINUTE", 1, 1_000_000, "requests", 600, "requests a minute of one network, whoever asks"
    )
    rate_global: int = count("RATE_GLOBAL_PER_MINUTE", 1, 1_000_000, "requests", 1000, "requests a minute of everybody")
    rate_health: int = count(
        "RATE_HEALTH_PER_10_SECONDS", 1, 1_000_000, "requests", 50, "health requests in 10 s of one network"
    )
    rate_rewrap: int = count(
        "RATE_REWRAP_PER_MINUTE",
        1,
        1_000_000,
        "requests",
        100,
        "rewraps and explanations a minute of one caller, on all routes",
    )
    rate_memory: int = count(
        "RATE_MEMORY_REQUESTS",
        1,
        10_000_000,
        "requests",
        100_000,
        "requests that each limit remembers at once, or the quota of one if that is more; beyond, all are refused",
    )
    key_budget: Literal["metered", "all"] = choice(
        "KEY_BUDGET",
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
        "PUBLIC_KEY_CACHE_SECONDS",
        0,
        86_400,
        "s",
        3600,
        "how long others may keep our public keys, and how long, 60 s at the least, those in Cloud KMS are fresh here",
    )
    metrics: Literal["on", "off"] = choice(
        "METRICS", "on, off", "off", "/metrics in Prometheus text, for whoever asks; on by default in local mode"
    )
    gcp_project: str = setting(
        "GCP_PROJECT",
        project,
        "project id, or empty",
        "",
        "Google Cloud project, to name traces in log lines as Cloud Logging wants them, and of Firestore",
    )
    federation_config_path: Path | None = setting(
        "FEDERATION_CONFIG_PATH",
        optional_path,
        "path, or empty",
        "",
        "registry of the Key Access Services that this one forwards to and receives from; empty: none",
    )
    federation_deadline_seconds: int = count(
        "FEDERATION_DEADLINE_SECONDS", 1, 60, "s", 10, "time for all calls of other Key Access Services for one request"
    )
    policy_backend: Literal["builtin", "opa"] = choice(
        "POLICY_BACKEND", "builtin, opa", "builtin", "who decides: this service, or an Open Policy Agent"
    )
    opa_url: str = setting(
        "OPA_URL",
        endpoint,
        "https origin, or http on loopback",
        "http://127.0.0.1:8181",
        "where the Open Policy Agent answers, beside the service or elsewhere",
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
    instance_vcpu: int = count(
        "INSTANCE_VCPU", 1, 8, "vCPU", 1, "of the instance, for what a request costs (`costMicroUsd`)"
    )
    instance_memory_mib: int = count(
        "INSTANCE_MEMORY_MIB",
        128,
        32_768,
        "MiB",
        640,
        "memory of the instance, for what a request costs (`costMicroUsd`)",
    )
    on_cloud_run: bool = False  # no settings: the platform says it, by K_SERVICE
    revision: str = ""  # and what it calls this deployment, by K_REVISION

    @property
    def local(self) -> bool:
        return self.mode == "local"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], read_secrets: ReadSecrets = no_secrets) -> Settings:
        """Reads and checks the whole environment. Raises ConfigError, which names the setting."""
        refuse_host_variables(environ)
        descriptions = {field.name: field.metadata for field in dataclasses.fields(cls) if field.metadata}
        values = read_values(environ, descriptions, read_secrets)
        settings = cls(**values, on_cloud_run=is_on_cloud_run(environ), revision=environ.get("K_REVISION", ""))
        if settings.local:
            refuse_open_local_mode(environ)
        if not all(is_secure_url(base, allow_loopback_http=settings.local) for base in settings.public_bases):
            raise ConfigError("KAS_PUBLIC_BASES: every base must be https (http on loopback in local mode only)")
        refuse_half_a_store(
            settings.state_backend,
            redis=settings.redis,
            has_two_authorities=settings.redis_ca_path is not None and settings.redis_ca != "",
            project=settings.gcp_project,
            nonce_secrets=settings.nonce_secrets,
            state_keys=settings.state_keys,
            keeps_keys=settings.dek_cache_seconds > 0,
            is_local=settings.local,
        )
        return settings
