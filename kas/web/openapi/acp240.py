"""The schemas of ACP-240's routes: as strict as `kas.protocol.acp240.request` is, within the limits in force.

What a schema cannot say is said in words: signatures, bindings, ids that occur once, keys that are sound. Of results
that other services sign only that is promised which is verified before they are passed on.
"""

from __future__ import annotations

from kas.crypto.splits import MAX_SPLITS, MIN_SPLITS
from kas.errors import KasError
from kas.jose import ALGORITHMS, CURVES
from kas.protocol.acp240.request import Limits
from kas.web.openapi.deployment import Deployment
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


def acp240_schemas(deployment: Deployment, kao_refusals: tuple[type[KasError], ...]) -> dict[str, Json]:
    """By name; ``kao_refusals`` are those that one key access object of ours may have."""
    limits = deployment.limits
    return {
        **_keys(limits),
        **_request(limits),
        **_answer(deployment, kao_refusals),
        "KeySet": _key_set(),
    }


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
    policy = opened(
        {}, {"policyId": text("", minLength=1, maxLength=limits.id_chars), "body": {}, "dissem": ref("Label")}
    )
    return {
        "RewrapBody": {**body, "not": {"required": ["signedRequestToken"]}},
        "SignedRequest": token,
        "RewrapRequest": {"oneOf": [ref("RewrapBody"), ref("SignedRequest")]},
        "PolicyGroup": _group(limits),
        "Policy": {
            **policy,
            "description": f"Bound as canonical JSON (RFC 8785), of at most {limits.policy_bytes} bytes.",
        },
        "Label": _label(),
        "KeyAccessObject": _key_access_object(limits),
    }


def _group(limits: Limits) -> Json:
    required = {
        "policy": ref("Policy"),
        "keyAccessObjects": items(ref("KeyAccessObject"), minItems=1, maxItems=limits.kaos),
    }
    optional = {
        "mode": words(
            "anyOf",
            "allOf",
            description="anyOf: one is enough, tried in order. allOf: splits of one key, all of this service, no sid twice.",
        ),
        "combine": words("xor", description="Of splits."),
    }
    splits = {"keyAccessObjects": {"minItems": MIN_SPLITS, "maxItems": MAX_SPLITS}}
    return {
        **opened(required, optional),
        "if": {"properties": {"mode": {"const": "allOf"}}, "required": ["mode"]},
        "then": {"properties": splits, "required": ["combine"]},
    }


def _label() -> Json:
    """What is wrong with a label is no structural fault: the policy denies."""
    return {
        "description": "Who may have the key. One that is missing, malformed or incoherent denies.",
        "examples": [{"classification": "SECRET", "releasabilityTo": ["USA"], "COI": ["NATO"], "coiOperator": "ALL"}],
    }


def _key_access_object(limits: Limits) -> Json:
    name = text(minLength=1, maxLength=limits.id_chars)
    url = text(
        "This service or another that it knows, or its base alone.",
        format="uri",
        minLength=1,
        maxLength=limits.url_chars,
    )
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
        "clientKeyHash": text(
            "SHA-256 of the canonical JSON of clientPublicKey. Other services ask for it.", pattern=BASE64URL_32_BYTES
        ),
        "encryptedMetadata": base64_text(
            "IV (12 bytes), tag (16), ciphertext: AES-256-GCM under the data key.", maxLength=limits.metadata_chars
        ),
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


def _answer(deployment: Deployment, refusals: tuple[type[KasError], ...]) -> dict[str, Json]:
    names = ["KaoSuccess", "KaoSuccessWithoutKey", "KaoFailure"]
    passed_on = {"KaoOfAnother": _passed_on(deployment.kas_id)} if deployment.is_federated else {}
    results = items({"oneOf": [ref(name) for name in (*names, *passed_on)]})
    return {
        "KaoSignature": _kao_signature(),
        "ResultSignature": _result_signature(deployment.kas_id),
        **_own_results(refusals),
        **passed_on,
        "Responses": items(closed({"policyId": text(), "results": results})),
        "RewrapAnswer": closed({"responses": ref("Responses")}),
    }


def _own_results(refusals: tuple[type[KasError], ...]) -> dict[str, Json]:
    named = {"keyAccessObjectId": text(), "signature": ref("ResultSignature")}
    succeeded = {**named, "status": words("success")}
    wrapped = {"kasWrappedKey": base64_text(), "wrapAlg": words("RSA-OAEP-256", "ECDH-HKDF-A256GCM")}
    metadata: Json = {"type": "object", "description": "What was in encryptedMetadata: its fields, else all of it."}
    also = {"sid": text(), "metadata": metadata}
    combined: Json = {"const": True, "description": "The key is made of all splits of the group."}
    code = words(*(leaf.code for leaf in refusals))
    return {
        "KaoSuccess": closed(
            {**succeeded, **wrapped}, {"ephemeralPublicKey": ref("EcJwk"), "combined": combined, **also}
        ),
        "KaoSuccessWithoutKey": closed(succeeded, also)
        | {"description": "A split: the key stands in the first result of its group."},
        "KaoFailure": closed({**named, "status": words("error"), "code": code, "error": text()}, {"sid": text()}),
    }


def _passed_on(kas_id: str) -> Json:
    """Its members are under the signature, those that we do not know included."""
    named = {"keyAccessObjectId": text(), "signature": _foreign_signature(kas_id)}
    success = opened({**named, "status": words("success"), "kasWrappedKey": text()}, {"sid": text()})
    failure = opened({**named, "status": words("error"), "code": text()}, {"sid": text()})
    about = "As the service that holds the key signed it: its name is signature.kas, and its key set has the key."
    return {"oneOf": [success, failure], "description": about}


def _kao_signature() -> Json:
    allowed = f"One of {', '.join(ALGORITHMS)}, fit for the key of the DPoP proof."
    over = "Over the canonical JSON of the object without signature."
    return opened(
        {
            "alg": text(allowed, minLength=1, maxLength=256),
            "sig": base64_text(over, minLength=1, maxLength=1024),
        }
    )


def _result_signature(kas_id: str) -> Json:
    return closed(
        {
            **_signed(),
            "kid": text("Of a key of the key set with use sig."),
            "kas": {"const": kas_id},
            "proof": text("SHA-256 of the DPoP proof as sent.", pattern=BASE64URL_32_BYTES),
            "sig": base64_text("Over the result's canonical JSON without this member."),
        }
    )


def _foreign_signature(kas_id: str) -> Json:
    kas = text("The service that signed.", **{"not": {"const": kas_id}})
    return opened({**_signed(), "kid": text(), "kas": kas, "proof": text(), "sig": base64_text()})


def _signed() -> Json:
    return {"alg": words("ES256"), "policyId": text(), "iat": {"type": "integer"}}


def _key_set() -> Json:
    use: dict[str, Json] = {
        "kid": text(),
        "use": words("enc", "sig"),
        "alg": words("RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ES256"),
    }
    keys: Json = {"anyOf": [ref("EcJwk"), ref("RsaJwk")], **opened(use)}
    return closed({"keys": items(keys)}) | {"description": "RFC 7517: keys to wrap to (enc) and to verify with (sig)."}
