"""Both vocabularies give one answer: a label permits exactly whom its attributes permit."""

from itertools import product

from hypothesis import event, given, settings
from hypothesis import strategies as st

from kas.policy.decision import decide
from kas.policy.subject import read_subject
from tests.unit.policy.good_attributes import PREFIX, decided_by_attributes, fqns_of
from tests.unit.policy.good_policy import ABSENT, ACR_LEVELS, CLAIMS, ISSUER_COUNTRIES, NOW, RULES, changed

AUTHORITIES = frozenset({"NATO", "ROU", "ESP"})
COMMUNITIES = ["US-ONLY", "CAN-US", "GBR-US", "AUKUS", "FVEY", "NATO", "NATO-COSMIC", "EU-RESTRICTED"]
COUNTRIES = ["USA", "GBR", "FRA", "ROU", "DEU"]
TERMS = ["SECRET", " top-secret", "TS", "CONFIDENTIAL", "U", "Strict secret", "Secret défense", "VS-NfD", "NATO SECRET"]
# Few communities at a time, and mostly those that the subject has: otherwise nearly every answer is no.
SETS = st.lists(st.sampled_from(COMMUNITIES), max_size=3, unique=True)
COI = st.sampled_from([["NATO"], ["NATO", "FVEY"], ["US-ONLY"], ["EU-RESTRICTED", "NATO-COSMIC"]]) | SETS

ODD = st.sampled_from([ABSENT, None, "", " ", 7, [], {}])
CLAIM_SETS = st.fixed_dictionaries(
    {},
    optional={
        "uniqueID": st.just("bob") | ODD,
        "sub": ODD,
        "clearance": st.sampled_from([*TERMS, "ZEER GEHEIM", "UNKNOWN"]) | ODD,
        "clearanceAuthority": st.sampled_from(["NATO", "ROU", "ESP", "DEU", "XXX", ABSENT, None]),
        "countryOfAffiliation": st.sampled_from([*COUNTRIES, "XXX", "usa", "NATO"]) | ODD,
        "acpCOI": COI | st.sampled_from(['["NATO"]', "NATO", ["nato"], ["NATO", 1], ABSENT]),
        "organizationType": st.sampled_from(["GOV", "MIL", "INDUSTRY", "gov", ABSENT]),
        "acr": st.sampled_from(["aal1", "aal2", "aal3", "other", ABSENT]),
        "amr": st.sampled_from([["pwd"], ["mfa"], ["pwd", "otp"], ["fpt", "face"], "mfa", ABSENT]),
        "derived": st.just({"country": "USA", "clearedLevels": list(RULES.levels), "coi": COMMUNITIES}),
    },
)
ISSUERS = st.sampled_from([frozenset(COUNTRIES), ISSUER_COUNTRIES, frozenset({"XXX", "USA"}), frozenset()])
LABELS = st.fixed_dictionaries(
    {
        "classification": st.sampled_from(RULES.levels),
        "releasabilityTo": st.lists(st.sampled_from(COUNTRIES), unique=True),
        "COI": COI | st.just([]),
        "releasableToIndustry": st.booleans(),
    },
    optional={"coiOperator": st.just("ALL")},
)


def answers(changes, dissem, issuer_countries):
    """What the label says, and what its attributes say."""
    claims = changed(CLAIMS, changes)
    subject = read_subject(
        claims,
        names={},
        acr_levels=ACR_LEVELS,
        issuer_countries=issuer_countries,
        issuer_authorities=AUTHORITIES,
    )
    by_label = decide(subject, {"policyId": "p", "dissem": dissem}, RULES, now=NOW)
    by_attributes = decided_by_attributes(
        fqns_of(dissem), changes, issuer_countries=issuer_countries, issuer_authorities=AUTHORITIES
    )
    return by_label.permitted, by_attributes.permitted


@settings(max_examples=300)
@given(claims=CLAIM_SETS, dissem=LABELS, issuer_countries=ISSUERS)
def test_a_label_and_its_attributes_permit_the_same_subjects(claims, dissem, issuer_countries):
    """For labels that have an attribute form.

    That is: a classification, any countries or none, communities that are defined, spelt as they are, under ALL, and
    whether the label releases to industry. No form have: ANY, a creation date (embargo), caveats, other communities.
    A label of the wrong shape has none either.
    """
    by_label, by_attributes = answers(claims, dissem, issuer_countries)
    event(f"permitted: {by_label}")
    assert by_attributes == by_label


def test_every_clearance_classification_and_strength_gets_one_answer():
    """Exhaustive where hypothesis only samples, and both answers do occur."""
    seen = set()
    for term, level, acr, organization, industry in product(
        TERMS, RULES.levels, ["aal1", "aal2", "aal3"], ["GOV", "INDUSTRY"], [True, False]
    ):
        claims = {"clearance": term, "acr": acr, "amr": [], "organizationType": organization}
        dissem = {"classification": level, "releasabilityTo": ["USA"], "releasableToIndustry": industry}
        by_label, by_attributes = answers(claims, dissem, ISSUER_COUNTRIES)
        assert by_attributes == by_label, (claims, dissem)
        seen.add((level, by_label))
    assert seen == set(product(RULES.levels, [True, False]))


def test_every_pair_of_communities_gets_one_answer():
    sets = [set(pair) for pair in product([*COMMUNITIES, "OTHER"], repeat=2)]
    labels = [sorted(pair) for pair in sets if "OTHER" not in pair]
    seen = set()
    for held, demanded in product(sets, labels):
        dissem = {"classification": "SECRET", "releasabilityTo": ["USA"], "COI": demanded}
        by_label, by_attributes = answers({"acpCOI": sorted(held)}, dissem, ISSUER_COUNTRIES)
        assert by_attributes == by_label, (held, demanded)
        seen.add(by_label)
    assert seen == {True, False}


def test_a_community_without_definition_has_no_attribute():
    assert not decided_by_attributes([f"{PREFIX}/coi/value/other"], {"acpCOI": ["OTHER"]}).permitted
