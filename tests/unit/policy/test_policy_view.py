"""The view that conditions select from, and the standing that it is made of."""

from dataclasses import replace

import pytest

from kas.policy.standing import level_of
from kas.policy.subject import read_subject
from kas.policy.view import DERIVED_SELECTORS, subject_view
from tests.unit.policy.good_policy import ABSENT, ACR_LEVELS, CLAIMS, ISSUER_COUNTRIES, RULES, changed


def subject_of(**changes):
    return read_subject(changed(CLAIMS, changes), names={}, acr_levels=ACR_LEVELS, issuer_countries=ISSUER_COUNTRIES)


def derived(**changes):
    return subject_view(changed(CLAIMS, changes), subject_of(**changes), RULES)["derived"]


UP_TO_SECRET = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"]
ALL = [*UP_TO_SECRET, "TOP_SECRET"]


def test_the_view_is_the_claims_and_what_is_derived():
    view = subject_view(CLAIMS, subject_of(), RULES)
    assert view.keys() == CLAIMS.keys() | {"derived"}
    assert view["clearance"] == "SECRET"
    assert view["derived"] == {
        "country": "USA",
        "organization": "GOVERNMENT",
        "clearedLevels": UP_TO_SECRET,
        "authenticatedLevels": UP_TO_SECRET,
        "industryLevels": ALL,
        "coi": ["FVEY", "NATO"],
        "soleCoi": None,
    }


def test_each_derived_member_has_its_selector_and_lists_only_have_items():
    selectors = {
        ("derived", name, "[]") if isinstance(value, list) else ("derived", name) for name, value in derived().items()
    }
    assert selectors == DERIVED_SELECTORS


@pytest.mark.parametrize(
    ("changes", "member", "expected"),
    [
        ({"countryOfAffiliation": "XXX"}, "country", None),
        ({"countryOfAffiliation": "XXX"}, "clearedLevels", []),
        ({"countryOfAffiliation": "XXX"}, "industryLevels", []),
        ({"clearance": "UNKNOWN"}, "clearedLevels", []),
        ({"clearance": "U"}, "clearedLevels", ["UNCLASSIFIED"]),
        ({"clearance": "TS"}, "clearedLevels", ALL),
        ({"acr": ABSENT, "amr": ABSENT}, "authenticatedLevels", ["UNCLASSIFIED"]),
        ({"acr": "aal3", "amr": ABSENT}, "authenticatedLevels", ALL),
        ({"organizationType": ABSENT}, "organization", "INDUSTRY"),
        ({"organizationType": "INDUSTRY"}, "industryLevels", UP_TO_SECRET),
        ({"organizationType": "INDUSTRY", "countryOfAffiliation": "FRA"}, "industryLevels", UP_TO_SECRET[:3]),
        ({"acpCOI": ABSENT}, "coi", []),
        ({"acpCOI": ABSENT}, "soleCoi", None),
        ({"acpCOI": '["US-ONLY"]'}, "soleCoi", "US-ONLY"),
        ({"derived": {"country": "FRA"}}, "country", "USA"),
        ({"derived": "SECRET"}, "organization", "GOVERNMENT"),
    ],
)
def test_what_is_derived_follows_the_rules(changes, member, expected):
    assert derived(**changes)[member] == expected


def test_no_authority_that_does_not_exist_lends_the_english_terms():
    assert level_of(replace(subject_of(), clearance_authority="MARS"), RULES) is None
    assert level_of(replace(subject_of(), clearance_authority="NATO"), RULES) == 3
