"""The key inside a proof: what it says of its own use, and how much it may say; and a proof's longest id."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth import dpop
from kas.auth.dpop import KNOWN_KEYS, MAX_JTI_CHARS, MAX_JWK_BYTES
from kas.encoding import canonical_json
from kas.errors import ProofIdInvalid, ProofKeyInvalid
from kas.jose import PublicJwk, parse_public_jwk
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


def test_key_that_is_shown_again_is_not_parsed_again(monkeypatch) -> None:
    """Found by all that its JWK says: another member, and it is another. What is no key is asked each time."""
    parsed: list[object] = []

    def parse(jwk: object) -> PublicJwk:
        parsed.append(jwk)
        return parse_public_jwk(jwk)

    monkeypatch.setattr("kas.auth.dpop.parse_public_jwk", parse)
    dpop._parse_key.cache_clear()
    assert [with_key(kid="a"), with_key(kid="a"), with_key(kid="b")] == [KEY.thumbprint] * 3
    assert parsed == [KEY.jwk | {"kid": "a"}, KEY.jwk | {"kid": "b"}]
    for _ in range(2):
        with pytest.raises(ProofKeyInvalid):
            with_key(x="AA")
    assert len(parsed) == 4
    with pytest.raises(ProofKeyInvalid):
        with_key(kid="a", use="enc")


def test_so_many_keys_are_known() -> None:
    assert dpop._parse_key.cache_info().maxsize == KNOWN_KEYS == 64


def test_key_is_kept_under_a_text_of_its_own() -> None:
    """Not under the bytes that were written, which are kept with the buffer around them."""
    dpop._parse_key.cache_clear()
    with_key()
    dpop._parse_key(canonical_json(KEY.jwk).decode())
    assert dpop._parse_key.cache_info().hits == 1


def test_id_of_the_greatest_length_is_taken() -> None:
    """It can be remembered; one character more is not."""
    assert verify(jti="j" * MAX_JTI_CHARS).jti == "j" * MAX_JTI_CHARS
    with pytest.raises(ProofIdInvalid):
        verify(jti="j" * (MAX_JTI_CHARS + 1))
