"""Addresses of other services: what may stand in the registry, and what may be connected to.

A name in the registry says nothing of where it leads tomorrow, so the rule for addresses of the network is there twice:
for those that are written down, and, for whoever connects, for those that a name was resolved to. Refused are this
machine (outside local mode), the neighbourhood that no router leaves (link-local), multicast, reserved ranges and the
metadata services of clouds, in whatever notation. Private ranges are allowed: partners meet in private networks.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from kas.setting import host_and_port
from kas.uri import has_secure_scheme, is_loopback, normalise_uri

MAX_CHARS: Final = 2048
_Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# A segment of dots alone would lead elsewhere; an escape would have two forms.
_PATH: Final = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-f]*")  # resolvers take it for a number (inet_aton)
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
# Those that are not link-local.
_METADATA_ADDRESSES: Final = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")  # Linux takes 0.0.0.0 for this machine
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: IPv4 in the last 32 bits


def check_address(address: str, *, allow_loopback: bool) -> None:
    """Raises ValueError, which says what is wrong, unless this may stand in the registry: https, or http on loopback
    where that is allowed, in the one form that equal addresses have, without user information, query or fragment.
    """
    if len(address) > MAX_CHARS or normalise_uri(address) not in {address, f"{address}/"}:
        raise ValueError("must be an address in its plain form, without user, query, fragment, or the default port")
    if not has_secure_scheme(address, allow_loopback_http=allow_loopback):
        raise ValueError("must be https (http on loopback in local mode only)")
    parts = urlsplit(address)
    if not _PATH.fullmatch(parts.path):
        raise ValueError("must have a plain path, without escapes, dot segments, or / at its end")
    try:
        host, _ = host_and_port(parts.netloc)
    except ValueError:
        raise ValueError("must name a host, by name or by its address in the usual form") from None
    _check_host(host, allow_loopback=allow_loopback)


def _check_host(host: str, *, allow_loopback: bool) -> None:
    if _HEXADECIMAL.fullmatch(host.rpartition(".")[2]):
        raise ValueError("must name a host, by name or by its address in the usual form")
    if host in _METADATA_NAMES:
        raise ValueError("must not be a metadata service")
    if (is_loopback(host) or host.endswith(".localhost")) and not allow_loopback:
        raise ValueError("must not be on this machine (in local mode only)")
    if _is_number(host) and (
        is_forbidden_address(host, allow_loopback=allow_loopback) or str(ipaddress.ip_address(host)) != host
    ):
        raise ValueError("must not be link-local, multicast, reserved or unspecified, nor written at length")


def _is_number(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def is_forbidden_address(ip: str, *, allow_loopback: bool) -> bool:
    """Whether no connection may be made to this address of the network, as a socket or a resolver writes it.

    An IPv6 address that stands for an IPv4 one is as forbidden as that. What is no address is forbidden.
    """
    try:
        address: _Ip = ipaddress.ip_address(ip)
    except ValueError:
        return True
    inner = _inner(address)
    if inner is not None:
        return is_forbidden_address(str(inner), allow_loopback=allow_loopback)
    if address.is_loopback:
        return not allow_loopback
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_reserved  # :: too
        or address in _THIS_NETWORK
        or _without_scope(address) in _METADATA_ADDRESSES
    )


def _inner(address: _Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this one is mapped or translated from, or tunnelled to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    tunnelled = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or tunnelled


def _without_scope(address: _Ip) -> _Ip:
    return type(address)(int(address))
