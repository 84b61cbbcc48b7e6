"""The contract of policy backends: whoever decides, the same question has the same answer."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kas.protocol.values import LabelPolicy
from tests.policy_backends.asking import GOOD_ATTRIBUTES, asking, attributes, builtin, decided
from tests.policy_backends.cases import ATTRIBUTES, LABELS
from tests.unit.policy.good_attributes import fqns_of
from tests.unit.policy.good_policy import NOW
from tests.unit.policy.test_policy_vocabularies import CLAIM_SETS, COI, COUNTRIES, ISSUERS
from tests.unit.policy.test_policy_vocabularies import LABELS as COMPLETE_LABELS

NATO = {"clearance_authorities": frozenset({"NATO"})}
ODD = st.sampled_from([None, "", 7, [], {}, True, ["USA", 1]])
ANY_LABELS = COMPLETE_LABELS | st.fixed_dictionaries(
    {},
    optional={
        "classification": st.sampled_from(["SECRET", "UNCLASSIFIED", "secret"]) | ODD,
        "releasabilityTo": st.lists(st.sampled_from([*COUNTRIES, "XXX"]), max_size=3) | ODD,
        "COI": COI | ODD,
        "coiOperator": st.sampled_from(["ALL", "ANY", "any"]) | ODD,
        "creationDate": st.sampled_from(["2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "soon"]) | ODD,
        "releasableToIndustry": st.booleans() | ODD,
        "caveats": st.sampled_from([["NOFORN"], ["ORCON"], []]) | ODD,
    },
)


def code_of(decision):
    return None if decision.permitted else decision.refusal.code


def lines_of(decision):
    """What the audit is told, without the line for the whole answer of another program."""
    return [(check.name, check.passed) for check in decision.checks if check.name != "opa"]


@pytest.mark.parametrize(("claims", "dissem", "code"), [case for row in LABELS.values() for case in row])
def test_labels_have_one_answer(engine, claims, dissem, code):
    assert code_of(decided(engine, claims, dissem, **NATO)) == code


@pytest.mark.parametrize("members", [{}, {"dissem": None}, {"dissem": "SECRET"}, {"dissem": []}, {"dissem": {}}])
def test_a_policy_without_label_is_denied(engine, members):
    assert code_of(decided(engine, policy=LabelPolicy(members))) == "label_invalid"


@pytest.mark.parametrize(("claims", "policy", "code"), [case for row in ATTRIBUTES.values() for case in row])
def test_attributes_have_one_answer(engine, claims, policy, code):
    assert code_of(decided(engine, claims, policy=policy)) == code


@pytest.mark.parametrize(("seconds", "code"), [(-1, "embargoed"), (0, None)])
def test_the_time_is_the_one_that_is_passed_in(engine, seconds, code):
    """Of the engine, not of another machine."""
    label = {"creationDate": "2026-09-21T14:13:20Z"}
    assert code_of(decided(engine, dissem=label, now=NOW + seconds)) == code


@pytest.mark.parametrize("countries", [frozenset(), frozenset({"FRA"})])
def test_the_issuer_must_be_allowed_to_speak_for_the_country(engine, countries):
    assert code_of(decided(engine, countries=countries)) == "issuer_not_for_country"
    assert code_of(decided(engine, policy=GOOD_ATTRIBUTES, countries=countries)) == "issuer_not_for_country"


def test_claims_are_read_by_the_names_of_the_issuer(engine):
    """And what stands under the other name is not seen."""
    names = {"claim_names": {"clearance": "level"}}
    assert code_of(decided(engine, {"level": "SECRET", "clearance": "U"}, **names)) is None
    assert code_of(decided(engine, {"level": "U"}, **names)) == "clearance_insufficient"


def test_an_empty_policy_is_for_those_deployments_that_allow_it(agent, attributes_path):
    for engine in (
        builtin(attributes_path, allow_empty_policy=True),
        asking(agent.url, attributes_path, allow_empty_policy=True),
    ):
        assert code_of(decided(engine, policy=attributes())) is None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIM_SETS, dissem=ANY_LABELS, countries=ISSUERS)
def test_both_agree_about_every_check_of_any_label(agent, attributes_path, claims, dissem, countries):
    policy = LabelPolicy({"dissem": {name: value for name, value in dissem.items() if value is not ...}})
    ours, theirs = (
        decided(engine, claims, policy=policy, countries=countries, **NATO)
        for engine in (builtin(attributes_path), asking(agent.url, attributes_path))
    )
    event(f"{code_of(ours)}")
    assert (code_of(theirs), lines_of(theirs)) == (code_of(ours), lines_of(ours))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIM_SETS, dissem=COMPLETE_LABELS, more=st.lists(st.text(max_size=12), max_size=1), countries=ISSUERS)
def test_both_agree_about_every_check_of_attributes(agent, attributes_path, claims, dissem, more, countries):
    policy = attributes(*fqns_of(dissem), *more)
    ours, theirs = (
        decided(engine, claims, policy=policy, countries=countries, **NATO)
        for engine in (builtin(attributes_path), asking(agent.url, attributes_path))
    )
    event(f"{code_of(ours)}")
    assert (code_of(theirs), lines_of(theirs)) == (code_of(ours), lines_of(ours))
