"""An explanation is what a rewrap does: the same caller and the same policy, asked of both, over many of each.

Callers and policies are drawn by chance, the same ones each time. What is compared is what the rewrap really answered, by
codes, and what both recorded of the checks.
"""

from __future__ import annotations

import random
from typing import Any

from local.client import Answer
from tests.explain.asking import Question, explained
from tests.kit import Kit, policy
from tests.opentdf.answers import BAD_REQUEST
from tests.opentdf.pieces import policy_text
from tests.opentdf.tdf_client import TdfAttempt

CALLERS = range(10)
POLICIES = 20
ATTR = "https://kas.example/attr"
LEVELS = ("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP_SECRET")
COUNTRIES = ("USA", "FRA", "GBR", "ROU")
COMMUNITIES = ("NATO", "FVEY", "AUKUS", "US-ONLY", "NATO-COSMIC", "EU-RESTRICTED")
# What a claim may be; the first says that it is as it should be, None that it is not there.
CLAIMS: dict[str, tuple[Any, ...]] = {
    "clearance": (*LEVELS, "SECRET DEFENSE", "S", "CHOCOLATE", None, 7),
    "countryOfAffiliation": (*COUNTRIES, *COUNTRIES, "XYZ", None),
    "acpCOI": (["NATO"], ["NATO", "FVEY"], list(COMMUNITIES), ["US-ONLY"], '["NATO"]', [], None, [1]),
    "organizationType": ("GOV", "GOV", "MIL", "INDUSTRY", None),
    "acr": ("aal2", "aal2", "aal3", "aal1", "odd", None),
    "amr": (["pwd", "otp"], ["pwd"], ["mfa"], None),
    "uniqueID": ("somebody", "somebody", None, ""),
}
LABELS: dict[str, tuple[Any, ...]] = {
    "classification": (*LEVELS, *LEVELS, "secret", None),
    "releasabilityTo": (list(COUNTRIES), list(COUNTRIES), ["USA"], ["FRA", "GBR"], [], ["XYZ"], None),
    "COI": (None, None, ["NATO"], ["NATO", "FVEY"], ["US-ONLY"], ["EU-RESTRICTED", "NATO-COSMIC"], "NATO"),
    "coiOperator": (None, None, "ALL", "ANY", "SOME"),
    "creationDate": (None, "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "soon"),
    "releasableToIndustry": (None, True, False, "yes"),
    "caveats": (None, None, [], ["NOFORN"], ["ODD"]),
}


def claims_of(chance: random.Random) -> dict[str, Any]:
    """Half of them as they are, so that not every caller is lacking something."""
    return {name: chance.choice(values) for name, values in CLAIMS.items() if chance.random() < 0.5}


def labels(chance: random.Random) -> list[dict[str, Any]]:
    """Good ones with two members of another kind at most."""
    names = [chance.sample(sorted(LABELS), chance.randint(0, 2)) for _ in range(POLICIES)]
    return [policy(**{name: chance.choice(LABELS[name]) for name in some}) for some in names]


def attribute_policies(chance: random.Random) -> list[str]:
    """Mostly whole ones, some without what they need, some that name nobody, some that are none."""
    return [attribute_policy(chance) for _ in range(POLICIES)]


def attribute_policy(chance: random.Random) -> str:
    if chance.random() < 0.1:
        return chance.choice(["!", policy_text(), policy_text(dissem=["a"], dataattributes=[])])
    kind = chance.choice(["classification", "classification-with-industry"])
    fqns = [f"{ATTR}/{kind}/value/{chance.choice(LEVELS)}"]
    fqns += [f"{ATTR}/releasability/value/{one}" for one in chance.sample(COUNTRIES, chance.randint(0, 3))]
    fqns += [f"{ATTR}/coi/value/{one}" for one in chance.sample(COMMUNITIES, chance.randint(0, 2))]
    fqns += [f"{ATTR}/coi/value/ODD"] * (chance.random() < 0.1)
    return policy_text(fqns, ["alice@corp.example"] if chance.random() < 0.1 else [])


def checks_by_hash(kit: Kit, answer: Answer) -> dict[str, Any]:
    """What the rewrap recorded, by policy."""
    events = kit.events(answer.headers["X-Request-Id"])
    assert {event["event"] for event in events} == {"rewrap"}
    return {event["policyHash"]: event["checks"] for event in events}


def agree(question: Question, rewrapped: list[str | None], recorded: dict[str, Any]) -> set[str | None]:
    """Asserts that each explanation is the decision behind the result in its place; returns the codes."""
    found = explained(question)
    assert [one.get("code") for one in found] == rewrapped
    for one in found:
        checks = {check["name"]: check["passed"] for check in one["checks"]}
        assert recorded[one["policyHash"]] == (None if one.get("code") == "key_material_rejected" else checks)
    return {one.get("code") for one in found}


def test_labels_are_explained_as_rewraps_are_answered(kit: Kit) -> None:
    seen: set[str | None] = set()
    for seed in CALLERS:
        chance = random.Random(seed)
        override, asked = {"claims": claims_of(chance)}, labels(chance)
        attempt = kit.attempt(policies=asked, override=override)
        answer = attempt.send()
        responses = answer.json()["responses"]
        results = [result.get("code") for group in responses for result in group["results"]]
        question = Question.of(kit, "usa-secret", *asked, override=override)
        seen |= agree(question, results, checks_by_hash(kit, answer))
    assert len(seen) > 7  # or the dice are loaded
    assert None in seen


def test_attributes_are_explained_as_rewraps_are_answered(kit: Kit) -> None:
    seen: set[str | None] = set()
    for seed in CALLERS:
        chance = random.Random(seed)
        override, asked = {"claims": claims_of(chance)}, attribute_policies(chance)
        attempt = TdfAttempt.good(kit, "rest", policies=asked, override=override)
        answer = attempt.send()
        results = [code_of(result.error) for result in attempt.read(answer).results]
        question = Question.of(kit, "usa-secret", *asked, override=override)
        seen |= agree(question, results, checks_by_hash(kit, answer))
    assert len(seen) > 5
    assert {None, "key_material_rejected"} <= seen


def code_of(text: str) -> str | None:
    """That of a result of OpenTDF, whose clients look for a text."""
    if not text:
        return None
    return "key_material_rejected" if text == BAD_REQUEST else text.rpartition("forbidden: ")[2]
