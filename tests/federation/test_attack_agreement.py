"""Agreements hold on both sides: an honest forwarder sends nothing that exceeds one, and a receiver takes nothing that does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.federation.among_fakes import AmongFakes
from tests.federation.hostile_forwarder import forward, no_authentication, no_forwarding
from tests.federation.nations import Nations
from tests.kit import policy, refused

ALL = ["USA", "FRA", "GBR"]
EXCEEDING: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("gbr-topsecret", policy(releasabilityTo=ALL, classification="TOP_SECRET")),
    "community": ("gbr-topsecret", policy(releasabilityTo=ALL, COI=["FVEY"])),
    "one community of two": ("gbr-topsecret", policy(releasabilityTo=ALL, COI=["NATO", "FVEY"])),
}


@pytest.mark.parametrize("name", EXCEEDING)
def test_what_exceeds_the_agreement_is_not_forwarded(nations: Nations, name: str) -> None:
    """The client may have the asked one's own key, under the same policy."""
    client, one = EXCEEDING[name]
    attempt = nations.attempt(client, at="usa", holders=("usa", "fra"), under=one)
    answer = attempt.send()
    results = nations.results(attempt, answer)
    assert results["kao-usa-0"]["status"] == "success"
    refusal = results["kao-fra-1"]
    assert (refusal["code"], refusal["signature"]["kas"]) == ("agreement_exceeded", "kas-usa")
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["code"], event["category"]) for event in events] == [
        (None, "DECRYPT"),
        ("agreement_exceeded", "ACCESS_DENIED"),
    ]


@pytest.mark.parametrize("name", EXCEEDING)
def test_what_exceeds_the_agreement_is_not_taken(nations: Nations, name: str) -> None:
    """From a forwarder that does not ask; the client himself would be given it. No key operation."""
    client, one = EXCEEDING[name]
    forwarded = forward(nations, client, under=one)
    answer = forwarded.send()
    body = refused(answer, 403, "forbidden", "agreement_exceeded")
    assert set(forwarded.codes(answer).values()) == {"agreement_exceeded"}
    assert {event["keyOperations"] for event in forwarded.kit.events(body["requestId"])} == {0}
    direct = nations.attempt(client, at="fra", holders=("fra",), under=one)
    assert nations.open(direct, direct.send()) == direct.data_keys


def test_each_pair_has_its_own_highest_classification(nations: Nations) -> None:
    """Between France and Britain CONFIDENTIAL, on both sides; with the US SECRET."""
    secret, confidential = policy(releasabilityTo=ALL), policy(releasabilityTo=ALL, classification="CONFIDENTIAL")
    asking = nations.attempt("gbr-topsecret", at="gbr", holders=("usa", "fra"), under=secret)
    results = nations.results(asking, asking.send())
    assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "agreement_exceeded")
    too_high = forward(nations, "gbr-topsecret", by="gbr", under=secret)
    assert set(too_high.codes(too_high.send()).values()) == {"agreement_exceeded"}
    allowed = forward(nations, "gbr-topsecret", by="gbr", under=confidential)
    assert set(allowed.codes(allowed.send()).values()) == {None}


UNDER_NONE = policy(releasabilityTo=["USA", "GBR", "FRA", "NOR"], COI=[])


@pytest.mark.parametrize("under", [UNDER_NONE, policy(COI=["NATO"])], ids=["country", "community"])
def test_callers_of_a_country_that_is_not_listed(among_fakes: AmongFakes, under: dict[str, Any]) -> None:
    """With Norway only for Norwegians, and under no community; neither forwarded nor taken."""
    fakes, nations = among_fakes.fakes, among_fakes.nations
    before = fakes["nor"].heard
    attempt = nations.attempt("usa-secret", at="usa", holders=("usa", "nor"), under=under)
    results = nations.results(attempt, attempt.send())
    assert (results["kao-usa-0"]["status"], results["kao-nor-1"]["code"]) == ("success", "agreement_exceeded")
    assert fakes["nor"].heard == before
    forwarded = forward(nations, "usa-secret", by="nor", to="usa", under=under)
    assert set(forwarded.codes(forwarded.send()).values()) == {"agreement_exceeded"}


@pytest.mark.parametrize("peer", ["ita", "esp"])
def test_a_suspended_service_and_one_without_agreement(among_fakes: AmongFakes, peer: str) -> None:
    """Nothing is sent to it or taken from it; the rest of the request goes on."""
    nations, before = among_fakes.nations, among_fakes.fakes[peer].heard
    attempt = nations.attempt("usa-secret", at="usa", holders=("usa", peer, "gbr"))
    results = nations.results(attempt, attempt.send())
    codes = {kao_id: result.get("code") for kao_id, result in results.items()}
    assert codes == {"kao-usa-0": None, f"kao-{peer}-1": "agreement_exceeded", "kao-gbr-2": None}
    assert among_fakes.fakes[peer].heard == before
    no_forwarding(forward(nations, "usa-secret", by=peer, to="usa"), "forwarder_unknown")


@pytest.mark.parametrize("aud", ["kas", ["kas"], ["kas", "kas-federatio"]])
def test_a_token_that_does_not_name_the_federation(nations: Nations, aud: object) -> None:
    """It was not meant to be shown to others: it is not, and whoever is shown it does not take it."""
    asked = {"override": {"claims": {"aud": aud}}}
    attempt = nations.attempt("usa-secret", at="usa", holders=("usa", "fra"), **asked)
    results = nations.results(attempt, attempt.send())
    assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "agreement_exceeded")
    no_authentication(forward(nations, "usa-secret", **asked), "invalid_token", "token_audience_mismatch")


def test_a_client_whom_the_policy_does_not_admit_is_not_forwarded(among_fakes: AmongFakes) -> None:
    """The decision comes first, and the receiver makes it again."""
    nations, fra = among_fakes.nations, among_fakes.fakes["fra"]
    one = policy(releasabilityTo=["FRA"])
    before = fra.heard
    attempt = nations.attempt("usa-secret", at="usa", holders=("fra",), under=one)
    assert nations.results(attempt, attempt.send())["kao-fra-0"]["code"] == "country_not_releasable"
    assert fra.heard == before
    forwarded = forward(nations, "usa-secret", by="fra", to="usa", under=one)
    assert set(forwarded.codes(forwarded.send()).values()) == {"country_not_releasable"}
