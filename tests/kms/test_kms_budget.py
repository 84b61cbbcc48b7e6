"""L7 as it is deployed: ``metered``, keys in Cloud KMS. Beyond the budget nothing is called, and the operator is warned."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.cached_keys import UNTOUCHED, UNWRAPPED, prices
from tests.attacks.rewrap_answers import codes, released
from tests.kit import Attempt, refused
from tests.kms.google_kit import DECRYPT, GoogleKit, rewraps_in, running_google_kit
from tests.wrappers import published_ec_key, seal_all

MINUTE, DAY = 2, 24  # nobody's minute is his share of the day
ALARM = 20  # the first of 24 by which four fifths are spent
SPENT = "budget_exhausted"


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleKit]:
    settings = {
        "KAS_KEY_BUDGET": "metered",
        "KAS_KEY_OPERATIONS_PER_MINUTE": str(MINUTE),
        "KAS_KMS_OPERATIONS_PER_DAY": str(DAY),
        "KAS_DEK_CACHE_SECONDS": "0",
    }
    with running_google_kit(tmp_path_factory.mktemp("metered"), **settings) as kit:
        yield kit


def asking(metered: GoogleKit, subject: str, kaos: int = 1) -> Attempt:
    return metered.kit.attempt(kaos=kaos, override={"claims": {"sub": subject}})


def test_attack_l07_metered_over_the_minute_cloud_kms_is_not_called(metered):
    """The third is refused whole; what costs nothing, a key that is sealed, still opens."""
    metered.settle()
    for _ in range(MINUTE):
        released(asking(metered, "over"))
    attempt = asking(metered, "over")
    answer = attempt.send()
    refused(answer, 429, "too_many_requests", SPENT)
    assert codes(attempt, answer) == [SPENT]
    assert prices(metered.kit, answer) == [UNTOUCHED]
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    released(seal_all(asking(metered, "over"), *published_ec_key(metered.kit)))
    assert metered.control.count(DECRYPT) == MINUTE
    assert prices(metered.kit, released(asking(metered, "other"))) == [UNWRAPPED]


def test_attack_l07_metered_the_operator_is_warned_once_before_the_day_is_spent(metered):
    """And beyond it nobody has a call, whoever he is."""
    for number in range(DAY):
        answer = asking(metered, f"caller-{number}").send()
        if answer.status != 200:
            break
        spent = sum(event["keyOperations"] for event in metered_events(metered))
        warned = [line for line in metered.told() if line["event"] == "key_budget_low"]
        assert len(warned) == (spent >= ALARM)
    refused(answer, 429, "too_many_requests", SPENT)
    assert warned == [{"severity": "WARNING", "event": "key_budget_low", "operations": ALARM, "limit": DAY}]
    assert sum(event["keyOperations"] for event in metered_events(metered)) == DAY


def metered_events(metered: GoogleKit) -> list[dict]:
    """Of all that the KAS did, since operations are those of Cloud KMS but for the sealed key's."""
    sealed = published_ec_key(metered.kit)[0]
    return [event for event in rewraps_in(metered.kit.log) if event["kid"] != sealed]
