"""What the engine hands on of an issuer: the names that its callers may have, and whose terms their clearances are in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kas.auth.issuers import Issuer
from kas.engine import PolicyEngine
from kas.errors import AttributeNotEntitled, ClearanceUnknown, Denial, NotInDissem
from kas.policy.decision import Decision
from kas.protocol.values import AttributePolicy, LabelPolicy, ReadablePolicy
from tests.unit.good_rewrap import CLAIMS, ISSUER, NOW, RULES, label
from tests.unit.policy.good_attributes import DEFINITIONS, PREFIX

CORP = replace(ISSUER, email_domains=frozenset({"corp.example"}), clearance_authorities=frozenset({"NATO"}))
NAMED = {"email": "alice@corp.example", "email_verified": True}
OF_NATO = {"clearance": "NATO SECRET", "clearanceAuthority": "NATO"}
FOR_ALICE = AttributePolicy((), ("alice@corp.example",))
LABEL = LabelPolicy(label())
ATTRIBUTES = AttributePolicy((f"{PREFIX}/classification/value/SECRET", f"{PREFIX}/releasability/value/USA"), ())


def decided(policy: ReadablePolicy, claims: dict[str, Any], issuer: Issuer = CORP, sub: str = "alice") -> Decision:
    engine = PolicyEngine(RULES, DEFINITIONS, allow_empty_policy=False)
    return engine.decide(CLAIMS | claims, sub, issuer, policy, now=NOW)


def test_a_policy_for_an_address_admits_whom_the_issuer_has_verified_in_its_domain() -> None:
    assert decided(FOR_ALICE, NAMED).permitted


@pytest.mark.parametrize(
    ("address", "claims", "issuer"),
    [
        ("alice@corp.example", NAMED | {"email_verified": False}, CORP),
        ("alice@other.example", NAMED | {"email": "alice@other.example"}, CORP),
        ("alice@corp.example", NAMED, replace(CORP, email_domains=frozenset({"other.example"}))),
        ("alice@corp.example", NAMED, ISSUER),
    ],
    ids=["unverified", "another-domain", "another-issuer", "no-domains"],
)
def test_a_policy_for_an_address_keeps_out_whom_the_issuer_may_not_name_so(
    address: str, claims: dict[str, Any], issuer: Issuer
) -> None:
    """No issuer can mint the users of another."""
    assert decided(AttributePolicy((), (address,)), claims, issuer).refusal is NotInDissem


def test_a_policy_for_a_subject_admits_that_subject_of_that_issuer_alone() -> None:
    policy = AttributePolicy((), (f"{CORP.issuer}#alice",))
    assert decided(policy, {}).permitted
    assert decided(policy, {}, sub="bob").refusal is NotInDissem
    assert decided(policy, {}, replace(CORP, issuer="https://other.example")).refusal is NotInDissem


@pytest.mark.parametrize("policy", [LABEL, ATTRIBUTES], ids=["label", "attributes"])
def test_a_clearance_in_the_terms_of_an_authority_counts_where_the_issuer_may_assert_it(policy: ReadablePolicy) -> None:
    assert decided(policy, OF_NATO).permitted


@pytest.mark.parametrize("authorities", [frozenset(), frozenset({"DEU"})])
@pytest.mark.parametrize(
    ("policy", "refusal"), [(LABEL, ClearanceUnknown), (ATTRIBUTES, AttributeNotEntitled)], ids=["label", "attributes"]
)
def test_an_authority_that_the_issuer_may_not_assert_leaves_no_clearance(
    policy: ReadablePolicy, refusal: type[Denial], authorities: frozenset[str]
) -> None:
    """Not even the terms of the country are left: they may say more."""
    issuer = replace(CORP, clearance_authorities=authorities)
    for clearance in ("NATO SECRET", "SECRET"):
        assert decided(policy, OF_NATO | {"clearance": clearance}, issuer).refusal is refusal
    assert decided(policy, {}, issuer).permitted
