"""T10, T11: the bytes of an access token: no member twice, one spelling, three parts."""

from __future__ import annotations

import pytest

from local.client.encoding import b64url
from tests.attacks.token_forms import (
    NO_CLAIMS,
    NO_HEADER,
    OTHER_CODES,
    OTHER_PARTS,
    SUFFIXES,
    TWICE_IN_HEADER,
    rewritten_header,
    with_stray_bits,
    with_suffix,
)
from tests.attacks.token_refusals import decoded, refuse_override, refuse_token, with_parts
from tests.kit import refused


@pytest.mark.parametrize("header", TWICE_IN_HEADER)
def test_attack_t10_a_header_with_a_member_twice_is_refused(kit, header):
    refuse_token(with_parts(kit, lambda head, *rest: (rewritten_header(head, header), *rest)), "token_malformed")


@pytest.mark.parametrize(
    "twice", ['"sub":"other"', '"exp":9999999999', '"cnf":{"jkt":"x","jkt":"y"}', '"\\u0073ub":"other"']
)
def test_attack_t10_claims_with_a_member_twice_are_refused_though_the_issuer_signed_them(kit, twice):
    claims = decoded(kit.access_token().split(".")[1]).decode()
    if "cnf" not in twice:
        claims = claims[:-1] + ',"cnf":{"jkt":"x"}}'
    refuse_override(kit, "token_malformed", raw=f"{claims[:-1]},{twice}}}")


@pytest.mark.parametrize("raw", NO_CLAIMS)
def test_attack_t10_claims_that_are_no_json_object_are_refused(kit, raw):
    refuse_override(kit, "token_malformed", raw=raw)


@pytest.mark.parametrize("raw", NO_HEADER)
def test_attack_t10_a_header_that_is_no_json_object_is_refused(kit, raw):
    refuse_token(with_parts(kit, lambda _head, *rest: (b64url(raw), *rest)), "token_malformed")


def test_attack_t10_claims_nested_deeper_than_the_interpreter_are_refused(kit):
    depth = 1800
    refuse_override(kit, "token_malformed", raw='{"a":' + "[" * depth + "]" * (depth - 1) + "}")


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_attack_t11_a_part_with_anything_after_it_is_refused(kit, part, suffix):
    attempt = kit.attempt()
    attempt.token = with_suffix(attempt.token, part, suffix)
    attempt.proof = attempt.proof or proof_for_any_text(attempt)
    refuse_token(attempt, "token_malformed")


def proof_for_any_text(attempt):
    """A proof though the token may not be ASCII, which is refused before any proof is looked at."""
    token, attempt.token = attempt.token, "x"
    try:
        return attempt.make_proof()
    finally:
        attempt.token = token


@pytest.mark.parametrize("part", [0, 1, 2])
def test_attack_t11_stray_trailing_bits_are_refused(kit, part):
    for pad in ("", "x", "xx"):
        attempt = kit.attempt(override={"header": {"pad": pad}, "claims": {"pad": pad}})
        parts = attempt.token.split(".")
        if len(parts[part]) % 4:
            break
    good, parts[part] = parts[part], with_stray_bits(parts[part])
    assert good != parts[part]
    assert decoded(good) == decoded(parts[part])
    attempt.token = ".".join(parts)
    refuse_token(attempt, "token_malformed")


def test_attack_t11_the_other_alphabet_is_refused(kit):
    for _ in range(100):
        attempt = kit.attempt()
        head, payload, signature = attempt.token.split(".")
        if {"-", "_"} & set(signature):
            break
    attempt.token = f"{head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"
    refuse_token(attempt, "token_malformed")


@pytest.mark.parametrize("space", ["\t", "\x0b", "\u00a0", "\u0085"], ids=repr)
def test_attack_t11_white_space_within_a_part_is_refused(kit, space):
    attempt = with_parts(
        kit, lambda head, payload, signature: (head, payload, f"{signature[:40]}{space}{signature[40:]}")
    )
    attempt.proof = proof_for_any_text(attempt)
    answer = attempt.send()
    if space == "\x0b":  # the host itself takes no control characters in a header
        assert answer.status == 400
        assert b"kasWrappedKey" not in answer.body
    else:
        refused(answer, 401, "invalid_token", "token_malformed")


@pytest.mark.parametrize("token", OTHER_PARTS)
def test_attack_t11_anything_but_three_sound_parts_is_refused(kit, token):
    attempt = kit.attempt()
    attempt.token = token.format(*attempt.token.split("."))
    refuse_token(attempt, OTHER_CODES.get(token, "token_malformed"))
