"""Settings: the only reader of the environment, once, into one frozen object.

Every name begins with ``KAS_``; an unknown one is refused, since a misspelt limit would be no limit. A bad value
stops the start, and the error names the setting and what it takes. The host's own variables are read for what they
could break: ``DEBUG`` (an interactive debugger), ``FUNCTION_USE_ASGI`` (another server), ``WORKERS`` (memory is not
shared), ``HOST`` (local mode stays on one machine), ``K_SERVICE`` (no keys in files on Cloud Run).
`docs/configuration.md` prints the table and a test holds both together.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from kas.errors import ConfigError
from kas.uri import is_loopback, is_secure_url, normalise_uri

PREFIX: Final = "KAS_"
_ROOT: Final = Path(__file__).resolve().parent.parent
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REFUSED: Final = ("DEBUG", "FUNCTION_USE_ASGI")
_OFF: Final = frozenset({"", "0", "false", "no", "off"})

Value = TypeVar("Value")
Parse = Callable[[str], Value]


def _whole_number(low: int, high: int) -> Parse[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def _one_of(*options: str) -> Parse[str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError
        return text

    return parse


def _flag(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _path(text: str) -> Path:
    if not text:
        raise ValueError
    return _ROOT / text  # an absolute path stays as it is


def _identifier(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError
    return text


def _schemes(text: str) -> frozenset[str]:
    schemes = frozenset(text.split(","))
    if not schemes <= {"DPoP", "Bearer"} or "DPoP" not in schemes:
        raise ValueError
    return frozenset(scheme.lower() for scheme in schemes)


def _bases(text: str) -> tuple[str, ...]:
    """Public addresses: ``https://host[:port][/prefix]``, without trailing slash, query or fragment."""
    bases = tuple(text.split(","))
    if any(normalise_uri(base) is None or base.endswith("/") or {"?", "#"} & set(base) for base in bases):
        raise ValueError
    return bases


def _setting(name: str, parse: Parse[Any], takes: str, default: str | None, meaning: str) -> Any:
    """One setting; ``default`` is the text of the value when absent, None when it must be given."""
    metadata = {"name": PREFIX + name, "parse": parse, "takes": takes, "default": default, "meaning": meaning}
    return dataclasses.field(metadata=metadata)


def _count(name: str, low: int, high: int, unit: str, default: int, meaning: str) -> Any:
    return _setting(name, _whole_number(low, high), f"{low}–{high} {unit}", str(default), meaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `service.build_service` unpacks it; no other module receives it whole."""

    mode: str = _setting(
        "MODE",
        _one_of("production", "local"),
        "production, local",
        "production",
        "local: keys made on first start, plain HTTP, this machine only",
    )
    kas_id: str = _setting(
        "ID",
        _identifier,
        "1–64 of A–Z a–z 0–9 . _ -",
        None,
        "name of this KAS in the signature of each result",
    )
    public_bases: tuple[str, ...] = _setting(
        "PUBLIC_BASES",
        _bases,
        "URLs, comma between",
        None,
        "every public address of this service, origin and optional path prefix; https outside local mode",
    )
    issuers_path: Path = _setting(
        "ISSUERS_PATH",
        _path,
        "path",
        "config/issuers.json",
        "token issuers: JWKS, audience, accepted types, claim names, acr levels, countries",
    )
    policy_dir: Path = _setting(
        "POLICY_DIR", _path, "path", "config", "folder of labels.json, clearances.json, countries.json, attributes.json"
    )
    keys_dir: Path = _setting(
        "KEYS_DIR",
        _path,
        "path",
        ".local/keys",
        "folder of keys.json and the private keys it names; made on first start in local mode only",
    )
    rewrap_schemes: frozenset[str] = _setting(
        "REWRAP_SCHEMES",
        _schemes,
        "DPoP; DPoP,Bearer",
        "DPoP,Bearer",
        "schemes of Authorization that /rewrap takes for a bound token; the proof is demanded with either",
    )
    rewrap_dpop_nonce: Literal["off", "offer", "require"] = _setting(
        "REWRAP_DPOP_NONCE",
        _one_of("off", "offer", "require"),
        "off, offer, require",
        "require",
        "nonces in DPoP proofs on /rewrap; only require accepts a proof at most once across restarts",
    )
    require_client_key_hash: bool = _setting(
        "REQUIRE_CLIENT_KEY_HASH",
        _flag,
        "true, false",
        "false",
        "refuse key access objects whose signature does not cover the client's key (clientKeyHash)",
    )
    opentdf_bearer: Literal["allow", "refuse"] = _setting(
        "OPENTDF_BEARER",
        _one_of("allow", "refuse"),
        "allow, refuse",
        "refuse",
        "access tokens that are bound to no key, on OpenTDF routes; allow by default in local mode",
    )
    opentdf_dpop_nonce: Literal["off", "offer", "require"] = _setting(
        "OPENTDF_DPOP_NONCE",
        _one_of("off", "offer", "require"),
        "off, offer, require",
        "offer",
        "nonces in DPoP proofs on OpenTDF routes; some of their clients cannot answer a challenge",
    )
    opentdf_base_key: str = _setting(
        "OPENTDF_BASE_KEY",
        _one_of("off", "rsa:2048", "rsa:4096", "ec:secp256r1", "ec:secp384r1", "ec:secp521r1"),
        "off, rsa:2048, rsa:4096, ec:secp256r1, ec:secp384r1, ec:secp521r1",
        "off",
        "the key that OpenTDF clients are told to prefer, whatever they would choose",
    )
    opentdf_empty_policy: Literal["allow", "refuse"] = _setting(
        "OPENTDF_EMPTY_POLICY",
        _one_of("allow", "refuse"),
        "allow, refuse",
        "refuse",
        "policies without attributes and recipients: any authenticated caller, or nobody; allow by default in local mode",
    )
    replay_store_claims: int = _count(
        "REPLAY_STORE_CLAIMS",
        8,
        10_000_000,
        "claims",
        100_000,
        "used proofs remembered at once; one caller or key may hold an eighth",
    )
    body_timeout_seconds: int = _count("BODY_TIMEOUT_SECONDS", 1, 60, "s", 5, "time for a body to arrive whole")
    max_body_bytes: int = _count("MAX_BODY_BYTES", 1024, 32 * 2**20, "bytes", 2**20, "size of a request body")
    max_groups: int = _count("MAX_GROUPS", 1, 10_000, "groups", 100, "groups (policies) in one request")
    max_kaos: int = _count("MAX_KAOS", 1, 10_000, "KAOs", 500, "key access objects in one request")
    max_json_depth: int = _count("MAX_JSON_DEPTH", 8, 100, "levels", 32, "nesting of a body; its outermost value is 1")
    max_id_chars: int = _count("MAX_ID_CHARS", 16, 4096, "characters", 256, "length of an id, kid or sid")
    max_url_chars: int = _count("MAX_URL_CHARS", 64, 8192, "characters", 2048, "length of a KAO's url")
    max_client_key_chars: int = _count(
        "MAX_CLIENT_KEY_CHARS", 512, 2**16, "characters", 8192, "length of clientPublicKey"
    )
    max_wrapped_key_chars: int = _count(
        "MAX_WRAPPED_KEY_CHARS", 512, 2**20, "characters", 8192, "length of a wrappedKey as sent"
    )
    max_metadata_chars: int = _count(
        "MAX_METADATA_CHARS", 0, 2**20, "characters", 65536, "length of an encryptedMetadata as sent"
    )
    max_policy_bytes: int = _count(
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
        _refuse_host_variables(environ)
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
            _refuse_open_local_mode(environ)
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
    }


def refuse_other_servers(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for variables that make the host start another server than the one that is tested."""
    for name in _REFUSED:
        if environ.get(name, "").lower() not in _OFF:
            raise ConfigError(f"{name}: must not be set: it starts another server than the one that is tested")


def _refuse_host_variables(environ: Mapping[str, str]) -> None:
    refuse_other_servers(environ)
    if "K_SERVICE" in environ and environ.get("KAS_MODE") == "local":
        raise ConfigError("KAS_MODE: local mode is refused on Cloud Run (K_SERVICE is set)")
    if "K_SERVICE" in environ:
        raise ConfigError("K_SERVICE: private keys in files, the only kind there is yet, are refused on Cloud Run")
    if environ.get("WORKERS", "1") != "1":
        raise ConfigError("WORKERS: must be 1: used proofs are remembered in the memory of one process")


def _refuse_open_local_mode(environ: Mapping[str, str]) -> None:
    if not is_loopback(environ.get("HOST", "0.0.0.0")):  # noqa: S104 - the host's own default, refused here
        raise ConfigError("HOST: must be a loopback address in local mode")
