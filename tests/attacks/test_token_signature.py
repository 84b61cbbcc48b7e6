"""T13, T14: what is no signature: degenerate numbers, another encoding, another text."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from local.client.encoding import b64url
from tests.attacks.token_refusals import decoded, refuse_token, with_parts

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


def numbers(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize(
    "signature",
    [
        numbers(0, 0),
        numbers(0, 1),
        numbers(1, 0),
        numbers(ORDER, ORDER),
        numbers(ORDER, 1),
        numbers(1, 1),
        b"\xff" * 64,
        b"",
        b"\0" * 63,
        b"\0" * 65,
        b"\0" * 96,
        b"\0",
    ],
    ids=lambda signature: f"{len(signature)}-{signature[:2].hex()}{signature[-1:].hex()}",
)
def test_attack_t13_degenerate_signatures_are_refused(kit, signature):
    refuse_token(
        with_parts(kit, lambda head, payload, _old: (head, payload, b64url(signature))), "token_signature_invalid"
    )


def test_attack_t14_der_is_no_jose_signature(kit):
    def to_der(head, payload, signature):
        raw = decoded(signature)
        r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
        return head, payload, b64url(encode_dss_signature(r, s))

    refuse_token(with_parts(kit, to_der), "token_signature_invalid")


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
