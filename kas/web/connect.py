"""The Connect routes of OpenTDF's newer clients: the procedures that anybody may ask, and the rewrap.

A public procedure has bounds of its own: anybody may ask, protobuf makes much of little, and few may stall, fewer of one network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import flask

from kas.dataclass import dataclass
from kas.errors import CodecUnsupported, Fault, InvalidStructure, KasError, ProcedureUnknown
from kas.journal import Journal
from kas.platform import Platform
from kas.protocol.connect import CONTENT_TYPES, Codec, decode_message, decompress, encode_message, error_of, read_get
from kas.protocol.faults import MESSAGES
from kas.protocol.opentdf.response import error_text
from kas.rewrap import Exchange, Rewrap
from kas.web.body import Bounds, read_body
from kas.web.caller import credentials_of, nonce_offer
from kas.web.replies import Reply, Route, json_reply, refusal_headers
from kas.web.slots import Slots

CONNECT_REWRAP: Final = "/kas.AccessService/Rewrap"
MAX_ASKED_FQNS: Final = 100  # in one question: an answer has some 2 KB for each
_PUBLIC_BYTES: Final = 2**16  # 100 names fit
_PUBLIC_SECONDS: Final = 1.0
_PUBLIC_BODIES: Final = 8  # at once
_NETWORK_SHARE: Final = 4

Ask = Callable[[Mapping[str, Any]], Any]


def _has_none(_value: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Procedure:
    """A public procedure over messages in their JSON form; ``has_key`` says whether an answer has a public key."""

    request: str
    response: str
    ask: Ask
    has_key: Callable[[Any], bool] = _has_none
    is_health: bool = False


def connect_routes(
    rewrap: Rewrap, platform: Platform, bounds: Bounds, record_public_key: Callable[[Journal], None]
) -> dict[str, Route]:
    """The routes by path; ``record_public_key`` is told when a public key is handed out."""
    slots = Slots(_PUBLIC_BODIES, _NETWORK_SHARE)
    public = Bounds(min(_PUBLIC_BYTES, bounds.max_bytes), _PUBLIC_SECONDS, bounds.json, slots)
    routes = {CONNECT_REWRAP: _rewrap_route(rewrap, bounds)}
    for path, procedure in _procedures(platform).items():
        routes[path] = _public_route(procedure, public, record_public_key)
    return routes


def unknown_procedures(paths: Mapping[str, Route]) -> dict[str, Route]:
    """For each service of ``paths`` the route of its other procedures, by prefix: there are none."""
    unknown = Route(("GET", "POST"), _answer_unknown, refuse=_refuse)
    return dict.fromkeys((path.rpartition("/")[0] + "/" for path in paths), unknown)


def _procedures(platform: Platform) -> dict[str, _Procedure]:
    return {
        "/kas.AccessService/PublicKey": _Procedure(
            "PublicKeyRequest",
            "PublicKeyResponse",
            lambda asked: platform.public_key(_text(asked, "algorithm"), _text(asked, "fmt"), _text(asked, "v")),
            has_key=bool,
        ),
        "/kas.AccessService/LegacyPublicKey": _Procedure(
            "LegacyPublicKeyRequest",
            "StringValue",
            lambda asked: platform.legacy_public_key(_text(asked, "algorithm")),
            has_key=bool,
        ),
        "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration": _Procedure(
            "GetWellKnownConfigurationRequest",
            "GetWellKnownConfigurationResponse",
            lambda _asked: {"configuration": platform.well_known()},
            has_key=lambda value: "base_key" in value["configuration"],
        ),
        "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers": _Procedure(
            "ListKeyAccessServersRequest",
            "ListKeyAccessServersResponse",
            lambda _asked: platform.key_access_servers(),
        ),
        "/policy.attributes.AttributesService/GetKeyMappingsByFqns": _Procedure(
            "GetKeyMappingsByFqnsRequest",
            "GetKeyMappingsByFqnsResponse",
            lambda asked: platform.key_mappings(_texts(asked, "fqns")),
            has_key=lambda value: any(mapping["keys"] for mapping in value["fqnKeyMappings"].values()),
        ),
        "/policy.attributes.AttributesService/GetAttributeValuesByFqns": _Procedure(
            "GetAttributeValuesByFqnsRequest",
            "GetAttributeValuesByFqnsResponse",
            lambda asked: platform.attribute_values(_texts(asked, "fqns")),
            has_key=lambda value: any(one["value"]["kasKeys"] for one in value["fqnAttributeValues"].values()),
        ),
        "/grpc.health.v1.Health/Check": _Procedure(
            "HealthCheckRequest", "HealthCheckResponse", lambda _asked: {"status": "SERVING"}, is_health=True
        ),
    }


def _public_route(procedure: _Procedure, bounds: Bounds, record_public_key: Callable[[Journal], None]) -> Route:
    """Without side effects but the record of a key, so Connect lets it be asked by GET. HEAD hands out nothing."""

    def answer(request: flask.Request, journal: Journal) -> Reply:
        is_post = request.method == "POST"
        codec, data = _read_post(request, bounds, journal) if is_post else read_get(request.args, bounds.max_bytes)
        asked = decode_message(codec, procedure.request, data, bounds.json)
        value = procedure.ask(asked)
        reply = _message_reply(codec, procedure.response, value)
        if request.method != "HEAD" and procedure.has_key(value):
            record_public_key(journal)
        return reply

    return Route(("GET", "POST"), answer, refuse=_refuse, is_health=procedure.is_health)


def _rewrap_route(rewrap: Rewrap, bounds: Bounds) -> Route:
    def answer(request: flask.Request, journal: Journal) -> Reply:
        def read() -> bytes:
            codec, data = _read_post(request, bounds, journal)
            if codec == "json":
                return data
            return encode_message("json", "", decode_message(codec, "RewrapRequest", data, bounds.json))

        result = rewrap.answer(Exchange(credentials_of(request), read, journal))
        if result.refusal is not None:
            status, body = error_of(result.refusal(), error_text(result.refusal))
            return json_reply(status, body)
        return _message_reply(_codec(request), "RewrapResponse", result.body)

    return Route(("POST",), answer, nonce_offer(rewrap.authenticator), _refuse)


def _answer_unknown(_request: flask.Request, _journal: Journal) -> Reply:
    raise ProcedureUnknown


def _codec(request: flask.Request) -> Codec:
    codec = CONTENT_TYPES.get(request.mimetype)
    if codec is None or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise CodecUnsupported
    return codec


def _read_post(request: flask.Request, bounds: Bounds, journal: Journal) -> tuple[Codec, bytes]:
    codec = _codec(request)
    body = read_body(request, bounds, journal)
    return codec, decompress(body, request.headers.get("Content-Encoding", "").lower(), bounds.max_bytes)


def _message_reply(codec: Codec, message_type: str, value: Any) -> Reply:
    body = encode_message(codec, message_type, value)
    return Reply(200, body, {"Cache-Control": "no-store"}, f"application/{codec}")


def _refuse(refusal: KasError, _request_id: str) -> Reply:
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
