"""Findings: of every check one, of whatever was sent, bounded and printable, and of nobody but the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.auth.authenticator import Principal
from kas.engine import PolicyEngine, decide_about
from kas.errors import KeyMaterialRejected
from kas.findings.finder import Finder
from kas.findings.words import MAX_CHARS, finding, listed, shown
from kas.journal import Caller
from kas.protocol.explain import READABLE, Finding
from kas.protocol.values import AttributePolicy, LabelPolicy, Policy, UnreadablePolicy
from tests.unit.good_rewrap import CLAIMS, ISSUER, NOW, RULES, label
from tests.unit.policy.good_attributes import DEFINITIONS, GOOD, PREFIX
from tests.unit.policy.test_policy_properties import CLAIM_SETS, POLICIES

ENGINE = PolicyEngine(RULES, DEFINITIONS, allow_empty_policy=False)
OFTEN = settings(max_examples=100, deadline=None, derandomize=True)


def principal(claims: Mapping[str, Any] = CLAIMS, **issuer: Any) -> Principal:
    return Principal(replace(ISSUER, **issuer), Caller(ISSUER.issuer, "alice", None), claims, None, None)


def findings(
    policy: Policy, claims: Mapping[str, Any] = CLAIMS, *, allow_empty_policy: bool = False, **issuer: Any
) -> Mapping[str, Finding]:
    finder = Finder(RULES, DEFINITIONS, allow_empty_policy)
    return finder.find(principal(claims, **issuer), policy, now=NOW)


def of_each_check_one(policy: Policy, claims: Mapping[str, Any]) -> None:
    """Asserts that words and checks have the same names in the same order, and that the words are bounded."""
    found = findings(policy, claims)
    decision = decide_about(principal(claims), policy, ENGINE, now=NOW)
    assert [check.name for check in decision.checks] == list(found)
    for one in found.values():
        for text in (one.needed, one.found):
            assert 0 < len(text) <= MAX_CHARS
            assert text.isprintable()


@OFTEN
@given(claims=CLAIM_SETS, policy=POLICIES)
def test_every_check_of_a_label_has_words(claims: Mapping[str, Any], policy: Mapping[str, Any]) -> None:
    of_each_check_one(LabelPolicy(policy), claims)


FQNS = st.sampled_from(
    [
        *GOOD,
        f"{PREFIX}/coi/value/AUKUS",
        f"{PREFIX}/coi/value/EU-RESTRICTED",
        f"{PREFIX}/coi/value/US-ONLY",
        f"{PREFIX}/classification/value/TOP_SECRET",
        f"{PREFIX}/coi/value/none",
    ]
)


@OFTEN
@given(
    claims=CLAIM_SETS,
    fqns=st.lists(FQNS | st.text(max_size=20), max_size=6) | st.just([f"{PREFIX}/coi/value/NATO"] * 1001),
    dissem=st.lists(st.text(max_size=20), max_size=3),
)
def test_every_check_of_attributes_has_words(claims: Mapping[str, Any], fqns: list[str], dissem: list[str]) -> None:
    of_each_check_one(AttributePolicy(tuple(fqns), tuple(dissem)), claims)


def test_a_policy_that_cannot_be_read_has_words_of_its_own() -> None:
    """And no decision, whoever decides."""
    assert list(findings(UnreadablePolicy())) == [READABLE]
    with pytest.raises(KeyMaterialRejected):
        decide_about(principal(), UnreadablePolicy(), ENGINE, now=NOW)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        (
            {"clearance": "NATO SECRET", "clearanceAuthority": "NATO"},
            "“NATO SECRET”, which is SECRET in the terms of NATO",
        ),
        (
            {"clearance": "SECRET", "clearanceAuthority": "DEU"},
            "SECRET, in the terms of nobody whose terms count here",
        ),
        ({"clearance": None}, "none"),
        ({"clearance": "none"}, "“none”, which is no level in the terms of USA"),
        ({"countryOfAffiliation": "XYZ"}, "SECRET, which is no level in the terms of XYZ"),
    ],
    ids=["authority", "another-authority", "none", "a-term-none", "no-country"],
)
def test_a_clearance_is_told_with_whose_terms_it_is_read_by(claims: dict[str, Any], found: str) -> None:
    authorities = frozenset({"NATO"})
    told = findings(LabelPolicy(label()), CLAIMS | claims, clearance_authorities=authorities)
    assert told["clearance"].found == found


def test_an_issuer_is_told_as_far_as_it_concerns_the_caller() -> None:
    """Not for whom else it may speak."""
    countries = frozenset({"USA", "DEU"})
    told = [
        findings(LabelPolicy(label()), CLAIMS | {"countryOfAffiliation": country}, countries=countries)["issuer"]
        for country in ("USA", "FRA", None)
    ]
    assert told == [
        Finding("an issuer that may speak for USA", "one"),
        Finding("an issuer that may speak for FRA", "one that may not"),
        Finding("an issuer that may speak for a country", "no country"),
    ]


@pytest.mark.parametrize(
    ("level", "needed"),
    [
        ("UNCLASSIFIED", "nothing"),
        ("SECRET", "an acr of assurance level 2, or methods (amr) of two classes"),
        ("TOP_SECRET", "an acr of assurance level 3"),
    ],
)
def test_the_strength_that_a_level_needs_is_told(level: str, needed: str) -> None:
    told = findings(LabelPolicy(label(classification=level)), CLAIMS | {"acr": "odd", "amr": []})
    assert told["authentication_strength"] == Finding(needed, "no acr that is known of the issuer; methods: none")


@pytest.mark.parametrize(
    ("allow_empty_policy", "needed"), [(False, "a policy with an attribute or a recipient"), (True, "nothing")]
)
def test_what_the_deployment_says_of_empty_policies_is_told(allow_empty_policy: bool, needed: str) -> None:  # noqa: FBT001
    told = findings(AttributePolicy((), ()), allow_empty_policy=allow_empty_policy)
    assert told["policy"] == Finding(needed, "attribute values: 0; recipients: 0")


def test_without_derived_attributes_nobody_is_measured() -> None:
    """Who stands in a list of recipients needs no clearance."""
    told = findings(AttributePolicy((), ("alice@corp.example",)))
    nothing = Finding("nothing", "no attribute that builds on it")
    assert (told["subject_complete"], told["issuer"]) == (nothing, nothing)


def test_a_caller_is_told_of_himself_alone() -> None:
    """Of the data what he sent; of entitlements which he has, and not how they are had."""
    secret = "zebra"
    policy = AttributePolicy((f"{PREFIX}/coi/value/AUKUS", *GOOD), ("bob@corp.example",))
    with_secret = CLAIMS | {"groups": [secret], "email": f"{secret}@corp.example", "email_verified": False}
    text = repr(findings(policy, with_secret))
    assert "aukus" in text
    assert secret not in text
    assert not any(word in text for word in ("derived", "selector", "soleCoi", "clearedLevels"))


# ---- Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "none"),
        ("none", "“none”"),
        ("nothing", "“nothing”"),
        ("NATO", "NATO"),
        ("a b", "“a b”"),
        ("", "“”"),
        ("СЕКРЕТНО", "“СЕКРЕТНО”"),
        ("a\r\nb\x1b[31m\u202e\u2066\ud800", "“a\ufffd\ufffdb\ufffd[31m\ufffd\ufffd\ufffd”"),
        ("x" * 120, "x" * 120),
        ("x" * 121, f"“{'x' * 119}…”"),
    ],
)
def test_whatever_was_sent_is_shown_printable_and_bounded(text: str | None, expected: str) -> None:
    assert shown(text) == expected


def test_lists_begin_and_say_how_many_more() -> None:
    assert listed(frozenset({"b", "a"})) == "a, b"
    assert listed(["b", "a", "b"]) == "b, a"
    assert listed([]) == "none"
    assert listed(map(str, range(14))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"


def test_a_finding_is_bounded_on_either_side() -> None:
    cut = finding("n" * 1001, "f" * 1000)
    assert (cut.needed, cut.found) == ("n" * 999 + "…", "f" * 1000)
