"""What an authenticated caller may see of the federation: whom we work with, on which terms, and how they are doing.

Nothing of it is needed to ask for a key. Left out is what only an attacker would use: addresses of key sets, time-outs,
what others agreed among themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kas.federation.breaker import BreakerStatus
from kas.federation.line import Line
from kas.federation.registry import Agreement, Peer, Registry


def registry_view(registry: Registry) -> dict[str, Any]:
    """The registry as this service sees it, in the order of the file."""
    return {"kas": registry.kas_id, "peers": [_peer(peer) for peer in registry.peers.values()]}


def status_view(registry: Registry, lines: Mapping[str, Line]) -> dict[str, Any]:
    """The state of each line, with counts since this process began."""
    peers = [{"kas": kas_id, **_line(line)} for kas_id, line in lines.items()]
    return {"kas": registry.kas_id, "peers": peers}


def _peer(peer: Peer) -> dict[str, Any]:
    return {
        "kas": peer.kas_id,
        "organisation": peer.organisation,
        "country": peer.country,
        "origin": peer.origin,
        "status": _status(peer),
        "agreement": None if peer.agreement is None else _agreement(peer.agreement),
    }


def _status(peer: Peer) -> str:
    return "active" if peer.is_active else "suspended"


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "maxClassification": agreement.max_classification,
        "allowedCOIs": sorted(agreement.cois),
        "allowedCountries": sorted(agreement.countries),
        "maxDepth": agreement.max_depth,
        "audience": agreement.audience,
        "requireClientKeyHash": agreement.require_client_key_hash,
    }


def _line(line: Line) -> dict[str, Any]:
    return {"status": _status(line.peer), "breaker": _breaker(line.breaker.status())}


def _breaker(status: BreakerStatus) -> dict[str, Any]:
    since = status.open_for_seconds
    return {
        "state": status.state,
        "failuresInARow": status.failures_in_a_row,
        "successes": status.successes,
        "failures": status.failures,
        "refusals": status.refusals,
        "openForSeconds": None if since is None else round(since, 3),
    }
