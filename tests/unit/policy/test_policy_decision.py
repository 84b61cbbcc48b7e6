"""The table of checks, row by row: which changes of a permitted request deny it, and with which codes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kas.errors import ClearanceInsufficient, CountryNotReleasable, Denial, SubjectIncomplete
from kas.policy.decision import Check, Decision, decide
from kas.policy.subject import read_subject
from tests.unit.policy.good_policy import ABSENT, ACR_LEVELS, CLAIMS, DISSEM, NOW, RULES, changed, decided, failures

NAMES = [
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
# What cannot be judged without a label: a fail each.
WITHOUT_LABEL = [
    "label_invalid",
    "clearance_insufficient",
    "country_not_releasable",
    "coi_not_satisfied",
    "embargoed",
    "authentication_too_weak",
    "industry_not_releasable",
    "label_incoherent",
]
NO_COUNTRY = [
    "subject_incomplete",
    "clearance_unknown",
    "country_not_releasable",
    "industry_not_releasable",
    "issuer_not_for_country",
]
US_ONLY = {"COI": ["US-ONLY"]}
ANY_PAIRS = [["CAN-US", "FVEY"], ["GBR-US", "FVEY"], ["AUKUS", "FVEY"], ["NATO-COSMIC", "NATO"]]


def test_the_good_request_is_permitted():
    decision = decided()
    assert decision.permitted
    assert decision.refusal is None
    assert decision.checks == tuple(Check(name, None) for name in NAMES)


@pytest.mark.parametrize(
    ("claims", "codes"),
    [
        ({"uniqueID": ABSENT, "sub": ABSENT}, ["subject_incomplete"]),
        ({"uniqueID": ABSENT}, []),
        ({"uniqueID": ""}, ["subject_incomplete"]),
        ({"clearance": ABSENT}, ["subject_incomplete", "clearance_unknown"]),
        ({"clearance": ["SECRET"]}, ["subject_incomplete", "clearance_unknown"]),
        ({"countryOfAffiliation": ABSENT}, NO_COUNTRY),
        ({"countryOfAffiliation": "XXX"}, NO_COUNTRY),
        ({"countryOfAffiliation": "USA "}, NO_COUNTRY),
        ({"countryOfAffiliation": "usa"}, NO_COUNTRY),
        ({"countryOfAffiliation": "US"}, NO_COUNTRY),
        ({"countryOfAffiliation": "NATO"}, NO_COUNTRY),
        ({"countryOfAffiliation": ["USA"]}, NO_COUNTRY),
        ({"countryOfAffiliation": True}, NO_COUNTRY),
    ],
)
def test_subject_needs_id_clearance_and_a_listed_country(claims, codes):
    assert failures(decided(claims)) == codes


def test_a_country_that_nobody_knows_is_none_even_where_issuer_and_nation_table_name_it():
    decision = decided({"countryOfAffiliation": "XXX"}, issuer_countries=frozenset({"XXX"}))
    assert failures(decision) == NO_COUNTRY


@pytest.mark.parametrize(
    "dissem",
    [
        {"classification": "secret"},
        {"classification": "TOP SECRET"},
        {"releasabilityTo": []},
        {"COI": None},
        {"coiOperator": None},
        {"creationDate": 1_790_000_000},
        {"releasableToIndustry": "true"},
        {"caveats": "NOFORN"},
    ],
)
def test_an_invalid_label_fails_every_check_that_needs_it(dissem):
    assert failures(decided(dissem=dissem)) == WITHOUT_LABEL


def test_a_policy_without_label_is_denied_to_the_highest_subject():
    subject = read_subject(
        CLAIMS | {"clearance": "TOP SECRET", "acr": "aal3"},
        names={},
        acr_levels=ACR_LEVELS,
        issuer_countries=frozenset({"USA"}),
    )
    assert failures(decide(subject, {"policyId": "p-1", "body": {}}, RULES, now=NOW)) == WITHOUT_LABEL


LEVELS = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP_SECRET"]


@pytest.mark.parametrize("held", LEVELS)
@pytest.mark.parametrize("wanted", LEVELS)
def test_clearance_must_not_be_below_the_classification(held, wanted):
    decision = decided({"clearance": held, "acr": "aal3"}, {"classification": wanted})
    enough = LEVELS.index(held) >= LEVELS.index(wanted)
    assert failures(decision) == ([] if enough else ["clearance_insufficient"])


@pytest.mark.parametrize("term", [" top-secret", "Top Secret", "TOP_SECRET", "TOP - SECRET!"])
def test_english_terms_are_normalised_in_tokens(term):
    assert decided({"clearance": term, "acr": "aal3"}, {"classification": "TOP_SECRET"}).permitted


@pytest.mark.parametrize(
    "term", ["TOPSECRET", "STRENG GEHEIM", "COSMIC TOP SECRET", "SECRETO", "SECRET SECRET", "3", "!", "X" * 10_000]
)
def test_an_unmapped_clearance_is_unknown(term):
    assert failures(decided({"clearance": term}, {"classification": "UNCLASSIFIED"})) == ["clearance_unknown"]


def test_a_nations_own_term_counts_under_that_nation_only():
    romanian = replace(RULES.clearances, nations={"ROU": {"SECRET": 2}})
    rules = replace(RULES, clearances=romanian)
    countries = frozenset({"ROU", "USA"})
    dissem = {"releasabilityTo": ["ROU", "USA"]}
    romania = decided({"countryOfAffiliation": "ROU"}, dissem, rules=rules, issuer_countries=countries)
    assert failures(romania) == ["clearance_insufficient"]
    assert decided({"countryOfAffiliation": "USA"}, dissem, rules=rules, issuer_countries=countries).permitted


@pytest.mark.parametrize(
    ("claims", "codes"),
    [
        ({"clearance": "TS"}, []),
        ({"clearance": "COSMIC TOP SECRET", "clearanceAuthority": "NATO"}, []),
        ({"clearance": "TOP SECRET", "clearanceAuthority": "NATO"}, []),
        ({"clearance": "TS", "clearanceAuthority": "NATO"}, ["clearance_unknown"]),
        ({"clearance": "SECRETO", "clearanceAuthority": "ESP"}, []),
        ({"clearance": "SECRETO", "clearanceAuthority": "PRT"}, ["clearance_insufficient"]),
        ({"clearance": "TOP SECRET", "clearanceAuthority": "DEU"}, ["clearance_unknown"]),
        ({"clearance": "TOP SECRET", "clearanceAuthority": "USA"}, ["clearance_unknown"]),
        ({"clearance": "TOP SECRET", "clearanceAuthority": None}, ["clearance_unknown"]),
        ({"clearance": "TOP SECRET", "clearanceAuthority": "MARS"}, ["clearance_unknown"]),
    ],
)
def test_a_clearance_is_read_under_the_authority_that_the_token_may_name(claims, codes):
    authorities = frozenset({"NATO", "ESP", "PRT", "MARS"})
    decision = decided(claims | {"acr": "aal3"}, {"classification": "TOP_SECRET"}, issuer_authorities=authorities)
    assert failures(decision) == codes


def test_an_authority_does_not_stand_in_for_a_country():
    claims = {"countryOfAffiliation": ABSENT, "clearanceAuthority": "NATO"}
    assert failures(decided(claims, issuer_authorities=frozenset({"NATO"}))) == NO_COUNTRY


@pytest.mark.parametrize(
    ("countries", "codes"),
    [
        (["USA"], []),
        (["USA", "USA"], []),
        (["FRA"], ["country_not_releasable"]),
        (["FRA", "GBR", "DEU"], ["country_not_releasable"]),
        (["XXX"], WITHOUT_LABEL),
        (["USA", "XXX"], WITHOUT_LABEL),
        (["USA", "usa"], WITHOUT_LABEL),
        (["USA", "NATO"], WITHOUT_LABEL),
    ],
)
def test_label_must_release_to_the_country(countries, codes):
    assert failures(decided(dissem={"releasabilityTo": countries})) == codes


DENIED = ["coi_not_satisfied"]


@pytest.mark.parametrize(
    ("held", "dissem", "codes"),
    [
        (ABSENT, {"COI": ABSENT}, []),
        (ABSENT, {"COI": []}, []),
        (ABSENT, {"COI": [], "coiOperator": "ANY"}, []),
        (["NATO"], {"COI": ABSENT}, []),
        (["NATO"], {"COI": []}, []),
        (ABSENT, {}, DENIED),
        ([], {}, DENIED),
        ([], {"coiOperator": "ANY"}, DENIED),
        (["nato"], {}, DENIED),
        (["NATO"], {"COI": ["NATO", "NATO"]}, []),
        (["NATO"], {"COI": ["NATO", "CAN-US"]}, DENIED),
        (["NATO", "CAN-US", "FVEY"], {"COI": ["NATO", "CAN-US"]}, []),
        (["NATO"], {"COI": ["NATO", "CAN-US"], "coiOperator": "ALL"}, DENIED),
        (["NATO"], {"COI": ["NATO", "CAN-US"], "coiOperator": "ANY"}, []),
        (["FVEY"], {"COI": ["NATO", "CAN-US"], "coiOperator": "ANY"}, DENIED),
        ('["NATO", "FVEY"]', {}, []),
        ("NATO", {}, DENIED),
        (["NATO", 7], {}, DENIED),
        (True, {}, DENIED),
    ],
)
def test_subject_must_be_in_the_demanded_communities(held, dissem, codes):
    assert failures(decided({"acpCOI": held}, dissem)) == codes


@pytest.mark.parametrize("operator", ["all", "any", "Any", "ANY ", "", "OR", "NOT"])
@pytest.mark.parametrize("demanded", [["NATO"], [], ABSENT])
def test_an_unknown_operator_denies_whatever_the_label_demands(operator, demanded):
    assert failures(decided(dissem={"COI": demanded, "coiOperator": operator})) == DENIED


@pytest.mark.parametrize(
    ("held", "operator", "codes"),
    [
        (["US-ONLY"], "ALL", []),
        (["US-ONLY"], "ANY", []),
        (["US-ONLY", "US-ONLY"], "ALL", []),
        (["US-ONLY", "NATO"], "ALL", DENIED),
        (["US-ONLY", "NATO"], "ANY", DENIED),
        (["NATO"], "ALL", DENIED),
        (ABSENT, "ALL", DENIED),
    ],
)
def test_us_only_wants_exactly_that_of_the_subject(held, operator, codes):
    assert failures(decided({"acpCOI": held}, US_ONLY | {"coiOperator": operator})) == codes


EPOCH_OF_2030 = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("date", "now", "codes"),
    [
        (ABSENT, 0.0, []),
        ("2030-01-01T00:00:00Z", EPOCH_OF_2030, []),
        ("2030-01-01T00:00:00Z", EPOCH_OF_2030 + 0.001, []),
        ("2030-01-01T00:00:00Z", EPOCH_OF_2030 - 0.001, ["embargoed"]),
        ("2030-01-01T00:00:00.5Z", EPOCH_OF_2030, ["embargoed"]),
        ("2030-01-01T00:00:00.5Z", EPOCH_OF_2030 + 0.5, []),
        ("2030-01-01T02:00:00+02:00", EPOCH_OF_2030, []),
        ("2030-01-01T02:00:00+01:59", EPOCH_OF_2030, ["embargoed"]),
        ("2029-12-31T19:00:00-05:00", EPOCH_OF_2030, []),
        ("2029-12-31T19:00:00-05:00", EPOCH_OF_2030 - 1, ["embargoed"]),
        ("2030-01-01T00:00:00Z", float("nan"), ["embargoed"]),
    ],
)
def test_embargo_lasts_until_the_creation_date(date, now, codes):
    assert failures(decided(dissem={"creationDate": date}, now=now)) == codes


@pytest.mark.parametrize("date", ["tomorrow", "", "2030-01-01", "2030-01-01T00:00:00", "9999-12-31T23:59:60Z"])
def test_a_creation_date_that_is_none_fails_the_embargo_as_an_invalid_label(date):
    assert failures(decided({}, {"creationDate": date})) == ["label_invalid"]
    # in the order of the table: what fails before it is named first
    assert decided({"clearance": "RESTRICTED"}, {"creationDate": date}).refusal.code == "clearance_insufficient"


WEAK = ["authentication_too_weak"]


@pytest.mark.parametrize(
    ("methods", "codes"),
    [
        (["pwd", "otp"], []),
        (["pin", "sc"], []),
        (["kba", "tel"], []),
        (["hwk", "fpt"], []),
        (["pwd", "vbm", "geo"], []),
        (["mfa"], []),
        (["pwd", "mfa"], []),
        (["pwd"], WEAK),
        (["pwd", "pin", "kba"], WEAK),
        (["hwk", "swk", "otp", "sms", "tel", "sc", "pop"], WEAK),
        (["fpt", "face", "iris", "retina", "vbm"], WEAK),
        (["pwd", "pwd"], WEAK),
        (["pwd", "geo", "user", "wia", "rba"], WEAK),
        (["mca"], WEAK),
        (["MFA"], WEAK),
        (["PWD", "OTP"], WEAK),
        ([], WEAK),
        (ABSENT, WEAK),
        ("mfa", WEAK),
        ('["pwd", "otp"]', WEAK),
        (["pwd", "otp", None], WEAK),
        ({"pwd": "otp"}, WEAK),
    ],
)
def test_above_unclassified_two_classes_of_methods_are_wanted(methods, codes):
    assert failures(decided({"acr": ABSENT, "amr": methods})) == codes


@pytest.mark.parametrize("classification", LEVELS)
@pytest.mark.parametrize("acr", [ABSENT, "aal1", "aal2", "aal3", "AAL3", 3, ["aal3"]])
def test_without_methods_acr_decides(classification, acr):
    decision = decided({"clearance": "TOP SECRET", "acr": acr, "amr": []}, {"classification": classification})
    needed = {"UNCLASSIFIED": 0, "TOP_SECRET": 3}.get(classification, 2)
    held = {"aal1": 1, "aal2": 2, "aal3": 3}.get(acr, 0) if isinstance(acr, str) else 0
    assert failures(decision) == ([] if held >= needed else WEAK)


@pytest.mark.parametrize("acr", [ABSENT, "aal1", "aal2"])
def test_top_secret_is_denied_below_aal3_even_with_mfa(acr):
    claims = {"clearance": "TOP SECRET", "acr": acr, "amr": ["mfa", "pwd", "hwk", "face"]}
    assert failures(decided(claims, {"classification": "TOP_SECRET"})) == WEAK


CLOSED = ["industry_not_releasable"]


@pytest.mark.parametrize("organization", ["GOV", "MIL"])
def test_government_needs_no_release_to_industry(organization):
    assert decided({"organizationType": organization}, {"releasableToIndustry": False}).permitted
    assert decided({"organizationType": organization}, {"releasableToIndustry": ABSENT}).permitted


@pytest.mark.parametrize("organization", ["INDUSTRY", ABSENT, "", "gov", "GOV ", "NGO", ["GOV"], True, None])
@pytest.mark.parametrize(("releasable", "codes"), [(True, []), (False, CLOSED), (ABSENT, CLOSED)])
def test_every_other_organisation_is_industry(organization, releasable, codes):
    decision = decided({"organizationType": organization}, {"releasableToIndustry": releasable})
    assert failures(decision) == codes


@pytest.mark.parametrize("country", ["USA", "GBR", "FRA"])
@pytest.mark.parametrize("classification", LEVELS)
def test_industry_is_capped_by_country(country, classification):
    claims = {"clearance": "TOP SECRET", "countryOfAffiliation": country, "organizationType": "INDUSTRY", "acr": "aal3"}
    dissem = {"classification": classification, "releasabilityTo": ["USA", "GBR", "FRA"]}
    cap = {"USA": "SECRET", "GBR": "SECRET", "FRA": "CONFIDENTIAL"}[country]
    within = LEVELS.index(classification) <= LEVELS.index(cap)
    assert failures(decided(claims, dissem)) == ([] if within else CLOSED)


INCOHERENT = ["label_incoherent"]


@pytest.mark.parametrize(
    ("held", "dissem", "codes"),
    [
        (["US-ONLY"], {"COI": ["US-ONLY", "NATO"]}, INCOHERENT),
        (["US-ONLY"], {"COI": ["NATO", "US-ONLY"], "coiOperator": "ANY"}, INCOHERENT),
        (["US-ONLY", "NATO"], {"COI": ["US-ONLY", "NATO"]}, DENIED + INCOHERENT),
        (["US-ONLY"], {"COI": ["US-ONLY", "US-ONLY"]}, []),
        (["EU-RESTRICTED", "NATO-COSMIC"], {"COI": ["EU-RESTRICTED", "NATO-COSMIC"]}, INCOHERENT),
        (["EU-RESTRICTED"], {"COI": ["NATO-COSMIC", "EU-RESTRICTED"], "coiOperator": "ANY"}, INCOHERENT),
        (["EU-RESTRICTED", "NATO"], {"COI": ["EU-RESTRICTED", "NATO"]}, []),
        (["US-ONLY"], {"COI": ["EU-RESTRICTED", "US-ONLY"]}, INCOHERENT),
        *[(pair, {"COI": pair, "coiOperator": "ANY"}, INCOHERENT) for pair in ANY_PAIRS],
        *[(pair, {"COI": [*pair, "OTHER"], "coiOperator": "ANY"}, INCOHERENT) for pair in ANY_PAIRS],
        *[(pair, {"COI": pair, "coiOperator": "ALL"}, []) for pair in ANY_PAIRS],
        *[(pair, {"COI": pair}, []) for pair in ANY_PAIRS],
        (["FVEY"], {"COI": ["FVEY", "NATO"], "coiOperator": "ANY"}, []),
    ],
)
def test_communities_of_a_label_must_agree(held, dissem, codes):
    assert failures(decided({"acpCOI": held}, dissem)) == codes


def test_eu_restricted_and_us_only_exclude_each_other_by_their_own_rule():
    rules = replace(RULES, coherence=replace(RULES.coherence, exclusive=frozenset()))
    pair = ["EU-RESTRICTED", "US-ONLY"]
    assert failures(decided({"acpCOI": pair}, {"COI": pair}, rules=rules)) == INCOHERENT


@pytest.mark.parametrize(
    ("held", "dissem", "codes"),
    [
        (["US-ONLY"], {"COI": ["US-ONLY"], "releasabilityTo": ["USA"]}, []),
        (["US-ONLY"], {"COI": ["US-ONLY"], "releasabilityTo": ["USA", "FRA"]}, INCOHERENT),
        (["NATO"], {"COI": ["NATO"], "releasabilityTo": ["USA"]}, INCOHERENT),
        (["NATO"], {"COI": [], "releasabilityTo": ["USA"]}, INCOHERENT),
        (["NATO"], {"COI": ABSENT, "releasabilityTo": ["USA"]}, INCOHERENT),
        (["US-ONLY"], {"COI": ["US-ONLY", "NATO"], "releasabilityTo": ["USA"]}, INCOHERENT),
        (["US-ONLY"], {"COI": ["US-ONLY"], "releasabilityTo": ["FRA"]}, ["country_not_releasable", *INCOHERENT]),
    ],
)
def test_noforn_wants_us_only_and_usa_alone(held, dissem, codes):
    assert failures(decided({"acpCOI": held}, dissem | {"caveats": ["NOFORN"]})) == codes


@pytest.mark.parametrize("caveats", [["noforn"], ["ORCON"], ["NOFORN", "ORCON"]])
def test_a_caveat_that_nobody_knows_denies(caveats):
    dissem = {"COI": ["US-ONLY"], "releasabilityTo": ["USA"], "caveats": caveats}
    assert failures(decided({"acpCOI": ["US-ONLY"]}, dissem)) == WITHOUT_LABEL


@pytest.mark.parametrize("countries", [frozenset(), frozenset({"FRA", "GBR"}), frozenset({"US"})])
def test_issuer_must_be_allowed_to_speak_for_the_country(countries):
    assert failures(decided(issuer_countries=countries)) == ["issuer_not_for_country"]


def test_refusal_is_the_first_of_several():
    decision = decided({"clearance": "RESTRICTED", "acpCOI": []}, {"releasabilityTo": ["FRA"]})
    assert failures(decision) == ["clearance_insufficient", "country_not_releasable", "coi_not_satisfied"]
    assert decision.refusal is ClearanceInsufficient
    assert not decision.permitted


def test_a_later_failure_is_the_refusal_when_the_earlier_checks_passed():
    assert decided(dissem={"releasabilityTo": ["FRA"]}).refusal is CountryNotReleasable


def test_a_decision_without_checks_does_not_permit():
    assert not Decision(()).permitted
    assert Decision(()).refusal is SubjectIncomplete


@pytest.mark.parametrize("denial", Denial.__subclasses__())
def test_a_check_that_failed_is_the_refusal_and_has_its_code(denial):
    failed = Check("any", denial)
    assert Decision((Check("other", None), failed)).refusal is denial
    assert (failed.passed, failed.code) == (False, denial.code)


def test_a_check_that_passed_has_no_code():
    passed = Check("any", None)
    assert (passed.passed, passed.code) == (True, "")


def test_unknown_members_of_a_label_are_ignored():
    assert decided(dissem={"classificaton": 7, "owner": None}).permitted


def test_nothing_but_the_label_is_read_from_the_policy():
    subject = read_subject(CLAIMS, names={}, acr_levels=ACR_LEVELS, issuer_countries=frozenset({"USA"}))
    policy = changed(DISSEM, {"dissem": changed(DISSEM, {"releasabilityTo": ["FRA"]})})
    assert failures(decide(subject, policy, RULES, now=NOW)) == ["country_not_releasable"]
