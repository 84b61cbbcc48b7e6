"""Users of a running service: requests made beforehand, so that only the exchange is timed, and every answer checked."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from bench.host import BenchFailed, Connection
from local.client import ProofKey, new_proof_key, new_receiving_key
from local.client.http import Http
from local.client.keys import ReceivingKey
from local.client.proofs import Credentials, fetch_token, make_proof
from local.client.results import open_result, verify_answer
from local.client.rewrap import KasKeys, build_kao, build_request

_KEY_BYTES: Final = 32
# The host ends a connection that was idle for 2 s.
_IDLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Document:
    """A policy and the data keys wrapped under it, one key access object each."""

    policy: dict[str, Any]
    kaos: Sequence[dict[str, Any]]
    data_keys: frozenset[bytes]


def new_document(policy: dict[str, Any], keys: KasKeys, address: str, kaos: int = 1) -> Document:
    data_keys = [secrets.token_bytes(_KEY_BYTES) for _ in range(kaos)]
    built = [
        build_kao(policy, data_key, keys, address, kao_id=f"kao-{number}", sid=f"s-{number}")
        for number, data_key in enumerate(data_keys)
    ]
    return Document(policy, built, frozenset(data_keys))


class Session:
    """One user on one connection, who has the nonce of the last answer. Not for several threads."""

    def __init__(self, port: int, address: str, keys: KasKeys, credentials: Credentials, subject: str) -> None:
        self._address = address
        self._keys = keys
        self._key: ProofKey = new_proof_key()
        self._receiving: ReceivingKey = new_receiving_key()
        http = Http()
        extra = {"override": json.dumps({"claims": {"sub": subject}})}
        self._token = fetch_token(http, credentials, self._key, time.time(), extra).text
        http.close()
        self._connection = Connection(port)
        self._nonce = self._connection("POST", "/rewrap").headers.get("DPoP-Nonce")
        self._used_at = time.perf_counter()

    def open(self, document: Document) -> float:
        """Opens a document; seconds from the first byte sent to the last received. Raises BenchFailed."""
        request = build_request(self._receiving.jwk, [(document.policy, list(document.kaos))], self._key)
        body = json.dumps(request).encode()
        proof = make_proof(self._key, "POST", self._address, time.time(), token=self._token, nonce=self._nonce)
        headers = [("Authorization", f"DPoP {self._token}"), ("DPoP", proof), ("Content-Type", "application/json")]
        began = time.perf_counter()
        if began > self._used_at + _IDLE_SECONDS:
            self._connection.close()
        answer = self._connection("POST", "/rewrap", headers, body)
        self._used_at = time.perf_counter()
        self._nonce = answer.headers.get("DPoP-Nonce") or self._nonce
        if answer.status != HTTPStatus.OK:
            raise BenchFailed(f"{answer.status}: {answer.body[:300]!r}")
        results = verify_answer(answer.json(), request, proof, self._keys.signing, time.time())
        opened = {open_result(result, self._receiving, answer.status) for result in results.values()}
        if opened != document.data_keys or len(results) != len(document.kaos):
            raise BenchFailed("another key came back")
        return self._used_at - began

    def close(self) -> None:
        self._connection.close()
