"""What holds for every claim set and every policy: an answer, ten checks, and no permission without what it needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.policy.decision import decide
from kas.policy.subject import read_subject
from tests.unit.policy.good_policy import (
    ABSENT,
    ACR_LEVELS,
    CLAIMS,
    DISSEM,
    ISSUER_COUNTRIES,
    NOW,
    RULES,
    changed,
    decided,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
# Words that mean something, so that odd values meet nearly good ones.
WORDS = st.sampled_from(
    [
        "USA",
        "FRA",
        "XXX",
        "NATO",
        "FVEY",
        "US-ONLY",
        "SECRET",
        "TOP_SECRET",
        "ANY",
        "ALL",
        "NOFORN",
        "mfa",
        "pwd",
        "GOV",
    ]
)
VALUES = JSON | WORDS | st.lists(WORDS, max_size=3) | st.datetimes().map(lambda date: f"{date.isoformat()}Z")
MEMBERS = ["classification", "releasabilityTo", "COI", "coiOperator", "creationDate", "releasableToIndustry", "caveats"]
DISSEMS = st.dictionaries(st.sampled_from(MEMBERS), VALUES).map(lambda odd: DISSEM | odd) | VALUES
POLICIES = st.dictionaries(st.text(max_size=8), JSON, max_size=3).flatmap(
    lambda policy: DISSEMS.map(lambda dissem: policy | {"dissem": dissem}) | st.just(policy)
)
CLAIM_SETS = st.dictionaries(st.sampled_from([*CLAIMS, "other"]), VALUES).flatmap(
    lambda odd: st.sampled_from([odd, CLAIMS | odd])
)


@given(claims=CLAIM_SETS, policy=POLICIES, now=st.floats())
def test_every_question_has_an_answer_of_ten_checks(claims, policy, now):
    subject = read_subject(claims, names={}, acr_levels=ACR_LEVELS, issuer_countries=ISSUER_COUNTRIES)
    decision = decide(subject, policy, RULES, now=now)
    assert len({check.name for check in decision.checks}) == len(decision.checks) == 10
    assert all(check.passed == (check.code == "") for check in decision.checks)
    assert decision.permitted == (decision.refusal is None)


@given(claims=CLAIM_SETS, policy=POLICIES, now=st.floats())
def test_whoever_is_permitted_has_a_country_that_the_label_and_the_issuer_name(claims, policy, now):
    subject = read_subject(claims, names={}, acr_levels=ACR_LEVELS, issuer_countries=ISSUER_COUNTRIES)
    if decide(subject, policy, RULES, now=now).permitted:
        assert subject.unique_id
        assert subject.clearance
        assert subject.country in policy["dissem"]["releasabilityTo"]
        assert subject.country in ISSUER_COUNTRIES & RULES.countries


# Values that no claim and no member of a label may have.
UNUSABLE = st.just(ABSENT) | st.none() | st.booleans() | st.integers() | st.just("") | st.just([]) | st.just({})


@pytest.mark.parametrize("claim", ["clearance", "countryOfAffiliation", "acpCOI"])
@given(value=UNUSABLE)
def test_no_permission_without_a_required_claim(claim, value):
    assert not decided({claim: value}).permitted


@given(value=UNUSABLE)
def test_no_permission_without_any_id(value):
    assert not decided({"uniqueID": ABSENT, "sub": value}).permitted


@given(acr=UNUSABLE, amr=UNUSABLE)
def test_no_permission_without_any_authentication_strength(acr, amr):
    assert not decided({"acr": acr, "amr": amr}).permitted


@pytest.mark.parametrize("member", ["classification", "releasabilityTo"])
@given(value=UNUSABLE)
def test_no_permission_without_a_required_member_of_the_label(member, value):
    assert not decided(dissem={member: value}).permitted


@given(value=UNUSABLE | JSON)
def test_no_permission_without_a_label(value):
    subject = read_subject(CLAIMS, names={}, acr_levels=ACR_LEVELS, issuer_countries=ISSUER_COUNTRIES)
    assert not decide(subject, changed({"policyId": "p"}, {"dissem": value}), RULES, now=NOW).permitted
