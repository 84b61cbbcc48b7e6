"""What one request may cost however it is made: one time for its keys, one question for a policy, few alternatives."""

from __future__ import annotations

from typing import Any

import pytest

from kas.errors import PolicyUnavailable
from kas.protocol.acp240.request import MAX_ALTERNATIVES
from tests.key_operations import side_by_side
from tests.unit.good_rewrap import World, label


def outcomes(world: World, request: dict[str, Any]) -> list[str | None]:
    answer = world.answer(request)
    return [result.get("code") for group in answer.body["responses"] for result in group["results"]]


def alternatives(world: World, number: int) -> dict[str, Any]:
    """A request for any of so many keys, of which none is bound to its policy."""
    request = world.request(kaos=number)
    request["requests"][0]["mode"] = "anyOf"
    request["requests"][0]["policy"]["body"] = "changed"
    return request


def test_alternatives_share_the_time_of_one_request() -> None:
    """Each takes four of ten seconds: what is tried when they are over is not begun."""
    time = [0.0]

    class Slow:
        def __call__(self) -> float:
            return time[0]

    world = World(side_by_side=side_by_side(deadline_seconds=10.0, timer=Slow()))
    unwrap = world.keys.unwrap

    def slowly(*asked: Any) -> Any:
        time[0] += 4.0
        return unwrap(*asked)

    world.keys.unwrap = slowly  # type: ignore[method-assign]
    assert outcomes(world, alternatives(world, 5)) == ["key_material_rejected"] * 3 + ["key_unavailable"] * 2
    assert len(world.keys.unwrapped) == 3


@pytest.mark.parametrize("number", [MAX_ALTERNATIVES, MAX_ALTERNATIVES + 1])
def test_alternatives_are_few(number: int) -> None:
    world = World()
    codes = outcomes(world, alternatives(world, number))
    expected = "key_material_rejected" if number <= MAX_ALTERNATIVES else "not_supported"
    assert codes == [expected] * number


class Nobody:
    """Decides nothing, and counts how often it is asked."""

    asked = 0

    def for_request(self) -> Nobody:
        return self

    def check(self) -> None:
        raise PolicyUnavailable

    def decide(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise PolicyUnavailable


def test_a_decision_that_cannot_be_had_is_asked_for_once() -> None:
    """Of each policy, however many key access objects it governs."""
    engine = Nobody()
    world = World(engine=engine)
    assert outcomes(world, world.request(label(), label(), kaos=5)) == ["policy_unavailable"] * 10
    assert (engine.asked, world.keys.unwrapped) == (2, [])
