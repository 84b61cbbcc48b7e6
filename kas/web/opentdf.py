"""The routes of OpenTDF: REST for older clients, Connect for newer ones; both ask the same `Rewrap` and `Platform`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import flask

from kas.auth.authenticator import Credentials
from kas.errors import CodecUnsupported, Fault, InvalidStructure, KasError, ProcedureUnknown
from kas.platform import Platform
from kas.protocol.connect import (
    CONTENT_TYPES,
    Codec,
    decode_message,
    decompress,
    encode_message,
    error_of,
    read_get,
)
from kas.protocol.faults import MESSAGES
from kas.protocol.opentdf.response import error_text
from kas.rewrap import Exchange, Rewrap
from kas.web.body import Bounds, read_body, read_json_body
from kas.web.replies import Reply, Route, Routes, json_reply, refusal_headers
from kas.web.routes import nonce_offer

REST_REWRAP: Final = "/kas/v2/rewrap"
CONNECT_REWRAP: Final = "/kas.AccessService/Rewrap"
MAX_ASKED_FQNS: Final = 100  # in one question: an answer has some 2 KB for each, and anybody may ask
# Anybody may ask a public procedure, and protobuf makes much of little: 100 names fit into these, and few can stall.
_PUBLIC_BYTES: Final = 2**16
_PUBLIC_SECONDS: Final = 1.0
_PUBLIC_BODIES: Final = 8
# Below these every path is a procedure, so an unknown one is answered as Connect does.
SERVICES: Final = (
    "/kas.AccessService/",
    "/wellknownconfiguration.WellKnownService/",
    "/policy.kasregistry.KeyAccessServerRegistryService/",
    "/policy.attributes.AttributesService/",
    "/grpc.health.v1.Health/",
)

Ask = Callable[[Mapping[str, Any]], Any]


def opentdf_routes(rest: Rewrap, connect: Rewrap, platform: Platform, bounds: Bounds) -> Routes:
    """``rest`` and ``connect`` differ in the address that proofs name."""
    procedures: dict[str, tuple[str, str, Ask]] = {
        "/kas.AccessService/PublicKey": ("PublicKeyRequest", "PublicKeyResponse", _public_key(platform)),
        "/kas.AccessService/LegacyPublicKey": (
            "LegacyPublicKeyRequest",
            "StringValue",
            lambda asked: platform.legacy_public_key(_text(asked, "algorithm")),
        ),
        "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration": (
            "GetWellKnownConfigurationRequest",
            "GetWellKnownConfigurationResponse",
            lambda _asked: {"configuration": platform.well_known()},
        ),
        "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers": (
            "ListKeyAccessServersRequest",
            "ListKeyAccessServersResponse",
            lambda _asked: platform.key_access_servers(),
        ),
        "/policy.attributes.AttributesService/GetKeyMappingsByFqns": (
            "GetKeyMappingsByFqnsRequest",
            "GetKeyMappingsByFqnsResponse",
            lambda asked: platform.key_mappings(_texts(asked, "fqns")),
        ),
        "/policy.attributes.AttributesService/GetAttributeValuesByFqns": (
            "GetAttributeValuesByFqnsRequest",
            "GetAttributeValuesByFqnsResponse",
            lambda asked: platform.attribute_values(_texts(asked, "fqns")),
        ),
        "/grpc.health.v1.Health/Check": (
            "HealthCheckRequest",
            "HealthCheckResponse",
            lambda _asked: {"status": "SERVING"},
        ),
    }
    public = Bounds(min(_PUBLIC_BYTES, bounds.max_bytes), _PUBLIC_SECONDS, threading.BoundedSemaphore(_PUBLIC_BODIES))
    exact = {
        REST_REWRAP: _rest_rewrap(rest, bounds),
        "/kas/v2/kas_public_key": _rest_public_key(platform),
        "/kas/kas_public_key": _rest_public_key(platform),
        "/.well-known/opentdf-configuration": _document(platform.well_known),
        "/healthz": _document(lambda: {"status": "SERVING"}),
        CONNECT_REWRAP: _connect_rewrap(connect, bounds),
        **{path: _procedure(*procedure, public) for path, procedure in procedures.items()},
    }
    unknown = Route(("GET", "POST"), _unknown_procedure, refuse=_connect_refusal)
    return Routes(exact, dict.fromkeys(SERVICES, unknown))


def _rest_rewrap(rewrap: Rewrap, bounds: Bounds) -> Route:
    def answer(request: flask.Request, request_id: str) -> Reply:
        def read() -> bytes:
            return read_json_body(request, bounds)

        result = rewrap.answer(_exchange(request, request_id, read))
        if result.refusal is None:
            return json_reply(result.status, result.body)
        refusal = result.refusal
        body = {"error": refusal.error, "code": refusal.code, "message": error_text(refusal), "requestId": request_id}
        return json_reply(result.status, body)

    return Route(("POST",), answer, nonce_offer(rewrap))


def _connect_rewrap(rewrap: Rewrap, bounds: Bounds) -> Route:
    def answer(request: flask.Request, request_id: str) -> Reply:
        def read() -> bytes:
            codec, data = _read_post(request, bounds)
            return data if codec == "json" else encode_message("json", "", decode_message(codec, "RewrapRequest", data))

        result = rewrap.answer(_exchange(request, request_id, read))
        if result.refusal is not None:
            status, body = error_of(result.refusal(), error_text(result.refusal))
            return json_reply(status, body)
        return _message_reply(_codec(request), "RewrapResponse", result.body)

    return Route(("POST",), answer, nonce_offer(rewrap), _connect_refusal)


def _procedure(request_type: str, response_type: str, ask: Ask, bounds: Bounds) -> Route:
    """A public procedure without side effects, which Connect lets be asked by GET."""

    def answer(request: flask.Request, _request_id: str) -> Reply:
        is_get = request.method == "GET"
        codec, data = read_get(request.args, bounds.max_bytes) if is_get else _read_post(request, bounds)
        return _message_reply(codec, response_type, ask(decode_message(codec, request_type, data)))

    return Route(("GET", "POST"), answer, refuse=_connect_refusal)


def _unknown_procedure(_request: flask.Request, _request_id: str) -> Reply:
    raise ProcedureUnknown


def _rest_public_key(platform: Platform) -> Route:
    def answer(request: flask.Request, _request_id: str) -> Reply:
        asked = request.args
        return json_reply(
            200, platform.public_key(asked.get("algorithm", ""), asked.get("fmt", ""), asked.get("v", ""))
        )

    return Route(("GET", "HEAD"), answer)


def _document(make: Callable[[], Any]) -> Route:
    return Route(("GET", "HEAD"), lambda _request, _request_id: json_reply(200, make()))


def _public_key(platform: Platform) -> Ask:
    return lambda asked: platform.public_key(_text(asked, "algorithm"), _text(asked, "fmt"), _text(asked, "v"))


def _exchange(request: flask.Request, request_id: str, read: Callable[[], bytes]) -> Exchange:
    credentials = Credentials(request.headers.get("Authorization"), request.headers.get("DPoP"))
    return Exchange(credentials, request.method, read, request_id)


def _codec(request: flask.Request) -> Codec:
    codec = CONTENT_TYPES.get(request.mimetype)
    if codec is None or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise CodecUnsupported
    return codec


def _read_post(request: flask.Request, bounds: Bounds) -> tuple[Codec, bytes]:
    codec = _codec(request)
    body = read_body(request, bounds)
    return codec, decompress(body, request.headers.get("Content-Encoding", "").lower(), bounds.max_bytes)


def _message_reply(codec: Codec, message_type: str, value: Any) -> Reply:
    body = encode_message(codec, message_type, value)
    return Reply(200, body, {"Cache-Control": "no-store"}, f"application/{codec}")


def _connect_refusal(refusal: KasError, _request_id: str) -> Reply:
    status, body = error_of(refusal)
    return json_reply(status, body, refusal_headers(refusal))


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name) if asked.get(name) is not None else ""  # protobuf's JSON form takes null for absent
    if not isinstance(value, str):
        raise _fault("wrong_type", name)
    return value


def _texts(asked: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = asked.get(name) if asked.get(name) is not None else []  # as above
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _fault("wrong_type", name)
    if len(value) > MAX_ASKED_FQNS:
        raise _fault("too_many", name)
    return tuple(value)


def _fault(code: str, name: str) -> InvalidStructure:
    return InvalidStructure((Fault(code, name, MESSAGES[code]),))
