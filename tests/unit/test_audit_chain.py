"""The chain as the service makes it: numbers in the order of writing, a name for each process, checkpoints when they are due,
lines that could not be written told by the next.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.audit import log as audit_module
from kas.audit.chain import hash_of, read_link
from kas.audit.checkpoint import is_signed, sign
from kas.audit.log import AT_ONCE, EVERY_LINES, AuditLog
from kas.encoding import b64_encode, b64url_encode, canonical_json, sha256_b64url
from kas.errors import AuditUnavailable
from kas.federation.assertion import make_assertion
from kas.jose import is_valid_signature, parse_public_jwk, to_jwk
from kas.journal import Trace
from tests.trails import NOW, SIGNER, TIME, audit_log, exported, frugal, rewrap, written

PUBLIC = parse_public_jwk(to_jwk(SIGNER.private_key.public_key()))


@dataclass
class Pen:
    """Takes lines, but those whose turn, from 1, is in ``fails``, of which it takes so many bytes; None raises."""

    fails: dict[int, int | None] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    paper: bytes = b""
    turns: int = 0
    now: float = 0.0

    def write(self, data: bytes) -> int:
        self.turns += 1
        taken = self.fails.get(self.turns, len(data))
        if taken is None:
            raise TimeoutError
        self.paper += data[:taken]
        if taken == len(data):
            self.lines.append(data)
        return taken

    def log(self, **changes: Any) -> AuditLog:
        """With few checkpoints."""
        return frugal(audit_log(self.write, timer=lambda: self.now, **changes))

    def chains(self) -> list[dict[str, Any]]:
        return [json.loads(line)["chain"] for line in self.lines]

    def kinds(self) -> list[str]:
        """Of each line: its event, or why there is a checkpoint."""
        return [line.get("reason", line["event"]) for line in map(json.loads, self.lines)]


def record(log: AuditLog, *numbers: int) -> None:
    log.record([rewrap(number) for number in numbers])


def refused(log: AuditLog, number: int) -> None:
    with pytest.raises(AuditUnavailable):
        record(log, number)


def test_each_line_has_the_next_number_and_the_hash_of_the_one_before() -> None:
    """From an opening checkpoint on; the first line has none before it."""
    pen = Pen()
    log = pen.log()
    record(log, 1)
    record(log, 2, 3)
    chains = pen.chains()
    assert [chain["number"] for chain in chains] == [1, 2, 3, 4, 5]
    assert [chain["previous"] for chain in chains] == ["", *(chain["hash"] for chain in chains[:-1])]
    assert len({chain["process"] for chain in chains}) == 1
    assert all(read_link(json.loads(line), is_whole=True).is_sound for line in pen.lines)


def test_the_hash_is_that_of_the_document() -> None:
    """SHA-256 of the canonical JSON without what Cloud Logging lifts out, null members, hash and signature: by hand."""
    line = json.loads(written([rewrap(1)])[1])
    chain = dict(line["chain"])
    del chain["hash"]
    covered = {name: value for name, value in line.items() if name not in {"severity", "time", "code"}}
    assert line["chain"]["hash"] == sha256_b64url(canonical_json({**covered, "chain": chain}))
    lifted = canonical_json({"severity": "INFO", "time": TIME})
    assert chain["lifted"] == sha256_b64url(lifted)[:22]
    assert chain["time"] == line["time"] == TIME


def test_the_hash_holds_for_what_cloud_logging_gives_back() -> None:
    """Members in another order, numbers as doubles, severity, time and trace gone."""
    lines: list[bytes] = []
    trace = Trace("a" * 32, "b" * 16, is_sampled=True)
    audit_log(lambda line: lines.append(line) or len(line), project="p").record([rewrap(1)], trace)  # type: ignore[func-returns-value]
    assert b"logging.googleapis.com/trace" in lines[1]
    for entry in exported(lines):
        payload = json.loads(json.dumps(entry["jsonPayload"]))
        assert isinstance(payload["chain"]["number"], float)
        assert read_link(payload, is_whole=False).is_sound


@pytest.mark.parametrize("name", ["severity", "time", "logging.googleapis.com/trace"])
def test_what_is_lifted_out_is_covered_where_it_is_there(name: str) -> None:
    line = json.loads(written([rewrap(1)])[1])
    line[name] = "another"
    assert not read_link(line, is_whole=True).is_sound
    assert hash_of(line) == line["chain"]["hash"]


# ---- Checkpoints


def test_a_request_is_covered_whole_while_requests_are_few() -> None:
    """However many lines it has; after a few at once, one in each second."""
    pen = Pen()
    log = audit_log(pen.write, timer=lambda: pen.now)
    record(log, 1, 2, 3)
    assert pen.kinds() == ["start", *["rewrap"] * 3, "due"]
    for number in range(10):
        record(log, number)
    assert pen.kinds().count("due") == AT_ONCE - 1
    for _ in range(3):
        pen.now += 1
        record(log, 4)
        record(log, 5)
    assert pen.kinds()[-9:] == ["rewrap", "due", "rewrap"] * 3


def test_a_long_pause_makes_room_for_no_more_than_a_few() -> None:
    pen = Pen()
    log = audit_log(pen.write, timer=lambda: pen.now)
    for _ in range(2):
        for number in range(EVERY_LINES):
            record(log, number)
        pen.now += 1000
    assert pen.kinds().count("due") == AT_ONCE - 1 + AT_ONCE


def test_many_lines_are_covered_by_one_in_sixteen() -> None:
    """Signing costs more than the rest of a line; what is covered by none is bounded all the same, within a request too."""
    pen = Pen()
    log = audit_log(pen.write, timer=lambda: pen.now)
    record(log, *range(2 * EVERY_LINES))
    assert pen.kinds() == ["start", *([*["rewrap"] * EVERY_LINES, "due"] * 2)]
    for number in range(100 * EVERY_LINES):
        record(log, number)
    dues = [place for place, kind in enumerate(pen.kinds()) if kind == "due"]
    assert max(after - before for before, after in pairwise(dues)) == EVERY_LINES + 1
    assert len(dues) < 100 + 2 + AT_ONCE


def test_a_checkpoint_says_who_signed_what() -> None:
    """The service, its revision, its key; the signature is over the hash of its own line."""
    first, *_ = map(json.loads, written([rewrap(1)], revision="kas-usa-00007-xyz"))
    said = {name: first[name] for name in ("event", "reason", "kas", "kid", "revision", "time")}
    assert said == {
        "event": "checkpoint",
        "reason": "start",
        "kas": "kas-usa",
        "kid": "sig-1",
        "revision": "kas-usa-00007-xyz",
        "time": TIME,
    }
    assert is_signed(PUBLIC, first["chain"]["hash"], first["chain"]["signature"])


def test_a_checkpoint_that_cannot_be_written_follows_the_next_line() -> None:
    """The event before it is on record, so its answer leaves."""
    pen = Pen(fails={3: None})
    log = pen.log()
    record(log, 1)
    record(log, 2)
    assert pen.kinds() == ["start", "rewrap", "rewrap", "due"]
    assert [chain.get("lost") for chain in pen.chains()] == [None, None, 1, None]


def test_no_signature_of_one_kind_passes_for_another() -> None:
    """What results, assertions and checkpoints sign cannot be the same bytes; a signature of each is no checkpoint's."""
    line_hash = sha256_b64url(b"a line")
    result = canonical_json({"keyAccessObjectId": "k", "signature": {"alg": "ES256"}})
    assertion = make_assertion(SIGNER, receiver="kas-fra", body=b"", token_hash="t", jkt="j", via=["kas-usa"], now=NOW)
    *_, signature = assertion.split(".")
    assert not is_signed(PUBLIC, line_hash, signature)
    assert not is_signed(PUBLIC, line_hash, b64url_encode(SIGNER.sign(result)))
    assert not is_signed(PUBLIC, line_hash, b64url_encode(SIGNER.sign(line_hash.encode())))
    made = SpySigner()
    sign(made, line_hash)
    assert made.message[:1] not in {b"{", b"e"}  # JSON, a JWT
    assert b" " in made.message
    assert b"\n" in made.message
    assert not is_valid_signature("ES256", PUBLIC, result, made.signature)


class SpySigner:
    kas, kid = SIGNER.kas, SIGNER.kid
    message = b""
    signature = b""

    def sign(self, message: bytes) -> bytes:
        self.message, self.signature = message, SIGNER.sign(message)
        return self.signature


@pytest.mark.parametrize("signature", ["", "A", "A" * 86, "=", "é", b64_encode(b"x" * 64)])
def test_what_is_no_signature_is_none(signature: str) -> None:
    assert not is_signed(PUBLIC, sha256_b64url(b""), signature)


def test_another_key_signs_no_checkpoint_of_this_service() -> None:
    other = parse_public_jwk(to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
    line_hash = sha256_b64url(b"a line")
    assert is_signed(PUBLIC, line_hash, sign(SIGNER, line_hash))
    assert not is_signed(other, line_hash, sign(SIGNER, line_hash))


# ---- The end


def test_an_orderly_end_is_a_checkpoint_and_nothing_comes_after_it() -> None:
    """A request that is still answered gets no key."""
    pen = Pen()
    log = pen.log()
    record(log, 1)
    log.close()
    refused(log, 2)
    log.close()
    assert pen.kinds() == ["start", "rewrap", "due", "end"]


def test_a_process_without_lines_ends_without_one() -> None:
    """A worker that answered nothing but health."""
    pen = Pen()
    pen.log().close()
    assert pen.lines == []


def test_an_end_that_cannot_be_written_is_no_error() -> None:
    """The process ends all the same."""
    pen = Pen(fails={4: None})
    log = pen.log()
    record(log, 1)
    log.close()
    assert pen.kinds() == ["start", "rewrap", "due"]


# ---- Lines that could not be written


def test_the_next_line_says_how_many_could_not_be_written() -> None:
    """Their numbers are taken, and the chain goes on from the last that was."""
    pen = Pen(fails={4: None, 5: None})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    refused(log, 3)
    record(log, 4)
    chains = pen.chains()
    assert [(chain["number"], chain.get("lost", 0)) for chain in chains] == [(1, 0), (2, 0), (3, 0), (6, 2)]
    assert chains[3]["previous"] == chains[2]["hash"]


def test_what_was_written_of_a_line_is_ended_before_the_next() -> None:
    """Else the rest of one would spoil the other."""
    pen = Pen(fails={4: 30})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    record(log, 3)
    *_, torn, after = pen.paper.decode().splitlines()
    assert len(torn) == 30
    assert json.loads(after)["chain"]["lost"] == 1


def test_a_line_that_was_not_begun_leaves_no_empty_one() -> None:
    pen = Pen(fails={4: None, 5: 0})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    refused(log, 3)
    record(log, 4)
    assert b"" not in pen.paper.splitlines()


def test_a_process_whose_first_line_is_lost_begins_with_the_next() -> None:
    """There is no event before an opening checkpoint."""
    pen = Pen(fails={1: None})
    log = pen.log()
    refused(log, 1)
    record(log, 2)
    assert pen.kinds() == ["start", "rewrap", "due"]
    first, *_ = pen.chains()
    assert (first["number"], first["lost"], first["previous"]) == (2, 1, "")


def test_what_has_no_canonical_form_is_refused_and_told() -> None:
    """It is on record that there was something."""
    pen = Pen()
    log = pen.log()
    record(log, 1)
    with pytest.raises(AuditUnavailable):
        log.record([rewrap(2, checks={"\ud800": True})])
    record(log, 3)
    assert pen.chains()[-1]["lost"] == 1


# ---- Threads and processes (forked ones: tests/host/test_audit_trail.py)


def test_lines_of_many_threads_are_one_chain() -> None:
    """Each number once, in the order of writing, each after the one before."""
    pen = Pen()
    log = pen.log()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(log, number, number), range(100)))
    chains = pen.chains()
    assert [chain["number"] for chain in chains] == list(range(1, len(chains) + 1))
    assert [chain["previous"] for chain in chains[1:]] == [chain["hash"] for chain in chains[:-1]]


def test_nobody_waits_long_for_a_line_of_another_that_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """He is refused, and the chain says so when it goes on."""
    monkeypatch.setattr(audit_module, "_WAIT_SECONDS", 0.01)
    begun, goes_on = threading.Event(), threading.Event()
    pen = Pen()

    def write(data: bytes) -> int:
        if pen.turns == 1:
            begun.set()
            assert goes_on.wait(10)
        return pen.write(data)

    log = frugal(audit_log(write))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(record, log, 1)
        assert begun.wait(10)
        refused(log, 2)
        goes_on.set()
        first.result()
    record(log, 3)
    assert [(chain["number"], chain.get("lost", 0)) for chain in pen.chains()] == [(1, 0), (2, 0), (4, 1), (5, 0)]


def test_whoever_comes_behind_many_lines_that_are_taken_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than for one that is not."""
    monkeypatch.setattr(audit_module, "_WAIT_SECONDS", 0.05)
    begun = threading.Event()
    pen = Pen()

    def write(data: bytes) -> int:
        begun.set()
        time.sleep(0.02)
        return pen.write(data)

    log = frugal(audit_log(write))
    with ThreadPoolExecutor(1) as pool:
        many = pool.submit(log.record, [rewrap(number) for number in range(12)])
        assert begun.wait(10)
        record(log, 100)
        many.result()
    assert [chain.get("lost", 0) for chain in pen.chains()] == [0] * len(pen.chains())


def test_a_process_is_named_at_its_first_line_and_not_before() -> None:
    """So a worker that is forked has a name of its own."""
    drawn: list[str] = []

    def draw() -> str:
        drawn.append(f"{len(drawn):022}")
        return drawn[-1]

    pen = Pen()
    log = pen.log(draw=draw)
    assert drawn == []
    record(log, 1)
    record(log, 2)
    assert {chain["process"] for chain in pen.chains()} == set(drawn) == {"0" * 22}
