"""The decision about attributes: which changes of a permitted request deny it, and with which codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import AttributeNotEntitled, AttributeUnknown, SubjectIncomplete
from kas.policy.attribute_decision import MAX_POLICY_FQNS
from kas.policy.attributes import Definition, Rule
from kas.policy.decision import Check
from kas.policy.entitlements import Condition
from tests.unit.policy.good_attributes import GOOD, ISSUER, PREFIX, decided_by_attributes, fqns_of
from tests.unit.policy.good_policy import ABSENT, failures

NAMES = [
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
TEAM = "https://corp.example/attr/team"
GRADE = "https://corp.example/attr/grade"
SITE = "https://corp.example/attr/site"


def by_role(*values):
    return {value: Condition(("roles", "[]"), "IN", frozenset({value})) for value in values}


# Definitions that build on plain claims alone.
PLAIN = {
    TEAM: Definition(Rule.ALL_OF, by_role("red", "blue"), (), (frozenset({"red", "blue"}),), is_derived=False),
    SITE: Definition(Rule.ANY_OF, by_role("north", "south"), (), (), is_derived=False),
    GRADE: Definition(
        Rule.HIERARCHY, by_role("high", "middle", "low"), (frozenset({SITE, TEAM}),), (), is_derived=False
    ),
}
PERSON = {"sub": "7f3c", "roles": ["red", "north", "middle"]}


def plain(*values, roles=("red", "north", "middle"), **more):
    fqns = [f"https://corp.example/attr/{value.replace(':', '/value/')}" for value in values]
    nobody = dict.fromkeys(["uniqueID", "clearance", "countryOfAffiliation"], ABSENT)
    return failures(decided_by_attributes(fqns, nobody | {"roles": list(roles)}, definitions=PLAIN, **more))


def test_the_good_request_is_permitted():
    decision = decided_by_attributes(GOOD)
    assert decision.permitted
    assert decision.refusal is None
    assert decision.checks == tuple(Check(name, None) for name in NAMES)


NOT_ENTITLED = ["attribute_not_entitled"]


@pytest.mark.parametrize(
    ("claims", "codes"),
    [
        ({"clearance": "CONFIDENTIAL"}, NOT_ENTITLED),
        ({"clearance": "TOP SECRET"}, []),
        ({"clearance": "TS"}, []),
        ({"clearance": "SECRETO"}, NOT_ENTITLED),
        ({"clearanceAuthority": "ROU"}, NOT_ENTITLED),
        ({"countryOfAffiliation": "GBR"}, NOT_ENTITLED),
        ({"countryOfAffiliation": "FRA"}, []),
        ({"acpCOI": ["FVEY"]}, NOT_ENTITLED),
        ({"acpCOI": ABSENT}, NOT_ENTITLED),
        ({"acr": "aal1", "amr": ["pwd"]}, NOT_ENTITLED),
        ({"acr": "aal1", "amr": ["mfa"]}, []),
        ({"organizationType": "INDUSTRY"}, NOT_ENTITLED),
        ({"organizationType": ABSENT}, NOT_ENTITLED),
        ({"organizationType": "MIL"}, []),
        ({"uniqueID": ABSENT}, []),
        ({"uniqueID": ""}, ["subject_incomplete"]),
        ({"clearance": ABSENT}, ["subject_incomplete", "attribute_not_entitled"]),
        (
            {"countryOfAffiliation": "XXX"},
            ["subject_incomplete", *NOT_ENTITLED, *NOT_ENTITLED, "issuer_not_for_country"],
        ),
    ],
)
def test_whatever_denies_a_label_denies_its_attributes(claims, codes):
    assert failures(decided_by_attributes(GOOD, claims)) == codes


def test_the_issuer_must_speak_for_the_country():
    assert failures(decided_by_attributes(GOOD, issuer_countries=frozenset({"FRA"}))) == ["issuer_not_for_country"]


def test_a_claim_cannot_say_what_only_the_rules_derive():
    forged = {"clearedLevels": ["SECRET"], "authenticatedLevels": ["SECRET"], "organization": "GOVERNMENT"}
    claims = {"clearance": "RESTRICTED", "derived": forged}
    assert decided_by_attributes(GOOD, claims).refusal is AttributeNotEntitled


@pytest.mark.parametrize("left_out", ["classification", "releasability"])
def test_an_incomplete_label_is_invalid(left_out):
    assert failures(decided_by_attributes([fqn for fqn in GOOD if left_out not in fqn])) == ["label_invalid"]


def test_both_scales_of_classification_must_be_met():
    more = [*GOOD, f"{PREFIX}/classification-with-industry/value/top_secret"]
    assert failures(decided_by_attributes(more)) == NOT_ENTITLED


@pytest.mark.parametrize(
    ("claims", "codes"),
    [
        ({"organizationType": "INDUSTRY"}, []),
        ({"organizationType": ABSENT}, []),
        ({"organizationType": "INDUSTRY", "countryOfAffiliation": "FRA"}, NOT_ENTITLED),
        ({"organizationType": "GOV", "countryOfAffiliation": "FRA"}, []),
    ],
)
def test_what_is_released_to_industry_is_capped_by_country(claims, codes):
    dissem = {"classification": "SECRET", "releasabilityTo": ["USA", "FRA"], "releasableToIndustry": True}
    assert failures(decided_by_attributes(fqns_of(dissem), claims)) == codes


@pytest.mark.parametrize(
    ("held", "demanded", "codes"),
    [
        (["US-ONLY"], ["US-ONLY"], []),
        (["US-ONLY", "NATO"], ["US-ONLY"], NOT_ENTITLED),
        (["NATO"], ["US-ONLY"], NOT_ENTITLED),
        (["US-ONLY", "NATO"], ["NATO"], []),
        (["US-ONLY", "NATO"], ["US-ONLY", "NATO"], NOT_ENTITLED),
        (["US-ONLY"], ["US-ONLY", "NATO"], NOT_ENTITLED),
        (["EU-RESTRICTED", "NATO-COSMIC"], ["EU-RESTRICTED", "NATO-COSMIC"], ["label_incoherent"]),
        (["EU-RESTRICTED", "NATO"], ["EU-RESTRICTED", "NATO"], []),
    ],
)
def test_communities_stand_alone_or_exclude_each_other_as_in_labels(held, demanded, codes):
    dissem = {"classification": "SECRET", "releasabilityTo": ["USA"], "COI": demanded}
    assert failures(decided_by_attributes(fqns_of(dissem), {"acpCOI": held})) == codes


UNREADABLE = ["attribute_unknown", "label_invalid", "label_incoherent", *NOT_ENTITLED * 3]


@pytest.mark.parametrize(
    "fqn",
    [
        "",
        "secret",
        f"{PREFIX}/classification",
        f"{PREFIX}/classification/value/cosmic",
        f"{PREFIX}/unknown/value/secret",
        "https://other.example/attr/classification/value/secret",
        "https://kas.example.evil/attr/classification/value/secret",
    ],
)
def test_any_unknown_name_denies(fqn):
    decision = decided_by_attributes([*GOOD, fqn])
    assert failures(decision) == UNREADABLE
    assert decision.refusal is AttributeUnknown
    assert failures(decided_by_attributes([fqn, *GOOD])) == UNREADABLE


def test_an_unknown_name_asks_for_the_whole_subject():
    assert decided_by_attributes(["x"], {"uniqueID": ""}, issuer_countries=frozenset()).checks[2].code == (
        SubjectIncomplete.code
    )
    assert failures(decided_by_attributes(["x"], issuer_countries=frozenset()))[-1] == "issuer_not_for_country"


def test_names_are_compared_in_lower_case():
    assert decided_by_attributes([fqn.upper() for fqn in GOOD]).permitted
    assert decided_by_attributes([fqn.lower() for fqn in GOOD]).permitted


def test_the_number_of_names_is_bounded():
    assert decided_by_attributes(GOOD + GOOD[:1] * (MAX_POLICY_FQNS - len(GOOD))).permitted
    assert failures(decided_by_attributes(GOOD + GOOD[:1] * (MAX_POLICY_FQNS - len(GOOD) + 1))) == UNREADABLE


@pytest.mark.parametrize(
    ("values", "roles", "codes"),
    [
        (["team:red"], ["red"], []),
        (["team:red"], ["blue"], NOT_ENTITLED),
        (["team:red", "team:blue"], ["red", "blue"], ["label_incoherent"]),
        (["site:north"], ["north"], []),
        (["site:north", "site:south"], ["south"], []),
        (["site:north", "site:south"], ["red"], NOT_ENTITLED),
        (["site:north", "team:red"], ["north"], NOT_ENTITLED),
        (["site:north", "team:red"], ["north", "red"], []),
        (["site:north", "team:red"], ["red"], NOT_ENTITLED),
        (["site:north", "team:red"], [], NOT_ENTITLED * 2),
        (["grade:middle", "site:north"], ["north", "middle"], []),
        (["grade:middle", "site:north"], ["north", "high"], []),
        (["grade:middle", "site:north"], ["north", "low"], NOT_ENTITLED),
        (["grade:low", "grade:high", "site:north"], ["north", "middle", "low"], NOT_ENTITLED),
        (["grade:low", "grade:high", "site:north"], ["north", "high"], []),
        (["grade:low"], ["low"], ["label_invalid"]),
        (["grade:low", "team:red"], ["low", "red"], []),
    ],
)
def test_each_rule_wants_what_it_says(values, roles, codes):
    assert plain(*values, roles=roles) == codes


def test_all_of_wants_every_value():
    definitions = {TEAM: Definition(Rule.ALL_OF, by_role("red", "blue"), (), (), is_derived=False)}
    fqns = [f"{TEAM}/value/red", f"{TEAM}/value/blue"]
    assert decided_by_attributes(fqns, {"roles": ["blue", "red"]}, definitions=definitions).permitted
    assert failures(decided_by_attributes(fqns, {"roles": ["blue"]}, definitions=definitions)) == NOT_ENTITLED


def test_plain_attributes_ask_for_no_clearance_country_or_issuer():
    assert plain("team:red", issuer_countries=frozenset()) == []


def test_one_attribute_that_is_derived_asks_for_the_whole_subject():
    derived = Definition(Rule.ANY_OF, by_role("x"), (), (), is_derived=True)
    fqns = [f"{TEAM}/value/red", f"{SITE}/value/x"]
    definitions = PLAIN | {SITE: derived}
    claims = {"roles": ["red", "x"], "uniqueID": ""}
    decision = decided_by_attributes(fqns, claims, definitions=definitions, issuer_countries=frozenset())
    assert failures(decision) == ["subject_incomplete", "issuer_not_for_country"]


def test_a_policy_that_demands_nothing_is_for_those_deployments_that_allow_it():
    assert failures(decided_by_attributes([])) == ["policy_empty"]
    assert decided_by_attributes([], allow_empty_policy=True).permitted
    assert decided_by_attributes([], {"clearance": ABSENT}, allow_empty_policy=True).permitted


MINE = f"{ISSUER}#7f3c"
MAIL = {"email": "alice@corp.example", "email_verified": True}


@pytest.mark.parametrize(
    ("dissem", "claims", "codes"),
    [
        ((MINE,), {}, []),
        (("alice@corp.example",), MAIL, []),
        (("bob@corp.example", MINE), {}, []),
        (("bob@corp.example",), MAIL, ["not_in_dissem"]),
        (("alice@corp.example",), MAIL | {"email_verified": False}, ["not_in_dissem"]),
        (("alice@other.example",), MAIL | {"email": "alice@other.example"}, ["not_in_dissem"]),
        (("7f3c",), {}, ["not_in_dissem"]),
        (("https://other.example#7f3c",), {}, ["not_in_dissem"]),
        (("",), {}, ["not_in_dissem"]),
    ],
)
def test_recipients_must_name_the_caller(dissem, claims, codes):
    assert failures(decided_by_attributes(GOOD, claims, dissem=dissem)) == codes
    assert failures(decided_by_attributes([], claims, dissem=dissem)) == codes
    assert failures(decided_by_attributes([], claims, dissem=dissem, allow_empty_policy=True)) == codes


def test_a_recipient_still_needs_the_attributes():
    assert failures(decided_by_attributes(GOOD, {"acpCOI": []}, dissem=(MINE,))) == NOT_ENTITLED


@given(fqns=st.lists(st.text(max_size=20) | st.sampled_from(GOOD), max_size=6), dissem=st.lists(st.text(), max_size=2))
def test_every_question_has_an_answer_of_ten_checks(fqns, dissem):
    decision = decided_by_attributes(fqns, dissem=tuple(dissem))
    assert [check.name for check in decision.checks] == NAMES
    assert decision.permitted == (not failures(decision))
    assert not decision.permitted or (set(fqns) <= set(GOOD) and not dissem)
