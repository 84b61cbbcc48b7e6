"""Two KASes as processes on one store, of which the second has two workers: same keys, same addresses, as instances are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kas.encoding import b64url_encode
from local.client import Answer
from local.ports import free_port
from local.processes import World, environment_without_settings, start_kas, stop, wait_until_answers
from tests.kit import UNLIMITED, Attempt, Kit, running_kit, stderr_into

CALLER_LIMIT = 70
SECRETS = {"KAS_NONCE_SECRET": b64url_encode(b"n" * 32), "KAS_STATE_KEY": b64url_encode(b"s" * 32)}


@dataclass
class Pair:
    """``first`` and ``second`` share a store; proofs are made for the first's address."""

    first: Kit
    second: Kit

    def at_second(self, attempt: Attempt) -> Attempt:
        """The same request, proof included, for the second."""
        return replace(attempt, kit=self.second)


def sent(attempt: Attempt, to: Kit, proof: str | None = None) -> Answer:
    """The request with this proof, or a new one for the address that both have, to either."""
    proof = proof or attempt.make_proof()
    return replace(attempt, kit=to, proof=proof).send()


def event_of(kit: Kit, answer: Answer) -> dict[str, object]:
    """The one audit line of an answer."""
    (event,) = kit.events(answer.headers["X-Request-Id"])
    return event


@contextlib.contextmanager
def pair(folder: Path, **settings: str) -> Iterator[Pair]:
    """Over the store that the ``settings`` name."""
    common = {
        **UNLIMITED,
        **SECRETS,
        "KAS_ID": "kas-shared",
        "KAS_RATE_REWRAP_PER_MINUTE": str(CALLER_LIMIT),
        **settings,
    }
    with running_kit(folder, **common) as first, (folder / "log-second").open("wb") as log:
        bases = {"KAS_PUBLIC_BASES": first.base, "WORKERS": "2"}
        environment = {**environment_without_settings(), **common, **bases}
        with stderr_into(folder / "stderr-second"):
            service = start_kas(free_port(), folder / "issuers.json", folder / "keys", environment, log)
        second = Kit(World(service, first.world.provider), folder / "log-second")
        try:
            wait_until_answers(service)
            yield Pair(first, second)
        finally:
            second.http.close()
            stop(service)


def wait_until(condition, seconds: float = 15.0) -> None:
    """Asks again and again; fails when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
