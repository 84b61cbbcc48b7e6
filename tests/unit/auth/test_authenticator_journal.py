"""What authentication tells the journal, whoever is refused afterwards; and whose proof it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kas.auth.authenticator import Credentials
from kas.errors import ProofKeyMismatch, ProofMissing, RewrapLimit, TokenExpired
from kas.journal import Caller
from kas.ratelimit import Limit, SlidingWindow
from local.client import new_proof_key
from local.client.proofs import make_proof
from tests.unit.auth.test_authenticator import ISSUER, NOW, URL, Time, authenticator, token
from tests.unit.journals import journal


@pytest.mark.parametrize(("client_id", "client"), [("reader", "reader"), (None, None), (7, None), (["reader"], None)])
def test_journal_learns_whose_token_was_shown_before_the_proof_is_judged(client_id: object, client: str | None) -> None:
    """Issuer, subject and client, which is None where the token names it by no text."""
    learnt = journal()
    with pytest.raises(ProofMissing):
        authenticator(Time())[0].authenticate(Credentials(f"Bearer {token(client_id=client_id)}", None), learnt)
    assert learnt.caller == Caller(ISSUER.issuer, "alice", client)


def test_journal_learns_nothing_from_a_token_that_is_refused() -> None:
    """Nobody is named by what is not genuine and current."""
    learnt = journal()
    with pytest.raises(TokenExpired):
        authenticator(Time())[0].authenticate(Credentials(f"Bearer {token(exp=NOW - 100)}", None), learnt)
    assert learnt.caller is None


def test_unbound_caller_is_limited_and_has_its_claims() -> None:
    """As any other: the journal learns what is left, and the decision what the token says."""
    learnt = journal()
    who, _ = authenticator(Time(), takes_unbound=True)
    who = replace(who, limit=SlidingWindow(Limit("rewrap", 2, 60.0), Time(), capacity=8, refusal=RewrapLimit))
    principal = who.authenticate(Credentials(f"Bearer {token(cnf=None, clearance='SECRET')}", None), learnt)
    assert principal.claims["clearance"] == "SECRET"
    assert [quota.remaining for quota in learnt.quotas] == [1]


def test_proof_of_another_key_than_the_token_is_bound_to_is_refused() -> None:
    """Genuine in everything else; nothing is claimed."""
    who, claims = authenticator(Time())
    text = token()
    proof = make_proof(new_proof_key(), "POST", URL, NOW, token=text)
    with pytest.raises(ProofKeyMismatch):
        who.authenticate(Credentials(f"DPoP {text}", proof), journal())
    assert claims.seen == []
