"""The project that the tests of the stand-in use: keys of every algorithm, secrets, and who may do what."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PROJECT = "projects/kas-test"
NUMBER = 123456789012
RING = f"{PROJECT}/locations/us-central1/keyRings/kas"
HASHES = {"SHA256": hashes.SHA256(), "SHA512": hashes.SHA512(), "SHA1": hashes.SHA1()}
ALGORITHMS = (
    "RSA_DECRYPT_OAEP_2048_SHA256",
    "RSA_DECRYPT_OAEP_3072_SHA256",
    "RSA_DECRYPT_OAEP_4096_SHA256",
    "RSA_DECRYPT_OAEP_4096_SHA512",
    "RSA_DECRYPT_OAEP_2048_SHA1",
    "RSA_DECRYPT_OAEP_3072_SHA1",
    "RSA_DECRYPT_OAEP_4096_SHA1",
)
AES = bytes(range(32))
_FRESH = itertools.count(1)


@dataclass(frozen=True)
class Account:
    token: str
    member: str


KAS = Account("kas-token", "serviceAccount:kas@kas-test.iam.gserviceaccount.com")
ADMIN = Account("admin-token", "user:admin@example.com")
NOBODY = Account("nobody-token", "serviceAccount:nobody@kas-test.iam.gserviceaccount.com")


def key_name(name):
    return f"{RING}/cryptoKeys/{name}"


def version_name(name, number=1):
    return f"{key_name(name)}/cryptoKeyVersions/{number}"


def fresh(prefix):
    """An id that no other test has."""
    return f"{prefix}-{next(_FRESH)}"


UNWRAP = version_name("unwrap")
SECRET = f"{PROJECT}/secrets/signing"


@cache
def private_key(bits):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _pem(bits):
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private_key(bits).private_bytes(encoding, form, serialization.NoEncryption()).decode()


def bits_of(algorithm):
    return int(algorithm.split("_")[3])


def wrap(plaintext, algorithm="RSA_DECRYPT_OAEP_2048_SHA256", *, label=None):
    digest = HASHES[algorithm.rpartition("_")[2]]
    oaep = padding.OAEP(padding.MGF1(digest), digest, label)
    return private_key(bits_of(algorithm)).public_key().encrypt(plaintext, oaep)


def _rsa(name, algorithm, level, *states):
    versions = [{"material": _pem(bits_of(algorithm)), "state": state} for state in states or ("ENABLED",)]
    return {"name": key_name(name), "algorithm": algorithm, "protectionLevel": level, "versions": versions}


def setup_of():
    """The setup file's value."""
    versions = [{"material": base64.b64encode(AES).decode()}]
    seal = {"name": key_name("seal"), "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "versions": versions}
    kas_roles = ("roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/cloudkms.publicKeyViewer")
    states = ("ENABLED", "DISABLED", "DESTROYED")
    return {
        "projects": {"kas-test": NUMBER},
        "tokens": {account.token: account.member for account in (KAS, ADMIN, NOBODY)},
        "metadata": {"member": KAS.member, "lifetimeSeconds": 600},
        "quotas": dict.fromkeys(("cloudkms.read", "cloudkms.write", "secretmanager.write"), 100_000),
        "hsmGenerationSeconds": 60,
        "keys": [
            _rsa("unwrap", "RSA_DECRYPT_OAEP_2048_SHA256", "HSM", *states, "DESTROY_SCHEDULED", "PENDING_GENERATION"),
            *(_rsa(algorithm, algorithm, "SOFTWARE") for algorithm in ALGORITHMS),
            seal,
            seal | {"name": key_name("other-seal"), "protectionLevel": "SOFTWARE"},
        ],
        "secrets": [
            {"name": SECRET, "versions": [{"text": "first", "state": "DISABLED"}, {"data": "c2Vjb25k"}]},
            {"name": f"{PROJECT}/secrets/empty"},
        ],
        "bindings": [
            *({"resource": RING, "role": role, "members": [KAS.member]} for role in kas_roles),
            {"resource": SECRET, "role": "roles/secretmanager.secretAccessor", "members": [KAS.member]},
            {"resource": PROJECT, "role": "roles/owner", "members": [ADMIN.member]},
        ],
    }
