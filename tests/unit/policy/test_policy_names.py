"""Each check has its name whether it passes or not: operators read it in the audit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.good_policy import decided
from tests.unit.policy.test_policy_decision import NAMES


@pytest.mark.parametrize(
    ("claims", "dissem"),
    [
        ({"clearance": "CHOCOLATE"}, {}),
        ({"clearance": "UNCLASSIFIED"}, {}),
        ({}, {"classification": "CHOCOLATE"}),
        ({}, {"creationDate": "2999-01-01T00:00:00Z"}),
        ({}, {"creationDate": "tomorrow"}),
    ],
)
def test_denied_decision_lists_the_same_checks(claims: dict[str, Any], dissem: dict[str, Any]) -> None:
    """In the same order, and each is plainly passed or not."""
    decision = decided(claims, dissem)
    assert not decision.permitted
    assert [check.name for check in decision.checks] == NAMES
