"""Attack C4 through HTTP: a version is disabled in Cloud KMS while keys that it opened are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.client import Answer
from local.google_world import ACP240_VERSION
from tests.attacks.rewrap_answers import kao_refused, released
from tests.host.test_edge_http import scrape
from tests.kit import Attempt
from tests.kms.google_kit import DECRYPT, GoogleKit, running_google_kit

TTL_SECONDS = 4
_GIVE_UP_SECONDS = 60.0


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleKit]:
    with running_google_kit(tmp_path_factory.mktemp("cache"), KAS_DEK_CACHE_SECONDS=str(TTL_SECONDS)) as kit:
        yield kit


def ask_again(attempt: Attempt) -> Answer:
    """The same wrapped key by the same caller, with a new proof."""
    attempt.proof = None
    return attempt.send()


def test_attack_c04_a_version_that_is_disabled_in_cloud_kms_serves_no_longer_than_the_ttl(keeping):
    """What was opened before is served from memory, without an operation, and then refused as unavailable."""
    attempt = keeping.kit.attempt()
    released(attempt)
    kept_before = time.monotonic()
    keeping.control.set_state(ACP240_VERSION, "DISABLED")
    keeping.control.reset()
    asked_at, hits = [], 0
    while True:
        asked = time.monotonic()
        answer = ask_again(attempt)
        if answer.status != 200:
            break
        (event,) = keeping.audited(answer)
        assert (event["cacheHit"], event["keyOperations"]) == (True, 0)
        assert attempt.open(answer) == attempt.data_keys
        asked_at.append(asked)
        hits += 1
        assert asked - kept_before < _GIVE_UP_SECONDS
        time.sleep(0.1)
    assert hits > 0, "nothing was kept at all"
    assert asked_at[-1] - kept_before < TTL_SECONDS
    kao_refused(attempt, "key_unavailable", 503, answer)
    keeping.wait_for_calls()
    assert keeping.control.count(DECRYPT) == keeping.control.count(DECRYPT, outcome="FAILED_PRECONDITION") == 1
    assert keeping.told()[-1]["status"] == "FAILED_PRECONDITION"

    keeping.control.set_state(ACP240_VERSION, "ENABLED")
    attempt.proof = None
    released(attempt)


def test_attack_c04_a_key_that_nobody_opened_before_is_refused_at_once(keeping):
    released(keeping.kit.attempt())
    attempt = keeping.kit.attempt()
    keeping.control.set_state(ACP240_VERSION, "DISABLED")
    try:
        kao_refused(attempt, "key_unavailable", 503)
    finally:
        keeping.control.set_state(ACP240_VERSION, "ENABLED")


def test_a_kept_key_outlives_an_outage_as_long_as_it_is_kept(keeping):
    """Only the first needs Cloud KMS."""
    attempt = keeping.kit.attempt()
    released(attempt)
    keeping.control.fail("UNAVAILABLE", times=None)
    try:
        answer = ask_again(attempt)
        assert attempt.open(answer) == attempt.data_keys
    finally:
        keeping.control.reset()


def test_questions_for_public_keys_are_counted(keeping):
    """By those that a fetch answered and those that memory did: two keys, asked for three times within their time."""
    kit = keeping.kit
    for _ in range(3):
        assert len(kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]) == 4
    before = scrape(kit)
    assert before["kas_cache_misses_total", "public_keys"] == 2
    kit.http("GET", f"{kit.base}/.well-known/jwks.json")
    grown = {name: value - before[name] for name, value in scrape(kit).items() if name in before}
    assert grown["kas_cache_hits_total", "public_keys"] == 2
    assert grown["kas_cache_misses_total", "public_keys"] == 0
