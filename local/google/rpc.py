"""The gRPC interfaces, without TLS, on loopback."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import parse_qsl

import grpc
import proto

from local.google.answer import Answering
from local.google.methods import METHODS, Method
from local.google.names import location_of, misrouted
from local.google.status import ConnectionDropped, FrontEndPage, GoogleError

HOST: Final = "127.0.0.1"
_THREADS: Final = 256
_ROUTING: Final = "x-goog-request-params"


def serve_rpc(port: int, answering: Answering) -> grpc.Server:
    """Starts a server on ``port``. Raises RuntimeError when it is taken."""
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Handlers(answering),))
    server.add_insecure_port(f"{HOST}:{port}")
    server.start()
    return server


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method of the table; others are UNIMPLEMENTED by the library."""

    def __init__(self, answering: Answering) -> None:
        self._handlers = {f"/{method.service}/{method.name}": _handler(answering, method) for method in METHODS}

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _handler(answering: Answering, method: Method) -> Any:
    def call(request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        try:
            _check_routing(method, request, metadata.get(_ROUTING, ""))
            return answering.answer(method, request, metadata.get("authorization"), "grpc")
        except GoogleError as error:
            context.abort(grpc.StatusCode[error.status], error.message)
        except (ConnectionDropped, FrontEndPage):
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    return grpc.unary_unary_rpc_method_handler(call, _reader(method.request), _writer(method.response))


def _check_routing(method: Method, request: Any, routing: str) -> None:
    """A call for a region finds its way by a header alone; the official clients send it."""
    name = method.resource_of(request)
    location = location_of(name)
    if location not in {None, "global"} and (method.field, name) not in parse_qsl(routing):
        raise misrouted(str(location))


def _reader(kind: Any) -> Callable[[bytes], Any]:
    return kind.deserialize if issubclass(kind, proto.Message) else kind.FromString  # type: ignore[no-any-return]


def _writer(kind: Any) -> Callable[[Any], bytes]:
    return kind.serialize if issubclass(kind, proto.Message) else kind.SerializeToString  # type: ignore[no-any-return]
