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
    return f"{parts.scheme}://{authority}{_ESCAPE.sub(_normal_escape, parts.path or '/')}"


def is_same_resource(unverified_uri: str, uris: frozenset[str]) -> bool:
    """Whether the URI is one of the normalised ``uris`` itself: with a query or fragment it names something else."""
    return not {"?", "#"} & set(unverified_uri) and normalise_uri(unverified_uri) in uris


def is_secure_url(url: str, *, allow_loopback_http: bool) -> bool:
    """Whether ``url`` is an https address without user information or fragment, or, where that is allowed, an http
    one on loopback.
    """
    if normalise_uri(url) is None or "#" in url:
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (allow_loopback_http and is_loopback(str(parts.hostname)))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback address or ``localhost``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()
