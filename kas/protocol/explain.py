"""The wire of ``POST /explain``: policies of either vocabulary come in, what was decided about each goes out.

The body is ``{"policies": [{"dialect": …, "policy": …}]}`` and nothing else: the policy of ACP-240 is the object that a
group of ``/rewrap`` has, that of OpenTDF the base64 text. Both are read by the readers of those routes, within the same
limits. There is no member for a caller, and one that is not named here is a fault: nobody asks about somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kas.dataclass import dataclass
from kas.encoding import parse_json, sha256_b64url
from kas.errors import KaoRefusal
from kas.protocol.acp240.policy import read_policy as read_label_policy
from kas.protocol.acp240.request import Limits as Acp240Limits
from kas.protocol.acp240.structure import Faults, Members, as_members
from kas.protocol.bounds import MAX_PLACE_CHARS, check_bounds
from kas.protocol.opentdf.policy import read_policy as read_attribute_policy
from kas.protocol.opentdf.request import Limits as OpenTdfLimits
from kas.protocol.values import Answer, Policy

MAX_POLICIES: Final = 20
DIALECTS: Final = ("acp240", "opentdf")
# A check of the route's own, of a text in which no policy can be read: there is no decision then.
READABLE: Final = "policy_readable"

_MAX_WORD_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """One policy; ``policy_hash`` is base64url(SHA-256) of it as it is bound, so that it is that of a rewrap's record."""

    dialect: str
    policy: Policy
    policy_hash: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check looked at, for people: what was ``needed``, by the policy, and what was ``found``."""

    needed: str
    found: str


@dataclass(frozen=True, slots=True)
class Line:
    """One check by its name; ``refusal`` is why it denies, None when it passed, ``finding`` None where nobody here knows
    what another program looked at.
    """

    name: str
    refusal: type[KaoRefusal] | None
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was decided about a policy; ``refusal`` is what a rewrap says, None for a permit."""

    asked: Asked
    refusal: type[KaoRefusal] | None
    checks: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ExplainParser:
    """Within the limits of both dialects, which share those of JSON."""

    acp240: Acp240Limits
    opentdf: OpenTdfLimits

    def parse(self, body: bytes) -> tuple[Asked, ...]:
        """Raises InvalidJson, NotCanonical, InvalidStructure."""
        value = parse_json(body)
        check_bounds(value, self.acp240.json)
        faults = Faults()
        top = as_members(value, "", faults) or Members({}, "", faults)
        faults.refuse_any()
        _refuse_unknown(top, "policies")
        items = top.items("policies", MAX_POLICIES)
        objects = [as_members(item, f"policies[{index}]", faults) for index, item in enumerate(items)]
        asked = [self._asked(members) for members in objects if members is not None]
        faults.refuse_any()
        return tuple(one for one in asked if one is not None)

    def _asked(self, members: Members) -> Asked | None:
        _refuse_unknown(members, "dialect", "policy")
        dialect = members.text("dialect", _MAX_WORD_CHARS)
        if dialect and dialect not in DIALECTS:
            members.faults.add("unknown_dialect", members.at("dialect"))
        if dialect == "acp240":
            return self._label_policy(members)
        return self._attribute_policy(members) if dialect == "opentdf" else None

    def _label_policy(self, members: Members) -> Asked | None:
        policy = members.object("policy")
        if policy is None:
            return None
        bound = read_label_policy(policy, self.acp240.id_chars, self.acp240.policy_bytes)
        return Asked("acp240", bound.policy, bound.hash)

    def _attribute_policy(self, members: Members) -> Asked:
        text = members.text("policy", self.opentdf.policy_chars)
        return Asked("opentdf", read_attribute_policy(text), sha256_b64url(text.encode("utf-8")))


def _refuse_unknown(members: Members, *names: str) -> None:
    for name in members.values:
        if name not in names:
            members.faults.add("unknown_member", members.at(name)[:MAX_PLACE_CHARS])


def render(explanations: Iterable[Explanation]) -> Answer:
    """In the order in which they were asked for; a denial that is explained is a success."""
    return Answer({"explanations": [_explanation(one) for one in explanations]}, 200)


def _explanation(one: Explanation) -> dict[str, Any]:
    refusal = one.refusal
    denial = {} if refusal is None else {"code": refusal.code, "message": refusal.message()}
    return {
        "dialect": one.asked.dialect,
        "policyHash": one.asked.policy_hash,
        "decision": "permit" if refusal is None else "deny",
        **denial,
        "checks": [_check(line) for line in one.checks],
    }


def _check(line: Line) -> dict[str, Any]:
    denial = {} if line.refusal is None else {"code": line.refusal.code}
    words = {} if line.finding is None else {"needed": line.finding.needed, "found": line.finding.found}
    return {"name": line.name, "passed": line.refusal is None, **denial, **words}
