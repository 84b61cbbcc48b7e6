"""An Open Policy Agent that is down, late, wrong or hostile: policy_unavailable each time, and never a permit."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time

import pytest

from kas.errors import ClearanceInsufficient, PolicyDenied, PolicyUnavailable
from kas.opa.engine import MAX_ANSWER_BYTES, PATH, SECONDS
from local.ports import free_port
from tests.fake_issuer import replying, send
from tests.policy_backends.agent import running_agent
from tests.policy_backends.asking import OneRequest, asking, attributes, decided
from tests.policy_backends.fakes import answering, result
from tests.unit.policy.good_policy import CONFIG

ALLOWED = b'{"result":{"allow":true}}'


def unavailable(engine, **changes):
    """Asserts that there is no decision, with the status and code that a client gets."""
    with pytest.raises(PolicyUnavailable) as refusal:
        decided(engine, **changes)
    assert (refusal.value.status, refusal.value.code) == (503, "policy_unavailable")
    return str(refusal.value)


def test_a_sound_answer_permits_and_the_question_is_posted_once(attributes_path):
    """What is wrong in the other tests is one part of this."""
    with answering(result(allow=True)) as agent:
        assert decided(asking(agent.url, attributes_path)).permitted
    ((path, headers, body),) = agent.asked
    assert path == PATH == "/v1/data/kas/decision"
    assert headers["Content-Type"] == "application/json"
    assert set(body) == {"input"}
    assert set(body["input"]) == {"subject", "action", "resource", "context"}
    assert "Authorization" not in headers


def test_a_denial_is_no_failure(attributes_path):
    with answering(result(allow=False, reason="clearance_insufficient")) as agent:
        assert decided(asking(agent.url, attributes_path)).refusal is ClearanceInsufficient
    with answering(result(allow=False, reason="no luck")) as agent:
        assert decided(asking(agent.url, attributes_path)).refusal is PolicyDenied
    assert (PolicyDenied.status, PolicyDenied.code) == (403, "policy_denied")


def test_one_that_is_stopped_decides_nothing(attributes_path):
    """The real one, which permitted before."""
    with running_agent(CONFIG, attributes_path) as agent:
        engine = asking(agent.url, attributes_path)
        assert decided(engine).permitted
        engine.check()
        agent.stop()
        assert unavailable(engine) == "ConnectionRefusedError"
        with pytest.raises(PolicyUnavailable):
            engine.check()


def test_the_real_one_is_ready_when_its_policy_answers(agent, attributes_path):
    asking(agent.url, attributes_path).check()
    with pytest.raises(PolicyUnavailable):
        asking(f"http://127.0.0.1:{free_port()}", attributes_path).check()


def test_the_real_one_has_no_answer_where_no_policy_is(attributes_path):
    """What is asked for is undefined then, in a 200."""
    with running_agent(CONFIG, attributes_path, has_policy=False) as agent:
        assert unavailable(asking(agent.url, attributes_path)) == "no result"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"allow": "true"},
        {"allow": 1},
        {"allow": None},
        {"allow": [True]},
        {"reason": ""},
        {"allow": True, "checks": [{"name": "clearance", "passed": False}]},
        {"allow": True, "checks": "all"},
    ],
)
def test_a_result_that_is_none_decides_nothing(attributes_path, members):
    with answering(result(**members)) as agent:
        unavailable(asking(agent.url, attributes_path))


@pytest.mark.parametrize("body", [b"", b"{}", b"{", b"true", b"garbage", b'{"result":true}', ALLOWED + b"x"])
def test_garbage_decides_nothing(attributes_path, body):
    with answering(replying(200, body)) as agent:
        unavailable(asking(agent.url, attributes_path))


@pytest.mark.parametrize("status", [201, 202, 204, 206, 304, 400, 401, 403, 404, 429, 500, 503])
def test_another_status_decides_nothing(attributes_path, status):
    """Whatever stands in the body."""
    with answering(replying(status, b"" if status in {204, 304} else ALLOWED)) as agent:
        assert unavailable(asking(agent.url, attributes_path)) == f"status {status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_f01_a_redirect_is_not_followed(attributes_path, status):
    with answering(result(allow=True)) as other:

        def away(handler):
            send(handler, status, ALLOWED, Location=f"{other.url}{PATH}")

        with answering(away) as agent:
            unavailable(asking(agent.url, attributes_path))
    assert (len(agent.asked), other.asked) == (1, [])


def test_a_huge_answer_decides_nothing(attributes_path):
    padding = b" " * MAX_ANSWER_BYTES
    with answering(replying(200, ALLOWED + padding[len(ALLOWED) + 1000 :])) as agent:
        assert decided(asking(agent.url, attributes_path)).permitted
    with answering(replying(200, ALLOWED + padding)) as agent:
        assert "more than" in unavailable(asking(agent.url, attributes_path))


def test_an_answer_that_is_cut_short_decides_nothing(attributes_path):
    with answering(replying(200, ALLOWED, Content_Length="500")) as agent:
        unavailable(asking(agent.url, attributes_path))


def test_one_that_hangs_holds_a_request_once_however_many_policies_it_has(attributes_path):
    """The time is for all decisions of one request; another request has its own."""
    released = threading.Event()
    with answering(lambda _handler: released.wait(30) and None) as agent:
        engine = OneRequest(asking(agent.url, attributes_path).for_request())
        unavailable(engine)
        for number in range(100):
            assert unavailable(engine, dissem={"COI": [f"C{number}"]}) == "no time left"
        assert len(agent.asked) == 1
        released.set()


def test_an_answer_that_drips_is_left_when_the_time_is_over(attributes_path):
    """Each byte comes in time, all of them together do not: by a clock that runs twenty times as fast."""
    sent = []

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
        for byte in ALLOWED + b" " * (60 - len(ALLOWED)):
            handler.wfile.write(bytes([byte]))
            sent.append(byte)
            time.sleep(0.02)

    with answering(drip) as agent:
        unavailable(asking(agent.url, attributes_path, timer=lambda: 20 * time.monotonic()))
    assert 0 < len(sent) < 60


def test_slow_decisions_use_up_the_time_of_a_request(attributes_path):
    """And what happens between them does not count."""
    now = [1000.0]

    def slow(handler):
        now[0] += 0.4 * SECONDS
        result(allow=True)(handler)

    with answering(slow) as agent:
        engine = OneRequest(asking(agent.url, attributes_path, timer=lambda: now[0]).for_request())
        for _ in range(2):
            now[0] += 60.0
            assert decided(engine).permitted
        with contextlib.suppress(PolicyUnavailable):  # by this clock it may still be seen in time
            decided(engine)
        assert unavailable(engine) == "no time left"
    assert len(agent.asked) == 3


def test_one_that_listens_and_does_not_accept_decides_nothing(attributes_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        engine = asking(url, attributes_path, timer=itertools.count(0.0, 0.1).__next__)
        unavailable(engine)


def test_nobody_there_decides_nothing(attributes_path):
    assert unavailable(asking(f"http://127.0.0.1:{free_port()}", attributes_path)) == "ConnectionRefusedError"
    unavailable(asking("https://host.invalid", attributes_path))


@pytest.mark.parametrize("url", ["http://192.0.2.1:8181", "http://opa.example", "https://user@opa.example", "ftp://x"])
def test_attack_f07_an_address_that_is_not_https_is_refused_at_start(attributes_path, url):
    """But for loopback."""
    with pytest.raises(ValueError, match="neither https nor http on loopback"):
        asking(url, attributes_path)


def test_a_proxy_of_the_environment_is_not_used(attributes_path, monkeypatch):
    with answering(result(allow=True)) as proxy, answering(result(allow=False)) as agent:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert not decided(asking(agent.url, attributes_path)).permitted
    assert proxy.asked == []


@pytest.mark.parametrize("now", [float("nan"), float("inf")])
def test_a_question_that_is_no_json_is_not_asked(attributes_path, now):
    with answering(result(allow=True)) as agent:
        unavailable(asking(agent.url, attributes_path), now=now)
    assert agent.asked == []


def test_one_that_permits_a_question_about_nobody_is_not_ready(attributes_path):
    with answering(result(allow=True)) as agent:
        engine = asking(agent.url, attributes_path)
        with pytest.raises(PolicyUnavailable):
            engine.check()
        assert agent.asked[0][2] == {"input": {}}
    with answering(result(allow=False)) as agent:
        asking(agent.url, attributes_path).check()


def test_the_operator_is_told_why_and_seldom(attributes_path):
    """In words of ours: nothing of the answer, nothing of the question."""
    told = []
    with answering(replying(500, b"stack of words")) as agent:
        engine = asking(agent.url, attributes_path, warn=told.append, timer=lambda: 0.0)
        for _ in range(3):
            unavailable(engine, policy=attributes("https://corp.example/attr/name/value/secret"))
    assert told == [{"severity": "ERROR", "event": "policy_unavailable", "status": "status 500"}]
    assert "secret" not in json.dumps(told)
