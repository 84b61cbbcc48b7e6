"""What is learnt about one request while it is answered: for its audit lines, its metrics and the headers on limits.

One thread answers a request, so nothing here is locked. It holds no token, proof, key or body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from kas.cost.marginal import Tariff
from kas.dataclass import dataclass
from kas.ratelimit import Quota


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the platform files what belongs together: ``trace`` of 32 hexadecimal digits, ``span`` of 16."""

    trace: str
    span: str
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was proven to ask."""

    issuer: str
    subject: str
    client: str | None

    @property
    def identity(self) -> str:
        """(issuer, subject) as one text: the identity for limits. An issuer's name has no space."""
        return f"{self.issuer} {self.subject}"


class Stage:
    """A block whose time is added to ``seconds`` under a name, however it ends."""

    __slots__ = ("_name", "_seconds", "_start", "_timer")

    def __init__(self, name: str, seconds: dict[str, float], timer: Callable[[], float]) -> None:
        self._name = name
        self._seconds = seconds
        self._timer = timer

    def __enter__(self) -> None:
        self._start = self._timer()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + self._timer() - self._start


@dataclass(slots=True, kw_only=True)
class Journal:
    """``request_id`` is ours; ``timer`` gives seconds from an arbitrary start, and said ``started`` when the request came.
    Without a ``tariff`` nobody knows what it costs.
    """

    request_id: str
    method: str
    path: str
    timer: Callable[[], float]
    started: float = 0.0
    tariff: Tariff | None = None
    trace: Trace | None = None
    network: str = ""  # that the limits count, once they do
    caller: Caller | None = None
    quotas: list[Quota] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    operations: dict[str, int] = field(default_factory=dict)  # of the key service, by the kid of the key
    cache_hits: int = 0
    cache_misses: int = 0
    retry_after: float | None = None  # seconds until all that was refused for a while may succeed
    refusal: str | None = None  # the code of the request's, None when it was answered

    is_billed: bool = False

    @property
    def key_operations(self) -> int:
        return sum(self.operations.values())

    @property
    def holder(self) -> str:
        """Who holds what is waited for: the caller, the network before he is known."""
        return self.network if self.caller is None else self.caller.identity

    def spend(self, operations: Mapping[str, int]) -> None:
        """Notes operations of the key service, by the kid of the key."""
        for kid, number in operations.items():
            self.operations[kid] = self.operations.get(kid, 0) + number

    def bill(self) -> float | None:
        """What the request has cost by now, in millionths of a US dollar. It is told once, so that sums over lines are
        right: asked again, None.
        """
        if self.tariff is None or self.is_billed:
            return None
        self.is_billed = True
        return self.tariff.cost(self.timer() - self.started, self.operations)

    def wait(self, seconds: float | None) -> None:
        """Notes that something may succeed after so many seconds."""
        if seconds is not None:
            self.retry_after = max(seconds, self.retry_after or 0.0)

    def stage(self, name: str) -> Stage:
        """Adds the time of the block to the stage ``name``."""
        return Stage(name, self.seconds, self.timer)
