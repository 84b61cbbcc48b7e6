"""The answer to a signed request token of OpenTDF, and the texts that its clients look for.

Version 2 answers 200 with failures inside; in version 1 the failure of the one KAO is the call's. Clients match text:
anything that depends on key material, and an unknown ``kid``, says exactly ``desc = bad request``; a policy's denial
contains ``PermissionDenied`` and ``forbidden``; no other text contains ``bad request``. Results are not signed: this
dialect has no place for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas.encoding import b64_encode
from kas.errors import Denial, Internal, KaoRefusal, KeyMaterialRejected, UnknownKey
from kas.protocol.values import Answer, GroupResult, KeyAccessResult

_CODES: Final = {429: "ResourceExhausted", 503: "Unavailable"}  # worth another try, unlike the others
_OBLIGATIONS: Final = "X-Required-Obligations"


def render(groups: Sequence[GroupResult], *, is_version_1: bool) -> Answer:
    """The members of ``kas.RewrapResponse`` as protobuf's JSON form has them; of two we have nothing to say."""
    results = [result for group in groups for result in group.results]
    if is_version_1 and results[0].refusal is not None:
        return Answer({}, results[0].refusal.status, results[0].refusal)
    body: dict[str, Any] = {
        "metadata": {},
        "schemaVersion": "",
        "responses": [
            {"policyId": group.policy_id, "results": [_result(result) for result in group.results]} for group in groups
        ],
        "sessionPublicKey": _session_key(results),
    }
    first = results[0].wrapped
    if is_version_1 and first is not None:
        body["entityWrappedKey"] = b64_encode(first.ciphertext)
    return Answer(body, 200)


def _result(result: KeyAccessResult) -> dict[str, Any]:
    members: dict[str, Any] = {
        "metadata": {_OBLIGATIONS: []},
        "keyAccessObjectId": result.key_access.id,
    }
    wrapped, refusal = result.wrapped, result.refusal
    if wrapped is not None:
        return members | {"status": "permit", "kasWrappedKey": b64_encode(wrapped.ciphertext)}
    if refusal is None:  # a success without a key, which no request of this dialect asks for
        raise Internal
    return members | {"status": "fail", "error": error_text(refusal)}


def error_text(refusal: type[KaoRefusal]) -> str:
    """What clients match; the stable code stands behind it where that gives nothing away."""
    if issubclass(refusal, KeyMaterialRejected | UnknownKey):
        return "rpc error: code = InvalidArgument desc = bad request"
    if issubclass(refusal, Denial):
        return f"rpc error: code = PermissionDenied desc = forbidden: {refusal.code}"
    name = _CODES.get(refusal.status, "InvalidArgument")
    return f"rpc error: code = {name} desc = {refusal.code}"


def _session_key(results: Sequence[KeyAccessResult]) -> str:
    """The one ephemeral key of the response in SPKI PEM; empty for an RSA client, and when nothing was released."""
    for result in results:
        if result.wrapped is not None and result.wrapped.ephemeral_key is not None:
            key = result.wrapped.ephemeral_key
            return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return ""
