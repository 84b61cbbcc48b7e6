"""Our decorator beside the standard one: what can be asked of a class and its values is answered alike by both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from kas import dataclass as ours

KINDS = [
    {"slots": True},
    {"slots": True, "frozen": True},
    {"slots": True, "eq": False},
    {"slots": True, "frozen": True, "eq": False},
    {"slots": True, "frozen": True, "kw_only": True},
]
BOTH = [dataclasses.dataclass, ours.dataclass]


def classes(decorate: Any, **options: bool) -> Any:
    """The same class by one of the decorators."""

    @decorate(**options)
    class Value:
        """Anything that classes here have."""

        kind: ClassVar[str] = "kind"
        first: int
        hidden: str = dataclasses.field(repr=False)
        ignored: int = dataclasses.field(default=0, compare=False)
        found: Any = dataclasses.field(default_factory=tuple)
        last: str | None = None

        @property
        def twice(self) -> int:
            return 2 * self.first

        def __len__(self) -> int:
            return self.first

    return Value


def outcome(act: Any) -> Any:
    """What comes of an action, or which error."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whichever it is, it must be the same for both
        return type(error)


def good(cls: Any, **changes: Any) -> Any:
    return cls(**{"first": 1, "hidden": "h", **changes})


# What is asked of a class; the answer may name neither the class nor its module.
QUESTIONS: Mapping[str, Any] = {
    "all by position": lambda cls: members(cls(1, "h", 2, (3,), "l")),
    "some by position": lambda cls: members(cls(1, hidden="h", last="l")),
    "all by name": lambda cls: members(cls(last="l", found=(3,), ignored=2, hidden="h", first=1)),
    "defaults": lambda cls: members(good(cls)),
    "one too many": lambda cls: cls(1, "h", 2, (3,), "l", "more"),
    "one missing": lambda cls: cls(first=1),
    "none at all": lambda cls: cls(),
    "one unknown": lambda cls: good(cls, other=1),
    "one twice": lambda cls: cls(1, "h", first=2),
    "class variable as argument": lambda cls: good(cls, kind="other"),
    "class variable": lambda cls: (cls.kind, good(cls).kind),
    "property and method": lambda cls: (good(cls).twice, len(good(cls))),
    "representation": lambda cls: repr(good(cls)).rpartition(".")[2],
    "equal": lambda cls: good(cls) == good(cls),
    "equal but for what is not compared": lambda cls: good(cls, ignored=1) == good(cls, ignored=2),
    "not equal": lambda cls: good(cls) == good(cls, last="l"),
    "equal to something else": lambda cls: (good(cls) == 1, good(cls) != (1, "h", 0, (), None)),
    "hash of equals": lambda cls: len({good(cls), good(cls, ignored=1)}),
    "hash of what has none": lambda cls: hash(good(cls, found=[])) and None,
    "assignment": lambda cls: setattr(good(cls), "first", 2),
    "assignment of what is no field": lambda cls: isinstance(outcome(lambda: setattr(good(cls), "other", 2)), type),
    "deletion": lambda cls: delattr(good(cls), "first"),
    "slots": lambda cls: (tuple(cls.__slots__), hasattr(good(cls), "__dict__")),
    "weak reference": lambda cls: hasattr(good(cls), "__weakref__"),
    "names": lambda cls: (cls.__name__, cls.__qualname__, cls.__module__, cls.__doc__),
    "positional patterns": lambda cls: cls.__match_args__,
    "fields": lambda cls: [(f.name, f.type, f.default, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(cls)],
    "fields of a value": lambda cls: [field.name for field in dataclasses.fields(good(cls))],
    "replacement": lambda cls: members(dataclasses.replace(good(cls), last="l", first=5)),
    "replacement of what is no field": lambda cls: dataclasses.replace(good(cls), other=1),
    "as a dictionary": lambda cls: dataclasses.asdict(good(cls)),
    "as a tuple": lambda cls: dataclasses.astuple(good(cls)),
    "is a dataclass": dataclasses.is_dataclass,
}


def members(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in ("first", "hidden", "ignored", "found", "last")}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_both_decorators_give_the_same_answer(options, question):
    standard, own = (outcome(lambda made=made: QUESTIONS[question](classes(made, **options))) for made in BOTH)
    assert own == standard


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_class_of_which_many_values_are_made_gives_the_same_answers(options, question):
    standard, own = (classes(decorate, **options) for decorate in BOTH)
    closure = own.__init__
    for _ in range(ours._OFTEN):
        good(own)
    assert own.__init__ is not closure
    assert outcome(lambda: QUESTIONS[question](own)) == outcome(lambda: QUESTIONS[question](standard))


@pytest.mark.parametrize("decorate", BOTH)
def test_what_a_class_defines_itself_stands(decorate):
    @decorate(slots=True, frozen=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "mine"

    assert repr(Own(1)) == "mine"


@pytest.mark.parametrize("decorate", BOTH)
def test_what_is_to_be_done_after_the_members_are_set_is_done(decorate):
    @decorate(slots=True, frozen=True)
    class Checked:
        value: int

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError("below zero")

    assert [Checked(value).value for value in range(ours._OFTEN)] == [*range(ours._OFTEN)]
    with pytest.raises(ValueError, match="below zero"):
        Checked(-1)


@pytest.mark.parametrize("decorate", BOTH)
def test_a_class_without_fields_has_equal_values(decorate):
    @decorate(slots=True, frozen=True)
    class Nothing:
        """It says what it says."""

    assert Nothing() == Nothing()
    assert {Nothing(), Nothing()} == {Nothing()}
    assert dataclasses.fields(Nothing) == ()


@pytest.mark.parametrize("decorate", BOTH)
def test_a_default_that_is_made_is_made_for_each_value(decorate):
    @decorate(slots=True)
    class Kept:
        lines: list[str] = dataclasses.field(default_factory=list)

    first, second = Kept(), Kept()
    first.lines.append("x")
    assert second.lines == []


def test_values_of_two_classes_with_the_same_members_differ():
    first, second = (classes(ours.dataclass, slots=True, frozen=True) for _ in range(2))
    assert good(first) != good(second)


def test_an_error_of_arguments_names_the_class_and_the_field():
    cls = classes(ours.dataclass, slots=True, frozen=True)
    for problem, act in {
        "Value needs hidden": lambda: cls(1),
        "Value has no other, or has it already": lambda: good(cls, other=1),
        "Value takes 5 positional values": lambda: cls(1, "h", 2, (3,), "l", "more"),
    }.items():
        with pytest.raises(TypeError, match=f"{problem}$"):
            act()
