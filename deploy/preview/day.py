"""A simulated day of a pilot, some 1,400 requests: what the service would write, and what Google would keep of it.

At 10:40 Cloud KMS does not answer for a while, at 14:05 a broken client repeats itself, at 16:20 one policy was altered; a
partner is down from 11:15. The members of the lines are those of real ones, which a test compares.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from deploy.preview.definitions import EXAMPLE
from deploy.preview.log_metrics import Stream

MIDNIGHT: Final = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
DAY: Final = 86400.0
IDLE_SECONDS: Final = (240.0, 900.0)  # for so long an instance that answers nothing is kept
# Requests in each hour.
_HOURS: Final = (1, 0, 0, 0, 1, 3, 12, 60, 130, 150, 140, 120, 70, 110, 130, 120, 95, 60, 25, 10, 6, 4, 3, 2)
_OUTAGE: Final = (10.65, 10.8)
_BROKEN: Final = (14.08, 14.3)
_PARTNER_DOWN: Final = (11.25, 12.0)
_TAMPERED: Final = (16.34, 16.39)
# How often what happens, of a hundred.
_ANSWERS: Final = {"challenged": 14, "refused": 3, "public": 13, "rewrap": 70}
_BROKEN_CLIENT: Final = {"limited": 35, "replayed": 35, "rewrap": 30}
_KEYS: Final = {"denied": 9, "kept": 41, "opened": 50}
_DENIALS: Final = ("clearance_insufficient", "country_not_releasable", "coi_not_satisfied", "attribute_not_entitled")
_REFUSALS: Final = ("token_expired", "token_audience_mismatch", "proof_time_invalid", "token_signature_invalid")


@dataclass(slots=True)
class Happened:
    """Lines by stream with their times; requests and key operations as (time, status, milliseconds), starts as (time,
    milliseconds); spans in which an instance is kept.
    """

    lines: list[tuple[float, Stream, str]] = field(default_factory=list)
    requests: list[tuple[float, int, float]] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)
    key_operations: list[tuple[float, int, float]] = field(default_factory=list)
    kept: list[tuple[float, float]] = field(default_factory=list)

    def audit(self, at: float, members: Mapping[str, Any]) -> None:
        time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        self.lines.append((at, "stdout", json.dumps({"time": time, **members})))

    def tell(self, at: float, members: Mapping[str, Any]) -> None:
        self.lines.append((at, "stderr", json.dumps(members)))


def simulated_day(seed: int = 7) -> Happened:
    """What happened; the same for the same seed."""
    chance, day, until = random.Random(seed), Happened(), -math.inf  # noqa: S311 - nothing secret
    for at in sorted([*_arrivals(chance), *_probes(chance)]):
        extra = _start(chance, day, at) if at > until else 0.0
        until = at + chance.uniform(*IDLE_SECONDS)
        day.kept.append((at, until))
        _request(chance, day, at, extra)
    _partner(chance, day)
    return day


def hour(at: float) -> float:
    return (at - MIDNIGHT) / 3600


def _within(at: float, span: tuple[float, float]) -> bool:
    return span[0] <= hour(at) < span[1]


def _arrivals(chance: random.Random) -> Iterator[float]:
    for number, requests in enumerate(_HOURS):
        for _ in range(requests):
            yield MIDNIGHT + (number + chance.random()) * 3600
    for _ in range(90):
        yield MIDNIGHT + chance.uniform(*_BROKEN) * 3600


def _probes(chance: random.Random) -> Iterator[float]:
    """Uptime checks from three places, negative in nothing but their number: each wakes the service."""
    for place in range(3):
        for number in range(96):
            yield MIDNIGHT + number * 900 + place * 300 + chance.random() * 20


def _start(chance: random.Random, day: Happened, at: float) -> float:
    took = 1000 * chance.lognormvariate(math.log(1.7), 0.15)
    day.starts.append((at, took))
    day.tell(at, {"severity": "INFO", "event": "start", "worker": 1, "ms": round(took / 2)})
    return took


def _request(chance: random.Random, day: Happened, at: float, extra: float) -> None:
    ms = extra + chance.uniform(1, 8)
    match _one_of(chance, _BROKEN_CLIENT if _within(at, _BROKEN) else _ANSWERS):
        case "limited":
            _refuse(day, at, "rewrap_limit", 429, ms)
        case "replayed":
            _refuse(day, at, "proof_replayed", 401, ms)
        case "challenged":
            _refuse(day, at, "nonce_required", 401, ms)
        case "refused":
            _refuse(day, at, chance.choice(_REFUSALS), 401, ms)
        case "public":
            day.requests.append((at, 200, ms))  # public keys, health
        case _:
            _rewrap(chance, day, at, extra)


def _one_of(chance: random.Random, kinds: Mapping[str, int]) -> str:
    return chance.choices(list(kinds), list(kinds.values()))[0]


def _refuse(day: Happened, at: float, code: str, status: int, ms: float) -> None:
    day.requests.append((at, status, ms))
    members = {"severity": "NOTICE", "event": "refusal", "requestId": "", "category": "ACCESS_DENIED", "code": code}
    day.audit(at, {**members, "status": status, "method": "POST", "path": "/rewrap", "costMicroUsd": _cost(ms, 0)})


def _rewrap(chance: random.Random, day: Happened, at: float, extra: float) -> None:
    kind = _one_of(chance, _KEYS)
    if kind == "denied":
        _answer(day, at, chance.choice(_DENIALS), 403, 0, chance.uniform(3, 8), extra)
    elif _within(at, _TAMPERED):
        _answer(day, at, "key_material_rejected", 400, 1, chance.uniform(70, 110), extra)
    elif kind == "kept":
        _answer(day, at, None, 200, 0, chance.uniform(4, 10), extra)
    elif _within(at, _OUTAGE):
        line = {"severity": "WARNING", "event": "kms_unavailable", "operation": "AsymmetricDecrypt"}
        day.tell(at, {**line, "version": "…/cryptoKeyVersions/1", "status": "UNAVAILABLE", "cause": ""})
        _answer(day, at, "key_unavailable", 503, 3, chance.uniform(3000, 8000), extra)
    else:
        _answer(day, at, None, 200, 1, 1000 * chance.lognormvariate(math.log(0.078), 0.3), extra)


def _answer(day: Happened, at: float, code: str | None, status: int, operations: int, ms: float, extra: float) -> None:
    day.key_operations += [(at, status if code else 200, ms / (operations + 0.1))] * operations
    ms += extra
    day.requests.append((at, status, ms))
    category = {200: "DECRYPT", 400: "ACCESS_MODIFIED"}.get(status, "ACCESS_DENIED")
    outcome = "released" if code is None else "refused"
    members = {"severity": "INFO", "event": "rewrap", "requestId": "", "category": category, "outcome": outcome}
    more = {"code": code, "dialect": "acp240", "keyOperations": operations, "cacheHit": code is None and not operations}
    day.audit(at, {**members, **more, "costMicroUsd": _cost(ms, operations)})


def _cost(ms: float, operations: int) -> float:
    seconds = math.ceil(ms / 100) / 10
    prices = (float(EXAMPLE[f"USD_PER_{name}"]) for name in ("INSTANCE_SECOND", "REQUEST", "KEY_OPERATION"))
    return round(1e6 * sum(price * number for price, number in zip(prices, (seconds, 1, operations), strict=True)), 3)


def _partner(chance: random.Random, day: Happened) -> None:
    """It fails, is left alone, fails its trial, and answers at last."""
    start, end = (MIDNIGHT + 3600 * one for one in _PARTNER_DOWN)
    peer = {"peer": "kas-fra"}
    at = start
    while at < end:
        day.tell(at, {"severity": "WARNING", "event": "peer_failed", **peer, "status": "no answer in time"})
        day.tell(at, {"severity": "WARNING", "event": "peer_breaker", **peer, "state": "open"})
        at += chance.uniform(200, 500)
    day.tell(end, {"severity": "NOTICE", "event": "peer_breaker", **peer, "state": "closed"})
