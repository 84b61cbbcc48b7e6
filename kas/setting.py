"""What settings are made of: how each kind of value is read from text, and what the table in the docs says of it.

A parser raises ValueError for anything that it does not take.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from kas.encoding import b64url_decode
from kas.uri import is_loopback, normalise_uri

PREFIX: Final = "KAS_"
_ROOT: Final = Path(__file__).resolve().parent.parent
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?|https?://\[[0-9a-f:.]{2,45}\](:[0-9]{1,5})?")
_AUTHORITY: Final = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9.-]{1,253}))(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_PORT: Final = 65_535
_PROJECT: Final = re.compile(r"([a-z0-9.-]{1,63}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_MIN_NONCE_SECRET_BYTES: Final = 32
_MAX_NONCE_SECRETS: Final = 2
_STATE_KEY_BYTES: Final = 32
_CERTIFICATES: Final = re.compile(
    r"(-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]{1,16384}-----END CERTIFICATE-----\s*){1,8}"
)
_DATABASE: Final = re.compile(r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]")

Value = TypeVar("Value")
Parse = Callable[[str], Value]


def whole_number(low: int, high: int) -> Parse[int]:
    """A whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def one_of(*options: str) -> Parse[str]:
    """One of these words, exactly."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError
        return text

    return parse


def flag(text: str) -> bool:
    """``true`` or ``false``."""
    return one_of("true", "false")(text) == "true"


def path(text: str) -> Path:
    """A path, from the root of the project where it is not absolute."""
    if not text:
        raise ValueError
    return _ROOT / text  # an absolute path stays as it is


def optional_path(text: str) -> Path | None:
    """None where there is none."""
    return path(text) if text else None


def certificates(text: str) -> str:
    """PEM of certificates and nothing else; empty for none. Whether they can be read is found out by who uses them."""
    if text and not _CERTIFICATES.fullmatch(text):
        raise ValueError
    return text


def identifier(text: str) -> str:
    """A name of this service or a part of it."""
    if not _ID.fullmatch(text):
        raise ValueError
    return text


def schemes(text: str) -> frozenset[str]:
    """Schemes of Authorization, in lower case; DPoP is always among them."""
    schemes = frozenset(text.split(","))
    if not schemes <= {"DPoP", "Bearer"} or "DPoP" not in schemes:
        raise ValueError
    return frozenset(scheme.lower() for scheme in schemes)


def bases(text: str) -> tuple[str, ...]:
    """Public addresses: ``https://host[:port][/prefix]``, without trailing slash, query or fragment."""
    bases = tuple(text.split(","))
    if any(normalise_uri(base) is None or base.endswith("/") or {"?", "#"} & set(base) for base in bases):
        raise ValueError
    return bases


def origins(text: str) -> frozenset[str]:
    """Web origins exactly as a browser sends them (RFC 6454 §6.1): ``https://host[:port]``, nothing after."""
    origins = tuple(text.split(",")) if text else ()
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError
    return frozenset(origins)


def project(text: str) -> str:
    """The id of a Google Cloud project, or nothing."""
    if text and not _PROJECT.fullmatch(text):
        raise ValueError
    return text


def endpoint(text: str) -> str:
    """The origin of an interface that this service calls: https, or http to a loopback address, without a path."""
    parts = urlsplit(text)
    if not _ORIGIN.fullmatch(text) or (parts.scheme == "http" and not is_loopback(parts.hostname or "")):
        raise ValueError
    host_and_port(parts.netloc)
    return text


def host_and_port(authority: str) -> tuple[str, int | None]:
    """A host that one can connect to, without brackets, and its port where it has one. Raises ValueError."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not _is_host(match[1] or match[2], is_v6=bool(match[1])):
        raise ValueError("not a host")
    if match[3] is not None and not 0 < int(match[3]) <= _MAX_PORT:
        raise ValueError("no port of a host")
    return match[1] or match[2], None if match[3] is None else int(match[3])


def _is_host(text: str, *, is_v6: bool) -> bool:
    """Whether this is an address, or a name that can be looked up (RFC 1123 §2.1): looking up others is an error."""
    labels = text.split(".")
    if not is_v6 and not labels[-1].isdigit():
        return all(map(_LABEL.fullmatch, labels))
    try:
        return ipaddress.ip_address(text).version == (6 if is_v6 else 4)
    except ValueError:
        return False


def nonce_secret(text: str) -> tuple[bytes, ...]:
    """The current secret and perhaps the previous one."""
    secrets = tuple(b64url_decode(part) for part in text.split(",")) if text else ()
    if len(secrets) > _MAX_NONCE_SECRETS or any(len(secret) < _MIN_NONCE_SECRET_BYTES for secret in secrets):
        raise ValueError
    return secrets


def state_key(text: str) -> tuple[bytes, ...]:
    """The current key and perhaps the previous one, each of AES-256."""
    keys = tuple(b64url_decode(part) for part in text.split(",")) if text else ()
    if len(keys) > _MAX_NONCE_SECRETS or any(len(key) != _STATE_KEY_BYTES for key in keys):
        raise ValueError
    return keys


def database(text: str) -> str:
    """The id of a Firestore database."""
    if not _DATABASE.fullmatch(text):
        raise ValueError
    return text


def setting(
    name: str, parse: Parse[Any], takes: str, default: str | None, meaning: str, *, is_secret: bool = False
) -> Any:
    """One setting; ``default`` is the text of the value when absent, None when it must be given. A secret is not shown."""
    metadata = {"name": PREFIX + name, "parse": parse, "takes": takes, "default": default, "meaning": meaning}
    return dataclasses.field(metadata=metadata, repr=not is_secret)


def count(name: str, low: int, high: int, unit: str, default: int, meaning: str) -> Any:
    """A setting that is a number of ``unit``."""
    return setting(name, whole_number(low, high), f"{low}–{high} {unit}", str(default), meaning)


def choice(name: str, options: str, default: str, meaning: str) -> Any:
    """A setting that is one of the words in ``options``, a comma and a space between."""
    return setting(name, one_of(*options.split(", ")), options, default, meaning)
