"""What is known of other Key Access Services: their addresses and keys, and the agreements between any two.

Values only. They are made by `kas.federation.registry_file`, which checks them; `Registry` is what one service sees of
the whole. Does not say whether a request may pass: that is the agreement's (`kas.federation.agreement`), the
broker's and the receiver's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kas.dataclass import dataclass
from kas.jose import PublicJwk
from kas.uri import resource_of


@dataclass(frozen=True, slots=True)
class Agreement:
    """What may pass between two services, in either direction. An empty list allows nothing.

    ``max_level`` is the rank of ``max_classification`` in `Rules.levels`; ``max_depth`` counts the services that a
    request has passed, the one that the client asked included; ``audience`` stands in the access tokens that are passed.
    Without ``require_client_key_hash`` each of the two trusts the other with its keys.
    """

    max_classification: str
    max_level: int
    cois: frozenset[str]
    countries: frozenset[str]
    max_depth: int
    audience: str
    require_client_key_hash: bool


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """Keys that are published at ``jwks_url``; only those with one of the ``thumbprints`` (RFC 7638) count."""

    jwks_url: str
    thumbprints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Peer:
    """One service. ``keys`` verify its signatures (ES256): pinned, by ``kid``, or fetched.

    ``addresses`` are the normalised urls by which key access objects name it, ``proof_uris`` those that a client's proof
    may name which was made for it. ``agreement`` is the one with whoever looks; None: nothing may pass.
    """

    kas_id: str
    organisation: str
    country: str
    origin: str
    rewrap_url: str
    addresses: frozenset[str]
    proof_uris: frozenset[str]
    is_active: bool
    timeout_seconds: int
    keys: Mapping[str, PublicJwk] | FetchedKeys
    agreement: Agreement | None = None

    @property
    def thumbprints(self) -> frozenset[str]:
        """Of all keys that count as this service's."""
        if isinstance(self.keys, FetchedKeys):
            return self.keys.thumbprints
        return frozenset(key.thumbprint for key in self.keys.values())


@dataclass(frozen=True, slots=True)
class Registry:
    """The other services, by id, as the service ``kas_id`` sees them; ``own`` is its own entry."""

    kas_id: str
    own: Peer | None
    peers: Mapping[str, Peer]

    def find(self, kas_id: str) -> Peer | None:
        """The other service of exactly that id; never ourselves."""
        return self.peers.get(kas_id)

    def find_by_url(self, unverified_url: str) -> Peer | None:
        """The other service that a key access object names, suspended or not. The url is compared and never asked:
        scheme, host and port are normalised, the path is taken as it is, and a query or fragment names nobody.
        """
        resource = resource_of(unverified_url)
        return next((peer for peer in self.peers.values() if resource in peer.addresses), None)


@dataclass(frozen=True, slots=True)
class Federation:
    """The whole file: every service by its id, and the agreement of each pair that has one."""

    kases: Mapping[str, Peer]
    agreements: Mapping[frozenset[str], Agreement]

    def seen_by(self, kas_id: str) -> Registry:
        """The registry of one of them; of a service that is not among them, one with no agreement at all."""
        peers = {
            other: replace(peer, agreement=self.agreements.get(frozenset({kas_id, other})))
            for other, peer in self.kases.items()
            if other != kas_id
        }
        return Registry(kas_id, self.kases.get(kas_id), peers)
