"""Resources of the usual kind: made under a parent, read, listed, changed by a mask, deleted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, new_id
from local.rehearsal.world import World

# The id of a new resource: of the request, or one that the service gives.
NewId = Callable[[World, Call], str]
# Checks what is asked for and adds what the service says of it. ``name`` is the full name.
Complete = Callable[[World, str, Json], Json]
_EVERYTHING: Final = "*"


def given_id(world: World, call: Call) -> str:
    """A number of the service's own."""
    return str(10**17 + world.resources.number() * 7919)


def as_asked(world: World, name: str, value: Json) -> Json:
    return {**value, "name": name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """``prefix`` is that of its methods, whose last word is the last step of names; ``items`` is how lists call it.

    ``takes_a_while`` says that making and deleting answer with an operation under the parent; ``has_etag``, that a change
    must come with the etag that was read.
    """

    prefix: str
    items: str
    new_id: NewId = given_id
    complete: Complete = as_asked
    required: tuple[str, ...] = ()
    takes_a_while: bool = False
    has_etag: bool = False
    update: str = "patch"

    @property
    def kind(self) -> str:
        return self.prefix

    @property
    def step(self) -> str:
        return self.prefix.rpartition(".")[2]

    def handles(self) -> dict[str, Handle]:
        does = {
            "create": self.create,
            "get": self.get,
            "list": self.list,
            self.update: self.change,
            "delete": self.delete,
        }
        return {f"{self.prefix}.{verb}": handle for verb, handle in does.items()}

    def create(self, world: World, call: Call) -> Json:
        """Raises GoogleError; ALREADY_EXISTS only for what could be made."""
        name = f"{call.resource}/{self.step}/{self.new_id(world, call)}"
        made = self.made(world, name, call.body)
        return self._answer(world, call, name, world.resources.add(self.kind, name, made))

    def made(self, world: World, name: str, asked: Json) -> Json:
        """What becomes of what is asked for. Raises GoogleError (INVALID_ARGUMENT)."""
        for field in self.required:
            if not asked.get(field):
                raise invalid(f"Field {field} must be set.")
        made = self.complete(world, name, copy.deepcopy(asked))
        return {**made, "etag": f"etag-{world.resources.number()}"} if self.has_etag else made

    def get(self, world: World, call: Call) -> Json:
        return world.resources.find(self.kind, call.resource)

    def list(self, world: World, call: Call) -> Json:
        return {self.items: world.resources.under(self.kind, f"{call.resource}/{self.step}")}

    def change(self, world: World, call: Call) -> Json:
        """Raises GoogleError; ABORTED when it was read before another change."""
        name, held = call.resource, world.resources.find(self.kind, call.resource)
        if self.has_etag and call.body.get("etag", held["etag"]) != held["etag"]:
            raise GoogleError("ABORTED", "The etag is not that of the resource as it is now.")
        changed = masked(held, call.body, call.one("updateMask", _EVERYTHING))
        return world.resources.replace(self.kind, name, self.made(world, name, changed))

    def delete(self, world: World, call: Call) -> Json:
        world.resources.remove(self.kind, call.resource)
        return self._answer(world, call, call.resource, {})

    def _answer(self, world: World, call: Call, name: str, result: Json) -> Json:
        if not self.takes_a_while:
            return result
        parent = "/".join(name.split("/")[:4])
        metadata = {"target": name}
        return world.operations.start(
            call.method.api,
            f"{parent}/operations/{new_id()}",
            {"metadata": {"@type": "type.googleapis.com/google.protobuf.Struct", **metadata}},
            lambda: {"done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Struct", **result}},
        )


def masked(held: Json, sent: Json, mask: str) -> Json:
    """``held`` with the fields that the mask names as they are in ``sent``."""
    if mask == _EVERYTHING:
        return {**sent}
    changed = copy.deepcopy(held)
    for path in mask.split(","):
        *parents, last = (_camel(part) for part in path.split("."))
        source: Any = sent
        target: Any = changed
        for parent in parents:
            source, target = (source or {}).get(parent), target.setdefault(parent, {})
        if source is not None and last in source:
            target[last] = source[last]
        else:
            target.pop(last, None)
    return changed


def _camel(word: str) -> str:
    first, *rest = word.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def get_operation(world: World, call: Call) -> Json:
    return world.operations.poll(call.method.api, call.resource)


def merged(*tables: Mapping[str, Handle]) -> dict[str, Handle]:
    return {name: handle for table in tables for name, handle in table.items()}
