"""What operators and Google hand us, one function each for `targets`: the key index, settings, references, answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kas.config import Settings
from kas.errors import ConfigError
from kas.google.checksums import crc32c
from kas.google.kms_http import HttpKmsTransport
from kas.google.secrets import payload_of
from kas.google.status import GoogleError, answer_of
from kas.keys.index import read_index
from kas.keys.kms_answers import AnswerRefused, decrypted_fault, operator_line, read_public_key, unsealed_fault
from kas.keys.registry import KeyRecord
from kas.references import MAX_BYTES, References

NOWHERE = Path("/nonexistent")
# What was sent or read; no error shows it.
CANARY = "ya29_c0ASRK0Ga-canary_of_the_fuzzer_and_nobody_else_"
SENT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
RING = "projects/kas-test/locations/europe-west1/keyRings/kas"
VERSION = f"{RING}/cryptoKeys/unwrap/cryptoKeyVersions/3"
SECRET = "projects/kas-test/secrets/nonce/versions/3"
RECORD = KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"}), kms_version=VERSION)
ENDPOINT = "https://secretmanager.googleapis.com"
NEEDED = {"KAS_ID": "kas-usa", "KAS_PUBLIC_BASES": "https://kas.example"}


def key_index(data: bytes) -> None:
    """As the environment has it. What is taken names every key once, and the one that signs first."""
    text = data.decode("utf-8", "surrogateescape")
    if not text:
        return  # the folder's own, then
    index = read_index(text, NOWHERE, takes_files=data.endswith(b"}"))
    kids = [entry.record.kid for entry in index.unwrap] + [entry.kid for entry in index.signing]
    assert len(set(kids)) == len(kids)
    assert [entry.is_current for entry in index.signing] == [True] + [False] * (len(index.signing) - 1)
    for entry in index.unwrap:
        assert entry.record.is_remote == (entry.source is None)
        assert entry.record.jwk_algorithm


class Answers:
    """A `RestClient` that has one answer to everything."""

    def __init__(self, status: int, body: bytes) -> None:
        self._status = status
        self._body = body

    def call(self, *_asked: Any) -> dict[str, Any]:
        try:
            return answer_of(self._status, self._body, [CANARY, SENT])
        except GoogleError as error:
            is_shown(error)
            raise


def is_shown(error: GoogleError | AnswerRefused) -> None:
    """Asserts that it may be told to the operator: one short line in which nothing secret stands."""
    line = json.dumps(operator_line("AsymmetricDecrypt", VERSION, error))
    assert len(line) < 2000
    assert all(secret not in line for secret in (CANARY, SENT))
    assert str(error).isprintable()


def google_answer(data: bytes) -> None:
    """The bytes as the body of each answer, of a good status and of others: believed with its proofs, or refused."""
    for status in (400, 403, 503):
        with contextlib.suppress(GoogleError):
            Answers(status, data).call()
            raise AssertionError("a refusal was taken for an answer")
    transport = HttpKmsTransport(Answers(200, data))  # type: ignore[arg-type]
    with contextlib.suppress(GoogleError):
        opened = transport.asymmetric_decrypt(VERSION, b"c", timeout_seconds=1.0)
        if decrypted_fault(opened, "HSM") is None:
            assert (opened.plaintext_crc32c, opened.protection_level) == (crc32c(opened.plaintext), "HSM")
            assert opened.is_ciphertext_verified is True
    with contextlib.suppress(GoogleError):
        unsealed_fault(transport.decrypt(RING, b"c", b"k", timeout_seconds=1.0))
    with contextlib.suppress(GoogleError):
        assert len(payload_of(Answers(200, data).call(), SECRET)) <= MAX_BYTES
    with contextlib.suppress(GoogleError):
        _published(transport)


def _published(transport: HttpKmsTransport) -> None:
    try:
        key = read_public_key(transport.get_public_key(VERSION, timeout_seconds=1.0), RECORD, "HSM")
    except AnswerRefused as refusal:
        is_shown(refusal)
        return
    assert key.key_size == 2048


def _secrets(_endpoint: str, versions: Mapping[str, str]) -> dict[str, bytes]:
    return dict.fromkeys(versions, CANARY.encode())


def settings(data: bytes) -> None:
    """A JSON object as the environment; other bytes as the value of each setting that has a form of its own."""
    try:
        environ = json.loads(data)
        environ = {name: value for name, value in environ.items() if _may_stand(name) and _may_stand(value)}
    except (ValueError, AttributeError, RecursionError):
        text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
        names = ("PUBLIC_BASES", "KMS_ENDPOINT", "CORS_ORIGINS", "NONCE_SECRET", "GCP_PROJECT", "MAX_KAOS")
        for name in names:
            _read_settings({f"KAS_{name}": text})
        return
    _read_settings(environ)


def _may_stand(text: object) -> bool:
    """Whether the environment can hold it."""
    try:
        return isinstance(text, str) and b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def _read_settings(environ: dict[str, str]) -> None:
    try:
        taken = Settings.from_environ(NEEDED | environ, _secrets)
    except ConfigError as error:
        assert CANARY not in str(error)  # noqa: PT017 - pytest is not there
        return
    assert taken.public_bases
    assert taken.local or all(base.lower().startswith("https://") for base in taken.public_bases)


def references(data: bytes) -> None:
    """The first line as a reference, what follows as what it stands for."""
    first, _, value = data.partition(b"\n")
    text = first.decode("utf-8", "surrogateescape")
    for is_local in (False, True):
        asked = References(
            read_secrets=lambda _endpoint, versions: dict.fromkeys(versions, value + CANARY.encode()),
            endpoint=ENDPOINT,
            takes_latest=is_local,
            on_cloud_run=False,
        )
        try:
            found = asked.texts({"KAS_X": text})
        except ConfigError as error:
            assert CANARY not in str(error)  # noqa: PT017 - pytest is not there
            assert str(error).startswith("KAS_X: ")  # noqa: PT017 - pytest is not there
            continue
        assert found.keys() == {"KAS_X"}
