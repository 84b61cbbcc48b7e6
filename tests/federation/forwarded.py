"""One good forwarded request with real keys, of which a test changes one part, and whoever receives it.

A client of ``USA`` asks there for what ``FRA`` holds; ``USA`` forwards. ``GBR`` is a third service that ``FRA`` knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kas.auth.authenticator import Credentials
from kas.auth.issuers import Issuer
from kas.auth.jwks import IssuerKey
from kas.auth.times import PROOF_MEMORY_SECONDS
from kas.crypto.signatures import ResultSigner
from kas.errors import RewrapLimit
from kas.federation.assertion import make_assertion
from kas.federation.receiving import ForwardedAuthenticator, ForwardedPrincipal
from kas.jose import PublicJwk, parse_public_jwk
from kas.ratelimit import Limit, SlidingWindow
from kas.state.own_replay import MemoryReplayStore
from local.client import new_proof_key
from local.client.encoding import sha256_b64url
from local.client.keys import ProofKey
from local.client.proofs import compact_jws, make_proof
from tests.unit.journals import journal

NOW = 1_790_000_000.0
AUDIENCE = "kas-federation"
BODY = b'{"requests":[]}'
ISSUER = Issuer("https://idp.example", "https://idp.example/jwks", "kas", frozenset({"at+jwt"}), {}, {}, frozenset())
ISSUER_KEY, CLIENT = new_proof_key(), new_proof_key()
KAS_KEYS = {name: new_proof_key() for name in ("kas-usa", "kas-fra", "kas-gbr")}


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Agreement:
    max_depth: int = 1
    audience: str = AUDIENCE


@dataclass(frozen=True)
class Peer:
    kas_id: str
    agreement: Agreement | None = field(default_factory=Agreement)
    is_active: bool = True

    @property
    def proof_uris(self) -> frozenset[str]:
        return frozenset({rewrap_url(self.kas_id)})


@dataclass(frozen=True)
class Registry:
    """As one party sees it. Its own entry is there as well, and looks like a peer's: that it is none must be said."""

    kas_id: str
    peers: tuple[Peer, ...]

    def find(self, kas_id: str) -> Peer | None:
        return next((peer for peer in self.peers if peer.kas_id == kas_id), None)

    def changed(self, kas_id: str, **changes: Any) -> Registry:
        peers = (replace(peer, **changes) if peer.kas_id == kas_id else peer for peer in self.peers)
        return replace(self, peers=tuple(peers))


FRA = Registry("kas-fra", tuple(map(Peer, KAS_KEYS)))


def rewrap_url(kas_id: str) -> str:
    return f"https://{kas_id}.example/rewrap"


def find_peer_key(peer: Peer, kid: str) -> PublicJwk | None:
    """Each service has one key, whose kid is its id with ``-key``."""
    return parse_public_jwk(KAS_KEYS[peer.kas_id].jwk) if kid == f"{peer.kas_id}-key" else None


def signer(kas_id: str = "kas-usa") -> ResultSigner:
    return ResultSigner(kas_id, f"{kas_id}-key", KAS_KEYS[kas_id].private)


def token(key: ProofKey = CLIENT, **changes: Any) -> str:
    """For all services of the federation, bound to ``key``."""
    claims = {
        "iss": ISSUER.issuer, "aud": ["kas", AUDIENCE], "sub": "alice", "exp": NOW + 300,
        "cnf": {"jkt": key.thumbprint},
    }  # fmt: skip
    payload = {name: value for name, value in (claims | changes).items() if value is not None}
    return compact_jws(ISSUER_KEY, {"typ": "at+jwt", "alg": "ES256", "kid": "k"}, json.dumps(payload).encode())


def assertion(
    *, by: ProofKey | None = None, header: dict[str, Any] | None = None, text: str = "", **changes: Any
) -> str:
    """One of ``kas-usa`` for ``kas-fra``, written here and not by the code under test; None takes a claim away."""
    claims = {
        "iss": "kas-usa", "aud": "kas-fra", "iat": NOW, "exp": NOW + 20, "jti": "assertion-1",
        "body_sha256": sha256_b64url(BODY), "ath": sha256_b64url((text or TOKEN).encode()), "jkt": CLIENT.thumbprint,
        "via": ["kas-usa"],
    }  # fmt: skip
    payload = {name: value for name, value in (claims | changes).items() if value is not None}
    head = {"typ": "kas-forward+jwt", "alg": "ES256", "kid": "kas-usa-key"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    return compact_jws(by or KAS_KEYS["kas-usa"], head, json.dumps(payload).encode())


TOKEN = token()


def proof(text: str = "", key: ProofKey = CLIENT, at: str = "kas-usa", **claims: Any) -> str:
    """The client's, for the service that it asked, with whatever nonce that one demanded."""
    return make_proof(key, "POST", rewrap_url(at), NOW, token=text or TOKEN, nonce="of kas-usa", claims=claims)


@dataclass
class Receiver:
    """``kas-fra``; ``ask`` sends it the good request, or what a test puts in the place of a part."""

    clock: Time = field(default_factory=Time)
    registry: Registry = FRA
    quota: int = 1000
    capacity: int = 8000
    delay: Callable[[], None] = lambda: None  # while keys of issuers are fetched

    def __post_init__(self) -> None:
        self.store = MemoryReplayStore(capacity=self.capacity, ttl_seconds=PROOF_MEMORY_SECONDS, clock=self.clock)
        limit = Limit("rewrap", self.quota, 60.0)
        self.who = ForwardedAuthenticator(
            registry=self.registry,
            find_peer_key=find_peer_key,
            issuers={ISSUER.issuer: ISSUER},
            find_key=self._find_key,
            limit=SlidingWindow(limit, self.clock, capacity=10_000, refusal=RewrapLimit),
            replay_store=self.store,
            clock=self.clock,
        )
        self.journal = journal()

    def _find_key(self, _issuer: Issuer, kid: str) -> IssuerKey | None:
        self.delay()
        return IssuerKey(parse_public_jwk(ISSUER_KEY.jwk), None) if kid == "k" else None

    def ask(
        self, text: str = "", *, scheme: str = "DPoP", proven: str | None = "", forwarded: str | None = ""
    ) -> ForwardedPrincipal:
        text = text or TOKEN
        proven = proof(text) if proven == "" else proven
        forwarded = assertion(text=text) if forwarded == "" else forwarded
        return self.who.authenticate(Credentials(f"{scheme} {text}", proven, forwarded), self.journal)


def made(**changes: Any) -> str:
    """An assertion by the code under test."""
    about = {
        "receiver": "kas-fra", "body": BODY, "token_hash": sha256_b64url(TOKEN.encode()), "jkt": CLIENT.thumbprint,
        "via": ["kas-usa"], "now": NOW,
    }  # fmt: skip
    return make_assertion(signer(), **(about | changes))
