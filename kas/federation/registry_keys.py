"""What the registry file says of a service's keys: the keys themselves, or where they are and their thumbprints.

Guarantees that every pinned key is a public key for ES256 alone, and that there is at least one. A key set from which
the operator forgot to take the unwrap keys, or one that holds a private key, is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.encoding import b64url_decode
from kas.federation.addresses import check_address
from kas.federation.registry import FetchedKeys
from kas.jose import PublicJwk, is_for_signatures, parse_public_jwk
from kas.schema import Node

MAX_KEYS: Final = 16
MAX_NAME_CHARS: Final = 256
_MEMBERS: Final = ("kty", "crv", "x", "y", "use", "key_ops", "alg")
_SHA256_BYTES: Final = 32


def read_keys(node: Node, *, allow_loopback_http: bool) -> Mapping[str, PublicJwk] | FetchedKeys:
    """The keys of the service that ``node`` describes. Raises ConfigError."""
    pinned, url, thumbprints = (node.get(name) for name in ("jwks", "jwksUrl", "thumbprints"))
    if pinned is not None and url is None and thumbprints is None:
        return _read_pinned(pinned)
    if pinned is None and url is not None and thumbprints is not None:
        return FetchedKeys(read_address(url, allow_loopback_http=allow_loopback_http), _read_thumbprints(thumbprints))
    return node.fail("must have either jwks, or jwksUrl and thumbprints")


def read_address(node: Node, *, allow_loopback_http: bool) -> str:
    """An address that may be connected to. Raises ConfigError."""
    try:
        check_address(node.text(), allow_loopback=allow_loopback_http)
    except ValueError as error:
        node.fail(str(error))
    return node.text()


def read_name(node: Node) -> str:
    """Text that can be shown as it is. Raises ConfigError."""
    name = node.text()
    is_plain = name.isprintable() and name == name.strip() and len(name) <= MAX_NAME_CHARS
    return name if is_plain else node.fail(f"must be printable, without space around it, at most {MAX_NAME_CHARS} long")


def _read_pinned(node: Node) -> Mapping[str, PublicJwk]:
    keys: dict[str, PublicJwk] = {}
    entries = node["keys"]
    node.done()
    _demand_some(entries)
    for entry in entries.items():
        kid, key = read_name(entry["kid"]), _read_key(entry)
        if kid in keys or key in keys.values():
            entry.fail("repeats a kid or a key")
        keys[kid] = key
    return keys


def _read_key(node: Node) -> PublicJwk:
    members = {name: value.value for name, value in node.members().items()}
    try:
        key = parse_public_jwk(members)
    except ValueError as error:
        node.fail(f"is not a sound public key ({error})")
    if not key.fits("ES256") or not is_for_signatures(members, "ES256"):
        node.fail("must be a P-256 key for signatures (ES256)")
    for name in _MEMBERS:
        node.get(name)
    node.done()
    return key


def _read_thumbprints(node: Node) -> frozenset[str]:
    _demand_some(node)
    for item in node.items():
        if not _is_thumbprint(item.text()):
            item.fail("must be an RFC 7638 thumbprint: SHA-256 in base64url, 43 characters")
    return frozenset(node.texts())


def _is_thumbprint(text: str) -> bool:
    try:
        return len(b64url_decode(text)) == _SHA256_BYTES
    except ValueError:
        return False


def _demand_some(node: Node) -> None:
    if not 0 < len(node.items()) <= MAX_KEYS:
        node.fail(f"must have 1 to {MAX_KEYS} items")
