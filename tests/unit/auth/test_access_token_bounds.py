"""Access tokens at exact lengths, an audience that is only part of a word, and whose key is asked for."""

from __future__ import annotations

import pytest

from kas.auth.access_token import MAX_SUBJECT_CHARS
from kas.auth.issuers import Issuer
from kas.auth.jwks import MAX_KID_CHARS, IssuerKey
from kas.errors import AudienceMismatch, TokenKeyUnknown, TokenSubjectMissing
from tests.unit.auth.test_access_token import ISSUER, find_key, verify


@pytest.mark.parametrize("audience", ["kasbah", "my-kas", "kas kas", ["kasbah"], "ka"])
def test_an_audience_that_only_contains_ours_is_refused(audience: object) -> None:
    """It is another service, whatever it is called."""
    with pytest.raises(AudienceMismatch):
        verify(aud=audience)


@pytest.mark.parametrize("length", [1, MAX_SUBJECT_CHARS])
def test_subject_of_the_shortest_and_of_the_greatest_length_is_taken(length: int) -> None:
    """None and one more are not."""
    assert verify(sub="a" * length).subject == "a" * length
    with pytest.raises(TokenSubjectMissing):
        verify(sub="a" * (MAX_SUBJECT_CHARS + 1))
    with pytest.raises(TokenSubjectMissing):
        verify(sub="")


def test_key_is_looked_up_at_the_issuer_of_the_token_by_a_kid_of_any_allowed_length() -> None:
    """An overlong one is not looked up at all."""
    asked: list[tuple[str, str]] = []

    def find(issuer: Issuer, kid: str) -> IssuerKey | None:
        asked.append((issuer.issuer, kid))
        return find_key(issuer, "k1")

    longest = "k" * MAX_KID_CHARS
    assert verify(header={"kid": longest}, find=find).subject == "alice"
    with pytest.raises(TokenKeyUnknown):
        verify(header={"kid": longest + "k"}, find=find)
    assert asked == [(ISSUER.issuer, longest)]
