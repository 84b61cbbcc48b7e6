"""What the attacks on proofs share: raw requests, proofs signed over any bytes, and a KAS that dies and comes back."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from local.client import Answer, ProofKey
from local.client.encoding import b64url, parse_json
from local.ports import free_port
from local.processes import Service, World, environment_without_settings, start_kas, stop, wait_until_answers
from tests.kit import UNLIMITED, Attempt, Kit, refused

_WAIT_SECONDS = 15.0


def released(attempt: Attempt) -> Answer:
    """Sends, and asserts that the client gets the very data keys it asked for."""
    answer = attempt.send()
    assert answer.status == 200, answer.body
    assert attempt.open(answer) == attempt.data_keys
    return answer


def send_again(attempt: Attempt) -> Answer:
    """The same token and body with a new proof under a fresh nonce: the caller himself is welcome."""
    attempt.proof = None
    attempt.nonce = "fresh"
    return released(attempt)


def raw_post(kit: Kit, headers: Iterable[tuple[str, str]], body: bytes = b"{}") -> Answer:
    """Posts with exactly these header lines, repeated ones as separate lines."""
    port = kit.world.kas.base.rpartition(":")[2]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    with contextlib.closing(connection):
        names = {name.lower() for name, _ in headers}
        connection.putrequest("POST", "/rewrap", skip_host="host" in names, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def refused_proof(attempt: Attempt, code: str) -> Answer:
    """Sends, and asserts a refusal of the proof with its challenge, and that it left an audit line and no key."""
    answer = attempt.send()
    body = refused(answer, 401, "invalid_dpop_proof", code)
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof", ')
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == [code]
    return answer


def proof_parts(proof: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, claims and signature of a proof."""
    head, claims, signature = (_from_b64url(part) for part in proof.split("."))
    return parse_json(head), parse_json(claims), signature


def _from_b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign_text(key: ProofKey, header: str, claims: str) -> str:
    """A compact JWS whose parts are exactly these texts."""
    signing_input = f"{b64url(header.encode())}.{b64url(claims.encode())}"
    return f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"


def rewritten(attempt: Attempt, header: str | None = None, claims: str | None = None) -> str:
    """The good proof of ``attempt``, its header or claims replaced by a text, signed by the right key."""
    good_header, good_claims, _ = proof_parts(attempt.make_proof())
    return sign_text(attempt.key, header or json.dumps(good_header), claims or json.dumps(good_claims))


def flip(text: str, place: int) -> str:
    """The text with one base64url character replaced by another."""
    other = "A" if text[place] != "A" else "Q"
    return text[:place] + other + text[place % len(text) + 1 :]


# ---- Processes that die


def worker_of(service: Service) -> int:
    """The one worker process that the host forked."""
    deadline = time.monotonic() + _WAIT_SECONDS
    pid = service.process.pid
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        if len(children) == 1:
            return int(children[0])
        time.sleep(0.05)
    raise AssertionError("the host has no single worker")


def kill_worker(kit: Kit) -> None:
    """SIGKILL to the worker; returns when its parent has forked another that answers."""
    old = worker_of(kit.world.kas)
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + _WAIT_SECONDS
    while worker_of(kit.world.kas) == old and time.monotonic() < deadline:
        time.sleep(0.05)
    assert worker_of(kit.world.kas) != old
    kit.http.close()
    wait_until_answers(kit.world.kas)


@contextlib.contextmanager
def restarted(kit: Kit) -> Iterator[Kit]:
    """The KAS of ``kit`` stopped and started again: same port, same keys, another process."""
    kit.http.close()
    stop(kit.world.kas)
    with _another(kit, int(kit.base.rpartition(":")[2])) as running:
        yield running


@contextlib.contextmanager
def second_process(kit: Kit) -> Iterator[Kit]:
    """A second KAS beside the one of ``kit``: same keys, same public bases, as an overshooting instance is."""
    with _another(kit, free_port(), KAS_PUBLIC_BASES=kit.base) as running:
        yield running


@contextlib.contextmanager
def _another(kit: Kit, port: int, **settings: str) -> Iterator[Kit]:
    folder = kit.log.parent
    log = folder / f"log-{port}-{time.monotonic_ns()}"
    with log.open("wb") as file:
        env = {**environment_without_settings(), **UNLIMITED, **settings}
        service = start_kas(port, folder / "issuers.json", folder / "keys", env, file)
        try:
            wait_until_answers(service)
            yield Kit(World(service, kit.world.provider), log)
        finally:
            stop(service)
