"""Who asks, when another service forwards: that service is authenticated, and once more the client himself.

Nothing is taken on the forwarder's word. The client's token is verified by our own issuers, his proof as one for the
service that he asked, and the forwarder's assertion holds both, the body and the way together (`kas.federation.assertion`).
So a dishonest forwarder can drop or delay, and cannot ask in a client's name what that client did not ask.

Not here: whose key access objects they are, their signatures, what the agreement allows, the decision. They are as for
any request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from kas.auth.access_token import FindKey, VerifiedToken, verify_access_token
from kas.auth.authenticator import Credentials, Forwarding, Principal, caller_of, read_authorization
from kas.auth.dpop import VerifiedProof, verify_proof
from kas.auth.issuers import Issuer
from kas.dataclass import dataclass
from kas.errors import ForwarderKeysUnavailable, PeerUnavailable, SchemeRefused, TokenUnbound
from kas.federation.assertion import FindPeerKey, VerifiedAssertion, verify_assertion
from kas.federation.registry import Registry
from kas.journal import Caller, Journal
from kas.ratelimit import Window


class ForwardedReplayStore(Protocol):
    """The memory of used assertions, and of what was asked for with forwarded proofs."""

    def claim_assertion(self, *, forwarder: str, jti: str, admit: Callable[[], None]) -> None:
        """Records an assertion as used. One that was used before is ForwardingReplayed; any other is put to ``admit``,
        which may raise, before it is recorded. Raises ReplayShareExhausted or ReplayStoreFull as well.
        """

    def claim_kaos(self, *, jkt: str, jti: str, caller: str, kao_ids: Sequence[str]) -> None:
        """Records that the proof was used for these key access objects, for all of them or, when it raises, for none.
        Raises ProofReplayed when it was for one of them before; ReplayShareExhausted or ReplayStoreFull as well.
        """


@dataclass(frozen=True, slots=True)
class ForwardedPrincipal:
    """The client as ``principal``, and the assertion that came with his request; ``proof_jti`` identifies his proof."""

    principal: Principal
    assertion: VerifiedAssertion
    proof_jti: str
    replay_store: ForwardedReplayStore

    def check_body(self, body: bytes) -> None:
        """Step 6 of `ForwardedAuthenticator`. Raises ForwardingBodyMismatch."""
        self.assertion.check_body(body)

    def claim(self, kao_ids: Sequence[str]) -> None:
        """Step 8 of `ForwardedAuthenticator`: the client's proof serves each key access object once, whatever comes with it
        and whoever forwards it.

        All or none are recorded, so that of two requests that ask for the same at once only one goes on. Raises
        ProofReplayed, ReplayShareExhausted or ReplayStoreFull.
        """
        self.replay_store.claim_kaos(
            jkt=self.assertion.jkt, jti=self.proof_jti, caller=self.principal.caller.identity, kao_ids=kao_ids
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedAuthenticator:
    """Authenticates clients whose requests other services forward. ``find_key`` finds keys of ``issuers``, ``find_peer_key``
    those of the services in ``registry``; ``limit`` is the one of callers who ask here; ``clock`` gives seconds since 1970.
    """

    registry: Registry
    find_peer_key: FindPeerKey
    issuers: Mapping[str, Issuer]
    find_key: FindKey
    limit: Window
    replay_store: ForwardedReplayStore
    clock: Callable[[], float]

    def authenticate(self, credentials: Credentials, journal: Journal) -> ForwardedPrincipal:
        """Decides who asks, and through whom.

        1, 2. The assertion is genuine, current and meant for us, by a service that may come along this way: see
           `verify_assertion`.
        3. Exactly one access token, of our own issuers and current, that names the audience of the agreement: one for us
           alone was not meant to be shown to others. The assertion was made for it. It comes under the scheme DPoP.
        4. It is bound to a key. The DPoP proof is of that key, for this token and method, recent, and for the
           address of the service that the client asked: never for ours. Its nonce was that service's to check. The
           assertion was made for that key.
        5. The assertion is still current, for fetching keys may have taken long. It was not used before; the caller is
           within his limit; the assertion is recorded as used. The last three in one operation, as for proofs.

        What is left for when the body is there: 6, `ForwardedPrincipal.check_body`; 8, `ForwardedPrincipal.claim`, once the structure
        is known (7). A proof is not used up as a whole: what a client asks of several key access objects may come in
        several requests.

        The journal learns whose genuine token was shown (after the token of step 3) and what the caller has left (step 5).
        Raises a leaf of InvalidForwarding, CredentialsMissing, or a leaf of InvalidToken, InvalidProof, TooManyRequests
        or Unavailable.
        """
        # 1, 2.
        assertion = self._verify_assertion(credentials.forwarded)
        # 3.
        token = self._verify_token(credentials.authorization, assertion, journal)
        # 4.
        proof = self._verify_proof(credentials.dpop, token, assertion, journal)
        # 5.
        assertion.check_time(self.clock())
        caller = caller_of(token)
        self._claim(assertion, caller, journal)
        forwarding = Forwarding(assertion.forwarder.kas_id, assertion.via)
        principal = Principal(token.issuer, caller, token.claims, proof.key, proof.hash, forwarding)
        return ForwardedPrincipal(principal, assertion, proof.jti, self.replay_store)

    def _verify_assertion(self, header: str | None) -> VerifiedAssertion:
        try:
            return verify_assertion(header, registry=self.registry, find_key=self.find_peer_key, now=self.clock())
        except PeerUnavailable as error:
            refusal = ForwarderKeysUnavailable()
            refusal.retry_after = error.retry_after
            raise refusal from error.__cause__

    def _verify_token(self, header: str | None, assertion: VerifiedAssertion, journal: Journal) -> VerifiedToken:
        scheme, unverified_token = read_authorization(header)
        token = verify_access_token(
            unverified_token,
            issuers=self.issuers,
            find_key=self.find_key,
            now=self.clock(),
            audience=assertion.agreement.audience,
        )
        journal.caller = caller_of(token)
        assertion.check_token(token.hash)
        if scheme != "dpop":
            raise SchemeRefused
        return token

    def _verify_proof(
        self, header: str | None, token: VerifiedToken, assertion: VerifiedAssertion, journal: Journal
    ) -> VerifiedProof:
        if token.jkt is None:
            raise TokenUnbound
        # The time is read anew, as for any request.
        proof = verify_proof(
            header,
            jkt=token.jkt,
            token_hash=token.hash,
            method=journal.method,
            uris=assertion.origin.proof_uris,
            now=self.clock(),
        )
        assertion.check_key(proof.jkt)
        return proof

    def _claim(self, assertion: VerifiedAssertion, caller: Caller, journal: Journal) -> None:
        def admit() -> None:
            self.limit.admit(caller.identity, journal.quotas.append)

        self.replay_store.claim_assertion(forwarder=assertion.forwarder.kas_id, jti=assertion.jti, admit=admit)
