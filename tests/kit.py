"""What tests stand on: a real KAS and a real provider as processes, and one good request of which a test breaks a part.

attempt = kit.attempt()                      # usa-secret asks for a key under NATO SECRET
attempt.proof_claims["htm"] = "GET"          # one thing broken
refused(attempt.send(), 401, "invalid_dpop_proof", "proof_method_mismatch")

The processes end with the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.client import Answer, Credentials, Http, ProofKey, ReceivingKey, new_proof_key, new_receiving_key
from local.client.proofs import make_proof, post_token
from local.client.results import open_result, verify_answer
from local.client.rewrap import (
    KasKeys,
    build_kao,
    build_request,
    fetch_kas_keys,
    post_rewrap,
    sign_kao,
)
from local.processes import World, world
from tests.canaries import CANARIES, Overheard
from tests.trails import faults_in

UNLIMITED = {
    "KAS_RATE_NETWORK_PER_MINUTE": "1000000",
    "KAS_RATE_GLOBAL_PER_MINUTE": "1000000",
    "KAS_RATE_HEALTH_PER_10_SECONDS": "1000000",
    "KAS_RATE_REWRAP_PER_MINUTE": "1000000",
}
NATO_SECRET = {
    "classification": "SECRET",
    "releasabilityTo": ["USA", "FRA"],
    "COI": ["NATO"],
    "creationDate": "2026-01-01T00:00:00Z",
}


def policy(**dissem: Any) -> dict[str, Any]:
    """A policy that usa-secret and fra-secret satisfy; ``dissem`` replaces members, None removes them."""
    merged = {name: value for name, value in (NATO_SECRET | dissem).items() if value is not None}
    return {"policyId": f"p-{secrets.token_hex(4)}", "body": {}, "dissem": merged}


def refused(answer: Answer, status: int, error: str, code: str) -> dict[str, Any]:
    """Asserts a whole-request refusal in the one error form, and returns its body."""
    body = answer.json()
    assert (answer.status, body.get("error"), body.get("code")) == (status, error, code), answer.body
    assert body["requestId"] == answer.headers["X-Request-Id"]
    assert isinstance(body["message"], str)
    assert body["message"]
    assert "kasWrappedKey" not in answer.body.decode()
    return body


@dataclass
class Attempt:
    """One request to ``POST /rewrap`` that would succeed; every field may be changed before `send`.

    ``request`` is the body as JSON; `resign` signs its KAOs again after a change. ``body`` replaces the bytes,
    ``proof`` the whole proof, ``headers`` are added. With ``nonce`` "fresh" a nonce is fetched first.
    """

    kit: Kit
    key: ProofKey
    token: str
    data_keys: dict[str, bytes]
    receiving: ReceivingKey
    request: dict[str, Any]
    proof_claims: dict[str, Any] = field(default_factory=dict)
    proof_header: dict[str, Any] = field(default_factory=dict)
    proof_key: ProofKey | None = None
    proof: str | None = None
    nonce: str | None = "fresh"
    scheme: str = "DPoP"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None

    @property
    def kao(self) -> dict[str, Any]:
        """The first key access object of the request, as sent."""
        return self.request["requests"][0]["keyAccessObjects"][0]

    @property
    def policy(self) -> dict[str, Any]:
        return self.request["requests"][0]["policy"]

    def resign(self, key: ProofKey | None = None) -> None:
        """Signs every KAO as it stands now, with ``key`` or the proven one."""
        for group in self.request["requests"]:
            group["keyAccessObjects"] = [sign_kao(kao, key or self.key) for kao in group["keyAccessObjects"]]

    def make_proof(self) -> str:
        nonce = self.kit.fresh_nonce() if self.nonce == "fresh" else self.nonce
        return make_proof(
            self.proof_key or self.key,
            "POST",
            self.kit.url,
            time.time(),
            token=self.token,
            nonce=nonce,
            claims=self.proof_claims,
            header=self.proof_header,
        )

    def send(self) -> Answer:
        self.proof = self.proof or self.make_proof()
        body = json.dumps(self.request).encode() if self.body is None else self.body
        return post_rewrap(
            self.kit.http,
            self.kit.url,
            body,
            token=self.token,
            proof=self.proof,
            scheme=self.scheme,
            headers=self.headers,
        )

    def open(self, answer: Answer) -> dict[str, bytes]:
        """The data keys by KAO id, every result verified as a careful client does."""
        members = answer.json()
        results = verify_answer(members, self.request, str(self.proof), self.kit.kas_keys().signing, time.time())
        return {kao_id: open_result(result, self.receiving, answer.status) for kao_id, result in results.items()}

    def result(self, answer: Answer) -> dict[str, Any]:
        """The first result, its signature verified."""
        members = answer.json()
        results = verify_answer(members, self.request, str(self.proof), self.kit.kas_keys().signing, time.time())
        return next(iter(results.values()))


@dataclass
class Kit:
    """A running pair and what is needed to talk to it. ``log`` is the file with the audit lines of both, of which so many
    bytes have been read into ``read_events``, by request.

    What is sent is noted as secret, and what comes back is searched for it when the run has ended (`canaries`).
    """

    world: World
    log: Path
    http: Http = field(default_factory=lambda: Http(timeout_seconds=20))
    read_bytes: int = 0
    read_events: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        CANARIES.watch(self.log.parent)
        self.http = Overheard(self.http, self.base, self.log.with_name("answers"))

    @property
    def base(self) -> str:
        return self.world.kas.base

    @property
    def url(self) -> str:
        return f"{self.base}/rewrap"

    def kas_keys(self) -> KasKeys:
        return fetch_kas_keys(self.http, self.base)

    def credentials(self, client: str) -> Credentials:
        return Credentials(f"{self.world.provider.base}/token", client, "dev")

    def access_token(
        self, client: str = "usa-secret", key: ProofKey | None = None, override: Mapping[str, Any] | None = None
    ) -> str:
        """A token, bound to ``key`` when there is one; ``override`` as the provider takes it."""
        credentials = self.credentials(client)
        proof = None if key is None else make_proof(key, "POST", credentials.token_url, time.time())
        extra = {} if override is None else {"override": json.dumps(override)}
        answer = post_token(self.http, credentials, proof, extra)
        assert answer.status == 200, answer.body
        return str(answer.json()["access_token"])

    def fresh_nonce(self) -> str | None:
        return self.http("POST", self.url).headers.get("DPoP-Nonce")

    def attempt(
        self,
        client: str = "usa-secret",
        *,
        policies: list[dict[str, Any]] | None = None,
        kaos: int = 1,
        override: Mapping[str, Any] | None = None,
        key: ProofKey | None = None,
        receiving: str = "P-256",
        data_key: bytes | None = None,
    ) -> Attempt:
        """A good request of ``client``: ``kaos`` key access objects under each of ``policies``."""
        key = key or new_proof_key()
        token = self.access_token(client, key, override)
        keys, receiving_key = self.kas_keys(), new_receiving_key(receiving)
        data_keys, groups = {}, []
        for group, one in enumerate(policies or [policy()]):
            built = []
            for number in range(kaos):
                kao_id = f"kao-{group}-{number}"
                data_keys[kao_id] = data_key or secrets.token_bytes(32)
                CANARIES.keep_key(kao_id, data_keys[kao_id])
                built.append(build_kao(one, data_keys[kao_id], keys, self.url, kao_id=kao_id, sid=f"s-{number}"))
            groups.append((one, built))
        request = build_request(receiving_key.jwk, groups, key)
        return Attempt(self, key, token, data_keys, receiving_key, request)

    def events(self, request_id: str) -> list[dict[str, Any]]:
        """The audit lines of one request."""
        with self.log.open("rb") as log:
            if log.seek(0, os.SEEK_END) < self.read_bytes:  # it was emptied
                self.read_bytes, self.read_events = 0, {}
            log.seek(self.read_bytes)
            whole, newline, _ = log.read().rpartition(b"\n")
        self.read_bytes += len(whole) + len(newline)
        for line in whole.splitlines():
            if line.startswith(b"{"):
                event = json.loads(line)
                self.read_events.setdefault(event.get("requestId"), []).append(event)
        return list(self.read_events.get(request_id, ()))

    def audit_faults(self) -> tuple[str, ...]:
        """What is wrong with the trail so far."""
        return faults_in(self.log, self.http("GET", f"{self.base}/.well-known/jwks.json").json())


@contextlib.contextmanager
def running_kit(folder: Path, **settings: str) -> Iterator[Kit]:
    """A fresh pair with these ``KAS_…`` settings, stopped at the end; rates are unlimited unless they say otherwise."""
    log = folder / "log"
    CANARIES.watch(folder, Path(settings.get("KAS_KEYS_DIR", folder)))
    with contextlib.ExitStack() as running:
        file = running.enter_context(log.open("wb"))
        with stderr_into(folder / "stderr"):
            pair = running.enter_context(world(folder, {**UNLIMITED, **settings}, file))
        kit = Kit(pair, log)
        yield kit
        kit.http.close()  # a connection that is kept alive holds up the end of a process


@contextlib.contextmanager
def stderr_into(path: Path) -> Iterator[None]:
    """Our own standard error, which processes inherit when they start; shown when one does not."""
    saved = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    except BaseException:
        os.write(saved, path.read_bytes())
        raise
    finally:
        os.dup2(saved, 2)
        os.close(saved)
