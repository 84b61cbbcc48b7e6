"""F2, F3: a request passes nobody twice and no more services than were agreed, and says truly where it began."""

from __future__ import annotations

import time
from typing import Any

import pytest

from local.client.results import verify_answer_of_several
from tests.federation.among_fakes import AmongFakes
from tests.federation.hostile_forwarder import Forwarded, forward, no_authentication, no_forwarding
from tests.federation.nations import Nations


@pytest.fixture
def forwarded(among_fakes: AmongFakes) -> Forwarded:
    """From France, a fake, to the US, which allows it two services."""
    return forward(among_fakes.nations, "usa-secret", by="fra", to="usa")


@pytest.mark.parametrize(
    "via",
    [
        ["kas-usa", "kas-fra"],
        ["kas-usa", "kas-gbr", "kas-fra"],
        ["kas-fra", "kas-fra"],
        ["kas-gbr", "kas-fra", "kas-gbr", "kas-fra"],
    ],
)
def test_attack_f02_a_way_that_is_a_loop(forwarded: Forwarded, via: list[str]) -> None:
    """It has passed the receiver, or anybody twice."""
    forwarded.claims["via"] = via
    no_forwarding(forwarded, "forwarding_loop")


@pytest.mark.parametrize("via", [["kas-gbr", "kas-deu", "kas-fra"], [*map(str, range(7)), "kas-fra"]])
def test_attack_f03_a_way_longer_than_agreed(forwarded: Forwarded, via: list[str]) -> None:
    forwarded.claims["via"] = via
    no_forwarding(forwarded, "forwarding_too_deep")


def test_attack_f03_a_way_of_two_where_one_is_agreed(nations: Nations) -> None:
    """And of one."""
    forwarded = forward(nations)
    forwarded.claims["via"] = ["kas-gbr", "kas-usa"]
    no_forwarding(forwarded, "forwarding_too_deep")
    del forwarded.claims["via"]
    assert set(forwarded.codes(forwarded.send()).values()) == {None}


@pytest.mark.parametrize(
    "via",
    [
        [],
        None,
        "kas-fra",
        {"0": "kas-fra"},
        [["kas-fra"]],
        ["kas-fra", "kas-gbr"],
        ["kas-gbr"],
        [None, "kas-fra"],
        ["", "kas-fra"],
    ],
)
def test_attack_f03_a_way_that_is_none(forwarded: Forwarded, via: Any) -> None:
    """Empty, no list of names, or one that does not end with the forwarder."""
    forwarded.claims["via"] = via
    no_forwarding(forwarded, "forwarding_malformed")


@pytest.mark.parametrize("first", ["kas-rou", "kas-ita"])
def test_attack_f03_a_way_that_begins_nowhere(forwarded: Forwarded, first: str) -> None:
    """At a service that nobody knows, or that is suspended."""
    forwarded.claims["via"] = [first, "kas-fra"]
    no_forwarding(forwarded, "forwarder_unknown")


def test_attack_f03_a_way_that_hides_or_invents_where_the_client_asked(among_fakes: AmongFakes) -> None:
    """The client's proof names that service."""
    hidden = forward(among_fakes.nations, "usa-secret", by="gbr", to="usa")
    of_fra = forward(among_fakes.nations, "usa-secret", by="fra", to="usa")
    hidden.handed_to(among_fakes.nations, "fra", ["fra"])
    no_authentication(hidden, "invalid_dpop_proof", "proof_uri_mismatch")
    hidden.handed_to(among_fakes.nations, "fra", ["gbr", "fra"])
    answer = hidden.send()
    assert set(hidden.codes(answer).values()) == {None}
    events = hidden.kit.events(answer.headers["X-Request-Id"])
    assert [event["via"] for event in events] == [["kas-gbr", "kas-fra"]] * 2
    of_fra.claims["via"] = ["kas-gbr", "kas-fra"]
    no_authentication(of_fra, "invalid_dpop_proof", "proof_uri_mismatch")


def onward(world: AmongFakes, holder: str) -> tuple[Forwarded, dict[str, dict[str, Any]], str]:
    """France forwards to the US what is held there and by ``holder``: the verified results, and the id of the request."""
    nations = world.nations
    forwarded = forward(nations, "usa-secret", by="fra", to="usa", holders=("usa", holder))
    answer = forwarded.send()
    services = nations.services("usa")
    results = verify_answer_of_several(answer.json(), forwarded.body, forwarded.proof, services, time.time())
    assert results["kao-usa-0"]["status"] == "success"
    return forwarded, results, answer.headers["X-Request-Id"]


def test_attack_f03_what_is_forwarded_on_carries_its_whole_way(among_fakes: AmongFakes) -> None:
    """To a third that allows two services: the US puts itself at the end, and Britain has the whole on record."""
    before = among_fakes.nations["gbr"].log.read_text("utf-8")
    _, results, _ = onward(among_fakes, "gbr")
    assert (results["kao-gbr-1"]["status"], results["kao-gbr-1"]["signature"]["kas"]) == ("success", "kas-gbr")
    written = among_fakes.nations["gbr"].log.read_text("utf-8")[len(before) :]
    assert '"via":["kas-fra","kas-usa"]' in written


@pytest.mark.parametrize("holder", ["deu", "fra"])
def test_attack_f02_f03_what_would_go_too_far_or_back_is_not_forwarded(among_fakes: AmongFakes, holder: str) -> None:
    """To a third that allows one, and to where it came from: refused by the US, nobody is called."""
    before = among_fakes.fakes[holder].heard
    forwarded, results, request_id = onward(among_fakes, holder)
    refusal = results[f"kao-{holder}-1"]
    assert (refusal["code"], refusal["signature"]["kas"]) == ("agreement_exceeded", "kas-usa")
    assert [event["code"] for event in forwarded.kit.events(request_id)] == [None, "agreement_exceeded"]
    # The one connection is the client's, who wanted a nonce of France.
    assert among_fakes.fakes[holder].heard - before == (1 if holder == "fra" else 0)
