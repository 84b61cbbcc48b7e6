"""The REST interfaces over HTTP/1.1, with keep-alive; the metadata server and `/control` answer on the same port, and
gRPC by `one_port`.

Headers and body leave in one write, on sockets that do not wait to fill a segment: a delay of 40 ms an answer would be
measured as the caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from local.google.answer import Answering
from local.google.control import Control
from local.google.json_wire import parse_request, render
from local.google.metadata import Metadata
from local.google.methods import METHODS, Method
from local.google.one_port import is_http2, pass_on
from local.google.status import ConnectionDropped, FrontEndPage, GoogleError

MAX_BODY_BYTES: Final = 2**20
HOST: Final = "127.0.0.1"
# Parameters of every call; the enumerations are numbers when they say so.
_SYSTEM: Final = frozenset({"alt", "$alt", "prettyPrint", "key", "quotaUser", "fields", "$userProject"})
_NUMBERS: Final = "enum-encoding=int"


class Page(Exception):
    """An answer that is no refusal of the service: as found in front of it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def _routes() -> list[tuple[str, re.Pattern[str], Method]]:
    """Verb and path of each form of name; the first that fits is taken."""
    return [
        (method.verb, re.compile("/v1/(" + pattern.replace("*", "[^/:]+") + ")" + re.escape(method.suffix)), method)
        for method in METHODS
        for pattern, _ in method.permissions
    ]


class Calls:
    """The calls of both services by verb and path."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self._routes = _routes()

    def find(self, verb: str, path: str) -> tuple[Method, str] | None:
        """The method at a path, and the name in it."""
        for own, pattern, method in self._routes:
            found = pattern.fullmatch(unquote(path))
            if found and own == verb:
                return method, found[1]
        return None

    def answer(self, verb: str, path: str, query: str, body: bytes, authorization: str | None) -> bytes:
        """Raises GoogleError, ConnectionDropped, FrontEndPage and Page."""
        found = self.find(verb, path)
        if found is None:
            raise Page(404, "The requested URL was not found on this server.")
        pairs = parse_qsl(query, keep_blank_values=True)
        own = [(name, value) for name, value in pairs if name not in _SYSTEM]
        request = parse_request(*found, own, body)
        answer = self.answering.answer(found[0], request, authorization, "http")
        has_numbers = any(name == "$alt" and _NUMBERS in value for name, value in pairs)
        return render(answer, has_number_enums=has_numbers)


class RestServer(ThreadingHTTPServer):
    """Serves until shut down; a thread for each connection. What speaks HTTP/2 goes on to ``rpc_port``."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, rpc_port: int, answering: Answering, metadata: Metadata, control: Control) -> None:
        super().__init__((HOST, port), _Handler)
        self.rpc_port = rpc_port
        self.calls = Calls(answering)
        self.metadata = metadata
        self.control = control

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread."""
        request.settimeout(_Handler.timeout)
        if is_http2(request):
            pass_on(request, (HOST, self.rpc_port))
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who goes away in the middle is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: RestServer
    protocol_version = "HTTP/1.1"
    server_version = "local-google"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 240

    def _dispatch(self) -> None:
        try:
            self._answer()
        except GoogleError as error:
            self._send(error.http_status, json.dumps(error.as_json()).encode("ascii"))
        except FrontEndPage as page:
            self._send_page(page.http_status, "The server encountered an error.")
        except Page as page:
            self._send_page(page.status, page.text)
        except ConnectionDropped:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _dispatch  # noqa: N815 - names of the standard library

    def _answer(self) -> None:
        body, parts = self._read_body(), urlsplit(self.path)
        if parts.path.partition("/")[2].partition("/")[0] == "control":
            self._send(200, self.server.control.answer(self.command, parts.path, body))
        elif self.headers.get("Metadata-Flavor") or parts.path.startswith("/computeMetadata/"):
            self._send_metadata(parts.path)
        else:
            calls, caller = self.server.calls, self.headers.get("Authorization")
            self._send(200, calls.answer(self.command, parts.path, parts.query, body, caller))

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Page(411, "A length is required.")
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise Page(413, "The request is too large.")
        return self.rfile.read(int(length))

    def _send_metadata(self, path: str) -> None:
        status, kind, text = self.server.metadata.answer(path, self.headers.get("Metadata-Flavor"))
        headers = {"Content-Type": kind, "Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
        self._write(status, text.encode("utf-8"), headers)

    def _send(self, status: int, body: bytes) -> None:
        headers = {"Content-Type": "application/json; charset=UTF-8", "Cache-Control": "private"}
        if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2
            headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
        self._write(status, body, headers)

    def _send_page(self, status: int, text: str) -> None:
        page = f"<!DOCTYPE html><html lang=en><title>Error {status}</title><p>{text}"
        self._write(status, page.encode("utf-8"), {"Content-Type": "text/html; charset=UTF-8"})

    def _write(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        """Nothing is logged: what was asked is counted."""
