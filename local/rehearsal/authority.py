"""An authority of one day, and certificates of it for any name that is asked for: whoever trusts it takes our answers
for Google's. Its key exists in memory alone.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_MARGIN: Final = dt.timedelta(hours=1)
_LIFETIME: Final = dt.timedelta(days=1)
_NAME_LENGTH: Final = 64


class Authority:
    """``trust`` is the PEM file to trust; ``floor_of`` gives the oldest TLS that is spoken under a name. Contexts are kept."""

    def __init__(self, trust: Path) -> None:
        self.trust = trust
        self.floor_of: Callable[[str], ssl.TLSVersion] = lambda _: ssl.TLSVersion.TLSv1_2
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority of a rehearsal")
        self._id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._contexts: dict[tuple[str, ssl.TLSVersion], ssl.SSLContext] = {}
        self._lock = Lock()
        trust.write_bytes(self._own().public_bytes(serialization.Encoding.PEM))

    def context_for(self, host: str) -> ssl.SSLContext:
        """What a server of this name, or of this address, speaks TLS with."""
        floor = self.floor_of(host)
        with self._lock:
            if (host, floor) not in self._contexts:
                context = _loaded(self.certificate_for(host))
                context.minimum_version = floor
                self._contexts[host, floor] = context
            return self._contexts[host, floor]

    def _own(self) -> x509.Certificate:
        builder = _draft(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_signs_certificates(), critical=True)
        return builder.add_extension(self._id, critical=False).sign(self._key, hashes.SHA256())

    def certificate_for(self, host: str) -> bytes:
        """PEM of a new certificate and its key: for a server that is not ours."""
        key = ec.generate_private_key(ec.SECP256R1())
        own_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._id)
        certificate = (
            _draft(_name(host[:_NAME_LENGTH]), self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
            .add_extension(own_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + secret


def _loaded(pem: bytes) -> ssl.SSLContext:
    """The standard library loads a key from a file only: here for as long as that takes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, path = tempfile.mkstemp()  # readable by us alone
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(path)
    finally:
        os.close(descriptor)
        Path(path).unlink()
    return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MARGIN)
        .not_valid_after(now + _LIFETIME)
    )


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
