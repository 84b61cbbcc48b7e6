"""Trouble on demand: latency, refusals, dropped connections, and bits that flip on the way.

A rule is of one method or of all (``*``), and of resources whose name begins with a prefix. It may let the first calls
pass and act on so many after them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from local.google.status import HTTP_STATUSES, ConnectionDropped, FrontEndPage, GoogleError

KINDS: Final = ("error", "drop", "page", "flip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``kind`` error refuses with ``status``; drop ends the connection; page answers HTML; flip changes ``field``.

    ``field`` is such as ``request.ciphertext`` or ``response.plaintext_crc32c``. ``skip`` calls pass first; ``times``
    is how many are hit, None for all.
    """

    kind: str
    method: str = "*"
    resource: str = ""
    status: str = ""
    field: str = ""
    skip: int = 0
    times: int | None = 1

    def hits(self, method: str, resource: str) -> bool:
        return self.method in {"*", method} and resource.startswith(self.resource)

    def raise_if_refusal(self) -> None:
        """Raises what the fault stands for, unless it is one that changes a field."""
        if self.kind == "error":
            raise GoogleError(self.status, f"Injected: {self.status}.")
        if self.kind == "drop":
            raise ConnectionDropped
        if self.kind == "page":
            raise FrontEndPage(HTTP_STATUSES[self.status])


@dataclass(frozen=True, slots=True)
class Latency:
    """An answer takes at least so long; what the stand-in itself needs is within it."""

    seconds: float
    method: str = "*"
    resource: str = ""


class Faults:
    """The rules that are in force. The latest latency that fits a call is its latency."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._latencies: list[Latency] = []
        self._lock = Lock()

    def add(self, rule: Fault | Latency) -> None:
        with self._lock:
            if isinstance(rule, Fault):
                self._faults.append(rule)
            else:
                self._latencies.insert(0, rule)

    def clear(self) -> None:
        with self._lock:
            self._faults, self._latencies = [], []

    def latency_of(self, method: str, resource: str) -> float:
        """Seconds."""
        with self._lock:
            for rule in self._latencies:
                if rule.method in {"*", method} and resource.startswith(rule.resource):
                    return rule.seconds
        return 0.0

    def take(self, method: str, resource: str) -> list[Fault]:
        """The faults that this call meets: at most one that refuses, all that flip. Their counts go down."""
        met: list[Fault] = []
        kept: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                is_second = fault.kind != "flip" and any(other.kind != "flip" for other in met)
                is_met = fault.hits(method, resource) and not is_second
                if is_met and not fault.skip:
                    met.append(fault)
                kept.append(_counted(fault) if is_met else fault)
            self._faults = [fault for fault in kept if fault.times != 0]
        return met


def _counted(fault: Fault) -> Fault:
    if fault.skip:
        return dataclasses.replace(fault, skip=fault.skip - 1)
    return fault if fault.times is None else dataclasses.replace(fault, times=fault.times - 1)


def flip(faults: Iterable[Fault], side: str, message: Any) -> None:
    """Changes the fields of ``message`` that the faults name on this side (request or response)."""
    for fault in faults:
        named, _, path = fault.field.partition(".")
        if fault.kind == "flip" and named == side:
            try:
                _flip(message, path)
            except (AttributeError, TypeError) as error:
                raise GoogleError("INTERNAL", f"Injected: there is no {fault.field} to change.") from error


def _flip(message: Any, path: str) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    setattr(message, last, _flipped(getattr(message, last)))


def _flipped(value: Any) -> Any:
    """Another value of the same kind, one step away: a bit, a character, the lower protection level."""
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1 if type(value) is int else 1  # of an enumeration: its first, SOFTWARE among levels
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:] if value else b"\x01"
        case str():
            return value[:-1] + ("1" if value[-1:] != "1" else "2")
    raise TypeError
