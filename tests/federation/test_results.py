"""Results of another service that no parser of ours lets through: they are unsound, and nothing breaks."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from kas.federation.results import Question, verified_results
from kas.jose import parse_public_jwk
from local.client import new_proof_key
from local.client.encoding import b64, canonical

KEY = new_proof_key()
CASE: Any = SimpleNamespace(kao=SimpleNamespace(id="kao-1", sid=None), group=SimpleNamespace(policy_id="p-1"))


def found(metadata: object, sig: bytes | None = None) -> tuple[int, bool]:
    """How many of one result are sound, and whether there was nothing else."""
    now = time.time()
    said = {"alg": "ES256", "kid": "k", "kas": "kas-fra", "policyId": "p-1", "iat": int(now), "proof": "hash"}
    result = {
        "keyAccessObjectId": "kao-1", "status": "success", "kasWrappedKey": "AAAA", "metadata": metadata,
        "signature": said,
    }  # fmt: skip
    signed = sig or KEY.sign(canonical(result))
    keys = {"k": parse_public_jwk(KEY.jwk)}
    question = Question("kas-fra", [CASE], "hash", keys.get, lambda: now)
    sound, is_clean = verified_results(question, [("p-1", [{**result, "signature": {**said, "sig": b64(signed)}}])])
    return len(sound), is_clean


def test_a_good_result_is_sound() -> None:
    assert found({"a": 1}) == (1, True)


def test_attack_f05_what_is_too_deep_to_be_written_is_unsound() -> None:
    """Its canonical form cannot be had, so neither can its signature."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert found(deep, bytes(64)) == (0, False)
