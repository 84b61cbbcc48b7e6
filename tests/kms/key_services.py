"""The key service of Cloud KMS over the service's own transport, on a stand-in or on whatever answers at a port."""

from __future__ import annotations

import contextlib
import json
import random
import time
from dataclasses import dataclass, field

from kas.google.kms_http import HttpKmsTransport
from kas.google.rest import RestClient
from kas.keys.kms import KmsKeyService
from kas.keys.registry import KeyRecord, WrappedMaterial
from local.google.remote import google
from tests.google.project import KAS, UNWRAP, setup_of, wrap

PLAIN = bytes(range(40, 72))
RECORD = KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"}), kms_version=UNWRAP)


class OneToken:
    """A `TokenSource` whose token is what it is."""

    def __init__(self, token):
        self._token = token

    def token(self, timeout_seconds):
        return self._token

    def forget(self, value):
        """Another one there is not."""


@dataclass
class Running:
    """A key service that calls ``base``; ``lines`` are the operator's, ``paid`` its operations."""

    base: str
    level: str = "HSM"
    token: str = KAS.token
    timeout_seconds: float = 20.0
    deadline_seconds: float = 60.0
    lines: list[dict] = field(default_factory=list)
    paid: int = 0
    service: KmsKeyService = None
    rest: RestClient = None

    def __post_init__(self):
        self.rest = RestClient(self.base, OneToken(self.token), time.monotonic)
        self.service = KmsKeyService(
            HttpKmsTransport(self.rest),
            timer=time.monotonic,
            sleep=time.sleep,
            random=random.random,
            timeout_seconds=self.timeout_seconds,
            deadline_seconds=self.deadline_seconds,
            protection_level=self.level,
            public_key_seconds=3600,
            warn=self.lines.append,
        )

    def unwrap(self, ciphertext=None, record=RECORD):
        wrapped = WrappedMaterial(wrap(PLAIN) if ciphertext is None else ciphertext)
        return self.service.unwrap(record, wrapped, self._pay).reveal()

    def _pay(self):
        self.paid += 1

    def close(self):
        self.rest.close()


@contextlib.contextmanager
def standing_in(folder):
    """A stand-in for Cloud KMS with the project of its own tests."""
    path = folder / "setup.json"
    path.write_text(json.dumps(setup_of()), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as running:
        yield running
