"""Access tokens at exact lengths, an audience that is only part of a word, and whose key is asked for."""

from __future__ import annotations

import pytest

from kas.auth import access_token
from kas.auth.access_token import KNOWN_TOKENS, MAX_SUBJECT_CHARS, VerifiedToken, verify_access_token
from kas.auth.issuers import Issuer
from kas.auth.jwks import MAX_KID_CHARS, IssuerKey
from kas.errors import AudienceMismatch, TokenExpired, TokenKeyUnknown, TokenMalformed, TokenSubjectMissing
from kas.jose import CompactJws, parse_compact_jws
from tests.fake_issuer import sign_token
from tests.unit.auth.test_access_token import CLAIMS, HEADER, ISSUER, KEY, NOW, find_key, verify


@pytest.mark.parametrize("audience", ["kasbah", "my-kas", "kas kas", ["kasbah"], "ka"])
def test_an_audience_that_only_contains_ours_is_refused(audience: object) -> None:
    """It is another service, whatever it is called."""
    with pytest.raises(AudienceMismatch):
        verify(aud=audience)


def test_token_that_is_sent_again_is_not_parsed_again_and_is_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no token is parsed each time."""
    parsed: list[str] = []

    def parse(text: str) -> CompactJws:
        parsed.append(text)
        return parse_compact_jws(text)

    def ask(text: str, now: float) -> VerifiedToken:
        return verify_access_token(text, issuers={ISSUER.issuer: ISSUER}, find_key=find_key, now=now)

    monkeypatch.setattr("kas.auth.access_token.parse_compact_jws", parse)
    access_token._parse.cache_clear()
    token = sign_token(KEY, HEADER, CLAIMS)
    assert [ask(token, NOW).subject, ask(token, NOW + 1).subject] == ["alice", "alice"]
    with pytest.raises(TokenExpired):
        ask(token, NOW + 1_000)
    assert parsed == [token]
    for _ in range(2):
        with pytest.raises(TokenMalformed):
            ask("a.b", NOW)
    assert parsed == [token, "a.b", "a.b"]


def test_so_many_tokens_are_known() -> None:
    assert access_token._parse.cache_info().maxsize == KNOWN_TOKENS == 64


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
