"""The schemas of ACP-240's routes: as strict as `kas.protocol.acp240.request` is, within the limits in force.

What a schema cannot say is said in words: signatures, bindings, ids that occur once, keys that are sound.
"""

from __future__ import annotations

from collections.abc import Mapping

from kas.errors import KasError
from kas.jose import ALGORITHMS, CURVES
from kas.protocol.acp240.request import Limits
from kas.web.openapi.pieces import (
    BASE64_32_BYTES,
    BASE64URL_32_BYTES,
    Json,
    base64_text,
    closed,
    items,
    opened,
    ref,
    text,
    words,
)


def acp240_schemas(limits: Limits, kao_refusals: tuple[type[KasError], ...]) -> dict[str, Json]:
    """By name; ``kao_refusals`` are those that one key access object may have."""
    return {**_keys(limits), **_request(limits), **_answer(kao_refusals), "KeySet": _key_set()}


def _keys(limits: Limits) -> dict[str, Json]:
    number = text(pattern="^[A-Za-z0-9_-]+$", contentEncoding="base64url")
    rsa: dict[str, Json] = {"kty": words("RSA"), "n": number, "e": number}
    ec: dict[str, Json] = {"kty": words("EC"), "crv": words(*CURVES), "x": number, "y": number}
    return {
        "RsaJwk": opened(rsa) | {"description": "RFC 7518 §6.3.1: 2048–4096 bits, exponent from 65537."},
        "EcJwk": opened(ec) | {"description": "RFC 7518 §6.2.1: a point on the curve."},
        "Pem": text(
            "SPKI PEM, one block.",
            pattern=r"^[ \t\r\n]*-----BEGIN PUBLIC KEY-----",
            maxLength=limits.client_key_chars,
        ),
        "PublicKey": {"anyOf": [ref("EcJwk"), ref("RsaJwk"), ref("Pem")]},
        "EphemeralKey": {"anyOf": [ref("EcJwk"), ref("Pem")]},
    }


def _request(limits: Limits) -> dict[str, Json]:
    body = opened(
        {
            "clientPublicKey": ref("PublicKey") | {"description": "The key that results are wrapped to."},
            "requests": items(ref("PolicyGroup"), minItems=1, maxItems=limits.groups),
        }
    )
    token = closed(
        {"signedRequestToken": text("Compact JWS by the key of the DPoP proof; its claim requestBody is the body.")}
    )
    group = opened(
        {
            "policy": ref("Policy"),
            "keyAccessObjects": items(ref("KeyAccessObject"), minItems=1, maxItems=limits.kaos),
        }
    )
    policy = opened(
        {}, {"policyId": text("", minLength=1, maxLength=limits.id_chars), "body": {}, "dissem": ref("Label")}
    )
    return {
        "RewrapBody": {**body, "not": {"required": ["signedRequestToken"]}},
        "SignedRequest": token,
        "RewrapRequest": {"oneOf": [ref("RewrapBody"), ref("SignedRequest")]},
        "PolicyGroup": group,
        "Policy": {
            **policy,
            "description": f"Bound as canonical JSON (RFC 8785), of at most {limits.policy_bytes} bytes.",
        },
        "Label": _label(),
        "KeyAccessObject": _key_access_object(limits),
    }


def _label() -> Json:
    """What is wrong with a label is no structural fault: the policy denies."""
    return {
        "description": "Who may have the key. One that is missing, malformed or incoherent denies.",
        "examples": [{"classification": "SECRET", "releasabilityTo": ["USA"], "COI": ["NATO"], "coiOperator": "ALL"}],
    }


def _key_access_object(limits: Limits) -> Json:
    name = text(minLength=1, maxLength=limits.id_chars)
    url = text("This service, or its base alone.", format="uri", minLength=1, maxLength=limits.url_chars)
    required = {
        "keyAccessObjectId": {**name, "description": "Once in the request."},
        "url": url,
        "kid": {**name, "description": "Of the key set, a key of this kind."},
        "wrappedKey": base64_text(minLength=1, maxLength=limits.wrapped_key_chars),
        "policyBinding": base64_text("HMAC-SHA256 of the policy's canonical JSON.", BASE64_32_BYTES),
        "signature": ref("KaoSignature"),
    }
    optional = {
        "sid": text(maxLength=limits.id_chars),
        "clientKeyHash": text("SHA-256 of the canonical JSON of clientPublicKey.", pattern=BASE64URL_32_BYTES),
        "type": words("wrapped", "ec-wrapped"),
        "protocol": words("kas"),
        "ephemeralPublicKey": ref("EphemeralKey"),
    }
    sealed = {"properties": {"type": {"const": "ec-wrapped"}}, "required": ["type"]}
    return {
        **opened(required, optional),
        "if": sealed,
        "then": {"required": ["ephemeralPublicKey"]},
    }


def _answer(refusals: tuple[type[KasError], ...]) -> dict[str, Json]:
    named = {"keyAccessObjectId": text(), "signature": ref("ResultSignature")}
    success = closed(
        {
            **named,
            "status": words("success"),
            "kasWrappedKey": base64_text(),
            "wrapAlg": words("RSA-OAEP-256", "ECDH-HKDF-A256GCM"),
        },
        {"ephemeralPublicKey": ref("EcJwk"), "sid": text()},
    )
    failure = closed(
        {
            **named,
            "status": words("error"),
            "code": words(*(leaf.code for leaf in refusals)),
            "error": text(),
        },
        {"sid": text()},
    )
    signature: Mapping[str, Json] = {
        "alg": words("ES256"),
        "kid": text("Of a key of the key set with use sig."),
        "kas": text(),
        "policyId": text(),
        "iat": {"type": "integer"},
        "proof": text("SHA-256 of the DPoP proof as sent.", pattern=BASE64URL_32_BYTES),
        "sig": base64_text("Over the result's canonical JSON without this member."),
    }
    return {
        "KaoSignature": opened(
            {
                "alg": text(
                    f"One of {', '.join(ALGORITHMS)}, fit for the key of the DPoP proof.", minLength=1, maxLength=256
                ),
                "sig": base64_text(
                    "Over the canonical JSON of the object without signature.", minLength=1, maxLength=1024
                ),
            }
        ),
        "ResultSignature": closed(signature),
        "KaoSuccess": success,
        "KaoFailure": failure,
        "Responses": items(
            closed({"policyId": text(), "results": items({"oneOf": [ref("KaoSuccess"), ref("KaoFailure")]})})
        ),
        "RewrapAnswer": closed({"responses": ref("Responses")}),
    }


def _key_set() -> Json:
    use: dict[str, Json] = {
        "kid": text(),
        "use": words("enc", "sig"),
        "alg": words("RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ES256"),
    }
    keys: Json = {"anyOf": [ref("EcJwk"), ref("RsaJwk")], **opened(use)}
    return closed({"keys": items(keys)}) | {"description": "RFC 7517: keys to wrap to (enc) and to verify with (sig)."}
