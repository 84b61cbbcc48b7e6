"""What real services write, one line of each kind that dashboard and alerts tell apart.

Three worlds: a service as ``env.yaml`` deploys it, with its keys in the stand-in's Cloud KMS, small limits and a small budget;
one whose partner fails; and one whose shared store is not there. Each is driven once, and what it wrote becomes entries as Cloud Run's agent makes them.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.preview.log_metrics import Stream, entry_of
from deploy.preview.logging_query import Entry
from kas.encoding import b64url_encode
from kas.federation.breaker import FAILURES
from local.google_world import ACP240_VERSION
from tests.attacks.proof_requests import kill_worker
from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE, Asked
from tests.federation.hostile_peer import reply
from tests.interop.production import Production
from tests.kit import Attempt, policy
from tests.kms.google_kit import DECRYPT

SERVICE, PROJECT = "kas-usa", "my-project"
RECEIVED = "2026-12-01T12:00:00+00:00"
DAY = 24  # operations; one caller has an eighth of them
LIMITS = {
    "KAS_KMS_OPERATIONS_PER_DAY": str(DAY),
    "KAS_RATE_REWRAP_PER_MINUTE": "6",
    "KAS_RATE_HEALTH_PER_10_SECONDS": "3",
    "KAS_GCP_PROJECT": PROJECT,
}
# A server of Redis at an address where nobody answers.
NO_STORE = {
    "KAS_STATE_BACKEND": "redis",
    "KAS_STATE_KEY": b64url_encode(b"s" * 32),
    "KAS_GCP_PROJECT": PROJECT,
}
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Written:
    """All that one world wrote, by stream; ``entries`` is what is left of each line when the agent has read it."""

    lines: dict[Stream, list[str]]

    def told(self, stream: Stream) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines[stream] if line.startswith("{")]

    def entries(self) -> Iterator[Entry]:
        for stream, lines in self.lines.items():
            for line in lines:
                yield entry_of(line, stream, service=SERVICE, project=PROJECT, received=RECEIVED)


def written(log: Path, stderr: Path) -> Written:
    """What is in the two files now."""
    return Written({"stdout": log.read_text("utf-8").splitlines(), "stderr": stderr.read_text("utf-8").splitlines()})


def drive_production(production: Production) -> None:
    """Everything that a service without partners can meet."""
    keys = _callers(production)
    opened = next(keys)
    opened.send()
    opened.proof = None
    opened.send()  # again, by a kept key
    opened.send()  # again, by the same proof
    _denied(production, "denied").send()
    _tampered(next(keys)).send()
    _without_nonce(next(keys)).send()
    for _ in range(7):
        _denied(production, "hammering").send()
    _refused_by_kms(production, keys)
    _until(lambda: _code(next(keys)) == "budget_exhausted")
    _not_ready(production)
    for _ in range(5):
        production.client.http("GET", f"{production.client.base}/health")
    kill_worker(production.kit)
    _until(lambda: production.client.http("GET", f"{production.client.base}/.well-known/jwks.json").status == 200)


def _refused_by_kms(production: Production, keys: Iterator[Attempt]) -> None:
    """Permission is missing once; then the key is not in an HSM, and every plaintext is corrupted on the way."""
    control = production.google.control
    control.fail("PERMISSION_DENIED", method=DECRYPT)
    next(keys).send()
    control.corrupt("response.protection_level", method=DECRYPT)
    next(keys).send()
    control.corrupt("response.plaintext", method=DECRYPT, times=None)
    next(keys).send()
    control.reset()


def _not_ready(production: Production) -> None:
    """Nobody has asked before, so nothing older is told."""
    production.google.control.set_state(ACP240_VERSION, "DISABLED")
    assert production.client.http("GET", f"{production.client.base}/health/ready").status == 503
    production.google.control.set_state(ACP240_VERSION, "ENABLED")


def drive_without_store(production: Production) -> None:
    """Two proofs at one outage."""
    keys = _callers(production)
    assert [next(keys).send().status for _ in range(2)] == [503, 503]


def drive_partner(world: AmongFakes) -> None:
    """A partner fails until it is left alone; then a call from before is answered after all."""
    fra, calls, late = world.fakes["fra"], itertools.count(), threading.Event()
    honest = fra.spoilt(lambda _result: None)

    def answer(asked: Asked) -> bytes:
        if next(calls) > 0:
            return reply(b"{}", "500 Oops", CLOSE)
        late.wait(_PATIENCE_SECONDS)
        return honest(asked)

    with fra.answering(answer), ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.nations.attempt(at="usa", holders=("fra",)).send)
        _until(lambda: len(fra.asked) == 1)
        for _ in range(FAILURES):
            world.nations.attempt(at="usa", holders=("fra",)).send()
        late.set()
        assert first.result().status == 200


def _callers(production: Production) -> Iterator[Attempt]:
    """Requests that would be granted, each of a caller who has his share of the day still."""
    number = 0
    while True:
        number += 1
        yield production.client.attempt(override={"claims": {"sub": f"caller-{number}"}})


def _denied(production: Production, subject: str) -> Attempt:
    secret = policy(classification="TOP_SECRET")
    return production.client.attempt(policies=[secret], override={"claims": {"sub": subject}})


def _tampered(attempt: Attempt) -> Attempt:
    """Its policy is not the one that was bound."""
    attempt.policy["dissem"]["releasabilityTo"] = ["USA"]
    return attempt


def _without_nonce(attempt: Attempt) -> Attempt:
    attempt.nonce = None
    return attempt


def _code(attempt: Attempt) -> str | None:
    answer = attempt.send()
    (group,) = answer.json().get("responses", [{}])
    (result,) = group.get("results", [{}])
    return result.get("code") or answer.json().get("code")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
