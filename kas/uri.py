"""Comparing addresses, as proofs (RFC 9449 §4.3) and key access objects name them.

Scheme and host in lower case, default port, query and fragment dropped, an empty path is ``/``, percent-encoding as
RFC 3986 §6.2.2. Dot segments stay: an address that needs them is not one that we publish.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

MAX_CHARS: Final = 8192
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PRINTABLE: Final = re.compile(r"[!-~]+")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")


def normalise_uri(unverified_uri: object) -> str | None:
    """The comparable form of an absolute http(s) URI, or None when this is none or has user information."""
    parts = _split(unverified_uri)
    return None if parts is None else parts[0] + _ESCAPE.sub(_normal_escape, parts[1])


def addresses(bases: tuple[str, ...], paths: tuple[str, ...]) -> frozenset[str]:
    """Every base with every path, normalised; the settings have checked the bases."""
    found = (normalise_uri(base + path) for base in bases for path in paths)
    return frozenset(address for address in found if address is not None)


def _split(unverified_uri: object) -> tuple[str, str] | None:
    """Normalised scheme, host and port; and the path as it is."""
    if not isinstance(unverified_uri, str) or len(unverified_uri) > MAX_CHARS:
        return None
    if not _PRINTABLE.fullmatch(unverified_uri):  # urlsplit would drop tabs and line breaks in silence
        return None
    try:
        parts = urlsplit(unverified_uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    authority = host if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{host}:{port}"
    return f"{parts.scheme}://{authority}", parts.path or "/"


def is_same_resource(unverified_uri: str, uris: frozenset[str]) -> bool:
    """Whether the URI is one of the normalised ``uris`` itself (ACP-240 §2)."""
    return resource_of(unverified_uri) in uris


def resource_of(unverified_uri: str) -> str | None:
    """What the URI names, to be compared with normalised URIs: scheme, host and port are normalised, the path is taken as
    it is, and with a query or fragment it names nothing of ours.
    """
    parts = _split(unverified_uri)
    return None if parts is None or {"?", "#"} & set(unverified_uri) else "".join(parts)


def has_secure_scheme(unverified_uri: str, *, allow_loopback_http: bool) -> bool:
    """Whether the URI names a host under https or, where that is allowed, under http on loopback; no more than that."""
    try:
        parts = urlsplit(unverified_uri)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and allow_loopback_http and is_loopback(host))
    )


def is_secure_url(url: str, *, allow_loopback_http: bool) -> bool:
    """Whether ``url`` is an https address without user information or fragment, or, where that is allowed, an http
    one on loopback.
    """
    is_plain = normalise_uri(url) is not None and "#" not in url
    return is_plain and has_secure_scheme(url, allow_loopback_http=allow_loopback_http)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback address or ``localhost``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()
