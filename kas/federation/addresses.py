"""Which addresses a peer may have. Its name is configuration; where that leads is up to whoever answers for the name.

Private networks are allowed: partners meet there. Not checked here is who answers, which is what TLS proves.
"""

from __future__ import annotations

import ipaddress
from typing import Final

# Where clouds tell machines about themselves, besides the link-local addresses that are refused as such.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_peer_address(address: str, *, allow_loopback: bool) -> bool:
    """Whether a peer may be connected to at this address: none of this machine, of its link or of a metadata server."""
    try:
        found = _carried(ipaddress.ip_address(address))
    except ValueError:
        return False
    if found.is_loopback:
        return allow_loopback
    is_nobody = found.is_multicast or found.is_reserved or found in _THIS_NETWORK
    return not (is_nobody or found.is_link_local or found in _METADATA)


def _carried(address: Address) -> Address:
    """The address of IPv4 where one of IPv6 only wraps it."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address
