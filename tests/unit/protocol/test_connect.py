"""Connect's form of an error: what it says beyond the code."""

from __future__ import annotations

import pytest

from kas.errors import Fault, InvalidStructure, NotFound
from kas.protocol.connect import CODES, error_of

FAULTS = (Fault("missing", "requests[0].policy.id", "this member is required"), Fault("too_long", "policy", "…"))


@pytest.mark.parametrize(
    ("faults", "end"),
    [
        (FAULTS, ". requests[0].policy.id: missing"),
        (FAULTS[1:], ". policy: too_long"),
        ((Fault("too_deep", "", "…"),), ". body: too_deep"),
        ((), "."),
    ],
)
def test_the_message_of_a_structural_fault_ends_with_the_first(faults, end):
    """There is no list of faults in this form."""
    status, body = error_of(InvalidStructure(faults))
    assert (status, body["code"]) == (400, "invalid_argument")
    assert body["message"].removesuffix(end) == f"invalid_structure: {InvalidStructure.message()}".removesuffix(".")


def test_a_text_that_clients_look_for_replaces_the_message():
    assert error_of(InvalidStructure(FAULTS), "text")[1]["message"] == "text"


def test_any_other_refusal_has_code_and_sentence():
    assert error_of(NotFound()) == (404, {"code": "not_found", "message": f"not_found: {NotFound.message()}"})
    assert CODES[404] == ("not_found", 404)
