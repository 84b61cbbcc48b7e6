"""The answer of ``POST /rewrap`` (ACP-240 §2, §4): results become signed JSON, and a status for the whole.

Each result, success or error, is signed over its canonical JSON as sent with ``signature.sig`` alone removed. The
signature names signer, policy and time, and ties the result to the request's DPoP proof, so that each result can be
verified on its own. A result that another service signed is passed on as it came (KAS-REQ-083).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from kas.encoding import b64_encode, canonical_json
from kas.errors import KaoRefusal, error_members
from kas.jose import to_jwk
from kas.protocol.values import Answer, AnswerContext, GroupResult, KeyAccessResult, PassedOn, Released


class Signer(Protocol):
    """Signs results in the name of one KAS."""

    @property
    def algorithm(self) -> str: ...
    @property
    def kas(self) -> str: ...
    @property
    def kid(self) -> str: ...
    def sign(self, message: bytes) -> bytes:
        """The signature in JOSE form."""


def render(groups: Iterable[GroupResult], signer: Signer, context: AnswerContext) -> Answer:
    """The full response: groups in request order, results in KAO order, each signed here or where it comes from."""
    groups = tuple(groups)
    responses = [
        {
            "policyId": group.policy_id,
            "results": [_result(result, group.policy_id, signer, context) for result in group.results],
        }
        for group in groups
    ]
    refusal = shared_refusal(result.refusal for group in groups for result in group.results)
    summary = {} if refusal is None else error_members(refusal, context.request_id)
    return Answer({**summary, "responses": responses}, 200 if refusal is None else refusal.status)


def shared_refusal(refusals: Iterable[type[KaoRefusal] | None]) -> type[KaoRefusal] | None:
    """The first refusal that stands for a status, when nothing succeeded and all of those stand for one (ACP-240 §4);
    else None.
    """
    found = list(refusals)
    failures = [refusal for refusal in found if refusal is not None]
    standing = [refusal for refusal in failures if refusal.status]
    agree = len(failures) == len(found) and len({refusal.status for refusal in standing}) == 1
    return standing[0] if agree else None


def _result(result: KeyAccessResult, policy_id: str, signer: Signer, context: AnswerContext) -> dict[str, Any]:
    outcome, access = result.outcome, result.key_access
    if isinstance(outcome, PassedOn):
        return dict(outcome.result)
    members = {"keyAccessObjectId": access.id, **(_error(outcome) if isinstance(outcome, type) else _success(outcome))}
    if access.sid is not None:
        members["sid"] = access.sid
    return _signed(members, policy_id, signer, context)


def _error(refusal: type[KaoRefusal]) -> dict[str, Any]:
    return {"status": "error", "code": refusal.code, "error": refusal.message()}


def _success(released: Released) -> dict[str, Any]:
    members: dict[str, Any] = {"status": "success"}
    if released.wrapped is not None:
        members |= {"kasWrappedKey": b64_encode(released.wrapped.ciphertext), "wrapAlg": released.wrapped.algorithm}
        if released.wrapped.ephemeral_key is not None:
            members["ephemeralPublicKey"] = to_jwk(released.wrapped.ephemeral_key)
    if released.combined:
        members["combined"] = True
    if released.metadata is not None:
        members["metadata"] = released.metadata
    return members


def _signed(result: dict[str, Any], policy_id: str, signer: Signer, context: AnswerContext) -> dict[str, Any]:
    signature = {
        "alg": signer.algorithm,
        "kid": signer.kid,
        "kas": signer.kas,
        "policyId": policy_id,
        "iat": int(context.now),
        "proof": context.proof_hash,
    }
    sig = signer.sign(canonical_json({**result, "signature": signature}))
    return {**result, "signature": {**signature, "sig": b64_encode(sig)}}
