"""The input document: what is said of the caller and the policy, and what of the token is not."""

from __future__ import annotations

import json

import pytest

from kas.auth.issuers import Issuer
from kas.opa.question import Questions
from kas.protocol.values import AttributePolicy, LabelPolicy
from tests.unit.policy.good_attributes import DEFINITIONS, GOOD, ISSUER
from tests.unit.policy.good_policy import ABSENT, ACR_LEVELS, CLAIMS, DISSEM, NOW, RULES, changed

ENTRY = Issuer(
    issuer=ISSUER,
    jwks_url=f"{ISSUER}/jwks",
    audience="kas",
    accepted_types=frozenset({"at+jwt"}),
    claim_names={"clearance": "level"},
    acr_levels=ACR_LEVELS,
    countries=frozenset({"USA", "FRA"}),
    email_domains=frozenset({"corp.example"}),
)
LEVELS = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"]


def document(claims=None, policy=None, *, allow_empty_policy=False):
    questions = Questions(RULES, DEFINITIONS, allow_empty_policy=allow_empty_policy)
    facts = changed({**CLAIMS, "clearance": ABSENT, "level": "s", "jti": "t-1", "scope": "all"}, claims or {})
    return questions.document(facts, "7f3c", ENTRY, policy or LabelPolicy({"policyId": "p", "dissem": DISSEM}), now=NOW)


def test_the_document_of_a_label_says_this_and_no_more():
    """Of the token no claim but what selectors find; of the policy its label."""
    assert document() == {
        "subject": {
            "issuer": ISSUER,
            "sub": "7f3c",
            "uniqueId": "alice@example",
            "clearance": "s",
            "clearanceLevel": "SECRET",
            "country": "USA",
            "issuerSpeaksForCountry": True,
            "coi": ["FVEY", "NATO"],
            "organizationType": "GOV",
            "acrLevel": 2,
            "amr": ["otp", "pwd"],
            "names": [f"{ISSUER}#7f3c"],
            "selected": {
                ".derived.clearedLevels[]": LEVELS,
                ".derived.authenticatedLevels[]": LEVELS,
                ".derived.industryLevels[]": list(RULES.levels),
                ".derived.organization": ["GOVERNMENT"],
                ".derived.country": ["USA"],
                ".derived.coi[]": ["FVEY", "NATO"],
                ".derived.soleCoi": [None],
            },
        },
        "action": "rewrap",
        "resource": {"vocabulary": "label", "label": DISSEM, "createdAt": 1_767_225_600.0},
        "context": {"time": NOW, "allowEmptyPolicy": False},
    }


def test_the_document_of_attributes_has_them_as_they_were_sent():
    policy = AttributePolicy((*GOOD, "x"), ("alice@corp.example",))
    asked = document({"email": "alice@CORP.example", "email_verified": True}, policy, allow_empty_policy=True)
    assert asked["resource"] == {
        "vocabulary": "attributes",
        "attributes": [*GOOD, "x"],
        "dissem": ["alice@corp.example"],
    }
    assert asked["subject"]["names"] == ["alice@corp.example", f"{ISSUER}#7f3c"]
    assert asked["context"]["allowEmptyPolicy"] is True


@pytest.mark.parametrize(
    ("claims", "gone"),
    [
        ({"uniqueID": ""}, "uniqueId"),
        ({"level": ["SECRET"]}, "clearance"),
        ({"level": "CHOCOLATE"}, "clearanceLevel"),
        ({"countryOfAffiliation": "XXX"}, "clearanceLevel"),
        ({"countryOfAffiliation": 7}, "country"),
        ({"organizationType": None}, "organizationType"),
    ],
)
def test_what_a_token_does_not_say_is_not_there(claims, gone):
    assert gone not in document(claims)["subject"]


@pytest.mark.parametrize("country", ["GBR", "XXX", ABSENT])
def test_an_issuer_speaks_only_for_its_countries(country):
    assert document({"countryOfAffiliation": country})["subject"]["issuerSpeaksForCountry"] is False


@pytest.mark.parametrize("date", [ABSENT, "soon", 7, None, "9999-12-31T23:59:60Z"])
def test_a_date_that_is_none_has_no_time(date):
    """The label has it as it was sent."""
    label = changed(DISSEM, {"creationDate": date})
    assert document(policy=LabelPolicy({"dissem": label}))["resource"] == {"vocabulary": "label", "label": label}


@pytest.mark.parametrize("members", [{}, {"dissem": None}, {"dissem": "SECRET"}, {"dissem": ["creationDate"]}])
def test_a_label_that_is_none_is_passed_on_as_it_is(members):
    resource = document(policy=LabelPolicy({"policyId": "p", "body": {}, **members}))["resource"]
    assert resource == {"vocabulary": "label", **({"label": members["dissem"]} if members else {})}


def test_every_document_is_json():
    assert json.loads(json.dumps(document(), allow_nan=False)) == document()
