"""Keys that several instances keep, as the opener asks for them: once a request, and they permit nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected, UnknownKey
from kas.keys.dek_cache import dek_digest
from tests.unit.keys.test_open_all import World, is_wiped, kao, key_of, operations, shown


@dataclass
class Elsewhere:
    """Shared keys; ``questions`` and ``puts`` are what was asked and kept, ``given`` what was handed out."""

    kept: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    questions: list[set[tuple[str, bytes]]] = field(default_factory=list)
    puts: list[dict[tuple[str, bytes], bytes]] = field(default_factory=list)
    given: list[DataKey] = field(default_factory=list)

    def find_all(self, names):
        self.questions.append(set(names))
        found = {name: DataKey(self.kept[name]) for name in names if name in self.kept}
        self.given += found.values()
        return found

    def put_all(self, values):
        self.puts.append({name: key.reveal() for name, key in values.items()})
        self.kept |= self.puts[-1]


def name_of(one, kid="far", dialect="acp240"):
    return kid, dek_digest(dialect, kid, one.wrapped)


@pytest.fixture
def world():
    return World(cache=None)


@pytest.fixture
def elsewhere():
    return Elsewhere()


def opened(world, elsewhere, *kaos, dialect="acp240"):
    return replace(world.opener(), shared=elsewhere).open_all(kaos, dialect=dialect, caller="alice")


def test_key_that_another_kept_costs_no_operation(world, elsewhere):
    """It is asked for under its kid and digest, and opens once its binding holds."""
    elsewhere.kept[name_of(kao("a"))] = key_of("a")
    (one,) = opened(world, elsewhere, kao("a"))
    assert (shown([one]), one.operations, one.is_hit, one.is_miss) == ([key_of("a")], 0, True, False)
    assert elsewhere.questions == [{name_of(kao("a"))}]
    assert elsewhere.puts == []
    assert all(map(is_wiped, elsewhere.given))


def test_all_of_a_request_are_asked_for_at_once_and_kept_at_once(world, elsewhere):
    """Those that were there too; what was refused is not kept."""
    elsewhere.kept[name_of(kao("a"))] = key_of("a")
    kaos = kao("a"), kao("b"), kao("b"), kao("c", "near"), kao("d", is_bound=False), kao("e", wrapped_for="near")
    answers = opened(world, elsewhere, *kaos)
    keys = [key_of("a"), key_of("b"), key_of("b"), key_of("c")]
    assert shown(answers) == [*keys, KeyMaterialRejected, KeyMaterialRejected]
    assert operations(answers) == [0, 1, 0, 1, 1, 1]
    assert len(elsewhere.questions) == 1
    assert elsewhere.puts == [{name_of(kao("b")): key_of("b"), name_of(kao("c", "near"), "near"): key_of("c")}]


def test_key_that_does_not_bind_counts_as_none_and_costs_as_much(world, elsewhere):
    """Whoever writes to the store, or asks for another's wrap, has nothing opened by it."""
    elsewhere.kept[name_of(kao("a"))] = key_of("another")
    (one,) = opened(world, elsewhere, kao("a"))
    assert (shown([one]), one.operations, one.is_hit, one.is_miss) == ([key_of("a")], 1, False, True)
    elsewhere.kept[name_of(kao("b"))] = key_of("b")
    (other,) = opened(world, elsewhere, kao("b", is_bound=False))
    assert (shown([other]), other.operations, other.is_hit) == ([KeyMaterialRejected], 1, False)
    assert all(map(is_wiped, elsewhere.given))


def test_what_this_process_keeps_is_not_asked_for(elsewhere):
    """Where there are both."""
    world = World()
    world.open(kao("a"))
    (one,) = opened(world, elsewhere, kao("a"))
    assert one.is_hit
    assert elsewhere.questions == []


def test_unknown_key_is_not_asked_for(world, elsewhere):
    """The registry comes first."""
    (one,) = opened(world, elsewhere, kao("a", "unheard"))
    assert shown([one]) == [UnknownKey]
    assert elsewhere.questions == []


def test_key_without_kid_is_asked_for_under_each_that_may_open_it(world, elsewhere):
    """And found under the one that did."""
    bound = replace(kao("a", "old-2"), kid=None)
    (one,) = opened(world, elsewhere, bound, dialect="opentdf")
    assert (shown([one]), one.kid, one.operations) == ([key_of("a")], "old-2", 2)
    (again,) = opened(world, elsewhere, bound, dialect="opentdf")
    assert (shown([again]), again.kid, again.operations, again.is_hit) == ([key_of("a")], "old-2", 0, True)
    assert elsewhere.questions[0] == {name_of(bound, kid, "opentdf") for kid in ("old-1", "old-2")}
