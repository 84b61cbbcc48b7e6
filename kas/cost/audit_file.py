"""What an audit file says of the traffic: lines as the service writes them, or ``gcloud logging read --format=json``.

Lines of other programs are passed over, and counted. What leaves no line is not seen: health checks, answers that a
caller's copy was still good (304), preflights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kas.cost.marginal import billed
from kas.cost.prices import Prices
from kas.cost.scenario import ENVELOPE_BYTES, OPERATION_LOG_BYTES, REQUEST_LOG_BYTES, Scenario
from kas.dataclass import dataclass

# Those of `kas.events`, which is not imported: the command runs with the standard library alone.
_EVENTS: Final = frozenset({"rewrap", "refusal", "explain", "public_key", "checkpoint"})
_DAY_SECONDS: Final = 86_400.0
_MAX_NUMBER: Final = 2**53  # beyond it whole numbers are not exact, and none of ours is near


class AuditFileUnreadable(Exception):
    """The text says why."""


@dataclass(slots=True)
class Usage:
    """Sums over the lines; ``seconds`` are those of each request by its id, ``micro_usd`` what the lines say it cost."""

    seconds: dict[str, float] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    kaos: int = 0
    operations: int = 0
    hits: int = 0
    log_bytes: int = 0
    micro_usd: float = 0.0
    others: int = 0
    seen: set[tuple[str, int]] = field(default_factory=set)  # places in trails: Cloud Logging may deliver a line twice

    @property
    def requests(self) -> int:
        return len(self.seconds)

    @property
    def days(self) -> float:
        return (max(self.times) - min(self.times)) / _DAY_SECONDS if self.times else 0.0

    @property
    def billed_seconds(self) -> float:
        """Of one request, the mean of whole intervals."""
        return sum(billed(seconds) for seconds in self.seconds.values()) / self.requests

    def add(self, event: Mapping[str, Any]) -> None:
        """Counts one line. Raises KeyError, TypeError, ValueError or RecursionError where it is no audit line after all."""
        chain = event.get("chain") or {}
        place = (str(chain["process"]), int(_number(chain["number"]))) if chain else None
        if place in self.seen:
            return
        if place is not None:
            self.seen.add(place)
        kind, time = event["event"], datetime.fromisoformat(str(event["time"]))
        self.log_bytes += len(json.dumps(event, separators=(",", ":"))) + ENVELOPE_BYTES
        if kind == "checkpoint":  # of no request
            return
        request = str(event["requestId"])
        spent = sum(_number(part) for part in (event.get("latencyMs") or {}).values()) / 1000
        self.seconds[request] = max(spent, self.seconds.get(request, 0.0))
        self.times.append(time.timestamp())
        self.micro_usd += _number(event.get("costMicroUsd") or 0)
        if kind == "rewrap":
            self.kaos += 1
            self.operations += int(_number(event["keyOperations"]))
            self.hits += bool(event["cacheHit"])


def _number(value: object) -> float:
    """Of a line. Raises ValueError for none that the service writes: not finite, negative, or beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError("a number out of range")
    return value


def read_usage(path: Path) -> Usage:
    """Raises AuditFileUnreadable, also where there is no audit line at all."""
    usage = Usage()
    try:
        for entry in _entries(path.read_text("utf-8", "replace")):
            event = entry.get("jsonPayload", entry) if isinstance(entry, dict) else None
            if not isinstance(event, dict) or event.get("event") not in _EVENTS:
                usage.others += 1
                continue
            usage.add(event)
    except OSError as error:
        raise AuditFileUnreadable(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AuditFileUnreadable(f"{path}: a line lacks what an audit line has ({error})") from error
    if not usage.requests:
        raise AuditFileUnreadable(f"{path}: has no audit line")
    return usage


def _entries(text: str) -> Iterator[Any]:
    """An array as a whole, or a value a line; None for a line that is no JSON. Lines of the host begin as arrays do."""
    whole = _parsed(text) if text.lstrip().startswith("[") else None
    if isinstance(whole, list):
        yield from whole
        return
    for line in text.splitlines():
        if line.strip():
            yield _parsed(line)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def measured(usage: Usage, days: float) -> dict[str, Any]:
    """What of a scenario the file tells, ``days`` being the time that it covers. The hit rate is that of key access
    objects that needed no key operation, whatever the reason.
    """
    written = usage.log_bytes + OPERATION_LOG_BYTES * usage.operations
    return {
        "requests_per_day": usage.requests / days,
        "kaos": usage.kaos / usage.requests,
        "hit_rate": max(0.0, 1 - usage.operations / usage.kaos) if usage.kaos else 0.0,
        "billed_seconds": usage.billed_seconds,
        "log_bytes": REQUEST_LOG_BYTES + written / usage.requests,
    }


def explained(usage: Usage, scenario: Scenario, prices: Prices) -> float:
    """What the requests of the file cost at the margin by the model, in US dollars: what its lines should add up to.

    A line has the whole time of a request by then, here it is the sum of its stages; so some of them differ by an
    interval of 100 ms.
    """
    second = prices.instance_second(scenario.locations[0], vcpu=scenario.vcpu, memory_gib=scenario.memory_gib)
    operation = 0.0 if scenario.key == "sealed" else prices.operation(scenario.key, scenario.protection)
    time = sum(billed(seconds) for seconds in usage.seconds.values())
    return usage.requests * prices.request + time * second + usage.operations * operation
