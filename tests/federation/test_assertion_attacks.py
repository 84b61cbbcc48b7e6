"""F2, F3, F6, F10 and fault 17 against the assertion itself: who came along which way, in whose name, for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kas.errors import (
    ForwarderUnknown,
    ForwardingAudienceMismatch,
    ForwardingLoop,
    ForwardingMalformed,
    ForwardingSignatureInvalid,
    ForwardingTooDeep,
    KasError,
)
from kas.federation.assertion import VerifiedAssertion, verify_assertion
from tests.federation.forwarded import (
    CLIENT,
    FRA,
    KAS_KEYS,
    TOKEN,
    Agreement,
    Peer,
    Registry,
    assertion,
    find_peer_key,
    proof,
)
from tests.federation.forwarded import NOW as WHEN

GBR = replace(FRA, kas_id="kas-gbr")


def verify(text: str, registry: Registry = FRA) -> VerifiedAssertion:
    return verify_assertion(text, registry=registry, find_key=find_peer_key, now=WHEN)


def refused(text: str, refusal: type[KasError], code: str, registry: Registry = FRA) -> None:
    with pytest.raises(refusal) as raised:
        verify(text, registry)
    assert (type(raised.value), raised.value.status, raised.value.code) == (refusal, 401, code)


def deep(max_depth: int) -> Registry:
    return FRA.changed("kas-usa", agreement=Agreement(max_depth=max_depth))


@pytest.mark.parametrize("via", [["kas-fra", "kas-usa"], ["kas-gbr", "kas-fra", "kas-usa"]])
def test_f02_request_that_passed_us_before(via: list[str]) -> None:
    """First or amid."""
    refused(assertion(via=via), ForwardingLoop, "forwarding_loop", deep(8))


@pytest.mark.parametrize("via", [["kas-usa", "kas-usa"], ["kas-usa", "kas-gbr", "kas-usa"], ["x", "x", "kas-usa"]])
def test_f02_request_that_passed_another_twice(via: list[str]) -> None:
    """The forwarder, or one before it."""
    refused(assertion(via=via), ForwardingLoop, "forwarding_loop", deep(8))


def test_f02_loop_is_named_before_the_depth() -> None:
    """The operator looks for the right fault."""
    refused(assertion(via=["kas-fra", "kas-usa"]), ForwardingLoop, "forwarding_loop", deep(1))


@pytest.mark.parametrize("max_depth", [1, 2, 8])
def test_f03_depth_to_both_sides(max_depth: int) -> None:
    """As many services as agreed pass, one more does not."""
    way = ["kas-gbr", *(f"kas-{number}" for number in range(8))]
    passes = [*way[: max_depth - 1], "kas-usa"]
    assert verify(assertion(via=passes), deep(max_depth)).via == tuple(passes)
    refused(assertion(via=[*way[:max_depth], "kas-usa"]), ForwardingTooDeep, "forwarding_too_deep", deep(max_depth))


def test_f03_depth_is_of_the_forwarders_agreement() -> None:
    """That another service may come from further away does not help this one."""
    registry = FRA.changed("kas-gbr", agreement=Agreement(max_depth=8))
    refused(assertion(via=["kas-gbr", "kas-usa"]), ForwardingTooDeep, "forwarding_too_deep", registry)


@pytest.mark.parametrize("between", ["", "a b", "x" * 65, "\x1b[31m", "é" * 40, "kas-deu\n"])
def test_g03_what_services_on_the_way_are_called_fits_the_record(between: str) -> None:
    """They need not be known here, but are what a service can be called: a line of the audit stays whole."""
    refused(assertion(via=["kas-gbr", between, "kas-usa"]), ForwardingMalformed, "forwarding_malformed", deep(8))
    assert verify(assertion(via=["kas-gbr", "x" * 64, "kas-usa"]), deep(8)).via[1] == "x" * 64


@pytest.mark.parametrize(
    "via", [[], ["kas-gbr"], ["kas-usa", "kas-gbr"], ["kas-usa", None], [["kas-usa"]], {"0": "kas-usa"}, "kas-usa", 1]
)
def test_f03_fault_17_way_that_does_not_end_with_the_forwarder(via: object) -> None:
    """Nobody leaves himself out, and a count is no way."""
    refused(assertion(via=via), ForwardingMalformed, "forwarding_malformed", deep(8))


def test_f03_fault_17_way_is_whole_after_several_services() -> None:
    """Who comes second adds to what was there, so that the third counts two and finds a loop."""
    registry = deep(2)
    assert verify(assertion(via=["kas-gbr", "kas-usa"]), registry).origin == FRA.find("kas-gbr")
    refused(
        assertion(aud="kas-gbr", via=["kas-gbr", "kas-usa"]),
        ForwardingLoop,
        "forwarding_loop",
        replace(registry, kas_id="kas-gbr"),
    )


def test_f06_way_that_begins_nowhere() -> None:
    """At a service that nobody registered, or one that is suspended, no client's proof counts."""
    text = assertion(via=["kas-evil", "kas-usa"])
    refused(text, ForwarderUnknown, "forwarder_unknown", deep(2))
    suspended = deep(2).changed("kas-gbr", is_active=False)
    refused(assertion(via=["kas-gbr", "kas-usa"]), ForwarderUnknown, "forwarder_unknown", suspended)


def test_f06_way_begins_where_no_agreement_with_us_is_needed() -> None:
    """It is the forwarder's agreement that counts, and its depth."""
    registry = deep(2).changed("kas-gbr", agreement=None)
    assert verify(assertion(via=["kas-gbr", "kas-usa"]), registry).origin.kas_id == "kas-gbr"


def test_f06_peer_that_uses_our_identity() -> None:
    """Under its own key, and under ours: we forward nothing to ourselves, though our own entry is in the registry."""
    refused(assertion(iss="kas-fra", via=["kas-fra"]), ForwarderUnknown, "forwarder_unknown")
    ours = assertion(iss="kas-fra", via=["kas-fra"], by=KAS_KEYS["kas-fra"], header={"kid": "kas-fra-key"})
    refused(ours, ForwarderUnknown, "forwarder_unknown")


def test_f06_peer_that_uses_another_peers_identity() -> None:
    """With its own kid there is no such key; with that peer's, the signature is another's."""
    refused(assertion(iss="kas-gbr", via=["kas-gbr"]), ForwarderUnknown, "forwarder_unknown")
    text = assertion(iss="kas-gbr", via=["kas-gbr"], header={"kid": "kas-gbr-key"})
    refused(text, ForwardingSignatureInvalid, "forwarding_signature_invalid")


def test_f06_kid_of_another_peer() -> None:
    """Keys are each service's own: another's genuine signature does not speak for this one."""
    text = assertion(by=KAS_KEYS["kas-gbr"], header={"kid": "kas-gbr-key"})
    refused(text, ForwarderUnknown, "forwarder_unknown")


def test_f06_clients_key_signs_an_assertion() -> None:
    """Neither embedded in the header nor under the peer's kid."""
    text = assertion(by=CLIENT, header={"jwk": CLIENT.jwk})
    refused(text, ForwardingSignatureInvalid, "forwarding_signature_invalid")
    text = assertion(by=CLIENT, header={"jwk": CLIENT.jwk, "kid": CLIENT.thumbprint})
    refused(text, ForwarderUnknown, "forwarder_unknown")


def test_f06_proof_or_token_in_the_place_of_an_assertion() -> None:
    """They are of another type."""
    refused(proof(), ForwardingMalformed, "forwarding_malformed")
    refused(TOKEN, ForwardingMalformed, "forwarding_malformed")


@pytest.mark.parametrize(
    "iss", [None, "", "kas-evil", "KAS-USA", "kas-usa ", "kas-us", "https://kas-usa", 1, ["kas-usa"]]
)
def test_f06_issuer_that_is_no_peer(iss: object) -> None:
    """Ids are compared exactly: no prefix, no case."""
    refused(assertion(iss=iss), ForwarderUnknown, "forwarder_unknown")


@pytest.mark.parametrize("changes", [{"is_active": False}, {"agreement": None}])
def test_f06_peer_that_is_suspended_or_has_no_agreement(changes: dict[str, object]) -> None:
    """It is known, and nothing of it passes."""
    refused(assertion(), ForwarderUnknown, "forwarder_unknown", FRA.changed("kas-usa", **changes))
    refused(
        assertion(via=["kas-gbr", "kas-usa"]),
        ForwarderUnknown,
        "forwarder_unknown",
        deep(2).changed("kas-usa", **changes),
    )


def test_f10_assertion_for_another_audience() -> None:
    """One that this peer made for a third service, which hands it on."""
    text = assertion(aud="kas-gbr")
    refused(text, ForwardingAudienceMismatch, "forwarding_audience_mismatch")
    assert verify(text, GBR).forwarder == Peer("kas-usa")


@pytest.mark.parametrize("aud", [None, "", "kas-fr", "KAS-FRA", ["kas-fra"], ["kas-fra", "kas-gbr"], {"kas-fra": 1}])
def test_f10_audience_is_us_alone(aud: object) -> None:
    """A list would be good for others as well."""
    refused(assertion(aud=aud), ForwardingAudienceMismatch, "forwarding_audience_mismatch")
