"""Why, or why not: what a KAS says that it would decide about policies, for the caller himself, without any key.

An explanation is not signed, and it is no promise: what opens a key is a rewrap. Its sentences are for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from local.client.errors import AnswerInvalid

Policy = dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class Check:
    """One check by its name. ``needed`` and ``found`` are empty where the KAS does not say what it looked at."""

    name: str
    passed: bool
    needed: str
    found: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a rewrap under one policy would be told; ``code`` and ``sentence`` are empty for a permit."""

    is_permitted: bool
    code: str
    sentence: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def build_questions(policies: Iterable[Policy]) -> bytes:
    """The body: an object is a policy of ACP-240, a text one of OpenTDF as its key access object is bound to it."""
    asked = [{"dialect": "opentdf" if isinstance(one, str) else "acp240", "policy": one} for one in policies]
    return json.dumps({"policies": asked}).encode()


def read_explanations(members: dict[str, Any], policies: Sequence[Policy]) -> list[Explanation]:
    """One for each of ``policies``, in their order. Raises AnswerInvalid."""
    listed = members.get("explanations")
    if not isinstance(listed, list) or len(listed) != len(policies):
        raise AnswerInvalid("there is not one explanation for each policy")
    return [_explanation(one) for one in listed]


def _explanation(one: Any) -> Explanation:
    try:
        checks = tuple(
            Check(check["name"], check["passed"] is True, check.get("needed", ""), check.get("found", ""))
            for check in one["checks"]
        )
        is_permitted = {"permit": True, "deny": False}[one["decision"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise AnswerInvalid("an explanation is malformed") from error
    return Explanation(is_permitted, str(one.get("code", "")), str(one.get("message", "")), checks)
