"""What the operator is told: whole lines, and no thread for a reader who has stopped."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator

import pytest

from kas.descriptor import MAX_LINE_BYTES
from kas.diagnostics import tell_operator

LINE = {"severity": "WARNING", "event": "unavailable"}


@contextlib.contextmanager
def standard_error(descriptor: int) -> Iterator[None]:
    """Has what is written to standard error go there."""
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):  # the test has closed it
            os.close(descriptor)


def test_a_line_is_json(capfd):
    tell_operator(LINE)
    assert json.loads(capfd.readouterr().err) == LINE


def test_reader_who_stops_holds_no_thread(pipe):
    """The line is dropped; without that each thread that has something to tell would wait for ever."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"x" * 4096):
            pass
    os.set_blocking(writing, True)
    tellers = [threading.Thread(target=tell_operator, args=(LINE,), daemon=True) for _ in range(4)]
    with standard_error(writing):
        for teller in tellers:
            teller.start()
        for teller in tellers:
            teller.join(10)
        waiting = [teller.is_alive() for teller in tellers]
        os.close(reading)  # whoever waits still is let go
        for teller in tellers:
            teller.join(10)
    assert waiting == [False] * 4


def test_reader_who_is_gone_is_no_failure(pipe):
    """The caller is answered all the same."""
    reading, writing = pipe
    os.close(reading)
    with standard_error(writing):
        assert tell_operator(LINE) is None


def test_a_line_is_never_longer_than_a_pipe_takes_at_once(capfd):
    """Else it would wait for its reader after all."""
    tell_operator({**LINE, "frames": ["x" * 1000] * 10})
    text = capfd.readouterr().err
    assert len(text) == MAX_LINE_BYTES
    assert text.startswith('{"severity": "WARNING"')
    assert text.endswith("x\n")
