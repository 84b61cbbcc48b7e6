"""The key that a service signs with: pinned in the registry, or fetched and then only with a listed thumbprint.

Whoever answers at the address of a key set can withdraw a key and cannot bring one in. Sets are kept as those of issuers
are (`kas.auth.jwks`), but that after a failure nobody asks again for as long as after an unknown ``kid``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kas.auth.jwks import COOL_DOWN_SECONDS, JwksCache
from kas.dataclass import dataclass
from kas.errors import IssuerKeysUnavailable, PeerUnavailable
from kas.federation.registry import FetchedKeys, Peer
from kas.fetch import Fetcher
from kas.jose import PublicJwk


@dataclass(frozen=True, slots=True)
class _Source:
    """A service as the cache of key sets knows it."""

    issuer: str
    jwks_url: str


class PeerKeys:
    """Keys of all ``peers``. ``clock`` gives seconds since 1970; nothing is fetched before somebody asks."""

    def __init__(self, peers: Iterable[Peer], fetch: Fetcher, clock: Callable[[], float]) -> None:
        self._sources = {
            peer.kas_id: _Source(peer.kas_id, peer.keys.jwks_url)
            for peer in peers
            if isinstance(peer.keys, FetchedKeys)
        }
        self._fetched = JwksCache(self._sources, fetch, clock, retry_seconds=COOL_DOWN_SECONDS)

    def find(self, peer: Peer, kid: str) -> PublicJwk | None:
        """The key of one of the ``peers`` under that ``kid``, fit for ES256, or None.

        Raises PeerUnavailable when its keys are fetched and there is no set to be had.
        """
        if not isinstance(peer.keys, FetchedKeys):
            return peer.keys.get(kid)
        try:
            key = self._fetched.find(self._sources[peer.kas_id], kid)
        except IssuerKeysUnavailable as error:
            refusal = PeerUnavailable("its keys cannot be fetched")
            refusal.retry_after = error.retry_after
            raise refusal from error.__cause__
        if key is None or not key.fits("ES256") or key.jwk.thumbprint not in peer.keys.thumbprints:
            return None
        return key.jwk
