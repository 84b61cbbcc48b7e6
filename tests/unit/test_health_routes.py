"""The routes on health: what anybody learns, and what only those learn who show who they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.auth.authenticator import Authenticator, NonceMode
from kas.auth.issuers import Issuer
from kas.auth.jwks import IssuerKey
from kas.auth.nonce import NonceSource
from kas.errors import (
    CredentialsMissing,
    InvalidProof,
    InvalidToken,
    KasError,
    KeyUnavailable,
    NonceRequired,
    NotReady,
    ProofMethodMismatch,
    ProofReplayed,
    ProofUriMismatch,
    TokenExpired,
)
from kas.health import Check, Readiness
from kas.jose import parse_public_jwk
from kas.journal import Journal
from kas.state.own_replay import MemoryReplayStore
from kas.web.health import HEALTH, LIVE, READY, health_routes
from kas.web.replies import Reply, error_reply
from local.client import new_proof_key
from local.client.proofs import compact_jws, make_proof

ISSUER = Issuer("https://idp.example", "https://idp.example/jwks", "kas", frozenset({"at+jwt"}), {}, {}, frozenset())
ISSUER_KEY, KEY = new_proof_key(), new_proof_key()
URL, NOW = "https://kas.example/health/ready", 1_790_000_000.0


def clock() -> float:
    return NOW


def authenticator(mode: NonceMode) -> Authenticator:
    key = IssuerKey(parse_public_jwk(ISSUER_KEY.jwk), None)
    return Authenticator(
        issuers={ISSUER.issuer: ISSUER},
        find_key=lambda _issuer, kid: key if kid == "k" else None,
        nonces=NonceSource(clock),
        nonce_mode=mode,
        limit=None,
        replay_store=MemoryReplayStore(capacity=100, ttl_seconds=70, clock=clock),
        uris=frozenset({URL}),
        schemes=frozenset({"dpop"}),
        takes_unbound=False,
        clock=clock,
    )


@dataclass
class Fixture:
    """The routes over the checks ``keys`` and ``issuers``, which raise these failures, if any."""

    keys: KasError | None = None
    issuers: KasError | None = None
    nonce_mode: NonceMode = "off"
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        checks = [
            Check("keys", lambda: self.probe("keys", self.keys)),
            Check("issuers", lambda: self.probe("issuers", self.issuers)),
        ]
        self.routes = health_routes(Readiness(checks, clock, lambda _line: None), authenticator(self.nonce_mode))

    def probe(self, name: str, failure: KasError | None) -> None:
        self.calls.append(name)
        if failure is not None:
            raise failure

    def ask(self, path: str = READY, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        request = flask.Request(EnvironBuilder(path, method=method, headers=dict(headers or {})).get_environ())
        journal = Journal(request_id="0123", method=method, path=path, timer=clock)
        return self.routes[path].answer(request, journal)


def credentials(method: str = "GET", url: str = URL, expires: float = NOW + 300, **claims: Any) -> dict[str, str]:
    """Of a caller with a token of his own; ``claims`` go into the proof."""
    payload = {"iss": ISSUER.issuer, "aud": "kas", "sub": "op", "exp": expires, "cnf": {"jkt": KEY.thumbprint}}
    token = compact_jws(ISSUER_KEY, {"typ": "at+jwt", "alg": "ES256", "kid": "k"}, json.dumps(payload).encode())
    return {"Authorization": f"DPoP {token}", "DPoP": make_proof(KEY, method, url, NOW, token=token, claims=claims)}


@pytest.mark.parametrize("path", [HEALTH, LIVE])
def test_process_answers_whatever_is_missing(path: str) -> None:
    """No check is made."""
    fixture = Fixture(keys=KeyUnavailable())
    reply = fixture.ask(path)
    assert (reply.status, json.loads(reply.body)) == (200, {"status": "ok"})
    assert fixture.calls == []


def test_anybody_learns_that_it_is_ready_and_no_more() -> None:
    """No names of checks."""
    reply = Fixture().ask()
    assert (reply.status, json.loads(reply.body)) == (200, {"status": "ready"})


def test_anybody_learns_that_it_is_not_ready_and_no_more() -> None:
    """In the one form of errors, with our request id."""
    reply = Fixture(keys=KeyUnavailable()).ask()
    assert reply == error_reply(NotReady(), "0123")
    assert (reply.status, json.loads(reply.body)["code"]) == (503, "not_ready")


def test_authenticated_caller_learns_which_checks_fail() -> None:
    """Beside the same members."""
    reply = Fixture(keys=KeyUnavailable()).ask(headers=credentials())
    bare = json.loads(error_reply(NotReady(), "0123").body)
    assert reply.status == 503
    assert json.loads(reply.body) == {**bare, "checks": {"keys": "key_unavailable", "issuers": True}}


def test_authenticated_caller_learns_what_was_checked() -> None:
    """Where all is well too."""
    reply = Fixture().ask(headers=credentials())
    assert reply.status == 200
    assert json.loads(reply.body) == {"status": "ready", "checks": {"keys": True, "issuers": True}}


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Authorization": ""}, CredentialsMissing),
        ({"Authorization": "Basic b3A6eA=="}, CredentialsMissing),
        ({"Authorization": "Bearer x"}, InvalidToken),
        (credentials(expires=NOW - 60), TokenExpired),
        ({"Authorization": credentials()["Authorization"]}, InvalidProof),
        (credentials(url="https://kas.example/rewrap"), ProofUriMismatch),
        (credentials(method="HEAD"), ProofMethodMismatch),
    ],
    ids=["empty", "basic", "no-token", "expired", "no-proof", "proof-of-other-route", "proof-of-other-method"],
)
def test_whoever_shows_credentials_must_show_good_ones(headers: Mapping[str, str], refusal: type[KasError]) -> None:
    """As on every route: 401, and no check is made."""
    fixture = Fixture()
    with pytest.raises(refusal) as refused:
        fixture.ask(headers=headers)
    assert refused.value.status == 401
    assert fixture.calls == []


def test_proof_is_good_once() -> None:
    """The memory of proofs is that of the other routes."""
    fixture, headers = Fixture(), credentials()
    fixture.ask(headers=headers)
    with pytest.raises(ProofReplayed):
        fixture.ask(headers=headers)


def test_answer_offers_the_nonce_that_a_proof_needs() -> None:
    """Without it the proof is refused; with it the checks are shown."""
    fixture = Fixture(nonce_mode="require")
    with pytest.raises(NonceRequired):
        fixture.ask(headers=credentials())
    nonce = fixture.routes[READY].extra_headers()["DPoP-Nonce"]
    assert "checks" in json.loads(fixture.ask(headers=credentials(nonce=nonce)).body)
    assert Fixture().routes[READY].extra_headers() == {}


@pytest.mark.parametrize("path", [HEALTH, LIVE, READY])
def test_head_and_get_are_the_methods(path: str) -> None:
    """HEAD has GET's status and headers; the host leaves out the body."""
    fixture = Fixture()
    assert fixture.routes[path].allowed == ("GET", "HEAD", "OPTIONS")
    assert fixture.ask(path, method="HEAD") == fixture.ask(path)


@pytest.mark.parametrize("path", [HEALTH, LIVE, READY])
def test_health_routes_count_against_the_limit_of_their_own(path: str) -> None:
    """Probes use up nobody's requests, and a flood of others does not stop the probes."""
    assert Fixture().routes[path].is_health


def test_head_is_authenticated_too() -> None:
    """With a proof made for it."""
    assert Fixture().ask(headers=credentials("HEAD"), method="HEAD").status == 200


@pytest.mark.parametrize("path", [HEALTH, LIVE, READY])
def test_answers_are_not_stored(path: str) -> None:
    """A cache between us would answer for a process that is gone."""
    assert Fixture().ask(path).headers["Cache-Control"] == "no-store"
    assert Fixture(keys=KeyUnavailable()).ask(path).headers["Cache-Control"] == "no-store"
