"""The federation as a rewrap uses it: whoever forwards to us, and those we forward to. Wiring, no logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kas.auth.authenticator import Credentials, Principal
from kas.crypto.signatures import ResultSigner
from kas.dataclass import dataclass
from kas.federation.breaker import Breaker
from kas.federation.broker import Broker, Messenger
from kas.federation.calls import SideBySideCalls
from kas.federation.line import Line
from kas.federation.peer_client import PeerClient
from kas.federation.peer_keys import PeerKeys
from kas.federation.receiving import ForwardedAuthenticator, ForwardedPrincipal
from kas.federation.registry import Peer, Registry
from kas.federation.views import registry_view, status_view
from kas.journal import Journal
from kas.net.connection import Tls
from kas.policy.rules import Rules
from kas.protocol.bounds import JsonBounds
from kas.seldom import Seldom

# More than metadata in a request of a megabyte can unfold to, and as deep as any service may take them: else a caller could
# make an honest answer a bad one.
ANSWER_BOUNDS: Final = JsonBounds(depth=100, values=500_000, string_chars=2**20)
CALLS_OF_A_PEER: Final = 16  # at once, over all requests: a service that stalls holds up no more threads


@dataclass(frozen=True, slots=True)
class Federation:
    """Both directions, over one registry."""

    receiver: ForwardedAuthenticator
    broker: Broker

    def receive(self, credentials: Credentials, journal: Journal) -> ForwardedPrincipal:
        """Authenticates whoever forwards, and the client. Raises a leaf of KasError."""
        return self.receiver.authenticate(credentials, journal)

    def peers(self, credentials: Credentials, principal: Principal) -> Messenger:
        """The other services, for one request."""
        return self.broker.peers(credentials, principal)

    def views(self) -> Mapping[str, Callable[[], dict[str, Any]]]:
        """What may be seen of it, by name."""
        registry, lines = self.broker.registry, self.broker.lines
        return {"registry": lambda: registry_view(registry), "status": lambda: status_view(registry, lines)}


def new_broker(
    registry: Registry,
    *,
    keys: PeerKeys,
    signer: ResultSigner,
    rules: Rules,
    bounds: JsonBounds,
    deadline_seconds: float,
    allow_loopback_http: bool,
    tls: Tls,
    clock: Callable[[], float],
    timer: Callable[[], float],
    warn: Callable[[Mapping[str, Any]], None],
) -> Broker:
    """A line to each service of ``registry``; nothing is opened before somebody asks. ``bounds`` are those of answers."""
    seldom = Seldom(warn, timer)

    def line(peer: Peer) -> Line:
        client = PeerClient(peer.rewrap_url, timer, allow_loopback_http=allow_loopback_http, tls=tls)
        return Line(peer, client, Breaker(timer), SideBySideCalls(CALLS_OF_A_PEER), bounds, seldom.tell)

    return Broker(
        registry=registry,
        lines={kas_id: line(peer) for kas_id, peer in registry.peers.items()},
        keys=keys,
        signer=signer,
        rules=rules,
        deadline_seconds=deadline_seconds,
        clock=clock,
        timer=timer,
    )
