"""Users of a running service: requests made beforehand, so that only the exchange is timed, and every answer checked."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from bench.host import BenchFailed, Connection
from local.client import ProofKey, new_proof_key, new_receiving_key
from local.client.http import Http
from local.client.keys import ReceivingKey
from local.client.proofs import Credentials, fetch_token, make_proof
from local.client.results import open_result, verify_answer_of_several
from local.client.rewrap import Json, Mode, build_kao, build_request
from local.client.services import Kas, Services

_KEY_BYTES: Final = 32
# The host ends a connection that was idle for 2 s.
_IDLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Document:
    """A policy and what is wrapped under it; ``outcomes`` are what a request for all must bring by ``keyAccessObjectId``: a
    data key, or the code of a refusal.
    """

    policy: Json
    kaos: Sequence[Json]
    outcomes: Mapping[str, bytes | str]
    mode: Mode | None = None


def new_document(policy: Json, holders: Sequence[Kas]) -> Document:
    """One key access object of each of the ``holders``, each with a data key of its own."""
    kaos, outcomes = [], {}
    for number, holder in enumerate(holders):
        kao_id, data_key = f"kao-{number}", secrets.token_bytes(_KEY_BYTES)
        kaos.append(_kao(policy, data_key, holder, number))
        outcomes[kao_id] = data_key
    return Document(policy, kaos, outcomes)


def new_alternatives(policy: Json, failing: Sequence[Kas], holder: Kas, code: str) -> Document:
    """One data key that is wrapped to each service: the ``failing`` come first and are refused with ``code``."""
    data_key, services = secrets.token_bytes(_KEY_BYTES), (*failing, holder)
    kaos = [_kao(policy, data_key, service, number) for number, service in enumerate(services)]
    outcomes = {f"kao-{number}": code for number in range(len(failing))}
    return Document(policy, kaos, {**outcomes, f"kao-{len(failing)}": data_key}, "anyOf")


def _kao(policy: Json, data_key: bytes, holder: Kas, number: int) -> Json:
    address = f"{holder.base}/rewrap"
    return build_kao(policy, data_key, holder.keys, address, kao_id=f"kao-{number}", sid=f"s-{number}")


class Session:
    """One user on one connection to the service that ``services`` says is asked, who listens on ``port``; has the nonce of
    the last answer. Not for several threads.
    """

    def __init__(self, port: int, services: Services, credentials: Credentials, subject: str) -> None:
        self._address = f"{services.asked.base}/rewrap"
        self._services = services
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
        groups = [(document.policy, list(document.kaos))]
        request = build_request(self._receiving.jwk, groups, self._key, document.mode)
        body = json.dumps(request).encode()
        proof = make_proof(self._key, "POST", self._address, time.time(), token=self._token, nonce=self._nonce)
        headers = [("Authorization", f"DPoP {self._token}"), ("DPoP", proof), ("Content-Type", "application/json")]
        began = time.perf_counter()
        if began > self._used_at + _IDLE_SECONDS:
            self._connection.close()
        answer = self._connection("POST", "/rewrap", headers, body)
        self._used_at = time.perf_counter()
        self._nonce = answer.headers.get("DPoP-Nonce") or self._nonce
        members: dict[str, Any] = answer.json()
        if "responses" not in members:
            raise BenchFailed(f"{answer.status}: {answer.body[:300]!r}")
        results = verify_answer_of_several(members, request, proof, self._services, time.time())
        outcomes = {kao_id: self._outcome(result) for kao_id, result in results.items()}
        if outcomes != document.outcomes:
            raise BenchFailed(f"{answer.status}, and not what was wrapped: {answer.body[:300]!r}")
        return self._used_at - began

    def get(self, path: str) -> dict[str, Any]:
        """What the service says there to its callers. Raises BenchFailed."""
        address = self._address.removesuffix("/rewrap") + path
        proof = make_proof(self._key, "GET", address, time.time(), token=self._token, nonce=self._nonce)
        answer = self._connection("GET", path, [("Authorization", f"DPoP {self._token}"), ("DPoP", proof)])
        self._nonce = answer.headers.get("DPoP-Nonce") or self._nonce
        if answer.status != HTTPStatus.OK:
            raise BenchFailed(f"{answer.status}: {answer.body[:300]!r}")
        return answer.json()

    def _outcome(self, result: Json) -> bytes | str:
        return open_result(result, self._receiving) if result["status"] == "success" else str(result["code"])

    def close(self) -> None:
        self._connection.close()
