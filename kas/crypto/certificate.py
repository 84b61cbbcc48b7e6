"""An EC public key in the form that old OpenTDF clients read: an X.509 certificate (OpenTDF §1, LegacyPublicKey).

The certificate is a box for the key and vouches for nothing: it is signed with a key that is forgotten at once, since
the key inside only unwraps and may live where it cannot sign. Clients trust it as they trust the connection.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

# RFC 5280 §4.1.2.5: the end of a certificate that has none. How long a key is used is the registry's to say.
_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NO_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Certificates:
    """The certificate of each key, made when it is first asked for, in the worker, and kept: one for each ``kid``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, str] = {}

    def of(self, kid: str, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, name: str) -> str:
        """The certificate in PEM of the key ``kid``; ``name`` as of `certificate_of`."""
        with self._lock:
            if kid not in self._made:
                self._made[kid] = certificate_of(public_key, name)
            return self._made[kid]


def certificate_of(public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, name: str) -> str:
    """A certificate in PEM for ``public_key``, subject and issuer ``name`` (64 characters at most)."""
    from cryptography import x509  # late: a fifteenth of a cold start, for what only old clients ask
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, public_key, x509.random_serial_number(), _START, _NO_END)
    certificate = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
