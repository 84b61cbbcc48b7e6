"""Servers on loopback that do exactly what a test says, over HTTP/1.1 byte by byte or over gRPC, with TLS or without."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.cloud import kms_v1
from google.protobuf import json_format

from tests.google.project import UNWRAP
from tests.listening import HOST, listening


class Scripted:
    """``requests`` are those that arrived, ``accepted`` counts connections."""

    def __init__(self, port):
        self.base = f"http://{HOST}:{port}"
        self.requests = []
        self.accepted = 0
        self.released = threading.Event()


def read_request(connection):
    """One request with its body; empty where the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < (lengths or [0])[0]:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body, status="200 OK", headers=""):
    """An answer with its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _in_chunks(text):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text


def _of_length(text):
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + text + b"\r\n\r\n{}"


# Answers that declare a length that cannot be, or more than will be read.
BAD_FRAMING = (
    _of_length(b"9" * 23),
    _of_length(b"9" * 5000),
    _of_length(b"68719476736"),
    _of_length(b"4611686018427387904"),
    _of_length(b"-5"),
    _of_length(b"0_2"),
    _of_length(b"x"),
    _in_chunks(b"f" * 40 + b"\r\nabc"),
    _in_chunks(b"4000000000000000\r\nabc"),
    _in_chunks(b"400000000\r\nabc"),
    _in_chunks(b"-5\r\nabc\r\n0\r\n\r\n"),
    _in_chunks(b"-1\r\nabc\r\n0\r\n\r\n"),
)


def scripted(talk, port=0):
    """Gives each connection to ``talk(connection, server)``, and ends it afterwards."""
    return listening(Scripted, lambda connection, server, _: talk(connection, server), port)


@contextlib.contextmanager
def full():
    """A server that takes up no connection any more; yields its host and port."""
    with socket.create_server((HOST, 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        for _ in range(8):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield f"{HOST}:{listener.getsockname()[1]}"


def answering(*answers):
    """Gives each request of a connection the next of these bytes; when there are no more, the last."""

    def talk(connection, server):
        while request := read_request(connection):
            server.requests.append(request)
            connection.sendall(answers[min(len(server.requests), len(answers)) - 1])

    return talk


@contextlib.contextmanager
def grpc_scripted(handle, certificate=None, port=0):
    """Gives each call to ``handle(path, request, context)``, in bytes; yields the port. ``certificate`` holds its key."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: handle(details.method, request, context)
            )

    server = grpc.server(ThreadPoolExecutor(8), handlers=[Handler()], options=[("grpc.so_reuseport", 0)])
    if certificate is None:
        port = server.add_insecure_port(f"{HOST}:{port}")
    else:
        pem = certificate.read_bytes()
        port = server.add_secure_port(f"{HOST}:0", grpc.ssl_server_credentials([(pem, pem)]))
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def grpc_front(target, certificate):
    """Ends TLS before the gRPC server at ``target`` and passes all else on."""
    with grpc.insecure_channel(target) as channel:

        def forward(path, request, context):
            metadata = [(name, value) for name, value in context.invocation_metadata() if name != "user-agent"]
            try:
                return channel.unary_unary(path)(request, metadata=metadata, timeout=context.time_remaining())
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        with grpc_scripted(forward, certificate) as port:
            yield f"https://{HOST}:{port}"


class FakeKms:
    """Answers each public key, and each decryption when it is ``released``; ``seen`` lists the methods."""

    def __init__(self):
        self.seen = []
        self.arrived, self.released = threading.Event(), threading.Event()

    def answer(self, method):
        self.seen.append(method)
        if method == "GetPublicKey":
            return kms_v1.PublicKey(name=UNWRAP, pem="PEM")
        self.arrived.set()
        self.released.wait(60)
        return kms_v1.AsymmetricDecryptResponse(plaintext=b"plain")


@contextlib.contextmanager
def fake_kms(kind, port=0):
    """A `FakeKms` for a kind of transport, and where it is."""
    fake = FakeKms()

    def talk(connection, _server):
        while request := read_request(connection):
            answer = fake.answer("GetPublicKey" if request.startswith(b"GET ") else "AsymmetricDecrypt")
            connection.sendall(reply(json_format.MessageToDict(type(answer).pb(answer))))

    def handle(path, _request, _context):
        answer = fake.answer(path.rpartition("/")[2])
        return type(answer).serialize(answer)

    try:
        if kind == "grpc":
            with grpc_scripted(handle, port=port) as own:
                yield fake, f"http://{HOST}:{own}"
        else:
            with scripted(talk, port) as server:
                yield fake, server.base
    finally:
        fake.released.set()
