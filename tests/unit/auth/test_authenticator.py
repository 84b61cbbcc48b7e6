"""Who asks, by an injected clock: the order of the checks, and what each leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kas.auth.authenticator import Authenticator, Credentials, NonceMode, Principal
from kas.auth.issuers import Issuer
from kas.auth.jwks import IssuerKey
from kas.auth.nonce import NonceSource
from kas.errors import (
    AuthorizationMalformed,
    CredentialsMissing,
    InvalidProof,
    InvalidToken,
    KasError,
    NonceInvalid,
    NonceRequired,
    ProofMissing,
    ProofReplayed,
    ProofTimeInvalid,
    RewrapLimit,
    SchemeRefused,
    TokenExpired,
    TokenUnbound,
)
from kas.jose import parse_public_jwk
from kas.ratelimit import Limit, SlidingWindow
from local.client import new_proof_key
from local.client.encoding import sha256_b64url
from local.client.proofs import compact_jws, make_proof
from tests.unit.journals import journal

ISSUER = Issuer("https://idp.example", "https://idp.example/jwks", "kas", frozenset({"at+jwt"}), {}, {}, frozenset())
ISSUER_KEY, KEY = new_proof_key(), new_proof_key()
URL, NOW = "https://kas.example/rewrap", 1_790_000_000.0


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Claims:
    """A replay store that remembers every claim and refuses the second."""

    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None]) -> None:
        if (jkt, jti, caller) in self.seen:
            raise ProofReplayed
        admit()
        self.seen.append((jkt, jti, caller))


def authenticator(
    clock: Time, mode: NonceMode = "off", *, takes_unbound: bool = False, limit: SlidingWindow | None = None
) -> tuple[Authenticator, Claims]:
    claims = Claims()
    key = IssuerKey(parse_public_jwk(ISSUER_KEY.jwk), None)
    return (
        Authenticator(
            issuers={ISSUER.issuer: ISSUER},
            find_key=lambda _issuer, kid: key if kid == "k" else None,
            nonces=NonceSource(clock),
            nonce_mode=mode,
            limit=limit,
            replay_store=claims,
            uris=frozenset({URL}),
            schemes=frozenset({"dpop", "bearer"}),
            takes_unbound=takes_unbound,
            clock=clock,
        ),
        claims,
    )


def token(**changes: Any) -> str:
    claims = {"iss": ISSUER.issuer, "aud": "kas", "sub": "alice", "exp": NOW + 300, "cnf": {"jkt": KEY.thumbprint}}
    payload = {name: value for name, value in (claims | changes).items() if value is not None}
    return compact_jws(ISSUER_KEY, {"typ": "at+jwt", "alg": "ES256", "kid": "k"}, json.dumps(payload).encode())


def ask(who: Authenticator, text: str | None = None, nonce: str | None = None, **claims: Any) -> Principal:
    """The good request with these claims of the proof changed."""
    text = text or token()
    proof = make_proof(KEY, "POST", URL, who.clock(), token=text, nonce=nonce, claims=claims)
    return who.authenticate(Credentials(f"DPoP {text}", proof), journal())


def test_caller_is_issuer_and_subject() -> None:
    """The identity for limits and audit, with the proven key and the hash of the proof."""
    who, claims = authenticator(Time())
    text = token()
    proof = make_proof(KEY, "POST", URL, NOW, token=text, claims={"jti": "j"})
    principal = who.authenticate(Credentials(f"Bearer {text}", proof), journal())
    assert principal.caller.identity == "https://idp.example alice"
    assert (principal.caller.subject, principal.claims["sub"], principal.issuer) == ("alice", "alice", ISSUER)
    assert (principal.key.thumbprint, principal.proof_hash) == (KEY.thumbprint, sha256_b64url(proof.encode()))
    assert claims.seen == [(KEY.thumbprint, "j", "https://idp.example alice")]


@pytest.mark.parametrize("header", [None, "", "Basic x", "DPoPx y", "token"])
def test_no_credentials_of_ours(header: str | None) -> None:
    """Absent or under another scheme."""
    who, claims = authenticator(Time())
    with pytest.raises(CredentialsMissing):
        who.authenticate(Credentials(header, "x"), journal())
    assert claims.seen == []


@pytest.mark.parametrize("header", ["DPoP", "DPoP ", "DPoP a b", "DPoP a,b", "DPoP  a", "Bearer a, DPoP b"])
def test_malformed_authorization(header: str) -> None:
    """Not one scheme and one token."""
    with pytest.raises(AuthorizationMalformed):
        authenticator(Time())[0].authenticate(Credentials(header, "x"), journal())


@pytest.mark.parametrize("takes_unbound", [False, True])
def test_bound_token_under_a_scheme_that_the_route_does_not_take(*, takes_unbound: bool) -> None:
    """Refused as such before the proof is looked at; a token that is wrong itself is told that first."""
    who, claims = authenticator(Time(), takes_unbound=takes_unbound)
    who = replace(who, schemes=frozenset({"dpop"}))
    with pytest.raises(SchemeRefused):
        who.authenticate(Credentials(f"Bearer {token()}", "x"), journal())
    with pytest.raises(TokenExpired):
        who.authenticate(Credentials(f"Bearer {token(exp=NOW - 100)}", "x"), journal())
    assert claims.seen == []


@pytest.mark.parametrize("cnf", [None, {}, {"jkt": "short"}])
def test_unbound_token(cnf: object) -> None:
    """Refused before the proof is looked at, under either scheme."""
    who, _ = authenticator(Time())
    with pytest.raises(TokenUnbound):
        ask(who, token(cnf=cnf), htm="GET")
    with pytest.raises(TokenUnbound):
        who.authenticate(Credentials(f"Bearer {token(cnf=cnf)}", None), journal())


@pytest.mark.parametrize("proof", [None, "x"])
def test_unbound_token_where_the_route_takes_it(proof: str | None) -> None:
    """Under Bearer it names the caller and no key, whatever stands in the DPoP header; nothing is claimed."""
    who, claims = authenticator(Time(), "require", takes_unbound=True)
    principal = who.authenticate(Credentials(f"Bearer {token(cnf=None)}", proof), journal())
    assert (principal.caller.identity, principal.key, principal.proof_hash) == ("https://idp.example alice", None, None)
    assert principal.issuer is ISSUER
    assert claims.seen == []


@pytest.mark.parametrize("takes_unbound", [False, True])
@pytest.mark.parametrize("cnf", [{}, {"jkt": "short"}, "x", 0, False])
def test_token_with_any_cnf_is_never_taken_for_an_unbound_one(cnf: object, *, takes_unbound: bool) -> None:
    """What its issuer bound to something is refused where that is not a key that can be proven."""
    who, _ = authenticator(Time(), takes_unbound=takes_unbound)
    with pytest.raises(TokenUnbound):
        who.authenticate(Credentials(f"Bearer {token(cnf=cnf)}", None), journal())


def test_unbound_token_under_dpop_is_refused_everywhere() -> None:
    """The scheme says that there is a proof, and there is nothing to prove."""
    who, _ = authenticator(Time(), takes_unbound=True)
    with pytest.raises(TokenUnbound):
        who.authenticate(Credentials(f"DPoP {token(cnf=None)}", None), journal())


def test_bound_token_demands_its_proof_where_unbound_ones_are_taken() -> None:
    """Leaving the proof out is no way around it, whatever the scheme."""
    who, _ = authenticator(Time(), takes_unbound=True)
    for scheme in ("DPoP", "Bearer"):
        with pytest.raises(ProofMissing):
            who.authenticate(Credentials(f"{scheme} {token()}", None), journal())


@pytest.mark.parametrize("changes", [{"exp": NOW - 100}, {"aud": "other"}, {"sub": None}, {"iss": "https://x.example"}])
def test_unbound_token_is_verified_like_any_other(changes: dict[str, Any]) -> None:
    """Time, audience, subject and issuer: nothing is let off."""
    who, _ = authenticator(Time(), takes_unbound=True)
    with pytest.raises(InvalidToken):
        who.authenticate(Credentials(f"Bearer {token(cnf=None, **changes)}", None), journal())


def test_token_is_judged_before_the_proof() -> None:
    """An expired token with a bad proof: the token's fault is named, nothing is claimed."""
    clock = Time()
    who, claims = authenticator(clock)
    clock.now += 310
    with pytest.raises(TokenExpired):
        ask(who, htm="GET")
    assert claims.seen == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"htm": "GET"}, InvalidProof),
        ({"htu": "https://evil.example/rewrap"}, InvalidProof),
        ({"iat": NOW - 61}, ProofTimeInvalid),
        ({"ath": "x"}, InvalidProof),
        ({"jti": ""}, InvalidProof),
        ({"nonce": None}, NonceRequired),
        ({"nonce": "x"}, NonceInvalid),
    ],
)
def test_attack_p13_nothing_is_claimed_by_an_invalid_proof(changes: dict[str, Any], refusal: type[KasError]) -> None:
    """The claim is the last step."""
    who, claims = authenticator(Time(), "require")
    with pytest.raises(refusal):
        ask(who, **{"nonce": who.next_nonce(), **changes})
    assert claims.seen == []


def test_proof_is_missing() -> None:
    """The token alone proves nothing."""
    with pytest.raises(ProofMissing):
        authenticator(Time())[0].authenticate(Credentials(f"Bearer {token()}", None), journal())


def test_proof_is_taken_once() -> None:
    """The same credentials a second time are a replay, whatever the nonce mode."""
    who, _ = authenticator(Time())
    ask(who, jti="j")
    with pytest.raises(ProofReplayed):
        ask(who, jti="j")


def test_attack_p14_nonce_that_has_expired() -> None:
    """Five minutes by the clock, in both modes that know nonces; the new one serves."""
    for mode in ("offer", "require"):
        clock = Time()
        who, _ = authenticator(clock, mode)
        nonce, text = who.next_nonce(), token(exp=NOW + 3600)
        clock.now += 300
        ask(who, text, nonce)
        clock.now += 0.5
        with pytest.raises(NonceInvalid):
            ask(who, text, nonce)
        ask(who, text, who.next_nonce())


@pytest.mark.parametrize(
    ("mode", "nonce", "refusal"),
    [
        ("off", None, None),
        ("off", "x", None),
        ("offer", None, None),
        ("offer", "x", NonceInvalid),
        ("offer", "", NonceInvalid),
        ("require", None, NonceRequired),
        ("require", "x", NonceInvalid),
    ],
)
def test_attack_p14_modes(mode: NonceMode, nonce: str | None, refusal: type[KasError] | None) -> None:
    """What each mode makes of no nonce and of a bad one."""
    who, _ = authenticator(Time(), mode)
    if refusal is None:
        assert ask(who, nonce=nonce).caller.subject == "alice"
    else:
        with pytest.raises(refusal):
            ask(who, nonce=nonce)


@pytest.mark.parametrize("mode", ["off", "offer", "require"])
def test_next_nonce(mode: NonceMode) -> None:
    """None where nonces are off, else one that is accepted."""
    who, _ = authenticator(Time(), mode)
    nonce = who.next_nonce()
    assert (nonce is None) == (mode == "off")
    assert ask(who, nonce=nonce).caller.subject == "alice"


def test_a_used_proof_does_not_pass_again_while_keys_are_fetched_slowly() -> None:
    """Its time is judged when it is looked at: fetching may take longer than used proofs are remembered for."""
    clock = Time()
    subject, _ = authenticator(clock)

    def slow(issuer: Issuer, kid: str) -> IssuerKey | None:
        clock.now += 90
        return subject.find_key(issuer, kid)

    text = token()
    proof = make_proof(KEY, "POST", URL, NOW, token=text)
    with pytest.raises(ProofTimeInvalid):
        replace(subject, find_key=slow).authenticate(Credentials(f"DPoP {text}", proof), journal())


def test_caller_beyond_his_limit_is_told_of_it_and_burns_no_proof() -> None:
    """What is left, nothing at last, is in the journal, from which the headers on limits are made."""
    limit = SlidingWindow(Limit("rewrap", 1, 60.0), Time(), capacity=8, refusal=RewrapLimit)
    who, claims = authenticator(Time(), limit=limit)
    text, book = token(), journal()
    first, second = (make_proof(KEY, "POST", URL, NOW, token=text, claims={"jti": jti}) for jti in "ab")
    who.authenticate(Credentials(f"DPoP {text}", first), book)
    with pytest.raises(RewrapLimit):
        who.authenticate(Credentials(f"DPoP {text}", second), book)
    assert [(quota.limit.name, quota.remaining) for quota in book.quotas] == [("rewrap", 0), ("rewrap", 0)]
    assert [jti for _, jti, _ in claims.seen] == ["a"]


def test_replays_of_a_recorded_request_use_up_nothing_of_its_owners_limit() -> None:
    """Nor do they read from the answer what he has left."""
    limit = SlidingWindow(Limit("rewrap", 2, 60.0), Time(), capacity=8, refusal=RewrapLimit)
    who, _ = authenticator(Time(), limit=limit)
    text, book = token(), journal()
    recorded = Credentials(f"DPoP {text}", make_proof(KEY, "POST", URL, NOW, token=text))
    who.authenticate(recorded, journal())
    for _ in range(5):
        with pytest.raises(ProofReplayed):
            who.authenticate(recorded, book)
    assert book.quotas == []
    assert ask(who, text).caller.subject == "alice"
    with pytest.raises(RewrapLimit):
        ask(who, text)
