"""Calls side by side: at once, bounded in number, and nobody waits longer than he says."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from kas.errors import PeerRefused, PeerUnavailable
from kas.federation.calls import SideBySideCalls
from local.processes import ROOT

SECONDS = 20.0


def names():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("peer-call")]


def refused(start, *arguments):
    with pytest.raises(PeerUnavailable) as caught:
        start(*arguments)
    assert (caught.value.code, caught.value.status) == ("peer_unavailable", 503)
    return str(caught.value)


@pytest.fixture
def held():
    """Set at the end, so that no call outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def test_calls_run_at_once_and_each_has_its_own_result():
    together = threading.Barrier(3)

    def call(number):
        together.wait(SECONDS)
        return number

    calls = SideBySideCalls(3)
    handles = [calls.start(lambda number=number: call(number)) for number in range(3)]
    assert [handle.result(SECONDS) for handle in handles] == [0, 1, 2]


@pytest.mark.parametrize("error", [PeerRefused(), ValueError("unexpected")])
def test_what_a_call_raises_is_raised_where_it_is_waited_for(error):
    def call():
        raise error

    handle = SideBySideCalls(1).start(call)
    with pytest.raises(type(error)) as caught:
        handle.result(SECONDS)
    assert caught.value is error


def test_nobody_waits_longer_than_he_says(held):
    handle = SideBySideCalls(1).start(held.wait)
    for seconds in (0.05, 0.0, -1.0):
        assert refused(handle.result, seconds) == "no answer in time"


def test_beyond_their_number_there_is_no_call_until_one_ends(held):
    """Also while somebody has stopped waiting for it: its thread is still taken."""
    calls = SideBySideCalls(2)
    handles = [calls.start(held.wait) for _ in range(2)]
    refused(handles[0].result, 0.01)
    ran = []
    assert refused(calls.start, lambda: ran.append(1)) == "too many calls under way"
    held.set()
    assert handles[1].result(SECONDS)
    until_started(calls)
    assert ran == []


def until_started(calls):
    for _ in range(2000):
        try:
            return calls.start(int).result(SECONDS)
        except PeerUnavailable:
            threading.Event().wait(0.01)
    return pytest.fail("there was never room")


def test_failures_leave_room_for_others():
    def fail():
        raise PeerUnavailable

    calls = SideBySideCalls(1)
    for _ in range(5):
        with pytest.raises(PeerUnavailable):
            until_ended(calls.start(fail))
        assert until_started(calls) == 0


def until_ended(handle):
    return handle.result(SECONDS)


def test_there_is_no_thread_before_the_first_call():
    before = set(threading.enumerate())
    calls = SideBySideCalls(4)
    assert set(threading.enumerate()) <= before
    calls.start(int).result(SECONDS)
    assert len(set(threading.enumerate()) - before) == 1


def test_without_a_thread_there_is_no_call_and_it_is_not_made_later(monkeypatch):
    """What could not start a thread may be queued all the same."""

    def start(_thread):
        raise RuntimeError("can't start new thread")

    calls, ran = SideBySideCalls(2), []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert refused(calls.start, lambda: ran.append(1)) == "no thread for the call"
    assert until_started(calls) == 0
    assert until_started(calls) == 0
    assert ran == []


def test_a_process_ends_when_its_calls_have():
    code = (
        "import time\nfrom kas.federation.calls import SideBySideCalls\n"
        "SideBySideCalls(2).start(lambda: (time.sleep(0.3), print('ended')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")
