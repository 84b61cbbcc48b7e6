"""F5: a peer that dies while it holds a request. Real processes; the rest of the request does not wait for the dead."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.processes import stop
from tests.federation.among_fakes import Document, running_among_fakes
from tests.federation.nations import Nations

PATIENCE = 30  # of the registry, in seconds: longer than the client of these tests waits for an answer


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Nations]:
    """Two real nations, of which one may die."""

    def change(kases: dict[str, Document], _agreements: object) -> None:
        kases["fra"]["timeoutSeconds"] = PATIENCE

    settings = {"KAS_FEDERATION_DEADLINE_SECONDS": str(PATIENCE)}
    with running_among_fakes(tmp_path, real=("usa", "fra"), fakes=(), change=change, **settings) as running:
        yield running.nations
        running.nations.stop_kas("usa")  # its connection to the other would hold that one up


def holds_a_request(port: int) -> bool:
    """Whether bytes of a connection wait on this port to be read (`/proc/net/tcp`: local address, state, queues)."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and state == "01" and int(queues.partition(":")[2], 16) > 0:
            return True
    return False


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


def test_attack_f05_a_peer_killed_in_the_middle_of_a_request(mortal: Nations) -> None:
    """Its key access object is unavailable at once, the others' keys arrive; and it is asked again when it is back."""
    attempt = mortal.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    attempt.proof = attempt.make_proof()
    france = mortal["fra"].world.kas
    os.killpg(france.process.pid, signal.SIGSTOP)  # the system still takes connections for it
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(attempt.send)
        wait_until(lambda: holds_a_request(mortal.places["fra"].kas_port))
        os.killpg(france.process.pid, signal.SIGKILL)
        answer = asking.result()
    results = mortal.results(attempt, answer)
    assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "peer_unavailable")
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-usa"
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["code"], event["forwardedTo"]) for event in events] == [
        (None, None),
        ("peer_unavailable", "kas-fra"),
    ]
    stop(france)
    mortal.restart_kas("fra")
    again = mortal.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    assert mortal.open(again, again.send()) == again.data_keys
