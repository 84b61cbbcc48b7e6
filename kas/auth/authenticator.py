"""Who asks, decided in one place: access token, proof of possession, nonce, and each proof once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, Protocol

from kas.auth.access_token import FindKey, VerifiedToken, verify_access_token
from kas.auth.dpop import verify_proof
from kas.auth.issuers import Issuer
from kas.auth.nonce import Nonces
from kas.dataclass import dataclass
from kas.errors import AuthorizationMalformed, CredentialsMissing, NonceRequired, SchemeRefused, TokenUnbound
from kas.jose import PublicJwk
from kas.journal import Caller, Journal
from kas.ratelimit import Window

NonceMode = Literal["off", "offer", "require"]
_SCHEMES: Final = frozenset({"dpop", "bearer"})


class ReplayStore(Protocol):
    """The memory of used proofs."""

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None]) -> None:
        """Records a proof as used. One that was used before is ProofReplayed; any other is put to ``admit``, which may
        raise, before it is recorded. Raises ReplayShareExhausted or ReplayStoreFull as well.
        """


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers as the host gives them: repeated ones joined with a comma, None when absent. ``forwarded`` is what
    another service says about a request that it forwards.
    """

    authorization: str | None
    dpop: str | None
    forwarded: str | None = None


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Which service forwarded a request, ``forwarder``, and all that it passed: ``via``, from the one that the client
    asked to the forwarder. Ids of the registry.
    """

    forwarder: str
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. ``key`` is the proven key, which also signs the caller's KAOs; ``proof_hash`` is
    base64url(SHA-256(the proof as sent)) and goes into each result's signature. Both are None for a caller whose
    token is bound to no key, where a route takes such tokens. ``forwarding`` is None for one who asks here himself.
    """

    issuer: Issuer
    caller: Caller
    claims: Mapping[str, Any]
    key: PublicJwk | None
    proof_hash: str | None
    forwarding: Forwarding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Authenticates callers of one route. ``uris`` are its public addresses, normalised; ``schemes`` those of
    Authorization that it takes for a bound token, in lower case; ``takes_unbound`` whether a token that is bound to
    no key passes under Bearer; ``limit`` is None where no caller is limited; ``clock`` gives seconds since 1970.
    """

    issuers: Mapping[str, Issuer]
    find_key: FindKey
    nonces: Nonces
    nonce_mode: NonceMode
    limit: Window | None
    replay_store: ReplayStore
    uris: frozenset[str]
    schemes: frozenset[str]
    takes_unbound: bool
    clock: Callable[[], float]

    def authenticate(self, credentials: Credentials, journal: Journal) -> Principal:
        """Decides who asks.

        1. Exactly one Authorization header.
        2. The access token is genuine, current and meant for us.
        3. It is bound to a key and comes under a scheme that this route takes for such tokens. The one exception is
           an unbound token under Bearer, where the route takes it: steps 4, 5, 6 and 8 have nothing to check then.
        4. The DPoP proof is of that key, for this token, method and address, and recent.
        5. Its nonce is one of ours, where nonces are on.
        6. The proof was not used before; before the next step, so that whoever sends a recorded request again uses up
           nothing of its owner's limit.
        7. The caller is within its rate limit; before the next step, so that it cannot fill the memory of proofs.
        8. The proof is recorded as used; last, so that what is refused burns no jti. In one operation with step 6.

        The journal learns whose genuine token was shown (after step 2) and what the caller has left (step 7).
        Raises CredentialsMissing, or a leaf of InvalidToken, InvalidProof, UseDpopNonce, TooManyRequests or
        Unavailable.
        """
        scheme, unverified_token = read_authorization(credentials.authorization)
        token = verify_access_token(unverified_token, issuers=self.issuers, find_key=self.find_key, now=self.clock())
        journal.caller = caller = caller_of(token)
        if self.takes_unbound and scheme == "bearer" and "cnf" not in token.claims:
            self._admit(caller, journal)
            return Principal(token.issuer, caller, token.claims, None, None)
        if token.jkt is None:
            raise TokenUnbound
        if scheme not in self.schemes:
            raise SchemeRefused
        # The time is read anew: fetching the issuer's keys may have taken longer than used proofs are remembered for.
        proof = verify_proof(
            credentials.dpop,
            jkt=token.jkt,
            token_hash=token.hash,
            method=journal.method,
            uris=self.uris,
            now=self.clock(),
        )
        self._check_nonce(proof.unverified_nonce)
        admit = partial(self._admit, caller, journal)
        self.replay_store.claim(jkt=proof.jkt, jti=proof.jti, caller=caller.identity, admit=admit)
        return Principal(token.issuer, caller, token.claims, proof.key, proof.hash)

    def next_nonce(self) -> str | None:
        """The nonce that the answer offers, None when nonces are off."""
        return None if self.nonce_mode == "off" else self.nonces.issue()

    def _check_nonce(self, unverified_nonce: object) -> None:
        if self.nonce_mode == "off":
            return
        if unverified_nonce is not None:
            self.nonces.verify(unverified_nonce)
        elif self.nonce_mode == "require":
            raise NonceRequired

    def _admit(self, caller: Caller, journal: Journal) -> None:
        if self.limit is not None:
            self.limit.admit(caller.identity, journal.quotas.append)


def caller_of(token: VerifiedToken) -> Caller:
    """Whoever a genuine token names."""
    client = token.claims.get("client_id")
    return Caller(token.issuer.issuer, token.subject, client if isinstance(client, str) else None)


def read_authorization(header: str | None) -> tuple[str, str]:
    """Scheme in lower case, and token. Raises CredentialsMissing or AuthorizationMalformed."""
    scheme, _, unverified_token = (header or "").partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise CredentialsMissing
    if "," in unverified_token or " " in unverified_token or not unverified_token:
        raise AuthorizationMalformed
    return scheme.lower(), unverified_token
