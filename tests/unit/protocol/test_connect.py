"""Connect's form of an error: what it says beyond the code."""

from __future__ import annotations

import base64
import gzip

import pytest

from kas.errors import ContentTooLarge, Fault, InvalidStructure, NotFound
from kas.protocol.connect import CODES, decompress, error_of, read_get

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


@pytest.mark.parametrize("encoding", ["", "identity", "gzip"])
def test_message_past_the_limit_is_refused_before_it_is_read(encoding):
    """However it came; one of just that size passes."""
    for size in (100, 101):
        message = b" " * size
        data = gzip.compress(message) if encoding == "gzip" else message
        if size == 100:
            assert decompress(data, encoding, 100) == message
        else:
            with pytest.raises(ContentTooLarge):
                decompress(data, encoding, 100)


def test_nothing_past_the_limit_is_decompressed():
    """Neither is what would be small then."""
    with pytest.raises(ContentTooLarge):
        decompress(gzip.compress(b""), "gzip", 10)


@pytest.mark.parametrize("codec", ["json", "proto"])
def test_message_of_a_get_has_the_limit_of_a_body(codec):
    """As text and in base64."""
    for query in ({"message": "x" * 101}, {"message": base64.urlsafe_b64encode(b"x" * 101).decode(), "base64": "1"}):
        with pytest.raises(ContentTooLarge):
            read_get({"encoding": codec, **query}, 100)
