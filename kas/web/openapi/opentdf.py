"""The schemas of OpenTDF's routes, in protobuf's JSON form. Members that are not read are left out."""

from __future__ import annotations

from typing import Final

from kas.web.connect import MAX_ASKED_FQNS
from kas.web.openapi.pieces import Json, base64_text, closed, items, nullable, opened, ref, text, words

ALGORITHMS: Final = ("rsa:2048", "rsa:4096", "ec:secp256r1", "ec:secp384r1", "ec:secp521r1")
_RULE: Final = words(*(f"ATTRIBUTE_RULE_TYPE_ENUM_{rule}" for rule in ("ALL_OF", "ANY_OF", "HIERARCHY")))


def opentdf_schemas() -> dict[str, Json]:
    """By name."""
    return {**_rewrap(), **_public_keys(), **_platform(), **_attributes()}


def _rewrap() -> dict[str, Json]:
    named: dict[str, Json] = {"metadata": {"type": "object"}, "keyAccessObjectId": text()}
    permit = closed({**named, "status": words("permit"), "kasWrappedKey": base64_text()})
    fail = closed({**named, "status": words("fail"), "error": text("As clients match it; docs say which.")})
    carried = "Compact JWS by the key of the DPoP proof; its claim requestBody is the text of the request."
    return {
        "TdfRewrapRequest": {
            "anyOf": [
                opened({"signedRequestToken": text(carried, minLength=1)}),
                opened({"signed_request_token": text(carried, minLength=1)}),
            ]
        },
        "TdfPermit": permit,
        "TdfFail": fail,
        "TdfRewrapAnswer": closed(
            {
                "metadata": {"type": "object", "maxProperties": 0},
                "schemaVersion": {"const": ""},
                "responses": items(
                    closed({"policyId": text(), "results": items({"oneOf": [ref("TdfPermit"), ref("TdfFail")]})})
                ),
                "sessionPublicKey": text("SPKI PEM, empty for an RSA client."),
            },
            {"entityWrappedKey": base64_text("Version 1 alone.")},
        ),
    }


def _public_keys() -> dict[str, Json]:
    asked = {name: nullable(text()) for name in ("algorithm", "fmt", "v")}
    return {
        "PublicKeyRequest": opened({}, asked),
        "PublicKeyAnswer": closed({"publicKey": text("SPKI PEM, or a JWK as text.")}, {"kid": text()}),
        "LegacyPublicKeyRequest": opened({}, {"algorithm": asked["algorithm"]}),
        "LegacyPublicKeyAnswer": text("SPKI PEM; of an EC key a certificate."),
    }


def _platform() -> dict[str, Json]:
    count: Json = {"type": "integer", "minimum": 0}
    named_key = closed({"algorithm": words(*ALGORITHMS), "kid": text(), "pem": text()})
    configuration = opened(
        {
            "platform_issuer": text(format="uri"),
            "idp": {"type": "object"},
            "health": closed({"endpoint": text()}),
            "supports_dpop": {"const": True},
            "dpop_signing_alg_values_supported": items(text()),
            "dpop_nonce_required": {"type": "boolean"},
        },
        {"base_key": closed({"kas_uri": text(), "kas_id": text(), "public_key": named_key})},
    )
    servers = items(closed({"id": text(), "uri": text(), "name": text()}))
    pages = closed({"currentOffset": count, "nextOffset": count, "total": count})
    return {
        "Empty": {"type": "object"},
        "Configuration": configuration,
        "ConfigurationAnswer": closed({"configuration": ref("Configuration")}),
        "ServersAnswer": closed({"keyAccessServers": servers, "pagination": pages}),
        "HealthAnswer": closed({"status": words("SERVING")}),
    }


def _attributes() -> dict[str, Json]:
    value = {"id": text(), "value": text(), "fqn": text(), "active": {"type": "boolean"}}
    attribute = closed(
        {
            "id": text(),
            "namespace": closed({"id": text(), "name": text(), "fqn": text(), "active": {"type": "boolean"}}),
            "name": text(),
            "rule": _RULE,
            "values": items(closed(value)),
            "fqn": text(),
            "active": {"type": "boolean"},
        }
    )
    public = closed({"algorithm": text(pattern="^ALGORITHM_"), "kid": text(), "pem": text()})
    keys = items(ref("KasKey"))
    both = closed({"attribute": attribute, "value": closed({**value, "kasKeys": keys})})
    return {
        "FqnsRequest": opened({}, {"fqns": nullable(items(text(), maxItems=MAX_ASKED_FQNS))}),
        "KasKey": closed({"kasUri": text(), "kasId": text(), "publicKey": public}),
        "KeyMappingsAnswer": closed({"fqnKeyMappings": _by_fqn(closed({"rule": _RULE, "keys": keys}))}),
        "AttributeValuesAnswer": closed({"fqnAttributeValues": _by_fqn(both)}),
    }


def _by_fqn(schema: Json) -> Json:
    return {"type": "object", "additionalProperties": schema}
