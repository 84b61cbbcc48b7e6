"""What ends TLS before a deployed KAS: it speaks https, says so in ``X-Forwarded-Proto`` and passes all else on.

It remembers what passed, so that a test can see what a client really sent and was answered.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.client
import ipaddress
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST: Final = "127.0.0.1"
_SEQUENCE_HEAD_BYTES: Final = 2  # of one that is short
_NOT_PASSED: Final = {"connection", "transfer-encoding", "server", "date", "host", "x-forwarded-proto"}


@dataclass(frozen=True, slots=True)
class Passed:
    """One request and its answer; names of headers in lower case."""

    path: str
    request_headers: Mapping[str, str]
    status: int
    answer_headers: Mapping[str, str]
    answer: bytes


@dataclass(frozen=True, slots=True)
class Front:
    """A running front; ``seen`` grows."""

    base: str
    seen: list[Passed]

    def of(self, path: str) -> list[Passed]:
        return [one for one in self.seen if one.path == path]


@contextlib.contextmanager
def tls_front(certificate: Path, port: int, upstream: str) -> Iterator[Front]:
    """Listens on ``port`` until the end; ``certificate`` is a PEM file with the key in it."""
    front = Front(f"https://{HOST}:{port}", [])
    address = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def log_message(self, *_: object) -> None:
            """What passes is remembered, not printed."""

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED}
            with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
                connection.request(self.command, self.path, body, {**headers, "X-Forwarded-Proto": "https"})
                response = connection.getresponse()
                answer = response.read()
            answered = {name.lower(): value for name, value in response.getheaders()}
            sent = {name.lower(): value for name, value in headers.items()}
            front.seen.append(Passed(self.path, sent, response.status, answered, answer))
            self.send_response(response.status)
            for name, value in answered.items():
                if name not in _NOT_PASSED:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

    with _serving(Handler, certificate, port):
        yield front


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us, or that goes, is no error of ours."""
        if not isinstance(sys.exc_info()[1], ssl.SSLError | ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], certificate: Path, port: int) -> Iterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _Server((HOST, port), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def make_certificates(folder: Path, *names: str) -> tuple[Path, Path]:
    """An authority of one day, and a certificate of it for the loopback address and ``names`` with its key: two PEM files."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    own_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _draft(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(own_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(HOST)), *map(x509.DNSName, names)]
    server = (
        _draft(server_name, authority_name, server_key.public_key())
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    trust, certificate = folder / "authority.pem", folder / "server.pem"
    trust.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM) + key)
    return trust, certificate


def hashed_folder(folder: Path, authority: Path) -> Path:
    """Makes ``folder`` for ``SSL_CERT_DIR``: the authority under the hash of its short name, as ``openssl rehash`` does."""
    (name,) = x509.load_pem_x509_certificate(authority.read_bytes()).subject
    canonical = x509.Name([x509.NameAttribute(name.oid, str(name.value).lower())]).public_bytes()
    digest = hashlib.sha1(canonical[_SEQUENCE_HEAD_BYTES:]).digest()
    folder.mkdir()
    (folder / f"{int.from_bytes(digest[:4], 'little'):08x}.0").symlink_to(authority)
    return folder


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
