"""Which network a request comes from, for the limits before it is known who asks.

The caller's own text is never the key: ``X-Forwarded-For`` is read from its right end, which the platform's front end
and the operator's load balancers wrote, and what is read must be an address. It is no proof of who asks, and with hops
above 0 it is the caller's choice wherever he can go round the load balancer.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "unknown"  # one key for all that cannot be told apart
_TAIL_CHARS: Final = 512  # more than the entries of every trusted proxy and the one before them
_REMEMBERED: Final = 1024  # addresses that were read last
_IPV6_PREFIX: Final = 64  # what one subscriber has at least, so single addresses cost him nothing


def network_of(peer: str, forwarded_for: str, hops: int | None) -> str:
    """The network: an IPv4 address, an IPv6 /64, or ``unknown``.

    ``forwarded_for`` is the header as received, several joined by commas, empty for none. With ``hops`` the entry so
    many before its last counts; without (None: nothing stands in front of us) ``peer``, the connection's address.
    """
    if hops is None:
        return _network(peer)
    # Only the end: a long header must not cost time, nor free its sender from being counted where he belongs.
    entries = forwarded_for[-_TAIL_CHARS:].split(",")
    if len(forwarded_for) > _TAIL_CHARS:
        del entries[0]  # cut somewhere within
    return _network(entries[-1 - hops].strip(" \t")) if 0 <= hops < len(entries) else UNKNOWN


@lru_cache(_REMEMBERED)
def _network(unverified_address: str) -> str:
    """The front end writes bare addresses: ports, brackets, zones and names are somebody else's.

    An IPv4-mapped address is the IPv4 address, as a socket for both families shows it. Others that carry one (6to4,
    Teredo, NAT64) count by /64 like any: the embedded address is a claim, and whoever has a /48 has as many networks.
    """
    if "%" in unverified_address:
        return UNKNOWN
    try:
        address = ipaddress.ip_address(unverified_address)
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
