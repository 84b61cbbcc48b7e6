"""L7: key operations that cost money have a budget, of each caller and of the day, and beyond it nothing is called."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from local.client import Answer
from tests.attacks.cached_keys import FREE, UNTOUCHED, UNWRAPPED, asking_again, prices, without_nonce
from tests.attacks.limit_requests import limits_of
from tests.attacks.rewrap_answers import codes, kao_refused, released
from tests.kit import Attempt, Kit, policy, refused, running_kit
from tests.opentdf.tdf_client import TdfAttempt

MINUTE, DAY = 3, 40  # nobody's minute is his share of the day
SPENT, BAD = "budget_exhausted", "key_material_rejected"


@pytest.fixture(scope="module")
def budgeted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Three operations a minute of one caller and 40 a day, of software keys too."""
    settings = {
        "KAS_KEY_BUDGET": "all",
        "KAS_KEY_OPERATIONS_PER_MINUTE": str(MINUTE),
        "KAS_KMS_OPERATIONS_PER_DAY": str(DAY),
        "KAS_REWRAP_DPOP_NONCE": "off",
    }
    with running_kit(tmp_path_factory.mktemp("budget"), **settings) as kit:
        yield kit


def asking(kit: Kit, subject: str, kaos: int = 1) -> Attempt:
    """A good request of ``subject``, who is entitled."""
    return without_nonce(kit, kaos=kaos, override=named(subject))


def named(subject: str) -> dict[str, object]:
    return {"claims": {"sub": subject}}


def spend_all(kit: Kit, subject: str) -> Attempt:
    """Uses up the minute of ``subject``; the request by which he did is answered whole."""
    attempt = asking(kit, subject, MINUTE)
    assert prices(kit, released(attempt)) == [UNWRAPPED] * MINUTE
    return attempt


def refused_whole(attempt: Attempt, within: range) -> Answer:
    """Sends, and asserts that nothing was called for any of it, and that it is told when to come again."""
    answer = attempt.send()
    refused(answer, 429, "too_many_requests", SPENT)
    assert set(codes(attempt, answer)) == {SPENT}
    assert set(prices(attempt.kit, answer)) == {UNTOUCHED}
    assert int(answer.headers["Retry-After"]) in within
    return answer


def test_attack_l07_a_bulk_in_whose_middle_the_budget_ends_is_released_up_to_there(budgeted: Kit) -> None:
    """Each key access object is refused by itself, without a call; the ones before it stand."""
    attempt = asking(budgeted, "bulk", MINUTE + 2)
    answer = attempt.send()
    assert answer.status == 200
    assert codes(attempt, answer) == [None] * MINUTE + [SPENT] * 2
    assert prices(budgeted, answer) == [UNWRAPPED] * MINUTE + [UNTOUCHED] * 2
    assert "Retry-After" not in answer.headers


def test_attack_l07_over_the_minute_nothing_is_called_and_a_time_is_told(budgeted: Kit) -> None:
    """All of the next request is refused; another caller has his own."""
    spend_all(budgeted, "over")
    answer = refused_whole(asking(budgeted, "over", 2), range(1, 61))
    assert limits_of(answer)["rewrap"]["r"] > 0  # it is not the limit of requests
    assert prices(budgeted, released(asking(budgeted, "other"))) == [UNWRAPPED]


def test_attack_l07_a_kept_key_costs_nothing_and_is_had_without_budget(budgeted: Kit) -> None:
    """By whoever may have it; a bad binding on it is no way round, since it would be a call."""
    first = asking(budgeted, "keeper")
    released(first)
    spend_all(budgeted, "without")
    again = asking_again(first, override=named("without"))
    assert prices(budgeted, released(again)) == [FREE]
    refused_whole(asking_again(first, policy=policy(), override=named("without")), range(1, 61))


def test_attack_l07_what_is_refused_before_the_call_costs_nothing(budgeted: Kit) -> None:
    """A denial and an unknown ``kid`` take nothing; bad material costs the call that it causes."""
    for kid, label, code, status in (
        (None, policy(classification="TOP_SECRET"), "clearance_insufficient", 403),
        ("unknown", policy(), "unknown_key", 400),
    ):
        for _ in range(MINUTE):
            attempt = without_nonce(budgeted, policies=[label], override=named("careful"))
            attempt.kao["kid"] = kid or attempt.kao["kid"]
            attempt.resign()
            kao_refused(attempt, code, status)
    for _ in range(MINUTE):
        kao_refused(asking_again(asking(budgeted, "careful"), policy=policy(), override=named("careful")), BAD)
    refused_whole(asking(budgeted, "careful"), range(1, 61))


def test_attack_l07_the_routes_share_one_budget(budgeted: Kit) -> None:
    """What was spent on /rewrap is missing on OpenTDF's, which says so in its own words."""
    spend_all(budgeted, "both")
    attempt = TdfAttempt.good(budgeted, override=named("both"))
    answer = attempt.send()
    (result,) = attempt.read(answer).results
    assert (result.status, result.wrapped) == ("fail", b"")
    assert result.error.endswith(f" desc = {SPENT}")
    assert prices(budgeted, answer) == [UNTOUCHED]


def test_attack_l07_over_the_day_nothing_is_called_for_anybody(budgeted: Kit) -> None:
    """Who has spent nothing is refused as well, until the first of the day is 24 hours ago; kept keys are had."""
    kept = asking(budgeted, "last-keeper")
    statuses = [kept.send().status]
    while statuses[-1] == 200 and len(statuses) <= DAY:
        statuses.append(asking(budgeted, secrets.token_hex(4)).send().status)
    assert (statuses[0], statuses[-1]) == (200, 429)
    refused_whole(asking(budgeted, "newcomer"), range(23 * 3600, 24 * 3600 + 1))
    assert prices(budgeted, released(asking_again(kept))) == [FREE]
