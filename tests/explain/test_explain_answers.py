"""What is explained: every check by its name, what it needed and what it found, for permits and for each way to be denied."""

from __future__ import annotations

from typing import Any

import pytest

from kas.encoding import canonical_json, sha256_b64url
from tests.explain.asking import Question, check, explained, explained_one, verdicts
from tests.kit import Kit, policy
from tests.opentdf.pieces import policy_text

LABEL_CHECKS = [
    "subject_complete",
    "label_complete",
    "clearance",
    "releasability",
    "coi",
    "embargo",
    "authentication_strength",
    "industry",
    "label_coherence",
    "issuer",
]
ATTRIBUTE_CHECKS = [
    "policy",
    "attributes_known",
    "subject_complete",
    "label_complete",
    "label_coherence",
    "all_of",
    "any_of",
    "hierarchy",
    "issuer",
    "dissem",
]
ATTR = "https://kas.example/attr"


def attributes(level: str, *values: str) -> list[str]:
    """Of a classification, releasable to the USA, with these values besides."""
    return [f"{ATTR}/classification/value/{level}", f"{ATTR}/releasability/value/USA", *(f"{ATTR}/{v}" for v in values)]


def test_a_permit_names_every_check_and_what_it_saw(kit: Kit) -> None:
    asked = policy()
    one = explained_one(Question.of(kit, "fra-secret", asked))
    assert (one["decision"], "code" in one, "message" in one) == ("permit", False, False)
    assert one["policyHash"] == sha256_b64url(canonical_json(asked))
    assert list(verdicts(one)) == LABEL_CHECKS
    assert set(verdicts(one).values()) == {True}
    found = {name: check(one, name) for name in LABEL_CHECKS}
    assert found.pop("embargo")[0] == "2026-01-01T00:00:00Z or later"
    assert found == {
        "subject_complete": (
            "a unique id, a clearance and a country of ISO 3166-1 alpha-3",
            "unique id fra-secret, clearance “SECRET DEFENSE”, country FRA",
        ),
        "label_complete": ("a label with all its members, each of its type", "one"),
        "clearance": ("SECRET or above", "“SECRET DEFENSE”, which is SECRET in the terms of FRA"),
        "releasability": ("one of FRA, USA", "FRA"),
        "coi": ("all of NATO", "NATO"),
        "authentication_strength": (
            "an acr of assurance level 2, or methods (amr) of two classes",
            "assurance level 2; methods: otp, pwd",
        ),
        "industry": ("government", "government (organization type GOV, country FRA)"),
        "label_coherence": (
            "communities, caveats and countries that agree",
            "communities: NATO under ALL; caveats: none; countries: FRA, USA",
        ),
        "issuer": ("an issuer that may speak for FRA", "one"),
    }


# Check -> (who asks, claims of his that are changed, members of the label, code, needed, found).
DENIALS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str, str, str]] = {
    "subject_complete": (
        "usa-secret",
        {"countryOfAffiliation": "XYZ"},
        {},
        "subject_incomplete",
        "a unique id, a clearance and a country of ISO 3166-1 alpha-3",
        "unique id usa-secret, clearance SECRET, country XYZ, which is none",
    ),
    "label_complete": (
        "usa-secret",
        {},
        {"caveats": ["ODD"]},
        "label_invalid",
        "a label with all its members, each of its type",
        "none: caveats is missing, or is nothing it can be",
    ),
    "clearance": (
        "rou-secret",
        {},
        {"releasabilityTo": ["ROU"]},
        "clearance_insufficient",
        "SECRET or above",
        "SECRET, which is CONFIDENTIAL in the terms of ROU",
    ),
    "releasability": ("gbr-topsecret", {}, {}, "country_not_releasable", "one of FRA, USA", "GBR"),
    "coi": ("usa-secret", {}, {"COI": ["NATO", "EU"]}, "coi_not_satisfied", "all of EU, NATO", "FVEY, NATO"),
    "authentication_strength": (
        "usa-secret",
        {"acr": "aal1", "amr": ["pwd"]},
        {},
        "authentication_too_weak",
        "an acr of assurance level 2, or methods (amr) of two classes",
        "assurance level 1; methods: pwd",
    ),
    "industry": (
        "usa-industry",
        {"clearance": "TOP_SECRET", "acr": "aal3"},
        {"classification": "TOP_SECRET", "releasableToIndustry": True},
        "industry_not_releasable",
        "government, or industry with data of SECRET at most; it is TOP_SECRET",
        "industry (organization type INDUSTRY, country USA)",
    ),
    "label_coherence": (
        "usa-secret",
        {"acpCOI": ["FVEY", "CAN-US"]},
        {"COI": ["CAN-US", "FVEY"], "coiOperator": "ANY"},
        "label_incoherent",
        "communities, caveats and countries that agree",
        "communities: CAN-US, FVEY under ANY; caveats: none; countries: FRA, USA",
    ),
}


@pytest.mark.parametrize("name", DENIALS)
def test_a_denial_says_what_was_needed_and_what_there_is(kit: Kit, name: str) -> None:
    client, claims, members, code, needed, found = DENIALS[name]
    one = explained_one(Question.of(kit, client, policy(**members), override={"claims": claims}))
    assert (one["decision"], one["code"]) == ("deny", code)
    assert one["message"]
    assert check(one, name) == (needed, found)
    assert not verdicts(one)[name]


def test_a_clearance_that_no_table_has_stands_for_no_level(kit: Kit) -> None:
    one = explained_one(Question.of(kit, "odd-term"))
    assert one["code"] == "clearance_unknown"
    assert check(one, "clearance") == ("SECRET or above", "CHOCOLATE, which is no level in the terms of USA")


def test_an_embargo_names_both_times(kit: Kit) -> None:
    late, odd = policy(creationDate="2099-01-01T00:00:00+02:00"), policy(creationDate="soon")
    embargoed, invalid = explained(Question.of(kit, "usa-secret", late, odd))
    assert (embargoed["code"], invalid["code"]) == ("embargoed", "label_invalid")
    needed, now = check(embargoed, "embargo")
    assert needed == "2099-01-01T00:00:00+02:00 or later"
    assert now.endswith("Z")
    assert check(invalid, "embargo") == ("a creationDate that is an RFC 3339 date-time with offset", "soon")


def test_communities_are_needed_as_the_label_says(kit: Kit) -> None:
    """One, all, exactly one, none, or nobody knows."""
    labels = [
        policy(COI=["NATO", "EU"], coiOperator="ANY"),
        policy(COI=["US-ONLY"]),
        policy(COI=None),
        policy(coiOperator="SOME"),
    ]
    found = explained(Question.of(kit, "usa-secret", *labels))
    assert [(check(one, "coi")[0], verdicts(one)["coi"]) for one in found] == [
        ("one of EU, NATO", True),
        ("US-ONLY and no other", False),
        ("nothing", True),
        ("a coiOperator that is ALL or ANY; it is SOME", False),
    ]


def test_what_a_label_that_cannot_be_read_needs_nobody_says(kit: Kit) -> None:
    """What the caller has is told all the same."""
    one = explained_one(Question.of(kit, "usa-secret", {"dissem": "odd"}))
    assert one["code"] == "label_invalid"
    assert check(one, "label_complete")[1] == "none: dissem is missing, or is nothing it can be"
    assert check(one, "clearance") == ("a label that can be read", "SECRET, which is SECRET in the terms of USA")
    assert check(one, "coi") == ("a label that can be read", "FVEY, NATO")


def test_attributes_are_explained_by_their_rules(kit: Kit) -> None:
    asked = policy_text(attributes("SECRET", "coi/value/NATO", "coi/value/AUKUS"), ["alice@corp.example"])
    one = explained_one(Question.of(kit, "usa-secret", asked))
    assert one["policyHash"] == sha256_b64url(asked.encode())
    assert (one["decision"], one["code"]) == ("deny", "attribute_not_entitled")
    assert list(verdicts(one)) == ATTRIBUTE_CHECKS
    assert [name for name, passed in verdicts(one).items() if not passed] == ["all_of", "dissem"]
    assert check(one, "all_of") == (f"{ATTR}/coi: all of nato, aukus", f"{ATTR}/coi: nato")
    assert check(one, "any_of") == (f"{ATTR}/releasability: one of usa", f"{ATTR}/releasability: usa")
    assert check(one, "hierarchy") == (f"{ATTR}/classification: secret or above", f"{ATTR}/classification: secret")
    assert check(one, "attributes_known")[1] == "4; unknown: none"
    assert check(one, "policy")[1] == "attribute values: 4; recipients: 1"
    needed, found = check(one, "dissem")
    assert needed == "one of the recipients alice@corp.example"
    assert found == f"the names {kit.world.provider.base}#usa-secret"


def test_the_highest_of_a_hierarchy_that_the_caller_has_is_told(kit: Kit) -> None:
    one = explained_one(Question.of(kit, "rou-secret", policy_text(attributes("SECRET"))))
    assert check(one, "hierarchy") == (
        f"{ATTR}/classification: secret or above",
        f"{ATTR}/classification: confidential",
    )
    assert check(one, "any_of") == (f"{ATTR}/releasability: one of usa", f"{ATTR}/releasability: none")


def test_what_an_attribute_lacks_is_not_named(kit: Kit) -> None:
    """What it requires is configuration; which one it is, the policy says itself."""
    one = explained_one(Question.of(kit, "usa-secret", policy_text([f"{ATTR}/classification/value/SECRET"])))
    assert one["code"] == "label_invalid"
    assert check(one, "label_complete") == (
        "beside each attribute those that it requires",
        f"without all of them: {ATTR}/classification",
    )


def test_values_that_exclude_each_other_are_named(kit: Kit) -> None:
    asked = policy_text(attributes("SECRET", "coi/value/EU-RESTRICTED", "coi/value/NATO-COSMIC"))
    one = explained_one(Question.of(kit, "usa-secret", asked))
    assert one["code"] == "label_incoherent"
    assert check(one, "label_coherence")[1] == "eu-restricted and nato-cosmic"


def test_unknown_attributes_are_named_as_they_were_sent(kit: Kit) -> None:
    asked = policy_text([*attributes("SECRET"), f"{ATTR}/coi/value/NOBODY", "odd"])
    one = explained_one(Question.of(kit, "usa-secret", asked))
    assert one["code"] == "attribute_unknown"
    assert check(one, "attributes_known")[1] == f"4; unknown: {ATTR}/coi/value/NOBODY, odd"


@pytest.mark.parametrize(
    "text", ["!", "e30=", policy_text(dissem=["a"], dataattributes=[])], ids=["none", "no-body", "odd"]
)
def test_a_text_that_is_no_policy_permits_nobody(kit: Kit, text: str) -> None:
    """As in a rewrap, where it is not the policy that was bound."""
    one = explained_one(Question.of(kit, "usa-secret", text))
    assert (one["decision"], one["code"]) == ("deny", "key_material_rejected")
    assert verdicts(one) == {"policy_readable": False}
    assert check(one, "policy_readable")[1] == "a text that is none"


def test_many_policies_of_both_vocabularies_are_answered_in_order(kit: Kit) -> None:
    asked = [policy(), policy_text(attributes("TOP_SECRET")), policy(COI=["EU"]), policy_text(attributes("SECRET"))] * 5
    found = explained(Question.of(kit, "usa-secret", *asked))
    assert [one["decision"] for one in found] == ["permit", "deny", "deny", "permit"] * 5


def test_a_policy_that_demands_nothing_is_explained_as_the_deployment_has_it(kit: Kit) -> None:
    """Local mode lets it pass."""
    one = explained_one(Question.of(kit, "usa-secret", policy_text()))
    assert one["decision"] == "permit"
    assert check(one, "policy") == ("nothing", "attribute values: 0; recipients: 0")
