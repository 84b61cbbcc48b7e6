"""One caller and one policy that permit, for whichever engine decides; tests break one part of them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kas.auth.issuers import Issuer
from kas.engine import Decider, Engine, PolicyEngine
from kas.opa.engine import OpaEngine
from kas.opa.question import Questions
from kas.policy.attributes import load_attributes
from kas.policy.decision import Decision
from kas.protocol.values import AttributePolicy, LabelPolicy
from tests.unit.policy.good_attributes import GOOD, ISSUER
from tests.unit.policy.good_policy import ACR_LEVELS, CLAIMS, CONFIG, DISSEM, ISSUER_COUNTRIES, NOW, RULES, changed

TEAM, SITE, GRADE, ODD = (f"https://corp.example/attr/{name}/value" for name in ("Team", "site", "grade", "odd"))


def _role(*values: str, operator: str = "IN") -> dict[str, Any]:
    return {"selector": ".realm.groups[].role", "operator": operator, "values": list(values)}


def _nested(depth: int) -> dict[str, Any]:
    return _role("$value") if depth == 1 else {"AND" if depth % 2 else "OR": [_nested(depth - 1)]}


# Attributes that need no clearance, of every rule, operator and kind of entitlement that a file may have.
MORE: list[dict[str, Any]] = [
    {
        "namespace": "corp.example",
        "name": "Team",
        "rule": "ALL_OF",
        "values": ["Red", "blue", "green"],
        "entitlement": _role("$value"),
        "neverTogether": [["red", "Blue"]],
    },
    {
        "namespace": "corp.example",
        "name": "site",
        "rule": "ANY_OF",
        "values": ["north", "south"],
        "entitlement": _role("$value"),
    },
    {
        "namespace": "corp.example",
        "name": "grade",
        "rule": "HIERARCHY",
        "values": ["high", "middle", "low"],
        "entitlement": _role("$value"),
        "requires": [["https://corp.example/attr/site", "https://corp.example/attr/team"]],
    },
    {
        "namespace": "corp.example",
        "name": "odd",
        "rule": "ANY_OF",
        "values": ["not", "part", "deep", "and", "or", "issuer"],
        "entitlements": {
            "not": _role("barred", operator="NOT_IN"),
            "part": _role("art", operator="IN_CONTAINS"),
            "deep": _nested(8),
            "and": {"AND": [_role("a"), _role("b")]},
            "or": {"OR": [_role("a"), {"AND": [_role("b"), _role("c")]}]},
            "issuer": {"selector": ".iss", "operator": "IN", "values": [ISSUER]},
        },
    },
]


def write_attributes(folder: Path) -> Path:
    """The shipped definitions, and those of `MORE`."""
    shipped = json.loads((CONFIG / "attributes.json").read_text("utf-8"))
    path = folder / "attributes.json"
    path.write_text(json.dumps({"definitions": [*shipped["definitions"], *MORE]}), "utf-8")
    return path


def builtin(attributes: Path, *, allow_empty_policy: bool = False) -> PolicyEngine:
    return PolicyEngine(RULES, load_attributes(attributes), allow_empty_policy)


def asking(url: str, attributes: Path, *, allow_empty_policy: bool = False, **changes: Any) -> OpaEngine:
    """An engine that asks at ``url``; ``changes`` replace its clock and what it tells."""
    questions = Questions(RULES, load_attributes(attributes), allow_empty_policy=allow_empty_policy)
    return OpaEngine(url, questions, **{"timer": time.monotonic, "warn": lambda _line: None, **changes})


@dataclass(frozen=True)
class OneRequest:
    """An engine for which all that is asked belongs to one request."""

    decider: Decider

    def for_request(self) -> Decider:
        return self.decider

    def check(self) -> None: ...


def decided(
    engine: Engine,
    claims: dict[str, Any] | None = None,
    dissem: dict[str, Any] | None = None,
    *,
    policy: LabelPolicy | AttributePolicy | None = None,
    now: float = NOW,
    **issuer: Any,
) -> Decision:
    """The decision about the good caller and label with these changes; ``policy`` stands for the label,
    ``issuer`` are changes of its entry.
    """
    entry = {
        "issuer": ISSUER,
        "jwks_url": f"{ISSUER}/jwks",
        "audience": "kas",
        "accepted_types": frozenset({"at+jwt"}),
        "claim_names": {},
        "acr_levels": ACR_LEVELS,
        "countries": ISSUER_COUNTRIES,
        "email_domains": frozenset({"corp.example"}),
    }
    label = LabelPolicy({"policyId": "p-1", "dissem": changed(DISSEM, dissem or {})})
    facts = {"iss": ISSUER, **changed(CLAIMS, claims or {})}
    return engine.for_request().decide(facts, "7f3c", Issuer(**{**entry, **issuer}), policy or label, now=now)


def attributes(*fqns: str, dissem: tuple[str, ...] = ()) -> AttributePolicy:
    return AttributePolicy(fqns, dissem)


GOOD_ATTRIBUTES = attributes(*GOOD)
