"""T13, T14: what is no signature: degenerate numbers, another encoding, another text."""

from __future__ import annotations

import json

import pytest

from local.client.encoding import b64url
from tests.attacks.token_forms import DEGENERATE, as_der
from tests.attacks.token_refusals import decoded, refuse_token, with_parts


@pytest.mark.parametrize("signature", DEGENERATE.values(), ids=DEGENERATE)
def test_attack_t13_degenerate_signatures_are_refused(kit, signature):
    refuse_token(
        with_parts(kit, lambda head, payload, _old: (head, payload, b64url(signature))), "token_signature_invalid"
    )


def test_attack_t14_der_is_no_jose_signature(kit):
    refuse_token(with_parts(kit, lambda *parts: (*parts[:2], as_der(parts[2]))), "token_signature_invalid")


@pytest.mark.parametrize("position", [0, 31, 32, 63])
def test_attack_t14_a_flipped_bit_is_refused(kit, position):
    def flip(head, payload, signature):
        data = bytearray(decoded(signature))
        data[position] ^= 1
        return head, payload, b64url(bytes(data))

    refuse_token(with_parts(kit, flip), "token_signature_invalid")


def test_attack_t14_a_header_changed_under_a_genuine_signature_is_refused(kit):
    def add(head, payload, signature):
        return b64url(decoded(head)[:-1] + b',"x":1}'), payload, signature

    refuse_token(with_parts(kit, add), "token_signature_invalid")


def test_attack_t14_claims_changed_under_a_genuine_signature_are_refused(kit):
    def promote(head, payload, signature):
        claims = json.loads(decoded(payload)) | {"clearance": "TOP_SECRET"}
        return head, b64url(json.dumps(claims).encode()), signature

    refuse_token(with_parts(kit, promote), "token_signature_invalid")
