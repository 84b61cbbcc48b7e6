"""Fault 24, its second half: benchmarks of failures. Every answer that is timed here is checked, and a wrong one is no
figure.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import Message

import pytest

from bench.cold import ask_health, ask_nothing, ask_without_token
from bench.deployment import Client
from bench.host import BenchFailed, Check, Connection
from bench.sessions import Document, Session, new_document
from local.client import Answer, new_proof_key
from local.client.services import Kas, Services
from local.ports import free_port
from tests.host.functions import port_of
from tests.kit import Kit, policy

REFUSED = Answer(429, Message(), b'{"code": "network_limit"}')
GOOD = {
    ask_nothing: Answer(200, Message(), b"ok"),
    ask_health: Answer(200, Message(), b'{"status": "ok"}'),
    ask_without_token: Answer(401, Message(), b'{"code": "credentials_missing"}'),
}


@pytest.fixture(scope="module")
def session(kit: Kit) -> Iterator[Session]:
    one = Session(port_of(kit.base), Services(kas_of(kit), ()), kit.credentials("usa-secret"), "user")
    with contextlib.closing(one):
        yield one


def kas_of(kit: Kit) -> Kas:
    return Kas("kas-local", kit.base, kit.kas_keys())


def document(kit: Kit, **dissem: object) -> Document:
    return new_document(policy(**dissem), [kas_of(kit)] * 2)


def answering(answer: Answer) -> Callable[..., Answer]:
    """A connection on which this is the answer to everything."""
    return lambda *_asked: answer


def test_fault_24_an_answer_that_releases_its_keys_is_timed(kit: Kit, session: Session) -> None:
    assert session.open(document(kit)) > 0


def test_fault_24_a_session_whose_request_is_refused_gives_no_figure(kit: Kit, session: Session) -> None:
    """By a decision, or whole; the next good one is timed again."""
    with pytest.raises(BenchFailed, match=r"^403, and .*clearance_insufficient"):
        session.open(document(kit, classification="TOP_SECRET"))
    spoilt = document(kit)
    with pytest.raises(BenchFailed, match=r"^400: .*invalid_structure"):
        session.open(dataclasses.replace(spoilt, kaos=[{**kao, "url": 7} for kao in spoilt.kaos]))
    assert session.open(document(kit)) > 0


def test_fault_24_a_session_that_gets_another_key_gives_no_figure(kit: Kit, session: Session) -> None:
    asked = document(kit)
    others = dict.fromkeys(asked.outcomes, bytes(32))
    with pytest.raises(BenchFailed, match="not what was wrapped"):
        session.open(dataclasses.replace(asked, outcomes=others))


@pytest.mark.parametrize("ask", GOOD)
def test_fault_24_a_first_answer_that_is_wrong_gives_no_figure(ask: Callable[[Connection], Check]) -> None:
    """Another status, or the right one with other words."""
    good = GOOD[ask]
    ask(answering(good))()  # type: ignore[arg-type]
    for wrong in (REFUSED, dataclasses.replace(good, status=503), dataclasses.replace(good, body=b"{}")):
        with pytest.raises(BenchFailed, match=f"^{wrong.status}: "):
            ask(answering(wrong))()  # type: ignore[arg-type]


def test_fault_24_a_first_rewrap_that_is_refused_gives_no_figure(kit: Kit) -> None:
    key = new_proof_key()
    client = Client(kit.access_token(key=key), key, kit.kas_keys())
    with pytest.raises(BenchFailed, match=r"^429 and 429: "):
        client.rewrap(answering(REFUSED))()  # type: ignore[arg-type]


def test_fault_24_a_process_that_does_not_start_gives_no_figure() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        with pytest.raises(BenchFailed, match="nobody listens"):
            Connection(free_port(), process)("GET", "/")
