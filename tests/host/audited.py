"""What the audit must say, and one refusal of every step that it must speak of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.client import Answer, new_proof_key
from local.client.encoding import b64
from tests.kit import Attempt

_HEAD = {
    "severity",
    "time",
    "event",
    "category",
    "requestId",
    "issuer",
    "subject",
    "client",
    "code",
    "latencyMs",
    "costMicroUsd",
    "chain",
}
KAO_FIELDS = _HEAD | {
    "outcome",
    "dialect",
    "policyId",
    "policyHash",
    "kaoId",
    "kid",
    "checks",
    "keyOperations",
    "cacheHit",
    "attempt",
    "forwardedTo",
    "via",
}
REFUSAL_FIELDS = _HEAD | {"status", "method", "path"}


def _kao(**members: Any) -> Callable[[Attempt], None]:
    def spoil(attempt: Attempt) -> None:
        attempt.kao.update(members)
        attempt.resign()

    return spoil


def _another_policy(attempt: Attempt) -> None:
    attempt.policy["body"] = {"x": 1}


# Name -> client, what is broken, code, category.
REFUSED_KAOS: dict[str, tuple[str, Callable[[Attempt], None], str, str]] = {
    "unsupported": ("usa-secret", _kao(type="hybrid-wrapped"), "not_supported", "ACCESS_DENIED"),
    "url": ("usa-secret", _kao(url="https://other.example/rewrap"), "unknown_kas", "ACCESS_DENIED"),
    "signature": (
        "usa-secret",
        lambda attempt: attempt.resign(new_proof_key()),
        "kao_signature_invalid",
        "ACCESS_MODIFIED",
    ),
    "client key": ("usa-secret", _kao(clientKeyHash="A" * 43), "client_key_unbound", "ACCESS_MODIFIED"),
    "denied": ("usa-unclassified", lambda _attempt: None, "clearance_insufficient", "ACCESS_DENIED"),
    "kid": ("usa-secret", _kao(kid="nobody"), "unknown_key", "ACCESS_DENIED"),
    "binding": ("usa-secret", _kao(policyBinding=b64(bytes(32))), "key_material_rejected", "ACCESS_MODIFIED"),
    "policy": ("usa-secret", _another_policy, "key_material_rejected", "ACCESS_MODIFIED"),
}


def _with(**members: Any) -> Callable[[Attempt], Answer]:
    def send(attempt: Attempt) -> Answer:
        for name, value in members.items():
            setattr(attempt, name, value)
        return attempt.send()

    return send


def _other_method(attempt: Attempt) -> Answer:
    return attempt.kit.http("GET", attempt.kit.url)


def _nowhere(attempt: Attempt) -> Answer:
    return attempt.kit.http("POST", f"{attempt.kit.base}/nowhere")


def _no_credentials(attempt: Attempt) -> Answer:
    return attempt.kit.http("POST", attempt.kit.url)


def _bad_token(attempt: Attempt) -> Answer:
    attempt.token = attempt.token.rpartition(".")[0] + "." + "A" * 86
    return attempt.send()


def _old_token(attempt: Attempt) -> Answer:
    attempt.token = attempt.kit.access_token(key=attempt.key, override={"claims": {"exp": 1}})
    return attempt.send()


def _replay(attempt: Attempt) -> Answer:
    attempt.send()
    return attempt.send()


def _of_type(content_type: str, *more: tuple[str, str]) -> Callable[[Attempt], Answer]:
    def send(attempt: Attempt) -> Answer:
        attempt.proof = attempt.make_proof()
        headers = [("Authorization", f"DPoP {attempt.token}"), ("DPoP", attempt.proof), ("Content-Type", content_type)]
        return attempt.kit.http("POST", attempt.kit.url, [*headers, *more], b"{}")

    return send


# Name -> how it is sent, status, code, whether the audit names the caller.
REFUSED_REQUESTS: dict[str, tuple[Callable[[Attempt], Answer], int, str, bool]] = {
    "path": (_nowhere, 404, "not_found", False),
    "method": (_other_method, 405, "method_not_allowed", False),
    "no credentials": (_no_credentials, 401, "credentials_missing", False),
    "token": (_bad_token, 401, "token_signature_invalid", False),
    "old token": (_old_token, 401, "token_expired", False),
    "proof": (_with(proof_claims={"htm": "GET"}), 401, "proof_method_mismatch", True),
    "no nonce": (_with(nonce=None), 401, "nonce_required", True),
    "proof again": (_replay, 401, "proof_replayed", True),
    "media type": (_of_type("text/plain"), 415, "unsupported_media_type", True),
    "accept": (_of_type("application/json", ("Accept", "text/html")), 406, "not_acceptable", True),
    "size": (_with(body=b" " * (2**20 + 1)), 413, "content_too_large", True),
    "no json": (_with(body=b"{"), 400, "invalid_json", True),
    "no i-json": (_with(body=b'{"a":1,"a":1}'), 400, "not_canonical", True),
    "structure": (_with(body=b"{}"), 400, "invalid_structure", True),
}
