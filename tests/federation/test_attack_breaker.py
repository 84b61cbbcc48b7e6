"""Attack F5, from the other side: one caller does not shut a partner's line for all others."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE, Asked
from tests.federation.hostile_peer import reply
from tests.federation.nations import Nations
from tests.metadata import with_metadata


def limited(_asked: Asked) -> bytes:
    return reply(b'{"error":"too_many_requests","code":"rewrap_limit"}', "429 Too Many Requests", CLOSE)


def test_attack_f05_a_caller_beyond_his_limit_at_a_partner_is_refused_alone(among_fakes: AmongFakes) -> None:
    fra = among_fakes.fakes["fra"]
    with fra.answering(limited):
        for _ in range(6):
            attempt = among_fakes.nations.attempt(at="usa", holders=("fra",))
            answer = attempt.send()
            result = among_fakes.nations.results(attempt, answer)["kao-fra-0"]
            assert (answer.status, result["code"]) == (503, "peer_unavailable")
    other = among_fakes.nations.attempt("gbr-topsecret", at="usa", holders=("fra",))
    assert other.send().status == 200


def test_attack_f05_alternatives_at_one_partner_are_few_calls(among_fakes: AmongFakes) -> None:
    """Each is a call of its own, and all of our callers are one network there."""
    fra = among_fakes.fakes["fra"]

    def refuse(result: dict[str, Any]) -> None:
        del result["kasWrappedKey"], result["wrapAlg"]
        result.update(status="error", code="key_material_rejected", error="No.")

    before = len(fra.asked)
    with fra.answering(fra.spoilt(refuse)):
        attempt = among_fakes.nations.attempt(at="usa", holders=("fra",) * 20 + ("usa",), mode="anyOf")
        answer = attempt.send()
    results = among_fakes.nations.results(attempt, answer)
    assert len(fra.asked) - before == 4
    codes = Counter(result.get("code") for result in results.values())
    assert codes == {"key_material_rejected": 4, "peer_unavailable": 16, None: 1}


def test_attack_f05_much_metadata_is_no_failure_of_who_opens_it(nations: Nations) -> None:
    """What was a text in the request is JSON in the answer: its values are more than a request may have."""
    attempt = nations.attempt(at="usa", holders=("gbr",) * 4)
    with_metadata(attempt, {"a": [1] * 15_000})
    attempt.body = json.dumps(attempt.request, separators=(",", ":")).encode()
    results = nations.results(attempt, attempt.send())
    assert [len(result["metadata"]["a"]) for result in results.values()] == [15_000] * 4
