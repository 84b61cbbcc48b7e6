"""What the attacks on kept keys share: the same wrapped key asked for again, by whomever, and what an answer cost."""

from __future__ import annotations

from typing import Any

from local.client import Answer
from tests.kit import Attempt, Kit

FREE = (True, 0)  # a hit, no key operation
UNWRAPPED = (False, 1)
UNTOUCHED = (False, 0)
SHARED = (False, 0)  # opened for another key access object at the same time


def asking_again(first: Attempt, client: str = "usa-secret", *, policy: Any = None, **options: Any) -> Attempt:
    """A good request of ``client`` for what ``first`` asked for: the same wrapped key, binding and policy.

    With ``policy`` that one stands in its place, while the binding stays.
    """
    again = first.kit.attempt(client, policies=[policy or first.policy], **options)
    again.nonce = None
    for name in ("type", "kid", "wrappedKey", "ephemeralPublicKey", "policyBinding"):
        again.kao.pop(name, None)
        if name in first.kao:
            again.kao[name] = first.kao[name]
    again.data_keys = dict(first.data_keys)
    again.resign()
    return again


def without_nonce(kit: Kit, client: str = "usa-secret", **options: Any) -> Attempt:
    """A good request to a KAS that takes proofs without nonce."""
    attempt = kit.attempt(client, **options)
    attempt.nonce = None
    return attempt


def prices(kit: Kit, answer: Answer) -> list[tuple[bool, int]]:
    """Of each key access object in order: whether a kept key was found, and how many key operations it took."""
    events = kit.events(answer.headers["X-Request-Id"])
    return [(event["cacheHit"], event["keyOperations"]) for event in events]
