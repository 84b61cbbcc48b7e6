"""Reading of claims: a claim of the wrong type says nothing, and nothing raises."""

import pytest

from kas.policy.subject import Subject, read_subject
from tests.unit.policy.good_policy import ABSENT, ACR_LEVELS, CLAIMS, ISSUER_COUNTRIES, changed


def read(names=None, **changes):
    return read_subject(
        changed(CLAIMS, changes),
        names=names or {},
        acr_levels=ACR_LEVELS,
        issuer_countries=ISSUER_COUNTRIES,
        issuer_authorities=frozenset({"NATO", "ROU"}),
    )


def test_all_claims_are_read():
    assert read() == Subject(
        unique_id="alice@example",
        clearance="SECRET",
        country="USA",
        coi=frozenset({"NATO", "FVEY"}),
        organization_type="GOV",
        acr_level=2,
        amr=frozenset({"pwd", "otp"}),
        issuer_countries=ISSUER_COUNTRIES,
        clearance_authority="USA",
    )


def test_no_claims_are_a_subject_without_anything():
    assert read_subject({}, names={}, acr_levels=ACR_LEVELS, issuer_countries=frozenset()) == Subject(
        None, None, None, frozenset(), None, 0, frozenset(), frozenset(), None
    )


NAMES = {
    "uniqueID": "uid",
    "clearance": "level",
    "clearanceAuthority": "scheme",
    "countryOfAffiliation": "nation",
    "acpCOI": "groups",
    "organizationType": "org",
    "acr": "loa",
    "amr": "how",
}


def test_an_issuer_names_its_own_claims():
    claims = {NAMES.get(concept, concept): value for concept, value in CLAIMS.items()}
    assert read_subject(claims, names=NAMES, acr_levels=ACR_LEVELS, issuer_countries=ISSUER_COUNTRIES) == read()


def test_the_usual_claims_say_nothing_where_the_issuer_names_others():
    expected = Subject("7f3c", None, None, frozenset(), None, 0, frozenset(), ISSUER_COUNTRIES, None)
    assert read(names=NAMES) == expected


@pytest.mark.parametrize(
    ("unique_id", "expected"),
    [("bob", "bob"), (ABSENT, "7f3c"), (None, None), ("", None), (" ", None), (7, None), (["bob"], None)],
)
def test_sub_stands_in_for_an_absent_unique_id_only(unique_id, expected):
    assert read(uniqueID=unique_id).unique_id == expected


def test_a_renamed_unique_id_falls_back_too():
    assert read(names={"uniqueID": "uid"}, uid="carol").unique_id == "carol"
    assert read(names={"uniqueID": "uid"}, uid=5).unique_id is None
    assert read(names={"uniqueID": "uid"}).unique_id == "7f3c"


@pytest.mark.parametrize("odd", [None, "", " \t", 0, 1, 2.5, True, [], ["SECRET"], {}, {"SECRET": 1}])
@pytest.mark.parametrize(
    ("claim", "field"),
    [("clearance", "clearance"), ("countryOfAffiliation", "country"), ("organizationType", "organization_type")],
)
def test_text_of_the_wrong_type_or_empty_is_missing(claim, field, odd):
    assert getattr(read(**{claim: odd}), field) is None


def test_values_are_not_repaired():
    assert read(countryOfAffiliation="usa ").country == "usa "


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["NATO"], {"NATO"}),
        (["NATO", "NATO"], {"NATO"}),
        ('["NATO","FVEY"]', {"NATO", "FVEY"}),
        (' ["NATO"] ', {"NATO"}),
        ("[]", set()),
        ("", set()),
        ("NATO", set()),
        ('"NATO"', set()),
        ('{"NATO":1}', set()),
        ('["NATO",1]', set()),
        ('["NATO",["FVEY"]]', set()),
        ('["NATO"', set()),
        ('["NATO"]x', set()),
        ('[{"a":1,"a":2}]', set()),
        ("[" * 100_000, set()),
        ('["\ud800"]', set()),
        ("NATO,FVEY", set()),
        (["NATO", None], set()),
        (["NATO", ""], set()),
        (["NATO", ["FVEY"]], set()),
        (["US-ONLY", {}], set()),
        ({"NATO": True}, set()),
        (True, set()),
        (None, set()),
    ],
)
def test_communities_are_an_array_of_texts_or_its_json(value, expected):
    assert read(acpCOI=value).coi == expected


@pytest.mark.parametrize("value", ["pwd", '["pwd"]', None, 1, True, {"pwd": 1}, ["pwd", 1], ["pwd", ""]])
def test_methods_are_an_array_of_texts(value):
    assert read(amr=value).amr == frozenset()


@pytest.mark.parametrize(
    ("acr", "level"), [("aal1", 1), ("aal3", 3), ("AAL3", 0), ("", 0), (3, 0), (["aal3"], 0), (None, 0), (ABSENT, 0)]
)
def test_acr_means_what_the_issuers_configuration_says(acr, level):
    assert read(acr=acr).acr_level == level


@pytest.mark.parametrize("authority", ["NATO", "ROU"])
def test_a_clearance_is_read_by_the_authority_that_the_issuer_may_assert(authority):
    assert read(clearanceAuthority=authority).clearance_authority == authority
    assert read({"clearanceAuthority": "scheme"}, scheme=authority).clearance_authority == authority


@pytest.mark.parametrize("odd", ["DEU", "USA", "nato", "NATO ", "", None, ["NATO"], {"NATO": 1}, True])
def test_an_authority_that_may_not_be_asserted_is_none_and_never_the_country(odd):
    assert read(clearanceAuthority=odd).clearance_authority is None
    assert read({"clearanceAuthority": "scheme"}, scheme=odd).clearance_authority is None


def test_an_issuer_may_assert_no_authority_unless_it_is_said():
    claims = CLAIMS | {"clearanceAuthority": "NATO"}
    subject = read_subject(claims, names={}, acr_levels={}, issuer_countries=ISSUER_COUNTRIES)
    assert subject.clearance_authority is None
