"""The table of answers: one code, one status, one constant sentence for each refusal (ACP-240 §4)."""

from __future__ import annotations

import inspect
import string

import pytest

from kas.errors import (
    Fault,
    Forbidden,
    InvalidRequest,
    InvalidStructure,
    KaoRefusal,
    KasError,
    MethodNotAllowed,
    NotAttempted,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    leaves,
)

LEAVES = list(leaves())

# ACP-240 §4, first table: the codes of one key access object and the status each stands for.
KAO_CODES = {
    403: {
        "subject_incomplete",
        "label_invalid",
        "clearance_unknown",
        "clearance_insufficient",
        "country_not_releasable",
        "coi_not_satisfied",
        "embargoed",
        "authentication_too_weak",
        "industry_not_releasable",
        "label_incoherent",
        "issuer_not_for_country",
    },
    400: {
        "key_material_rejected",
        "kao_signature_invalid",
        "client_key_unbound",
        "unknown_key",
        "unknown_kas",
        "not_supported",
    },
    503: {"key_unavailable", "peer_unavailable", "policy_unavailable"},
    429: {"budget_exhausted"},
    0: {"not_attempted"},
}
# What only policies of OpenTDF's vocabulary can be denied for.
ATTRIBUTE_CODES = {"policy_empty", "attribute_unknown", "attribute_not_entitled", "not_in_dissem"}
# What only a federation, or an external decision point, can refuse.
OTHERS_CODES = {"agreement_exceeded", "peer_refused", "policy_denied"}

# ACP-240 §4, second table: class -> status.
STATUS_OF_ERROR = {
    "invalid_request": 400,
    "unauthorized": 401,
    "invalid_token": 401,
    "invalid_dpop_proof": 401,
    "use_dpop_nonce": 401,
    "invalid_forwarding": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "content_too_large": 413,
    "unsupported_media_type": 415,
    "too_many_requests": 429,
    "unavailable": 503,
    "internal": 500,
    "unimplemented": 501,  # OpenTDF's routes only
}
# Classes whose only code on ACP-240's routes is the same word.
SAME_WORD = {
    "not_found",
    "method_not_allowed",
    "not_acceptable",
    "request_timeout",
    "content_too_large",
    "unsupported_media_type",
    "internal",
}
SHARED_CODES = {
    "invalid_request": {
        "invalid_json",
        "not_canonical",
        "invalid_structure",
        "signed_request_token_invalid",
    },
    "unauthorized": {"credentials_missing"},
}
# Class -> the codes that OpenTDF's routes have besides.
OPENTDF_CODES = {
    "invalid_request": {"message_invalid"},
    "not_found": {"public_key_unknown", "attribute_value_unknown"},
    "unsupported_media_type": {"codec_unsupported"},
    "unimplemented": {"procedure_unknown", "compression_unsupported"},
}

every_leaf = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)


def test_codes_are_unique() -> None:
    """A code names one reason."""
    codes = [leaf.code for leaf in LEAVES]
    assert len(codes) == len(set(codes))
    assert len(codes) > 50


@every_leaf
def test_status_is_that_of_the_class(leaf: type[KasError]) -> None:
    """The `error` of an answer and its status always say the same."""
    assert leaf is NotAttempted or STATUS_OF_ERROR.get(leaf.error) == leaf.status


@every_leaf
def test_code_is_a_word_for_programs(leaf: type[KasError]) -> None:
    """Lower case and underscores alone."""
    assert set(leaf.code) <= set(string.ascii_lowercase + "_")


@every_leaf
def test_message_is_one_plain_sentence(leaf: type[KasError]) -> None:
    """It is there, short, of one line, has nothing to fill in, and is fit for a quoted header value."""
    message = leaf.message()
    assert 10 < len(message) <= 160
    assert message.endswith(".")
    assert message.isascii()
    assert not set('"\\{}%\r\n\t') & set(message)
    assert "  " not in message


@every_leaf
def test_message_is_the_leafs_own(leaf: type[KasError]) -> None:
    """No leaf inherits the sentence of its family by having forgotten its own."""
    assert leaf.__doc__
    assert leaf.message() != (leaf.__mro__[1].__doc__ or "")


def test_message_does_not_depend_on_what_was_sent() -> None:
    """Detail given to an instance goes to the log and not into the sentence."""
    detailed = InvalidStructure((Fault("missing", "requests[0].<script>", "…"),))
    assert "<script>" in str(detailed)
    assert "<script>" not in detailed.message()
    assert MethodNotAllowed(("POST",)).message() == MethodNotAllowed.message()


def test_messages_tell_refusals_apart() -> None:
    """Two codes never share a sentence."""
    messages = [leaf.message() for leaf in LEAVES]
    assert len(messages) == len(set(messages))


def test_kas_req_043_message_names_possible_policy_tampering() -> None:
    """The sentence of a bad binding says what it may mean."""
    (rejected,) = [leaf for leaf in leaves(KaoRefusal) if leaf.code == "key_material_rejected"]
    assert "possible policy tampering" in rejected.message()


def test_codes_of_key_access_objects_are_those_of_the_specification() -> None:
    """No code is missing, none is invented, each has its status."""
    found = {(leaf.status, leaf.code) for leaf in leaves(KaoRefusal)}
    specified = {(status, code) for status, codes in KAO_CODES.items() for code in codes}
    assert found - specified == {(403, code) for code in ATTRIBUTE_CODES | OTHERS_CODES}
    assert specified <= found


def test_codes_of_whole_requests_are_those_of_the_specification() -> None:
    """Classes of one word have that word as code; the others have the listed codes only; OpenTDF's are listed too."""
    whole = set(LEAVES) - set(leaves(KaoRefusal))
    for error in STATUS_OF_ERROR:
        codes = {leaf.code for leaf in whole if leaf.error == error}
        besides = OPENTDF_CODES.get(error, set())
        assert besides <= codes
        if error in SAME_WORD:
            assert codes - besides == {error}
        elif error in SHARED_CODES:
            assert codes - besides == SHARED_CODES[error]
    assert {leaf.error for leaf in whole} == set(STATUS_OF_ERROR)


@pytest.mark.parametrize(
    ("family", "status"),
    [(InvalidRequest, 400), (Unauthenticated, 401), (Forbidden, 403), (TooManyRequests, 429), (Unavailable, 503)],
)
def test_family_has_one_status(family: type[KasError], status: int) -> None:
    """A new leaf of a family cannot leave its status."""
    assert {leaf.status for leaf in leaves(family)} == {status}


def test_families_cannot_be_taken_for_leaves() -> None:
    """A class without code stays out of the table, and a leaf has no leaf below it: a code has one class."""
    assert all(leaf.code for leaf in LEAVES)
    assert not [leaf for leaf in LEAVES if leaf.__subclasses__()]


def test_unnamed_error_is_answered_as_internal() -> None:
    """Fail closed: what has no status of its own is a 500."""
    assert (KasError.status, KasError.error) == (500, "internal")


def test_kas_req_100_to_104_statuses_exist() -> None:
    """400, 401, 403, 500 and 503 each stand in the table."""
    assert {400, 401, 403, 500, 503} <= {leaf.status for leaf in LEAVES}


def test_leaves_are_listed_in_the_order_of_the_file() -> None:
    """The printed table reads like the module, family by family."""
    lines = [inspect.getsourcelines(leaf)[1] for leaf in leaves(Unauthenticated)]
    assert lines == sorted(lines)
