"""The key inside a proof: what it says of its own use, and how much it may say; and a proof's longest id."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth.dpop import MAX_JTI_CHARS, MAX_JWK_BYTES
from kas.encoding import canonical_json
from kas.errors import ProofIdInvalid, ProofKeyInvalid
from tests.unit.auth.test_dpop import KEY, verify


def with_key(**members: Any) -> str:
    return verify(header={"jwk": KEY.jwk | members}).jkt


def test_key_may_name_the_algorithm_of_the_proof() -> None:
    """Its ``alg`` is that of the header; another is a contradiction."""
    assert with_key(alg="ES256", use="sig", key_ops=["verify"]) == KEY.thumbprint
    with pytest.raises(ProofKeyInvalid):
        with_key(alg="ES384")


def test_key_of_the_greatest_size_is_taken() -> None:
    """In canonical form and with the members that nobody reads; one byte more is not."""
    room = MAX_JWK_BYTES - len(canonical_json(KEY.jwk | {"kid": ""}))
    assert with_key(kid="k" * room) == KEY.thumbprint
    with pytest.raises(ProofKeyInvalid):
        with_key(kid="k" * (room + 1))


def test_id_of_the_greatest_length_is_taken() -> None:
    """It can be remembered; one character more is not."""
    assert verify(jti="j" * MAX_JTI_CHARS).jti == "j" * MAX_JTI_CHARS
    with pytest.raises(ProofIdInvalid):
        verify(jti="j" * (MAX_JTI_CHARS + 1))
