"""A peer on loopback that does to its caller exactly what a test says: real sockets, byte by byte, with TLS or without."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from functools import partial

from tests.listening import HOST, listening

OK = {"answer": "good"}
PAUSE = 0.05
PIECE = b"x" * 60_000


class Peer:
    """``requests`` are those that arrived whole, ``accepted`` counts connections, ``released`` is set at the end."""

    def __init__(self, port, scheme):
        self.address = f"{HOST}:{port}"
        self.base = f"{scheme}://{self.address}"
        self.url = f"{self.base}/rewrap"
        self.requests = []
        self.accepted = 0
        self.released = threading.Event()


def read_request(connection, peer):
    """One request with its body, which is remembered; empty where the caller has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    peer.requests.append(head + b"\r\n\r\n" + body)
    return peer.requests[-1]


def reply(body=OK, status="200 OK", headers=""):
    """An answer with its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


# ---- what a peer may do with a connection


def answering(*answers):
    """Gives each request the next of these bytes; when there are no more, the last."""

    def talk(connection, peer):
        while read_request(connection, peer):
            connection.sendall(answers[min(len(peer.requests), len(answers)) - 1])

    return talk


def dripping(before, drip, after=b"", times=None):
    """Sends ``before``, then the bytes of ``drip`` one at a time, over and over, each in good time, then ``after``."""

    def talk(connection, peer):
        read_request(connection, peer)
        connection.sendall(before)
        turn = 0
        while times is None or turn < times:
            for number in range(len(drip)):
                connection.sendall(drip[number : number + 1])
                peer.released.wait(PAUSE)
            turn += 1
        connection.sendall(after)

    return talk


def flooding(before, piece):
    """Sends ``before`` and then pieces, until the caller has had enough."""

    def talk(connection, peer):
        read_request(connection, peer)
        connection.sendall(before)
        while not peer.released.is_set():
            connection.sendall(piece)

    return talk


def ending(said=b"", *, after=0, is_reset=False):
    """Answers so many requests, then reads another, says ``said`` and ends the connection; so on each connection."""

    def talk(connection, peer):
        for _ in range(after):
            read_request(connection, peer)
            connection.sendall(reply())
        read_request(connection, peer)
        connection.sendall(said)
        if is_reset:  # instead of an orderly end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def silent(connection, peer):
    """Reads and never answers."""
    read_request(connection, peer)
    peer.released.wait()


def deaf(connection, peer):
    """Never even reads, nor shakes hands."""
    peer.released.wait()


HEAD = b"HTTP/1.1 200 OK\r\n"
IN_CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

SLOW = {
    "nothing read": deaf,
    "no answer": silent,
    "status drips": dripping(b"", b"HTTP/1.1 200 OK " + b"x" * 1000),
    "headers drip": dripping(HEAD, b"X-Header: yes\r\n"),
    "body drips": dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks drip": dripping(IN_CHUNKS, b"1\r\n \r\n"),
    "continue drips": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
HUGE = {
    "body without end": flooding(HEAD + b"\r\n", PIECE),
    "chunks without end": flooding(IN_CHUNKS, b"%x\r\n%b\r\n" % (len(PIECE), PIECE)),
    "trailers without end": flooding(IN_CHUNKS + b"0\r\n", b"X: " + PIECE + b"\r\n"),
    "continue without end": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "headers of continue without end": flooding(b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n\r\nHTTP/1.1 100 C\r\n" * 1000),
    "declared": answering(HEAD + b"Content-Length: 68719476736\r\n\r\n{}"),
    "declared just beyond": answering(HEAD + b"Content-Length: 4194305\r\n\r\n{}"),
    "chunk declared": answering(IN_CHUNKS + b"400000001\r\n{}"),
}
UNREADABLE = {
    "length below none": answering(HEAD + b"Content-Length: -5\r\n\r\n{}"),
    "length no number": answering(HEAD + b"Content-Length: x\r\n\r\n{}"),
    "two lengths": answering(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "chunk no number": answering(IN_CHUNKS + b"zz\r\n"),
    "chunk up to the end": answering(IN_CHUNKS + b"-1\r\nabc\r\n0\r\n\r\n"),
    "chunk below none": answering(IN_CHUNKS + b"-5\r\nabc\r\n0\r\n\r\n"),
}
BROKEN = {
    "no HTTP": ending(b"canary\r\n\r\n"),
    "another protocol": ending(b"SSH-2.0-canary\r\n"),
    "status no number": ending(b"HTTP/1.1 canary OK\r\n\r\n"),
    "no answer": ending(),
    "reset": ending(is_reset=True),
    "ends in the status": ending(b"HTTP/1"),
    "ends in the headers": ending(HEAD + b"Content-Length: 2\r\n"),
    "ends in the body": ending(HEAD + b"Content-Length: 10\r\n\r\n{}"),
    "ends in a chunk": ending(IN_CHUNKS + b"5\r\nab"),
    "reset in the body": ending(HEAD + b"Content-Length: 10\r\n\r\n{}", is_reset=True),
    "a long header": ending(HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n"),
    "many headers": ending(HEAD + b"X: y\r\n" * 300 + b"\r\n"),
}


def hostile_peer(talk, *, certificate=None, cut=0):
    """Gives each connection to ``talk(connection, peer)`` and ends it afterwards; ``certificate`` is a PEM file with its
    key, and then ``talk`` speaks within TLS. The first ``cut`` connections end before a word.
    """
    wrap = _wrapping(certificate)

    def serve(raw, peer, number):
        if number > cut:
            with wrap(raw) as connection:
                talk(connection, peer)

    return listening(partial(Peer, scheme="http" if certificate is None else "https"), serve)


def _wrapping(certificate):
    if certificate is None:
        return contextlib.nullcontext
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return lambda connection: context.wrap_socket(connection, server_side=True)
