"""Attacks on the form of an access token (T02, T04, T05, T10–T14, T18), on each route of OpenTDF, bound and unbound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from local.client.encoding import b64url
from local.client.keys import new_proof_key
from tests.attacks.token_forms import (
    DEGENERATE,
    EXTENSIONS,
    MAX_TOKEN_CHARS,
    NO_CLAIMS,
    NO_HEADER,
    ODD_KIDS,
    OTHER_CODES,
    OTHER_PARTS,
    SECRET_FORMS,
    SUFFIXES,
    TWICE_IN_HEADER,
    UNPADDED,
    as_der,
    embedded,
    issuer_key,
    padded_to,
    private_jwk,
    public_secrets,
    rewritten_header,
    with_stray_bits,
    with_suffix,
)
from tests.attacks.token_refusals import decoded
from tests.fake_issuer import FakeIssuer, fake_issuers
from tests.kit import Kit
from tests.opentdf.answers import refused_call, released
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

BOUND = pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])


@pytest.fixture(scope="module")
def attacker() -> Iterator[FakeIssuer]:
    """Where an attacker publishes a key that nobody should fetch."""
    with fake_issuers("keys") as issuers:
        issuers["keys"].publish("own", new_proof_key())
        yield issuers["keys"]


def refuse(attempt: TdfAttempt, code: str) -> None:
    if not attempt.token.isascii():
        attempt.proof = "x"  # there is no proof of such a token, and none is looked at
    refused_call(attempt, 401, "invalid_token", code)


def refuse_override(kit: Kit, route: Route, code: str, *, bound: bool, **override: Any) -> None:
    """A token that the provider makes as ``override`` says is refused with ``code``."""
    refuse(TdfAttempt.good(kit, route, bound=bound, override=override), code)


def refuse_parts(
    kit: Kit, route: Route, change: Callable[[str, str, str], Iterable[str]], code: str, *, bound: bool
) -> None:
    """A good token of which ``change`` replaces the three parts is refused with ``code``."""
    attempt = TdfAttempt.good(kit, route, bound=bound)
    head, payload, signature = attempt.token.split(".")
    attempt.token = ".".join(change(head, payload, signature))
    refuse(attempt, code)


# ---- Header


@BOUND
@pytest.mark.parametrize("form", SECRET_FORMS)
def test_attack_t02_opentdf_the_public_key_as_hmac_secret(
    tdf_kit: Kit, route: Route, form: str, *, bound: bool
) -> None:
    key = {"kty": "oct", "k": b64url(public_secrets(issuer_key(tdf_kit))[form])}
    for alg in ("HS256", "HS384", "HS512"):
        refuse_override(tdf_kit, route, "token_alg_not_allowed", bound=bound, header={"alg": alg}, key=key)


@BOUND
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES384", "ES512", "EdDSA", "Ed25519"])
def test_attack_t03b_opentdf_the_issuers_key_under_another_family_or_curve(
    tdf_kit: Kit, route: Route, alg: str, *, bound: bool
) -> None:
    refuse_override(tdf_kit, route, "token_key_unfit", bound=bound, header={"alg": alg})


@BOUND
@pytest.mark.parametrize("kid", [None, *ODD_KIDS], ids=lambda kid: repr(kid)[:24])
def test_attack_t04_opentdf_a_kid_that_is_a_path_long_missing_or_no_text(
    tdf_kit: Kit, route: Route, kid: object, *, bound: bool
) -> None:
    refuse_override(tdf_kit, route, "token_key_unknown", bound=bound, header={"kid": kid})


@BOUND
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_attack_t05_opentdf_a_key_brought_along_in_the_header(
    tdf_kit: Kit, attacker: FakeIssuer, route: Route, member: str, *, bound: bool
) -> None:
    """Under the issuer's kid, under its own and under none; nobody goes and fetches it."""
    key, header = private_jwk(attacker.signers["own"]), {member: embedded(attacker)[member]}
    refuse_override(tdf_kit, route, "token_signature_invalid", bound=bound, header=header, key=key)
    for kid in ("own", None):
        refuse_override(tdf_kit, route, "token_key_unknown", bound=bound, header=header | {"kid": kid}, key=key)
    assert attacker.fetches == 0


@BOUND
def test_attack_t05b_opentdf_embedded_keys_beside_a_good_signature_are_ignored(
    tdf_kit: Kit, attacker: FakeIssuer, route: Route, *, bound: bool
) -> None:
    released(TdfAttempt.good(tdf_kit, route, bound=bound, override={"header": embedded(attacker)}))
    assert attacker.fetches == 0


@BOUND
@pytest.mark.parametrize("header", EXTENSIONS, ids=str)
def test_attack_t12_opentdf_a_header_that_asks_for_extensions(
    tdf_kit: Kit, route: Route, header: dict[str, object], *, bound: bool
) -> None:
    refuse_override(tdf_kit, route, "token_header_unsupported", bound=bound, header=header)


# ---- Bytes


@BOUND
@pytest.mark.parametrize("template", TWICE_IN_HEADER)
def test_attack_t10_opentdf_a_header_with_a_member_twice(
    tdf_kit: Kit, route: Route, template: str, *, bound: bool
) -> None:
    refuse_parts(
        tdf_kit, route, lambda head, *rest: (rewritten_header(head, template), *rest), "token_malformed", bound=bound
    )


@BOUND
@pytest.mark.parametrize("twice", ['"sub":"other"', '"exp":9999999999', '"cnf":{"jkt":"x","jkt":"y"}', '"\\u0073ub":1'])
def test_attack_t10b_opentdf_claims_with_a_member_twice_though_the_issuer_signed_them(
    tdf_kit: Kit, route: Route, twice: str, *, bound: bool
) -> None:
    claims = decoded(tdf_kit.access_token().split(".")[1]).decode()
    refuse_override(tdf_kit, route, "token_malformed", bound=bound, raw=f"{claims[:-1]},{twice}}}")


@BOUND
@pytest.mark.parametrize("raw", NO_CLAIMS)
def test_attack_t10c_opentdf_claims_that_are_no_json_object(
    tdf_kit: Kit, route: Route, raw: str, *, bound: bool
) -> None:
    refuse_override(tdf_kit, route, "token_malformed", bound=bound, raw=raw)


@BOUND
@pytest.mark.parametrize("raw", NO_HEADER)
def test_attack_t10d_opentdf_a_header_that_is_no_json_object(
    tdf_kit: Kit, route: Route, raw: bytes, *, bound: bool
) -> None:
    refuse_parts(tdf_kit, route, lambda _head, *rest: (b64url(raw), *rest), "token_malformed", bound=bound)


@BOUND
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_attack_t11_opentdf_a_part_with_anything_after_it(
    tdf_kit: Kit, route: Route, suffix: str, *, bound: bool
) -> None:
    for part in range(3):
        attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
        attempt.token = with_suffix(attempt.token, part, suffix)
        refuse(attempt, "token_malformed")


@BOUND
@pytest.mark.parametrize("part", [0, 1, 2])
def test_attack_t11b_opentdf_stray_trailing_bits(tdf_kit: Kit, route: Route, part: int, *, bound: bool) -> None:
    """The same bytes, spelt otherwise; a little padding finds a part that has such bits."""
    for pad in ("", "x", "xx"):
        override = {"header": {"pad": pad}, "claims": {"pad": pad}}
        attempt = TdfAttempt.good(tdf_kit, route, bound=bound, override=override)
        parts = attempt.token.split(".")
        if len(parts[part]) % 4:
            break
    good, parts[part] = parts[part], with_stray_bits(parts[part])
    assert good != parts[part]
    assert decoded(good) == decoded(parts[part])
    attempt.token = ".".join(parts)
    refuse(attempt, "token_malformed")


@BOUND
def test_attack_t11c_opentdf_the_other_alphabet(tdf_kit: Kit, route: Route, *, bound: bool) -> None:
    for _ in range(100):
        attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
        head, payload, signature = attempt.token.split(".")
        if {"-", "_"} & set(signature):
            break
    attempt.token = f"{head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"
    refuse(attempt, "token_malformed")


@BOUND
@pytest.mark.parametrize("template", OTHER_PARTS)
def test_attack_t11d_opentdf_anything_but_three_sound_parts(
    tdf_kit: Kit, route: Route, template: str, *, bound: bool
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.token = template.format(*attempt.token.split("."))
    refuse(attempt, OTHER_CODES.get(template, "token_malformed"))


# ---- Signature


@BOUND
@pytest.mark.parametrize("signature", DEGENERATE.values(), ids=DEGENERATE)
def test_attack_t13_opentdf_a_degenerate_signature(
    tdf_kit: Kit, route: Route, signature: bytes, *, bound: bool
) -> None:
    refuse_parts(tdf_kit, route, lambda *parts: (*parts[:2], b64url(signature)), "token_signature_invalid", bound=bound)


@BOUND
def test_attack_t14_opentdf_der_in_place_of_r_and_s(tdf_kit: Kit, route: Route, *, bound: bool) -> None:
    refuse_parts(tdf_kit, route, lambda *parts: (*parts[:2], as_der(parts[2])), "token_signature_invalid", bound=bound)


@BOUND
def test_attack_t14b_opentdf_claims_changed_under_a_genuine_signature(
    tdf_kit: Kit, route: Route, *, bound: bool
) -> None:
    def promote(head: str, payload: str, signature: str) -> tuple[str, str, str]:
        return head, b64url(decoded(payload).replace(b'"SECRET"', b'"TOP_SECRET"')), signature

    refuse_parts(tdf_kit, route, promote, "token_signature_invalid", bound=bound)


# ---- Length


@BOUND
@pytest.mark.parametrize(
    ("chars", "admitted"), [(MAX_TOKEN_CHARS - 1, True), (MAX_TOKEN_CHARS, True), (MAX_TOKEN_CHARS + 1, False)]
)
def test_attack_t18_opentdf_a_token_at_the_limit_and_one_longer(
    tdf_kit: Kit, route: Route, chars: int, *, admitted: bool, bound: bool
) -> None:
    unpadded = TdfAttempt.good(tdf_kit, route, bound=bound, override=UNPADDED)
    override = padded_to(unpadded.token, chars)
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound, override=override)
    assert len(attempt.token) == chars
    if admitted:
        released(attempt)
    else:
        refuse(attempt, "token_too_long")


@BOUND
def test_attack_t18b_opentdf_a_long_text_that_is_no_token_is_not_decoded(
    tdf_kit: Kit, route: Route, *, bound: bool
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.token = "!" * (MAX_TOKEN_CHARS + 1)
    refuse(attempt, "token_too_long")


@BOUND
@pytest.mark.parametrize("chars", [8190, 70_000])
def test_attack_t18c_opentdf_a_header_beyond_the_hosts_limit(
    tdf_kit: Kit, route: Route, chars: int, *, bound: bool
) -> None:
    """The host answers, in a form of its own; nothing is released."""
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.token = "a" * chars
    answer = attempt.send()
    assert answer.status == 431
    assert b"rapped" not in answer.body
