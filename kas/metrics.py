"""What the service counts of itself, in Prometheus' text format 0.0.4.

Labels are bounded and none is a caller's text: routes and stages are our own names, and no more of them than there is
room for; methods and codes are from a list; whatever else is ``other``. ``kas_refusals_total`` has a series for each
error code: those of the limits (``network_limit``, …), of replayed proofs (``proof_replayed``) and of audit lines that
cannot be written (``audit_unavailable``) among them. Counts are of this process since its start.

The library is imported where metrics are made, since it costs some 25 ms of a cold start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol

from kas.cache import Counts
from kas.dataclass import dataclass
from kas.errors import leaves
from kas.journal import Journal

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
NONE: Final = "none"  # the code of what was released
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_ROUTES: Final = 64
MAX_STAGES: Final = 32
MAX_DIALECTS: Final = 8
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Meter(Protocol):
    """Where the edge and the use cases report to."""

    def answered(
        self, journal: Journal, route: str | None, status: int, seconds: float, code: str | None = None
    ) -> None:
        """One request was answered. ``route`` is the path or prefix in the table of routes, None when it has none;
        ``code`` that of the refusal, None when there was none.
        """

    def kao(self, dialect: str, code: str | None) -> None:
        """One key access object was answered; ``code`` None when it was released."""


class NoMetrics:
    """A `Meter` that counts nothing."""

    def answered(
        self, journal: Journal, route: str | None, status: int, seconds: float, code: str | None = None
    ) -> None:
        """Does nothing."""

    def kao(self, dialect: str, code: str | None) -> None:
        """Does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What others count, read at each scrape: the ``caches`` by name, the key operations that are left today, and how
    often a shared store failed, by what it was used for and how.

    ``keeps_keys`` says whether unwrapped keys are kept. What their cache counts is not read: whether it has the key of
    somebody else's wrap would show there. Journals count a hit once its binding has held.
    """

    caches: Mapping[str, Callable[[], Counts]] = field(default_factory=dict)
    keeps_keys: bool = False
    budget_left: Callable[[], int] | None = None
    troubles: Callable[[], Mapping[tuple[str, str], int]] | None = None


class _Names:
    """The first ``capacity`` names that come; every further one is `OTHER`."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def bound(self, name: str) -> str:
        with self._lock:
            if len(self._names) < self._capacity:
                self._names.add(name)
            return name if name in self._names else OTHER


class _KeptKeys:
    """Questions for unwrapped keys, added up from the journals of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts(0, 0)

    def add(self, hits: int, misses: int) -> None:
        with self._lock:
            self._counts = Counts(self._counts.hits + hits, self._counts.misses + misses)

    def counts(self) -> Counts:
        with self._lock:
            return self._counts


class Metrics:
    """A `Meter` with a registry of its own. Safe to use from many threads."""

    def __init__(self, readings: Readings) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

        # Else each series has a twin with the time of its making.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._codes = frozenset(leaf.code for leaf in leaves())
        self._routes, self._stages, self._dialects = _Names(MAX_ROUTES), _Names(MAX_STAGES), _Names(MAX_DIALECTS)
        self._requests = Counter("kas_requests", "Requests answered.", ["route", "method", "status"], registry=registry)
        self._seconds = Histogram(
            "kas_request_seconds", "Time to an answer.", ["route"], registry=registry, buckets=_BUCKETS
        )
        self._stage_seconds = Histogram(
            "kas_stage_seconds", "Time of a request in one stage.", ["stage"], registry=registry, buckets=_BUCKETS
        )
        self._refusals = Counter("kas_refusals", "Requests refused as a whole.", ["code"], registry=registry)
        self._kaos = Counter(
            "kas_key_accesses", "Key access objects answered.", ["dialect", "outcome", "code"], registry=registry
        )
        self._key_operations = Counter("kas_key_operations", "Calls of the key service.", registry=registry)
        self._kept_keys = _KeptKeys()
        caches = {**readings.caches, "dek": self._kept_keys.counts} if readings.keeps_keys else readings.caches
        registry.register(_Collector(caches, readings.budget_left, readings.troubles))

    def answered(
        self, journal: Journal, route: str | None, status: int, seconds: float, code: str | None = None
    ) -> None:
        """One request was answered, see `Meter`."""
        name = OTHER if route is None else self._routes.bound(route)
        method = journal.method if journal.method in METHODS else OTHER
        self._requests.labels(name, method, status).inc()
        self._seconds.labels(name).observe(seconds)
        for stage, spent in journal.seconds.items():
            self._stage_seconds.labels(self._stages.bound(stage)).observe(spent)
        self._key_operations.inc(journal.key_operations)
        self._kept_keys.add(journal.cache_hits, journal.cache_misses)
        if code is not None:
            self._refusals.labels(self._code(code)).inc()

    def kao(self, dialect: str, code: str | None) -> None:
        """One key access object was answered, see `Meter`."""
        outcome = "released" if code is None else "refused"
        shown = NONE if code is None else self._code(code)
        self._kaos.labels(self._dialects.bound(dialect), outcome, shown).inc()

    def text(self) -> bytes:
        """All of it, as `CONTENT_TYPE`."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def _code(self, code: str) -> str:
        return code if code in self._codes else OTHER


@dataclass(frozen=True, slots=True, eq=False)
class _Collector:
    """What is read at each scrape, as the library asks for it."""

    caches: Mapping[str, Callable[[], Counts]]
    budget_left: Callable[[], int] | None
    troubles: Callable[[], Mapping[tuple[str, str], int]] | None

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        hits = CounterMetricFamily("kas_cache_hits", "Questions that a cache answered.", labels=["cache"])
        misses = CounterMetricFamily("kas_cache_misses", "Questions that a cache did not answer.", labels=["cache"])
        for name, read in self.caches.items():
            counts = read()
            hits.add_metric([name], counts.hits)
            misses.add_metric([name], counts.misses)
        yield hits
        yield misses
        if self.budget_left is not None:
            left = self.budget_left()
            yield GaugeMetricFamily("kas_key_operations_left", "Key operations left for today.", value=left)
        if self.troubles is not None:
            failures = CounterMetricFamily(
                "kas_state_failures", "What a shared store did not do, by use and trouble.", labels=["use", "trouble"]
            )
            for labels, number in self.troubles().items():
                failures.add_metric(labels, number)
            yield failures
