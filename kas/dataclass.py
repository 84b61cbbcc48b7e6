"""`dataclasses.dataclass` for slotted classes, with the same contract and a twentieth of its price at import.

The standard one writes, compiles and runs the source of up to six methods for each class; with the hundred classes here
that was half of all that this service added to the start of an empty function. Here methods are closures over the fields,
which need no compiler. Type checkers see the standard decorator, `dataclasses.fields`, `replace` and `asdict` take these
classes, and a test holds both decorators side by side.

Not taken, and kept out of every class here by a test: options other than those of `_dataclass`, options of a field beyond
`default`, `default_factory`, `repr` and `compare`, a field without a default after one with, inherited fields, annotations
that are not text. Values that are frozen can be replaced, not copied or pickled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias

__all__ = ("dataclass",)

_MISSING: Final = dataclasses.MISSING
_OFTEN: Final = 200  # values of one class
_NO_FIELD: Final = ("ClassVar[", "typing.ClassVar[")

# Sets a member of a value. A slot does so for a frozen class too, which refuses assignment by name.
_Set: TypeAlias = Callable[[Any, Any], None]


def _dataclass(
    *,
    slots: Literal[True],  # noqa: ARG001 - said where the class is, for whoever reads or checks it
    frozen: bool = False,
    kw_only: bool = False,
    eq: bool = True,
) -> Callable[[type[Any]], type[Any]]:
    def decorate(cls: type[Any]) -> type[Any]:
        names = [name for name, kind in cls.__annotations__.items() if not kind.startswith(_NO_FIELD)]
        positional = () if kw_only else tuple(names)
        setters: list[_Set] = []  # there are none before there is the class
        members: dict[str, Any] = {
            "__dataclass_fields__": _StandardFields(cls, kw_only=kw_only),
            "__match_args__": positional,
            "__init__": _initialiser(cls, names, len(positional), setters),
            "__repr__": _represent,
        }
        if eq:
            members |= _comparers([name for name in names if _is_compared(cls.__dict__.get(name))], is_hashable=frozen)
        if frozen:
            members |= {"__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion}
        made = _with_slots(cls, names, members)
        setters += [made.__dict__[name].__set__ for name in names]
        return made

    return decorate


def _is_compared(default: object) -> bool:
    return not isinstance(default, dataclasses.Field) or default.compare


def _with_slots(cls: type[Any], names: Sequence[str], members: Mapping[str, Any]) -> type[Any]:
    """``cls`` made again with ``members``, but for those that it has itself: a class that is there cannot be given slots."""
    left_out = {*names, "__dict__", "__weakref__"}
    own = {name: value for name, value in cls.__dict__.items() if name not in left_out}
    kind: Any = type(cls)
    made: type[Any] = kind(
        cls.__name__, cls.__bases__, {**members, **own, "__slots__": names, "__qualname__": cls.__qualname__}
    )
    return made


def _initialiser(cls: type[Any], names: Sequence[str], positional: int, setters: Sequence[_Set]) -> Callable[..., None]:
    defaults = [(name, *_defaults(cls.__dict__.get(name, _MISSING))) for name in names]
    has_more = hasattr(cls, "__post_init__")
    made = 0

    def initialise(self: Any, *values: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        if made == _OFTEN:
            type(self).__init__ = _compiled(defaults, setters, is_positional=bool(positional), has_more=has_more)
        if named or len(values) != len(names) or not positional:
            values = complete(values, named)
        for set_member, value in zip(setters, values, strict=True):
            set_member(self, value)
        if has_more:
            self.__post_init__()

    def complete(values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        if len(values) > positional:
            raise TypeError(f"{cls.__qualname__} takes {positional} positional values")
        rest = []
        for name, default, make_default in defaults[len(values) :]:
            value = named.pop(name, default)
            if value is _MISSING:
                if make_default is _MISSING:
                    raise TypeError(f"{cls.__qualname__} needs {name}")
                value = make_default()
            rest.append(value)
        if named:
            raise TypeError(f"{cls.__qualname__} has no {', '.join(named)}, or has it already")
        return (*values, *rest)

    return initialise


def _compiled(
    defaults: Sequence[tuple[str, Any, Any]], setters: Sequence[_Set], *, is_positional: bool, has_more: bool
) -> Callable[..., None]:
    """An ``__init__`` that does the same. What is compiled are names of fields, which are ours, and numbers."""
    known: dict[str, Any] = {"_missing": _MISSING}
    parameters, lines = ["self"] if is_positional or not defaults else ["self", "*"], []
    for number, ((name, default, make_default), set_member) in enumerate(zip(defaults, setters, strict=True)):
        known |= {f"_set_{number}": set_member, f"_default_{number}": default, f"_make_{number}": make_default}
        is_made, is_needed = make_default is not _MISSING, default is _MISSING
        parameters.append(f"{name}=_missing" if is_made else name if is_needed else f"{name}=_default_{number}")
        value = f"_make_{number}() if {name} is _missing else {name}" if is_made else name
        lines.append(f"    _set_{number}(self, {value})")
    lines += ["    self.__post_init__()"] if has_more else ["    pass"]
    exec("\n".join([f"def __init__({', '.join(parameters)}):", *lines]), known)  # noqa: S102 - as the standard one does
    compiled: Callable[..., None] = known["__init__"]
    return compiled


def _defaults(default: Any) -> tuple[Any, Any]:
    """A field's default, and what makes its default; one of them is missing, or both."""
    return (default.default, default.default_factory) if isinstance(default, dataclasses.Field) else (default, _MISSING)


def _represent(self: Any) -> str:
    shown = [field.name for field in dataclasses.fields(self) if field.repr]
    members = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({members})"


def _comparers(names: Sequence[str], *, is_hashable: bool) -> dict[str, Any]:
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed if is_hashable else None}


def _refuse_assignment(_self: Any, name: str, _value: Any) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: Any, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


class _StandardFields:
    """What `dataclasses.fields` and its like look for: found by the standard decorator when they first do."""

    def __init__(self, written: type[Any], *, kw_only: bool) -> None:
        self._written = written
        self._kw_only = kw_only

    def __get__(self, _instance: object, owner: type[Any]) -> Any:
        members = vars(self._written)
        names = ("__module__", "__annotations__", *members["__annotations__"])
        # A class of its own each time: the decorator changes it, and two threads may be the first.
        body = {name: members[name] for name in names if name in members}
        # It needs a text: for a class without one the decorator would make it, at the price of all else together.
        bare: type[Any] = type(owner.__name__, (), {**body, "__doc__": owner.__name__})
        find = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=self._kw_only)
        owner.__dataclass_fields__ = vars(find(bare))["__dataclass_fields__"]
        return owner.__dataclass_fields__


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass
