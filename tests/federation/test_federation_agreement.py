"""What an agreement covers: one that covers the label and the caller, one part changed."""

from __future__ import annotations

import dataclasses

import pytest

from kas.errors import AgreementExceeded
from kas.federation.agreement import check_agreement
from kas.federation.registry import Agreement
from kas.policy.labels import parse_label
from tests.federation.registry_documents import RULES

AGREEMENT = Agreement(
    max_classification="SECRET",
    max_level=RULES.levels.index("SECRET"),
    cois=frozenset({"NATO", "FVEY"}),
    countries=frozenset({"USA", "FRA"}),
    max_depth=1,
    audience="kas-federation",
    require_client_key_hash=True,
)
DISSEM = {"classification": "SECRET", "releasabilityTo": ["USA", "FRA", "GBR"], "COI": ["NATO"]}


def check(country="FRA", *, agreement=AGREEMENT, **dissem):
    check_agreement(agreement, parse_label({"dissem": {**DISSEM, **dissem}}, RULES), country)


def exceeded(what, *arguments, **changes):
    with pytest.raises(AgreementExceeded) as refusal:
        check(*arguments, **changes)
    assert (refusal.value.args, refusal.value.code, refusal.value.status) == ((what,), "agreement_exceeded", 403)


def terms(**changes):
    return dataclasses.replace(AGREEMENT, **changes)


def test_what_it_lists_passes():
    check()
    check("USA", COI=["NATO", "FVEY"])


def test_without_an_agreement_nothing_passes():
    exceeded("agreement", agreement=None)
    exceeded("agreement", agreement=None, classification="UNCLASSIFIED", COI=[])


@pytest.mark.parametrize("level", RULES.levels)
@pytest.mark.parametrize("highest", RULES.levels)
def test_classifications_pass_up_to_the_highest(level, highest):
    agreement = terms(max_classification=highest, max_level=RULES.levels.index(highest))
    if RULES.levels.index(level) <= RULES.levels.index(highest):
        check(agreement=agreement, classification=level)
    else:
        exceeded("classification", agreement=agreement, classification=level)


@pytest.mark.parametrize("coi", [["US-ONLY"], ["NATO", "US-ONLY"], ["nato"], ["NATO "], ["NAT"], ["*"]])
def test_every_community_of_the_label_is_listed(coi):
    exceeded("COI", COI=coi)


@pytest.mark.parametrize("operator", ["ANY", "ALL"])
def test_one_listed_community_of_several_is_not_enough_under_any_either(operator):
    exceeded("COI", COI=["NATO", "AUKUS"], coiOperator=operator)


def test_a_label_without_community_passes_whatever_is_listed():
    check(COI=[])
    check(agreement=terms(cois=frozenset()), COI=[])


def test_an_empty_list_allows_nothing():
    exceeded("COI", agreement=terms(cois=frozenset()))
    exceeded("country", agreement=terms(countries=frozenset()))


@pytest.mark.parametrize("country", ["GBR", "fra", "FR", "", None])
def test_the_callers_country_is_listed(country):
    exceeded("country", country)
