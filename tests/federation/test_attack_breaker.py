"""Attack F5, from the other side: one caller does not shut a partner's line for all others."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from kas.errors import PeerUnavailable
from kas.federation.breaker import Breaker
from kas.federation.calls import SideBySideCalls
from kas.federation.line import Line
from kas.protocol.bounds import JsonBounds
from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE
from tests.federation.hostile_peer import reply
from tests.federation.nations import Nations
from tests.metadata import with_metadata

TROUBLE_OF_ONE_CALLER = {
    "limit": (b'{"error":"too_many_requests","code":"rewrap_limit"}', "429 Too Many Requests"),
    "issuer": (b'{"error":"unavailable","code":"issuer_keys_unavailable"}', "503 Service Unavailable"),
}


@pytest.mark.parametrize("name", TROUBLE_OF_ONE_CALLER)
def test_attack_f05_a_caller_with_trouble_of_his_own_at_a_partner_is_refused_alone(
    among_fakes: AmongFakes, name: str
) -> None:
    """He is beyond his limit there, or his issuer is away."""
    fra, (body, status) = among_fakes.fakes["fra"], TROUBLE_OF_ONE_CALLER[name]
    with fra.answering(lambda _asked: reply(body, status, CLOSE)):
        for _ in range(6):
            attempt = among_fakes.nations.attempt(at="usa", holders=("fra",))
            answer = attempt.send()
            result = among_fakes.nations.results(attempt, answer)["kao-fra-0"]
            assert (answer.status, result["code"]) == (503, "peer_unavailable")
    other = among_fakes.nations.attempt("gbr-topsecret", at="usa", holders=("fra",))
    assert other.send().status == 200


def test_attack_f05_answers_of_a_partner_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many large ones at once are not many times the memory of one."""
    reading, most = [], []

    def read(_answer: bytes, _bounds: JsonBounds) -> NoReturn:
        reading.append(1)
        most.append(len(reading))
        time.sleep(0.02)
        reading.pop()
        raise ValueError

    class Client:
        def post(self, *_: object) -> tuple[int, bytes]:
            return 200, b""

    monkeypatch.setattr("kas.federation.line.read_forwarded_answer", read)
    peer: Any = SimpleNamespace(kas_id="kas-fra")
    line = Line(
        peer, Client(), Breaker(time.monotonic), SideBySideCalls(8), JsonBounds(32, 100, 100), lambda _line: None
    )

    def call(_number: int) -> None:
        with pytest.raises(PeerUnavailable):
            line.start(b"", {}, 1.0, lambda _answered: ({}, True)).call.result(10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    assert most == [1] * 8


def test_attack_f05_a_partner_that_says_it_did_not_try_has_refused(among_fakes: AmongFakes) -> None:
    """We asked it to, so the request as a whole is refused, and the record does not say that nothing was tried."""
    fra = among_fakes.fakes["fra"]

    def refuse(result: dict[str, Any]) -> None:
        del result["kasWrappedKey"], result["wrapAlg"]
        result.update(status="error", code="not_attempted", error="No.")

    with fra.answering(fra.spoilt(refuse)):
        attempt = among_fakes.nations.attempt(at="usa", holders=("fra",))
        answer = attempt.send()
    assert answer.status == 403
    assert [event["code"] for event in attempt.kit.events(answer.headers["X-Request-Id"])] == ["peer_refused"]


def test_attack_f05_alternatives_at_one_partner_are_few_calls(among_fakes: AmongFakes) -> None:
    """Each is a call of its own, and all of our callers are one network there."""
    fra = among_fakes.fakes["fra"]

    def refuse(result: dict[str, Any]) -> None:
        del result["kasWrappedKey"], result["wrapAlg"]
        result.update(status="error", code="key_material_rejected", error="No.")

    before = len(fra.asked)
    with fra.answering(fra.spoilt(refuse)):
        attempt = among_fakes.nations.attempt(at="usa", holders=("fra",) * 15 + ("usa",), mode="anyOf")
        answer = attempt.send()
    results = among_fakes.nations.results(attempt, answer)
    assert len(fra.asked) - before == 4
    codes = Counter(result.get("code") for result in results.values())
    assert codes == {"key_material_rejected": 4, "peer_unavailable": 11, None: 1}


def test_attack_f05_much_metadata_is_no_failure_of_who_opens_it(nations: Nations) -> None:
    """What was a text in the request is JSON in the answer: its values are more than a request may have."""
    attempt = nations.attempt(at="usa", holders=("gbr",) * 4)
    with_metadata(attempt, {"a": [1] * 15_000})
    attempt.body = json.dumps(attempt.request, separators=(",", ":")).encode()
    results = nations.results(attempt, attempt.send())
    assert [len(result["metadata"]["a"]) for result in results.values()] == [15_000] * 4
