"""Who asks through another service: assertion, the client's own token and proof, and each once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import flask
import pytest

from kas.auth.authenticator import Credentials, Forwarding
from kas.auth.times import LEEWAY_SECONDS, PROOF_WINDOW_SECONDS
from kas.errors import (
    AudienceMismatch,
    AuthorizationMalformed,
    CredentialsMissing,
    ForwarderKeysUnavailable,
    ForwardingBodyMismatch,
    ForwardingMalformed,
    ForwardingReplayed,
    ForwardingTimeInvalid,
    ForwardingTokenMismatch,
    IssuerUnknown,
    KasError,
    PeerUnavailable,
    ProofKeyMismatch,
    ProofMethodMismatch,
    ProofMissing,
    ProofMultiple,
    ProofReplayed,
    ProofTimeInvalid,
    ProofTokenMismatch,
    ProofUriMismatch,
    ReplayShareExhausted,
    RewrapLimit,
    SchemeRefused,
    TokenExpired,
    TokenUnbound,
)
from kas.fetch import FetchError
from kas.web.caller import credentials_of
from local.client import new_proof_key
from local.client.encoding import sha256_b64url
from tests.federation.forwarded import (
    AUDIENCE,
    BODY,
    CLIENT,
    FRA,
    ISSUER,
    KAS_KEYS,
    NOW,
    TOKEN,
    Agreement,
    Receiver,
    Time,
    assertion,
    made,
    proof,
    token,
)

PEERS_OWN = new_proof_key()  # a key of the forwarder's own, for tokens and proofs


def refused(receiver: Receiver, refusal: type[KasError], code: str, **changes: Any) -> None:
    with pytest.raises(refusal) as raised:
        receiver.ask(**changes)
    assert (type(raised.value), raised.value.code) == (refusal, code)


def leaves_nothing(receiver: Receiver) -> bool:
    """Whether no claim was made and the caller's limit was not asked."""
    return not receiver.store._queue and not receiver.journal.quotas


@pytest.mark.parametrize("make", [made, assertion])
def test_client_is_who_his_token_says_and_the_way_is_known(make: Any) -> None:
    """With the proven key and the hash of the proof, as for a direct request."""
    receiver, proven = Receiver(), proof(jti="p")
    found = receiver.ask(proven=proven, forwarded=make())
    principal = found.principal
    assert (principal.caller.identity, principal.issuer) == ("https://idp.example alice", ISSUER)
    assert (principal.key.thumbprint, principal.proof_hash) == (CLIENT.thumbprint, sha256_b64url(proven.encode()))
    assert principal.forwarding == Forwarding("kas-usa", ("kas-usa",))
    assert (found.proof_jti, receiver.journal.caller) == ("p", principal.caller)
    found.check_body(BODY)


@pytest.mark.parametrize("forwarded", [None, f"{assertion()},{assertion(jti='2')}"])
def test_without_one_assertion(forwarded: str | None) -> None:
    """The client's credentials alone are nobody's forwarded request."""
    refused(Receiver(), ForwardingMalformed, "forwarding_malformed", forwarded=forwarded)


def test_assertion_is_judged_before_the_token() -> None:
    """Whoever is no peer learns nothing of the token."""
    receiver = Receiver()
    refused(receiver, ForwardingMalformed, "forwarding_malformed", text="x", forwarded="y")
    assert receiver.journal.caller is None


# The client's token


@pytest.mark.parametrize("aud", ["kas", ["kas"], ["kas", "kas-federatio"], None, [AUDIENCE, 1]])
def test_t07_token_without_the_federations_audience(aud: object) -> None:
    """Our own name is not enough: it was not meant to be shown to other services."""
    receiver = Receiver()
    refused(receiver, AudienceMismatch, "token_audience_mismatch", text=token(aud=aud))
    assert leaves_nothing(receiver)


def test_t07_audience_is_of_the_forwarders_agreement() -> None:
    """Each agreement has its own; the issuer entry's is not asked for."""
    registry = FRA.changed("kas-usa", agreement=Agreement(audience="usa-fra"))
    refused(Receiver(registry=registry), AudienceMismatch, "token_audience_mismatch")
    assert Receiver(registry=registry).ask(token(aud="usa-fra")).principal.caller.subject == "alice"


def test_token_of_an_issuer_that_only_the_forwarder_trusts() -> None:
    """Ours count."""
    refused(Receiver(), IssuerUnknown, "issuer_unknown", text=token(iss="https://idp.usa.example"))


def test_t09_token_that_has_expired() -> None:
    """It is verified like any other."""
    receiver = Receiver()
    refused(receiver, TokenExpired, "token_expired", text=token(exp=NOW - LEEWAY_SECONDS))
    assert leaves_nothing(receiver)


@pytest.mark.parametrize("cnf", [None, {}, {"jkt": "short"}])
def test_unbound_token(cnf: object) -> None:
    """Whoever forwards it could use it."""
    refused(Receiver(), TokenUnbound, "token_unbound", text=token(cnf=cnf))


def test_p16_token_under_bearer() -> None:
    """A service that forwards writes DPoP."""
    refused(Receiver(), SchemeRefused, "token_scheme_not_accepted", scheme="Bearer")


@pytest.mark.parametrize(
    ("header", "refusal"), [(None, CredentialsMissing), (f"DPoP {TOKEN},{TOKEN}", AuthorizationMalformed)]
)
def test_t17_one_authorization(header: str | None, refusal: type[KasError]) -> None:
    """None, and two joined."""
    receiver = Receiver()
    with pytest.raises(refusal):
        receiver.who.authenticate(Credentials(header, proof(), assertion()), receiver.journal)


# The client's proof


@pytest.mark.parametrize("at", ["kas-fra", "kas-gbr", "kas-usa.evil"])
def test_p07_proof_for_another_address_than_where_the_client_asked(at: str) -> None:
    """Ours is refused here as well: a proof made for us is not to be had from another."""
    receiver = Receiver()
    refused(receiver, ProofUriMismatch, "proof_uri_mismatch", proven=proof(at=at))
    assert leaves_nothing(receiver)


def test_p06_proof_for_another_method() -> None:
    """The client's was a POST."""
    refused(Receiver(), ProofMethodMismatch, "proof_method_mismatch", proven=proof(htm="GET"))


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        (PROOF_WINDOW_SECONDS, True),
        (PROOF_WINDOW_SECONDS + 0.5, False),
        (-LEEWAY_SECONDS, True),
        (-LEEWAY_SECONDS - 0.5, False),
    ],
)
def test_p09_age_of_the_proof_to_both_sides(age: float, *, passes: bool) -> None:
    """A fresh assertion makes an old proof no younger."""
    proven = proof(iat=NOW - age)
    if passes:
        assert Receiver().ask(proven=proven).principal.caller.subject == "alice"
    else:
        refused(Receiver(), ProofTimeInvalid, "proof_time_invalid", proven=proven)


@pytest.mark.parametrize(
    ("proven", "refusal"),
    [(None, ProofMissing), (f"{proof()},{proof()}", ProofMultiple), (proof(ath="x"), ProofTokenMismatch)],
)
def test_p01_p02_p08_one_proof_for_this_token(proven: str | None, refusal: type[KasError]) -> None:
    """Missing, two, for another token."""
    refused(Receiver(), refusal, refusal.code, proven=proven)


def test_p14_nonce_was_the_other_services_to_check() -> None:
    """Whatever stands there, nothing included."""
    for nonce in (None, "", "of another", 7):
        assert Receiver().ask(proven=proof(nonce=nonce)).principal.caller.subject == "alice"


# The assertion and what it was made for


def test_f03_fault_17_way_that_hides_where_the_client_asked() -> None:
    """A forwarder that leaves out the service before it has a proof for that one's address, and none for its own."""
    registry = FRA.changed("kas-usa", agreement=Agreement(max_depth=2))
    asked_there = proof(at="kas-gbr")
    refused(Receiver(registry=registry), ProofUriMismatch, "proof_uri_mismatch", proven=asked_there)
    told = assertion(via=["kas-gbr", "kas-usa"])
    found = Receiver(registry=registry).ask(proven=asked_there, forwarded=told)
    assert found.principal.forwarding == Forwarding("kas-usa", ("kas-gbr", "kas-usa"))


def test_f06_assertion_for_another_token() -> None:
    """A second one of the same client is another."""
    receiver = Receiver()
    other = token(jti="other")
    refused(receiver, ForwardingTokenMismatch, "forwarding_token_mismatch", text=other, forwarded=assertion())
    assert leaves_nothing(receiver)


@pytest.mark.parametrize("key", [PEERS_OWN, KAS_KEYS["kas-usa"]])
def test_f06_assertion_for_a_key_of_the_forwarder(key: Any) -> None:
    """Its own ``cnf`` for the client's: the token stays bound to the client's."""
    receiver = Receiver()
    told = assertion(jkt=key.thumbprint)
    refused(receiver, ForwardingTokenMismatch, "forwarding_token_mismatch", forwarded=told)
    assert leaves_nothing(receiver)


@pytest.mark.parametrize("key", [PEERS_OWN, KAS_KEYS["kas-usa"]])
def test_f06_proof_of_the_forwarder_with_the_clients_token(key: Any) -> None:
    """Whatever the assertion says about the key."""
    for jkt in (CLIENT.thumbprint, key.thumbprint):
        told = assertion(jkt=jkt)
        refused(Receiver(), ProofKeyMismatch, "proof_key_mismatch", proven=proof(key=key), forwarded=told)


def test_f06_token_of_the_forwarder_with_the_clients_proof() -> None:
    """Bound to its own key, even as the client in name."""
    own = token(PEERS_OWN)
    refused(Receiver(), ProofKeyMismatch, "proof_key_mismatch", text=own, proven=proof(own))


def test_f06_forwarder_with_token_and_proof_of_its_own_is_itself() -> None:
    """It may ask like anybody, as whom our issuer says it is: not as the client, whose key access objects name no key of
    its. An assertion that still names the client's key does not go with it.
    """
    own = token(PEERS_OWN, sub="service-of-usa")
    proven = proof(own, PEERS_OWN)
    found = Receiver().ask(own, proven=proven, forwarded=assertion(text=own, jkt=PEERS_OWN.thumbprint))
    assert (found.principal.caller.subject, found.principal.key.thumbprint) == ("service-of-usa", PEERS_OWN.thumbprint)
    refused(
        Receiver(),
        ForwardingTokenMismatch,
        "forwarding_token_mismatch",
        text=own,
        proven=proven,
        forwarded=assertion(text=own),
    )


def test_f10_assertion_for_another_body() -> None:
    """One byte of white space is another body."""
    found = Receiver().ask()
    for body in (b"", BODY + b" ", BODY.replace(b"[", b"[ ")):
        with pytest.raises(ForwardingBodyMismatch) as raised:
            found.check_body(body)
        assert raised.value.code == "forwarding_body_mismatch"


def test_f10_assertion_that_was_used() -> None:
    """For as long as it passes at all; and replays use up nothing of the client's limit."""
    clock = Time()
    receiver = Receiver(clock=clock, quota=2)
    told = assertion(exp=NOW + 30)
    receiver.ask(forwarded=told)
    for seconds in (0, 20, 39.5):
        clock.now = NOW + seconds
        refused(receiver, ForwardingReplayed, "forwarding_replayed", forwarded=told)
    clock.now = NOW + 30 + LEEWAY_SECONDS
    refused(receiver, ForwardingTimeInvalid, "forwarding_time_invalid", forwarded=told)
    assert len(receiver.journal.quotas) == 1


def test_f10_used_assertion_with_another_clients_token_and_proof() -> None:
    """It is tied to the first; and its id is used, whoever comes with it."""
    receiver, other = Receiver(), token(PEERS_OWN, sub="bob")
    receiver.ask()
    told = assertion(text=other, jkt=PEERS_OWN.thumbprint)
    refused(
        receiver, ForwardingReplayed, "forwarding_replayed", text=other, proven=proof(other, PEERS_OWN), forwarded=told
    )


def test_f10_same_id_of_another_forwarder() -> None:
    """Ids are each service's own."""
    receiver = Receiver()
    receiver.ask()
    other = assertion(iss="kas-gbr", via=["kas-gbr"], by=KAS_KEYS["kas-gbr"], header={"kid": "kas-gbr-key"})
    found = receiver.ask(proven=proof(at="kas-gbr"), forwarded=other)
    assert found.principal.forwarding == Forwarding("kas-gbr", ("kas-gbr",))


@pytest.mark.parametrize(
    "broken",
    [
        {"text": token(aud="kas")},
        {"proven": proof(at="kas-fra")},
        {"proven": proof(iat=NOW - 61)},
        {"scheme": "Bearer"},
        {"proven": None},
    ],
)
def test_p13_nothing_is_used_up_by_what_is_refused(broken: dict[str, Any]) -> None:
    """Neither assertion nor limit: the good request passes after it."""
    receiver = Receiver(quota=1)
    with pytest.raises(KasError):
        receiver.ask(**broken)
    assert leaves_nothing(receiver)
    receiver.ask()


def test_caller_beyond_his_limit_uses_up_no_assertion() -> None:
    """What is left, nothing at last, is in the journal."""
    clock = Time()
    receiver = Receiver(clock=clock, quota=1)
    receiver.ask()
    refused(receiver, RewrapLimit, "rewrap_limit", forwarded=assertion(jti="2"))
    assert [quota.remaining for quota in receiver.journal.quotas] == [0, 0]
    clock.now += 60
    receiver.ask(proven=proof(iat=clock.now), forwarded=assertion(jti="2", iat=NOW + 55, exp=NOW + 75))


def test_f10_assertion_that_expires_while_keys_are_fetched() -> None:
    """Or it could be forgotten as used before it is looked for."""
    clock = Time()

    def slow() -> None:
        clock.now += 30

    told = assertion()
    refused(Receiver(clock=clock, delay=slow), ForwardingTimeInvalid, "forwarding_time_invalid", forwarded=told)
    clock.now = NOW - 0.5
    assert Receiver(clock=clock, delay=slow).ask(forwarded=told).principal.caller.subject == "alice"


def test_p09_proof_that_expires_while_keys_are_fetched() -> None:
    """Its time is judged when it is looked at."""
    clock = Time()

    def slow() -> None:
        clock.now += 20

    refused(Receiver(clock=clock, delay=slow), ProofTimeInvalid, "proof_time_invalid", proven=proof(iat=NOW - 41))


# Each once


def test_p10_proof_serves_each_kao_once_whoever_forwards_it() -> None:
    """Alternatives at one service come one after another under fresh assertions; the same one does not come twice."""
    receiver, proven = Receiver(), proof()
    first, second, third = (receiver.ask(proven=proven, forwarded=assertion(jti=jti)) for jti in "abc")
    first.claim(["kao-1", "kao-2"])
    second.claim(["kao-3"])
    for kaos in (["kao-1"], ["kao-4", "kao-3"]):
        with pytest.raises(ProofReplayed) as raised:
            third.claim(kaos)
        assert raised.value.code == "proof_replayed"
    third.claim(["kao-4"])


def test_p10_another_proof_of_the_same_client_serves_again() -> None:
    """He asked anew."""
    receiver = Receiver()
    for jti in "ab":
        receiver.ask(proven=proof(jti=jti), forwarded=assertion(jti=jti)).claim(["kao-1"])


def test_p11_kaos_count_against_their_client() -> None:
    """Against his key and his name, as direct proofs do, and not against who forwards them."""
    receiver = Receiver(capacity=80)
    receiver.ask().claim([f"kao-{number}" for number in range(10)])
    with pytest.raises(ReplayShareExhausted):
        receiver.ask(forwarded=assertion(jti="2")).claim(["kao"])
    other = token(PEERS_OWN, sub="bob")
    told = assertion(text=other, jkt=PEERS_OWN.thumbprint, jti="3")
    receiver.ask(other, proven=proof(other, PEERS_OWN), forwarded=told).claim(["kao"])


def test_p17_f10_the_same_forwarded_request_fifty_times_at_once() -> None:
    """One passes; the caller's limit is asked once."""
    receiver, proven, told = Receiver(), proof(), assertion()
    together = threading.Barrier(50)

    def ask(_number: int) -> type[KasError] | None:
        together.wait(timeout=20)
        try:
            receiver.ask(proven=proven, forwarded=told)
        except KasError as refusal:
            return type(refusal)
        return None

    with ThreadPoolExecutor(50) as pool:
        ends = list(pool.map(ask, range(50)))
    assert (ends.count(None), ends.count(ForwardingReplayed)) == (1, 49)
    assert len(receiver.journal.quotas) == 1


def test_p17_the_same_kaos_under_fifty_assertions_at_once() -> None:
    """A forwarder that signs anew each time: of two that ask for the same, one goes on, with all that it asked for."""
    receiver, proven = Receiver(), proof()
    found = [receiver.ask(proven=proven, forwarded=assertion(jti=str(number))) for number in range(50)]
    together = threading.Barrier(50)

    def claim(number: int) -> bool:
        together.wait(timeout=20)
        kaos = ["kao-1", "kao-2", "kao-3"]
        try:
            found[number].claim(kaos if number % 2 else kaos[::-1])
        except ProofReplayed:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(claim, range(50))).count(True) == 1
    assert len(receiver.store._queue) == 50 + 3


@pytest.mark.parametrize("sent", [None, "", "a.b.c", "a.b.c,d.e.f"])
def test_header_is_handed_over_as_the_host_gives_it(sent: str | None) -> None:
    """Absent is None, empty is not; two that were joined come as one text."""
    headers = {} if sent is None else {"Forwarded-KAS": sent}
    with flask.Flask("test").test_request_context("/rewrap", method="POST", headers=headers):
        assert credentials_of(flask.request) == Credentials(None, None, sent)


def test_keys_of_the_forwarder_that_cannot_be_fetched_are_told_as_his() -> None:
    """And when to come again; what lies behind it goes to the operator."""
    cause = FetchError("too slow")

    def find(_peer: object, _kid: str) -> None:
        refusal = PeerUnavailable("its keys cannot be fetched")
        refusal.retry_after = 7.0
        raise refusal from cause

    receiver = Receiver()
    receiver.who = replace(receiver.who, find_peer_key=find)
    with pytest.raises(ForwarderKeysUnavailable) as raised:
        receiver.ask()
    refusal = raised.value
    assert (refusal.code, refusal.status, refusal.retry_after) == ("forwarder_keys_unavailable", 503, 7.0)
    assert refusal.__cause__ is cause
