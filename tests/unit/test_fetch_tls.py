"""Fetching over TLS with an authority of the test's own: the certificate must be known, current and of this host."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kas.fetch import FetchError, HttpFetcher
from tests.fake_issuer import replying, serving
from tests.interop.tls_front import key_usage

BODY = b'{"keys":[]}'


def address(server, host):
    return f"https://{host}:{server.server_port}/jwks"


def fetch(url, *, deadline=5.0, local=True):
    return HttpFetcher(time.perf_counter, allow_loopback_http=local, deadline_seconds=deadline)(url)


def certificate(name, key, issuer=None, issuer_key=None, *, days=1, hosts=()):
    """A certificate, of its own authority unless an issuer is given; as strict readers, such as Python 3.13, want them."""
    signing_key = issuer_key or key
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority():
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate("Test authority", key), key


@contextlib.contextmanager
def tls_server(folder, authority, *hosts, days=1, self_signed=False):
    """An HTTPS server whose certificate is for ``hosts``; the authority is in ``folder/ca.pem``."""
    ca, ca_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    issued = (None, None) if self_signed else (ca, ca_key)
    own = certificate("server", key, *issued, days=days, hosts=hosts)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "own.pem").write_bytes(private + own.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    with serving(replying(200, BODY)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


LOCALHOST = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_with_a_certificate_of_a_known_authority_is_fetched(tmp_path, monkeypatch, authority, host):
    with tls_server(tmp_path, authority, *LOCALHOST) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert fetch(address(server, host), local=False) == BODY


@pytest.mark.parametrize("local", [True, False])
def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path, monkeypatch, authority, local):
    """In local mode too: only plain HTTP on loopback goes without."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with tls_server(tmp_path, authority, *LOCALHOST) as server, pytest.raises(FetchError, match="SSLCertVerification"):
        fetch(address(server, "localhost"), local=local)


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": (x509.DNSName("other.example"),)},
        {"hosts": ()},
        {"hosts": LOCALHOST, "days": -1},
        {"hosts": LOCALHOST, "self_signed": True},
    ],
    ids=["other-host", "no-host", "expired", "self-signed"],
)
def test_a_certificate_that_is_not_this_hosts_is_refused(tmp_path, monkeypatch, authority, options):
    options = dict(options)
    with tls_server(tmp_path, authority, *options.pop("hosts"), **options) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(FetchError, match="SSLCertVerification"):
            fetch(address(server, "localhost"))


def test_a_server_without_tls_is_refused_under_https():
    with serving(replying(200, BODY)) as server, pytest.raises(FetchError):
        fetch(address(server, "127.0.0.1"), deadline=2)
