"""Whether this process can do its work: named checks, asked at most once in ten seconds however many ask.

One caller checks; the others get the last report. Where there is none, a few wait a bounded time for the first, the rest
not at all: anybody may ask, and waiting holds a thread. A report too old to be true any more, or none, is *not ready*. A
check takes as long as what it asks: one fetch for each issuer that is down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from kas.dataclass import dataclass
from kas.errors import KasError, KeyUnavailable
from kas.keys.registry import KeyRegistry, KeyService

FRESH_SECONDS: Final = 10.0
STALE_SECONDS: Final = 60.0  # how long an old report serves while a check is under way
WAIT_SECONDS: Final = 2.0  # for a check that another caller makes, where there is no report at all
MAX_WAITING: Final = 2  # so, at once

Probe = Callable[[], None]
Condition = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """``probe`` returns when all is well and raises a KasError when not. While one fails, this process
    is not ready.
    """

    name: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class Report:
    """``checks`` has, by name, True or the code of what is wrong."""

    is_ready: bool
    checks: Mapping[str, bool | str]


_UNKNOWN: Final = Report(is_ready=False, checks={})


class Readiness:
    """Reports on ``checks``; without any it is never ready.

    ``clock`` gives seconds; ``warn`` is told when what fails has changed. Safe to use from many threads.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        clock: Callable[[], float],
        warn: Callable[[Mapping[str, Any]], None],
        *,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._checks = tuple(checks)
        self._clock = clock
        self._warn = warn
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()  # held by whoever checks
        self._places = threading.Semaphore(MAX_WAITING)  # to wait for it
        self._known = (float("-inf"), _UNKNOWN)  # made at; replaced whole, so that readers need no lock

    def report(self) -> Report:
        """The report, at most `FRESH_SECONDS` old; older, up to `STALE_SECONDS`, while another caller checks."""
        fresh = self._younger_than(FRESH_SECONDS)
        if fresh is not None:
            return fresh
        stale = self._younger_than(STALE_SECONDS)
        if not self._take(may_wait=stale is None):
            return stale or _UNKNOWN
        try:
            # Another caller may have checked while this one waited for the lock.
            return self._younger_than(FRESH_SECONDS) or self._check()
        finally:
            self._lock.release()

    def _take(self, *, may_wait: bool) -> bool:
        """Whether the lock is ours."""
        if self._lock.acquire(blocking=False):
            return True
        if not may_wait or not self._places.acquire(blocking=False):
            return False
        try:
            return self._lock.acquire(timeout=self._wait_seconds)
        finally:
            self._places.release()

    def _younger_than(self, seconds: float) -> Report | None:
        """The last report. One that seems to come from the future was made before the clock was set back."""
        made_at, report = self._known
        return report if 0 <= self._clock() - made_at <= seconds else None

    def _check(self) -> Report:
        results = [(check.name, _ask(check.probe)) for check in self._checks]
        is_ready = bool(results) and all(result is True for _, result in results)
        report = Report(is_ready, dict(results))
        before, self._known = self._known[1], (self._clock(), report)
        if _failures(report) != _failures(before):
            severity = "WARNING" if _failures(report) else "NOTICE"
            self._warn({"severity": severity, "event": "readiness", "isReady": report.is_ready, **report.checks})
        return report


def _ask(probe: Probe) -> bool | str:
    try:
        probe()
    except KasError as refusal:
        return refusal.code
    return True


def _failures(report: Report) -> dict[str, bool | str]:
    return {name: result for name, result in report.checks.items() if result is not True}


def keys_usable(registry: KeyRegistry, key_service: KeyService) -> Probe:
    """Every published unwrap key can be used, as whoever holds it says now, and there is one."""

    def probe() -> None:
        records = registry.published()
        if not records:
            raise KeyUnavailable
        for record in records:
            key_service.check(record)

    return probe


def one_holds(conditions: Iterable[Condition], refusal: type[KasError]) -> Probe:
    """One of the conditions holds; they are asked in turn, until one does."""
    conditions = tuple(conditions)

    def probe() -> None:
        if not any(condition() for condition in conditions):
            raise refusal

    return probe
