"""Alternatives held by several services, of which some do not answer: one after the other, on record in their order."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from local.client import Answer
from local.client.results import open_result
from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE
from tests.federation.hostile_peer import ending, reply, silent
from tests.kit import Attempt

Outcomes = list[tuple[str, str | None, int | None, str | None]]


def any_of(world: AmongFakes, *holders: str) -> Attempt:
    """One key, that each of ``holders`` holds."""
    return world.nations.attempt(at="usa", holders=holders, mode="anyOf", data_key=secrets.token_bytes(32))


def outcomes(world: AmongFakes, attempt: Attempt, answer: Answer) -> Outcomes:
    """Of each alternative id, code, attempt and holder as on record; answered the same, in the order sent."""
    results = world.nations.results(attempt, answer)
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["kaoId"], event["code"]) for event in events] == [
        (kao_id, result.get("code")) for kao_id, result in results.items()
    ]
    for kao_id, result in results.items():
        if result["status"] == "success" and result["signature"]["kas"] in {"kas-usa", "kas-gbr"}:
            assert open_result(result, attempt.receiving) == attempt.data_keys[kao_id]
    return [(event["kaoId"], event["code"], event["attempt"], event["forwardedTo"]) for event in events]


@pytest.mark.parametrize("talk", [silent, ending()], ids=["hangs", "hangs up"])
def test_where_the_first_does_not_answer_the_next_is_asked(among_fakes: AmongFakes, talk: Any) -> None:
    attempt = any_of(among_fakes, "deu", "gbr", "usa")
    with among_fakes.fakes["deu"].talking(talk):
        answer = attempt.send()
    assert answer.status == 200
    assert outcomes(among_fakes, attempt, answer) == [
        ("kao-deu-0", "peer_unavailable", 1, "kas-deu"),
        ("kao-gbr-1", None, 2, "kas-gbr"),
        ("kao-usa-2", "not_attempted", None, None),
    ]
    good = any_of(among_fakes, "deu", "gbr")
    assert [code for _, code, *_ in outcomes(among_fakes, good, good.send())] == [None, "not_attempted"]


def test_a_peer_that_refuses_is_followed_by_the_next(among_fakes: AmongFakes) -> None:
    """As a whole, or in a signed result; its own alternative may come again, for another key access object."""
    fra = among_fakes.fakes["fra"]

    def refuse(result: dict[str, Any]) -> None:
        del result["kasWrappedKey"]
        result.update(status="error", code="key_material_rejected")

    for answer, code in (
        (fra.spoilt(refuse), "key_material_rejected"),
        (lambda _asked: reply({"error": "no"}, "401 Unauthorized", CLOSE), "peer_refused"),
    ):
        attempt = any_of(among_fakes, "fra", "fra", "usa")
        before = len(fra.asked)
        with fra.answering(answer):
            found = outcomes(among_fakes, attempt, attempt.send())
        assert [(code, number) for _, code, number, _ in found] == [(code, 1), (code, 2), (None, 3)]
        ids = [
            [kao["keyAccessObjectId"] for kao in asked.request["requests"][0]["keyAccessObjects"]]
            for asked in fra.asked[before:]
        ]
        assert ids == [["kao-fra-0"], ["kao-fra-1"]]


def test_alternatives_of_one_real_peer_are_no_replays(among_fakes: AmongFakes) -> None:
    """Two calls with one proof, for a key access object each: the first is spoilt, the second opens."""
    attempt = any_of(among_fakes, "gbr", "gbr")
    attempt.kao["policyBinding"] = "A" * 43 + "="
    attempt.resign()
    assert outcomes(among_fakes, attempt, attempt.send()) == [
        ("kao-gbr-0", "key_material_rejected", 1, "kas-gbr"),
        ("kao-gbr-1", None, 2, "kas-gbr"),
    ]


def test_fault_16_after_five_failures_a_peer_is_left_alone(among_fakes: AmongFakes) -> None:
    """The breaker counts what happens: it opens at the fifth failure, its peer is not called, alternatives go on at once,
    a request for it alone says when to come again, and all of that can be seen.
    """
    dnk = among_fakes.fakes["dnk"]
    assert (among_fakes.breaker("usa", "dnk")["state"], among_fakes.breaker("usa", "dnk")["failures"]) == ("closed", 0)
    with dnk.talking(ending()):
        for failures in range(1, 6):
            attempt = any_of(among_fakes, "dnk", "gbr")
            found = outcomes(among_fakes, attempt, attempt.send())
            assert [code for _, code, *_ in found] == ["peer_unavailable", None]
            assert among_fakes.breaker("usa", "dnk")["failuresInARow"] == failures
    state = among_fakes.breaker("usa", "dnk")
    assert (state["state"], state["failures"], state["refusals"], dnk.heard) == ("open", 5, 0, 5)
    attempt = any_of(among_fakes, "dnk", "gbr")
    assert outcomes(among_fakes, attempt, attempt.send()) == [
        ("kao-dnk-0", "peer_unavailable", 1, "kas-dnk"),
        ("kao-gbr-1", None, 2, "kas-gbr"),
    ]
    alone = among_fakes.nations.attempt(at="usa", holders=("dnk",))
    answer = alone.send()
    assert (answer.status, answer.json()["code"]) == (503, "peer_unavailable")
    assert 0 < int(answer.headers["Retry-After"]) <= 30
    state = among_fakes.breaker("usa", "dnk")
    assert (state["state"], state["failures"], state["refusals"], dnk.heard) == ("open", 5, 2, 5)
    assert 0 <= state["openForSeconds"] < 30
    assert among_fakes.breaker("usa", "gbr")["state"] == "closed"


@pytest.mark.parametrize("holders", [("usa", "fra"), ("fra", "usa"), ("fra", "gbr")])
def test_splits_that_several_services_hold_are_combined_by_none(among_fakes: AmongFakes, holders: Any) -> None:
    """And none of them is called for it: the client asks for each by itself, and combines."""
    before = among_fakes.fakes["fra"].heard
    attempt = among_fakes.nations.attempt(at="usa", holders=holders, mode="allOf")
    results = among_fakes.nations.results(attempt, attempt.send())
    assert {result["code"] for result in results.values()} == {"not_supported"}
    assert among_fakes.fakes["fra"].heard == before
