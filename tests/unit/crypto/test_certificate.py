"""The certificate in which old clients expect an EC key: what it says, and how often one is made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from kas.crypto.certificate import Certificates

KEY = ec.generate_private_key(ec.SECP384R1()).public_key()
OTHER = ec.generate_private_key(ec.SECP256R1()).public_key()
THREADS = 16


def test_a_certificate_holds_the_key_and_the_name_and_vouches_for_nothing():
    certificate = x509.load_pem_x509_certificate(Certificates().of("k", KEY, "kas-usa").encode())
    assert certificate.public_key() == KEY
    assert certificate.subject.rfc4514_string() == certificate.issuer.rfc4514_string() == "CN=kas-usa"
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(certificate)


def test_each_kid_has_one_certificate_that_stays():
    certificates = Certificates()
    first, other = certificates.of("k", KEY, "kas"), certificates.of("other", OTHER, "kas")
    assert first != other
    assert (certificates.of("k", KEY, "kas"), certificates.of("other", OTHER, "kas")) == (first, other)


def test_threads_that_ask_at_once_get_the_same():
    certificates, start = Certificates(), Barrier(THREADS)

    def ask(_number):
        start.wait()
        return certificates.of("k", KEY, "kas")

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(ask, range(THREADS)))) == 1


def test_none_is_made_before_it_is_asked_for():
    """The service is built in the parent process; each worker's random numbers are its own."""
    made = Certificates().of("k", KEY, "kas")
    assert made != Certificates().of("k", KEY, "kas")
