"""Contexts for TLS: whose certificates they take, and when authorities are read by the hash of their names."""

from __future__ import annotations

import contextlib
import ssl

import pytest

from kas.tls import client_context, hashed_folders, listing_context
from tests.interop.tls_front import HOST, hashed_folder, make_certificates

CONTEXTS = (client_context, listing_context)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an authority, also by hash and in a folder without, and with a server's certificate."""
    folder = tmp_path_factory.mktemp("authority")
    authority, _ = make_certificates(folder)
    hashed_folder(folder / "hashed", authority)
    (folder / "unhashed").mkdir()
    (folder / "unhashed" / "authority.pem").write_bytes(authority.read_bytes())
    return folder


@pytest.fixture
def environ(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return monkeypatch


def shake_hands(context, certificate, host=HOST):
    """Between ``context`` and a server, in memory. Raises ssl.SSLError."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(certificate)
    server = of_server.wrap_bio(up, down, server_side=True)
    client = context.wrap_bio(down, up, server_hostname=host)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() == server.version() == "TLSv1.3"


def test_the_helper_of_these_tests_hashes_names_as_openssl_does(made, environ):
    """Else a refusal below would prove nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=made / "hashed")
    shake_hands(context, made / "server.pem")


@pytest.mark.parametrize("make", CONTEXTS)
@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "authority.pem"), ("SSL_CERT_DIR", "hashed")])
def test_who_is_vouched_for_by_an_authority_of_the_environment_is_taken(made, environ, make, name, value):
    environ.setenv(name, str(made / value))
    shake_hands(make(), made / "server.pem")


@pytest.mark.parametrize("make", CONTEXTS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", ""),
        ("SSL_CERT_FILE", "missing.pem"),
        ("SSL_CERT_DIR", ""),
        ("SSL_CERT_DIR", "missing"),
        ("SSL_CERT_DIR", "unhashed"),
    ],
)
def test_who_is_vouched_for_by_nobody_is_refused(made, environ, make, name, value):
    environ.setenv(name, str(made / value) if value else "")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(make(), made / "server.pem")


@pytest.mark.parametrize("make", CONTEXTS)
@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "authority.pem"), ("SSL_CERT_DIR", "hashed")])
def test_a_certificate_of_another_host_is_refused(made, environ, make, name, value):
    environ.setenv(name, str(made / value))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(make(), made / "server.pem", "localhost")


@pytest.mark.parametrize("make", CONTEXTS)
def test_a_context_verifies_hosts_and_certificates_and_speaks_no_old_tls(environ, make):
    context = make()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


# ---- Where authorities are looked up by their hash


BUNDLE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


@pytest.fixture
def system(tmp_path):
    """The places of a system that keeps its authorities in a bundle and, by hash, in a folder."""
    folder, bundle = tmp_path / "certs", tmp_path / "cert.pem"
    folder.mkdir()
    for name in ("0123abcd.0", "0123abcd.1", "456789ef.0", "notes.txt"):
        (folder / name).write_text(BUNDLE, "ascii")
    bundle.write_text(3 * BUNDLE, "ascii")
    return ssl.DefaultVerifyPaths(str(bundle), str(folder), "SSL_CERT_FILE", str(bundle), "SSL_CERT_DIR", str(folder))


def test_a_folder_with_all_of_the_bundle_is_enough(system):
    assert hashed_folders(system) == system.openssl_capath


def test_a_folder_without_a_bundle_beside_it_is_enough(system, tmp_path):
    (tmp_path / "cert.pem").unlink()
    assert hashed_folders(system._replace(cafile=None)) == system.openssl_capath


def test_a_folder_of_the_environment_stands_beside_that_of_the_system(system):
    """As OpenSSL would find the system's authorities in their bundle besides."""
    assert hashed_folders(system._replace(capath="/private")) == f"/private:{system.openssl_capath}"


def test_a_file_of_the_environment_is_read(system):
    assert hashed_folders(system._replace(cafile="/private.pem")) is None


def test_what_the_environment_names_and_is_no_folder_is_left_to_openssl(system):
    assert hashed_folders(system._replace(capath=None)) is None


@pytest.mark.parametrize("spoil", ["unhashed", "fewer", "dangling", "missing"])
def test_a_folder_that_has_not_all_of_the_bundle_is_not_enough(system, tmp_path, spoil):
    folder = tmp_path / "certs"
    for entry in list(folder.glob("*.[01]"))[: 1 if spoil == "fewer" else 3]:
        entry.unlink()
        if spoil == "dangling":
            entry.symlink_to(tmp_path / "gone")
    if spoil == "missing":
        system = system._replace(openssl_capath=str(tmp_path / "gone"), capath=None)
    assert hashed_folders(system) is None
