"""Cloud KMS as a transport without a network: real RSA-OAEP, real CRC32C, the states of versions, trouble on demand.

`World` is a key service over it, with time, chance, budget and the operator's lines in the test's hands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kas.google.checksums import crc32c
from kas.google.kms import VERSION_NAME, Decrypted, PublicKeyAnswer
from kas.google.status import GoogleError
from kas.keys.kms import KmsKeyService
from kas.keys.registry import KeyRecord, WrappedMaterial

RING = "projects/kas-test/locations/europe-west1/keyRings/kas"
VERSION = f"{RING}/cryptoKeys/unwrap/cryptoKeyVersions/3"
SHA1_VERSION = f"{RING}/cryptoKeys/tdf/cryptoKeyVersions/1"
RECORD = KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"}), kms_version=VERSION)
SHA1_RECORD = KeyRecord("t", "RSA-2048", "active", frozenset({"opentdf"}), kms_version=SHA1_VERSION)
MATERIAL = bytes(range(100, 132))
DOWN = GoogleError("UNAVAILABLE", "The service is currently unavailable.")
SLOW = GoogleError("DEADLINE_EXCEEDED", "Deadline Exceeded")
DISABLED = GoogleError("FAILED_PRECONDITION", f"{VERSION} is not enabled, current state is: DISABLED.")
DENIED = GoogleError("PERMISSION_DENIED", f"Permission denied on resource '{VERSION}' (or it may not exist).")
CHECKSUM = GoogleError(
    "INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data in field ciphertext."
)
_HASHES = {"SHA256": hashes.SHA256(), "SHA1": hashes.SHA1()}

Answer = Decrypted | PublicKeyAnswer
# What happens to a call: an error, or what becomes of its good answer.
Trouble = Exception | Callable[[Answer], Answer]


@cache
def private_key(name):
    """One key for each name."""
    return rsa.generate_private_key(65537, 3072 if name == "large" else 2048)


def oaep(name):
    return padding.OAEP(padding.MGF1(_HASHES[name]), _HASHES[name], None)


def wrap(material=MATERIAL, *, digest="SHA256", key="unwrap"):
    return WrappedMaterial(private_key(key).public_key().encrypt(material, oaep(digest)))


@dataclass
class FakeVersion:
    key: rsa.RSAPrivateKey
    algorithm: str = "RSA_DECRYPT_OAEP_2048_SHA256"
    level: str = "HSM"
    state: str = "ENABLED"


@dataclass(frozen=True)
class Call:
    method: str
    version: str
    timeout_seconds: float


@dataclass
class FakeKms:
    """A `KmsTransport` that remembers its calls; the troubles of a method meet its next calls, one each.

    ``always`` meets those for which there is none. ``before`` runs first, in the thread of the caller.
    """

    versions: dict[str, FakeVersion]
    calls: list[Call] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=lambda: {"decrypt": [], "public_key": []})
    always: dict[str, Trouble] = field(default_factory=dict)
    before: Callable[[Call], None] = lambda _call: None

    def asymmetric_decrypt(self, version, ciphertext, *, timeout_seconds):
        trouble = self._begin(Call("decrypt", version, timeout_seconds))
        found = self._find(version)
        try:
            plaintext = found.key.decrypt(ciphertext, oaep(found.algorithm.rpartition("_")[2]))
        except ValueError as error:
            raise GoogleError("INVALID_ARGUMENT", "Decryption failed.") from error
        return trouble(Decrypted(plaintext, crc32c(plaintext), True, found.level))

    def get_public_key(self, version, *, timeout_seconds):
        trouble = self._begin(Call("public_key", version, timeout_seconds))
        found = self._find(version)
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        pem = found.key.public_key().public_bytes(*form)
        return trouble(PublicKeyAnswer(version, found.algorithm, found.level, pem, crc32c(pem)))

    def decrypt(self, key, ciphertext, additional_data, *, timeout_seconds):
        raise AssertionError("an unwrap key is asymmetric")

    def close(self):
        raise AssertionError("not the key service's to do")

    def count(self, method):
        return sum(call.method == method for call in self.calls)

    def _begin(self, call):
        assert call.timeout_seconds > 0
        self.calls.append(call)
        self.before(call)
        waiting = self.troubles[call.method]
        trouble = waiting.pop(0) if waiting else self.always.get(call.method, lambda answer: answer)
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    def _find(self, version):
        if not VERSION_NAME.fullmatch(version):
            raise GoogleError("INVALID_ARGUMENT", "The name has no form of this method.")
        if version not in self.versions:
            raise GoogleError("NOT_FOUND", f"{version} not found.")
        found = self.versions[version]
        if found.state != "ENABLED":
            raise GoogleError("FAILED_PRECONDITION", f"{version} is not enabled, current state is: {found.state}.")
        return found


def _both():
    sha1 = FakeVersion(private_key("unwrap"), "RSA_DECRYPT_OAEP_2048_SHA1")
    return FakeKms({VERSION: FakeVersion(private_key("unwrap")), SHA1_VERSION: sha1})


@dataclass
class World:
    """A key service at the time ``now``; ``slept`` are its waits, ``lines`` the operator's, ``paid`` its operations."""

    kms: FakeKms = field(default_factory=_both)
    level: str = "HSM"
    timeout_seconds: float = 3.0
    deadline_seconds: float = 8.0
    now: float = 1000.0
    chance: float = 0.5
    slept: list[float] = field(default_factory=list)
    lines: list[dict] = field(default_factory=list)
    paid: int = 0
    service: KmsKeyService = None

    def __post_init__(self):
        self.service = KmsKeyService(
            self.kms,
            timer=lambda: self.now,
            sleep=self._sleep,
            random=lambda: self.chance,
            timeout_seconds=self.timeout_seconds,
            deadline_seconds=self.deadline_seconds,
            protection_level=self.level,
            public_key_seconds=3600,
            warn=self.lines.append,
        )

    @property
    def version(self):
        return self.kms.versions[VERSION]

    def unwrap(self, wrapped=None, record=RECORD):
        return self.service.unwrap(record, wrap() if wrapped is None else wrapped, self.pay).reveal()

    def pay(self):
        self.paid += 1

    def take_time(self, seconds):
        """From now on every call takes so long, or as long as it may."""

        def before(call):
            self.now += min(seconds, call.timeout_seconds)
            if seconds >= call.timeout_seconds:
                raise SLOW

        self.kms.before = before

    def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
