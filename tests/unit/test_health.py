"""Readiness: what it rests on, and how often anybody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.errors import (
    AuditUnavailable,
    IssuerKeysUnavailable,
    KasError,
    KeyUnavailable,
    ReplayStoreFull,
)
from kas.health import (
    FRESH_SECONDS,
    MAX_WAITING,
    STALE_SECONDS,
    Check,
    Probe,
    Readiness,
    Report,
    keys_usable,
    one_holds,
)
from kas.keys.registry import KeyRecord, KeyRegistry
from kas.keys.software import SoftwareKeyService

BOTH = frozenset({"acp240", "opentdf"})
PATIENCE = 20  # seconds until a test that hangs fails
FOR_EVER = -1


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Probed:
    """A probe that counts its calls and raises ``failure``, if there is one."""

    failure: Exception | None = None
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure


@dataclass
class Fixture:
    """Readiness over these probes."""

    probes: Mapping[str, Probe] = field(default_factory=dict)
    wait_seconds: float = PATIENCE
    clock: Clock = field(default_factory=Clock)
    warnings: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        checks = [Check(name, probe) for name, probe in self.probes.items()]
        self.readiness = Readiness(checks, self.clock, self.warnings.append, wait_seconds=self.wait_seconds)

    def report(self) -> Report:
        return self.readiness.report()


class Gate:
    """A probe that waits until it is let through, and tells when it was entered."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.entered.set()
        if not self.opened.wait(PATIENCE):
            raise KeyUnavailable


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def test_all_is_well() -> None:
    """Ready, and every check is listed."""
    assert Fixture({"keys": Probed(), "issuers": Probed()}).report() == Report(True, {"keys": True, "issuers": True})


def test_required_check_that_fails_means_not_ready() -> None:
    """Its code says why; the others are asked all the same."""
    other = Probed()
    report = Fixture({"keys": Probed(KeyUnavailable()), "audit": other}).report()
    assert report == Report(False, {"keys": "key_unavailable", "audit": True})
    assert other.calls == 1


def test_readiness_that_rests_on_nothing_is_not_ready() -> None:
    """No check is no proof."""
    assert not Fixture({}).report().is_ready


def test_two_checks_of_one_name_both_count() -> None:
    """The list shows one of them; the answer rests on both."""
    checks = [Check("keys", Probed(KeyUnavailable())), Check("keys", Probed())]
    assert not Readiness(checks, Clock(), lambda _line: None).report().is_ready


@pytest.mark.parametrize("failure", [None, KeyUnavailable()], ids=["well", "ill"])
def test_report_serves_for_ten_seconds(failure: Exception | None) -> None:
    """Good news and bad, whoever asks how often."""
    probe = Probed(failure)
    fixture = Fixture({"keys": probe})
    first = fixture.report()
    fixture.clock.now += FRESH_SECONDS
    assert fixture.report() is first
    assert (probe.calls, FRESH_SECONDS) == (1, 10.0)
    fixture.clock.now += 0.001
    fixture.report()
    assert probe.calls == 2


def test_age_counts_from_the_end_of_a_check() -> None:
    """A slow check would otherwise be due again as soon as it ends."""
    clock, calls = Clock(), []

    def slow() -> None:
        calls.append(clock.now)
        clock.now += 100

    readiness = Readiness([Check("keys", slow)], clock, lambda _line: None)
    readiness.report()
    readiness.report()
    assert len(calls) == 1


def test_report_from_the_future_does_not_serve() -> None:
    """The clock was set back: the report's age is unknown."""
    probe = Probed()
    fixture = Fixture({"keys": probe})
    fixture.report()
    fixture.clock.now -= 1
    fixture.report()
    assert probe.calls == 2


def test_many_who_ask_at_once_cause_one_check(gate: Gate) -> None:
    """The others wait for its report."""
    fixture = Fixture({"keys": gate})
    with ThreadPoolExecutor(1 + MAX_WAITING) as pool:
        reports = [pool.submit(fixture.report) for _ in range(1 + MAX_WAITING)]
        assert gate.entered.wait(PATIENCE)
        gate.opened.set()
        results = [report.result(PATIENCE) for report in reports]
    assert results == [Report(True, {"keys": True})] * (1 + MAX_WAITING)
    assert gate.calls == 1


def test_only_a_few_wait_for_the_first_report(gate: Gate) -> None:
    """Whoever asks besides is told at once that nothing is known; anybody may ask, and waiting holds a thread."""
    fixture = Fixture({"keys": gate}, wait_seconds=FOR_EVER)
    others = 8
    with ThreadPoolExecutor(1 + others) as pool:
        checking = pool.submit(fixture.report)
        assert gate.entered.wait(PATIENCE)
        asked = as_completed([pool.submit(fixture.report) for _ in range(others)], timeout=PATIENCE)
        try:
            assert [next(asked).result() for _ in range(others - MAX_WAITING)] == [Report(False, {})] * 6
        finally:
            gate.opened.set()
        assert [one.result() for one in asked] == [Report(True, {"keys": True})] * MAX_WAITING
        assert checking.result(PATIENCE).is_ready
        assert MAX_WAITING == 2


def test_wait_for_the_first_report_is_bounded(gate: Gate) -> None:
    """A check that hangs does not hold every thread; what is not known is not ready."""
    fixture = Fixture({"keys": gate}, wait_seconds=0.01)
    with ThreadPoolExecutor(1) as pool:
        checking = pool.submit(fixture.report)
        assert gate.entered.wait(PATIENCE)
        assert fixture.report() == Report(False, {})
        gate.opened.set()
        assert checking.result(PATIENCE).is_ready


@pytest.mark.parametrize(
    ("age", "wait_seconds", "is_ready"), [(FRESH_SECONDS + 1, FOR_EVER, True), (STALE_SECONDS + 1, 0.01, False)]
)
def test_old_report_serves_while_another_checks(gate: Gate, *, age: float, wait_seconds: float, is_ready: bool) -> None:
    """Without any wait, and for a while: after that a hanging check is no longer hidden."""
    gate.opened.set()
    fixture = Fixture({"keys": gate}, wait_seconds=wait_seconds)
    fixture.report()
    gate.entered.clear()
    gate.opened.clear()
    fixture.clock.now += age
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fixture.report)
        assert gate.entered.wait(PATIENCE)
        assert fixture.report().is_ready is is_ready
        gate.opened.set()


def test_unexpected_failure_goes_to_the_edge_and_locks_nobody_out() -> None:
    """It is no report; the next caller checks again."""
    probe = Probed(ValueError("defect"))
    fixture = Fixture({"keys": probe}, wait_seconds=0.01)
    with pytest.raises(ValueError, match="defect"):
        fixture.report()
    probe.failure = None
    assert fixture.report().is_ready


def test_change_is_logged_once() -> None:
    """When something fails and when it is well again; not for every probe, nor for a good start."""
    probe = Probed()
    fixture = Fixture({"keys": probe})
    for failure in (None, KeyUnavailable(), KeyUnavailable(), None, None):
        probe.failure = failure
        fixture.report()
        fixture.clock.now += FRESH_SECONDS + 1
    assert fixture.warnings == [
        {"severity": "WARNING", "event": "readiness", "isReady": False, "keys": "key_unavailable"},
        {"severity": "NOTICE", "event": "readiness", "isReady": True, "keys": True},
    ]


def record(kid: str, status: str = "active") -> KeyRecord:
    return KeyRecord(kid, "P-256", status, BOTH)


def keys(*records: KeyRecord, held: tuple[str, ...]) -> Callable[[], None]:
    private_keys = {kid: ec.generate_private_key(ec.SECP256R1()) for kid in held}
    return keys_usable(KeyRegistry(records), SoftwareKeyService(private_keys))


def test_keys_are_usable_when_every_active_one_is_there() -> None:
    """Others are not asked for."""
    keys(record("a"), record("b"), record("old", "decrypt-only"), held=("a", "b"))()


@pytest.mark.parametrize(
    "probe",
    [
        keys(record("a"), record("b"), held=("a",)),
        keys(record("old", "decrypt-only"), held=("old",)),
        keys(held=("a",)),
    ],
    ids=["one-missing", "none-active", "no-records"],
)
def test_keys_are_not_usable(probe: Probe) -> None:
    """One active key that is not there, or no active key."""
    with pytest.raises(KeyUnavailable):
        probe()


@pytest.mark.parametrize("refusal", [IssuerKeysUnavailable, ReplayStoreFull, AuditUnavailable])
@pytest.mark.parametrize("answers", [(), (False,), (False, False)])
def test_none_holds(answers: tuple[bool, ...], refusal: type[KasError]) -> None:
    """No condition at all included."""
    with pytest.raises(refusal):
        one_holds([lambda answer=answer: answer for answer in answers], refusal)()


def test_one_holds_and_the_rest_is_not_asked() -> None:
    """A network call saved; a generator of conditions serves more than once."""
    asked: list[int] = []

    def condition(number: int) -> Callable[[], bool]:
        return lambda: asked.append(number) or number == 1

    probe = one_holds((condition(number) for number in range(3)), IssuerKeysUnavailable)
    probe()
    probe()
    assert asked == [0, 1, 0, 1]
