"""The settings of a shared store: how Redis is named, and that a store is configured whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Final
from urllib.parse import unquote, urlsplit

from kas.dataclass import dataclass
from kas.errors import ConfigError
from kas.setting import host_and_port
from kas.uri import is_loopback

_PORT: Final = 6379
_MAX_DATABASE: Final = 15


@dataclass(frozen=True, slots=True)
class RedisServer:
    """``sign_in`` is a password, or a name and a password."""

    host: str
    port: int
    is_tls: bool
    database: int
    sign_in: tuple[str, ...] = field(repr=False)


def parse_redis_url(text: str) -> RedisServer | None:
    """``rediss://[user]:password@host[:port][/database]``; ``redis://`` to a loopback address, with or without a password."""
    if not text:
        return None
    parts = urlsplit(text)
    user_info, _, authority = parts.netloc.rpartition("@")
    user, _, password = user_info.partition(":")
    host, port = host_and_port(authority)
    is_tls = parts.scheme == "rediss"
    is_whole = parts.scheme in {"redis", "rediss"} and not parts.query and not parts.fragment and text.isascii()
    if not is_whole or not (is_tls or is_loopback(host)) or not (password or not is_tls) or (user and not password):
        raise ValueError
    sign_in = tuple(unquote(part) for part in (user, password) if part)
    return RedisServer(host, port or _PORT, is_tls, _database(parts.path), sign_in)


def _database(path: str) -> int:
    number = path.removeprefix("/")
    if not number:
        return 0
    if not (number.isdecimal() and len(number) <= len(str(_MAX_DATABASE)) and int(number) <= _MAX_DATABASE):
        raise ValueError
    return int(number)


def refuse_half_a_store(
    backend: str,
    *,
    redis: RedisServer | None,
    has_two_authorities: bool,
    project: str,
    nonce_secrets: Sequence[bytes],
    state_keys: Sequence[bytes],
    keeps_keys: bool,
    is_local: bool,
) -> None:
    """Raises ConfigError where a shared store is chosen and something that it needs is missing, or it is read by others."""
    if redis is not None and not redis.is_tls and not is_local:
        raise ConfigError("KAS_REDIS_URL: must be rediss://: redis:// is for local mode")
    if has_two_authorities:
        raise ConfigError("KAS_REDIS_CA: must be empty where KAS_REDIS_CA_PATH is set")
    if backend == "memory":
        return
    if backend == "redis" and redis is None:
        raise ConfigError("KAS_REDIS_URL: must be set where KAS_STATE_BACKEND is redis")
    if backend == "firestore" and not project:
        raise ConfigError("KAS_GCP_PROJECT: must be set where KAS_STATE_BACKEND is firestore")
    if not nonce_secrets:
        raise ConfigError(
            "KAS_NONCE_SECRET: must be set with a shared store: a nonce of one instance is good for another"
        )
    if keeps_keys and not state_keys:
        raise ConfigError("KAS_STATE_KEY: must be set with a shared store, or KAS_DEK_CACHE_SECONDS be 0")
