"""The audit record: one whole line an event, or no answer."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.descriptor import MAX_LINE_BYTES, descriptor_writer
from kas.errors import AuditUnavailable
from kas.protocol.bounds import JsonBounds
from kas.web.body import Bounds
from kas.web.replies import Routes
from kas.web.routes import rewrap_route
from tests.trails import audit_log, events_of
from tests.unit.good_edge import good_edge, sent
from tests.vectors.replay import EXCHANGES, SETTING, replay

TIME = "2026-09-21T14:13:20.000Z"
EVENT: dict[str, Any] = {"time": TIME, "event": "rewrap", "kaoId": "kao-1", "checks": {"clearance": True}}
BODIES = {exchange["name"]: exchange["body"] for exchange in EXCHANGES}


def lines_of(event: dict[str, Any]) -> list[bytes]:
    """What is written for it, between the checkpoints around it."""
    lines: list[bytes] = []

    def write(line: bytes) -> int:
        lines.append(line)
        return len(line)

    audit_log(write).record([event])
    assert [json.loads(line)["event"] for line in lines] == ["checkpoint", "rewrap", "checkpoint"]
    return lines[1:2]


def refuse(_line: bytes) -> int:
    raise BrokenPipeError


def cut(line: bytes) -> int:
    return len(line) - 1


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(descriptor)


def fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 4096)
    os.set_blocking(descriptor, True)


def test_event_is_one_json_line_in_one_write() -> None:
    """A collector never sees half of one."""
    (line,) = lines_of(EVENT)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert events_of([line]) == [EVENT]


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nb",
        "\x1b[31mred\x1b[0m",
        "\u202egnp.exe",
        "\u2066x\u2069",
        "\u2028\u2029\x85",
        "\x00\x7f",
        'quote" \\',
    ],
)
def test_attack_g01_control_characters_are_escaped(text: str) -> None:
    """CR, LF, ANSI and bidi reach no terminal and start no line of their own."""
    (line,) = lines_of({**EVENT, "kaoId": text})
    assert line.isascii()
    assert not set(line[:-1]) & set(range(0x20))
    assert json.loads(line)["kaoId"] == text


@pytest.mark.parametrize("text", ["x" * 259, "é" * 50, "\U0001f600" * 25, "\n" * 150, "\ud800"])
def test_attack_g03_long_value_is_replaced_by_its_hash(text: str) -> None:
    """Long as written, escapes included: what a line costs is what counts. What is no Unicode is as good as long: readers
    make different things of it.
    """
    (line,) = lines_of({**EVENT, "kaoId": text})
    assert json.loads(line)["kaoId"].startswith("sha256:")
    assert len(json.loads(line)["kaoId"]) == len("sha256:") + 43


def test_attack_g01_a_text_that_passes_for_a_hash_is_hashed() -> None:
    """Else a caller could make his id look like another's long one."""
    text = "sha256:" + "A" * 43
    (line,) = lines_of({**EVENT, "kaoId": text})
    assert json.loads(line)["kaoId"].startswith("sha256:")
    assert json.loads(line)["kaoId"] != text


def test_value_of_the_greatest_length_stays_readable() -> None:
    """An id of 256 characters, as long as one may be by default, does."""
    (line,) = lines_of({**EVENT, "kaoId": "x" * 258})
    assert json.loads(line)["kaoId"] == "x" * 258


def test_two_long_values_have_two_hashes() -> None:
    """So that events of one caller can still be found by it."""
    subjects = ("a" * 500, "a" * 500, "a" * 499 + "b")
    lines = [line for text in subjects for line in lines_of({**EVENT, "subject": text})]
    first, again, other = (event["subject"] for event in events_of(lines))
    assert first == again != other


def test_attack_g03_event_of_longest_values_stays_below_the_limit() -> None:
    """A rewrap event has ten texts; each as long as it may be written."""
    (line,) = lines_of({**EVENT, **{f"member{number}": "x" * 258 for number in range(12)}})
    assert len(line) <= MAX_LINE_BYTES == 4000


def test_attack_g03_longer_line_is_refused_and_not_cut() -> None:
    """More members than any event has: nothing is written, nothing is released."""
    with pytest.raises(AuditUnavailable):
        lines_of({**EVENT, **{f"member{number}": "x" * 258 for number in range(14)}})


@pytest.mark.parametrize("write", [refuse, cut, lambda _line: 0], ids=["error", "short", "nothing"])
def test_line_that_is_not_written_whole_is_a_refusal(write: Any) -> None:
    """An error, a short write, no write."""
    with pytest.raises(AuditUnavailable):
        audit_log(write).record([EVENT])


def test_descriptor_gets_the_bytes(pipe: tuple[int, int]) -> None:
    """Past every buffer of the interpreter."""
    audit_log(descriptor_writer(pipe[1])).record([EVENT])
    assert events_of(os.read(pipe[0], 4096).splitlines()) == [EVENT]


def test_closed_descriptor_is_a_refusal(pipe: tuple[int, int]) -> None:
    """Standard output may be closed by whoever started us."""
    os.close(pipe[1])
    with pytest.raises(AuditUnavailable):
        audit_log(descriptor_writer(pipe[1])).record([EVENT])


def test_gone_reader_is_a_refusal(pipe: tuple[int, int]) -> None:
    """Nobody will ever read the record."""
    os.close(pipe[0])
    with pytest.raises(AuditUnavailable):
        audit_log(descriptor_writer(pipe[1])).record([EVENT])


def test_reader_who_has_stopped_is_a_refusal(pipe: tuple[int, int]) -> None:
    """A full pipe does not hold a thread for ever."""
    fill(pipe[1])
    with pytest.raises(AuditUnavailable):
        audit_log(descriptor_writer(pipe[1])).record([EVENT])


def test_attack_g03_lines_of_many_threads_stay_whole(pipe: tuple[int, int]) -> None:
    """Eight writers, one reader, lines of three kilobytes: none is torn."""
    log = audit_log(descriptor_writer(pipe[1]))
    event = {**EVENT, **{f"member{number}": "x" * 250 for number in range(10)}}
    writers = [threading.Thread(target=lambda: [log.record([event]) for _ in range(20)]) for _ in range(8)]
    for writer in writers:
        writer.start()
    read = b""
    while read.count(b'"rewrap"') < 160 or not read.endswith(b"\n"):
        read += os.read(pipe[0], 65536)
    for writer in writers:
        writer.join()
    lines = read.splitlines()
    assert events_of(lines) == [event] * 160
    assert [json.loads(line)["chain"]["number"] for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize("write", [refuse, cut], ids=["error", "short"])
@pytest.mark.parametrize("name", ["good-ec", "good-several", "denied-country"])
def test_rewrap_without_record_answers_nothing(name: str, write: Any) -> None:
    """The answer is made, and does not leave."""
    with pytest.raises(AuditUnavailable):
        replay(write).send(BODIES[name])


def test_rewrap_whose_last_line_fails_releases_none_of_its_keys() -> None:
    """Three of four lines are written: still nothing leaves."""
    written: list[bytes] = []

    def write(line: bytes) -> int:
        written.append(line)
        return len(line) if len(written) < 5 else 0

    with pytest.raises(AuditUnavailable):
        replay(write).send(BODIES["good-several"])
    assert len(events_of(written)) == 4


@pytest.mark.parametrize("headers", [SETTING["headers"], {}], ids=["release", "refusal"])
def test_kas_req_104_answer_without_record_is_503(headers: dict[str, str]) -> None:
    """At the edge, for a release and for a refusal: `audit_unavailable`, and no key."""
    service = replay(refuse)
    route = rewrap_route(service.rewrap, Bounds(max_bytes=2**20, timeout_seconds=5, json=JsonBounds(32, 50_000, 2**17)))
    environ = EnvironBuilder("/rewrap", method="POST", headers=headers, data=BODIES["good-ec"]).get_environ()
    request = flask.Request({**environ, "REMOTE_ADDR": "127.0.0.1"})
    answer = sent(good_edge(refuse).handle(request, Routes({"/rewrap": route})), request)
    body = json.loads(answer.get_data())
    assert (answer.status_code, body["error"], body["code"]) == (503, "unavailable", "audit_unavailable")
    assert set(body) == {"error", "code", "message", "requestId"}


def test_a_line_does_not_queue_behind_others_that_wait_for_room():
    """Else the last of many would wait a second for each before it."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, b"x" * 4096):
                pass
        write = descriptor_writer(writing)
        with ThreadPoolExecutor(5) as pool:
            errors = [str(call.exception()) for call in [pool.submit(write, b"line\n") for _ in range(5)]]
    finally:
        os.close(reading)
        os.close(writing)
    assert set(errors) == {"nobody reads the lines", "others wait for room already"}
