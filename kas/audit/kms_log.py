"""Google's own record of decrypts: the data-access audit log of Cloud KMS, as Cloud Logging exports it.

An entry has the call (``methodName``), the key (``resourceName``), who made it and, where it was refused, a ``status`` with a
code. What counts is AsymmetricDecrypt, by whoever it was; calls of Decrypt open sealed keys when the service starts, and are
told but not compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from kas.audit.read import Found
from kas.audit.times import Period, Span, seconds_of
from kas.dataclass import dataclass

_SERVICE: Final = "cloudkms.googleapis.com"
_UNWRAPS: Final = "AsymmetricDecrypt"
_UNSEALS: Final = "Decrypt"


@dataclass(frozen=True, slots=True)
class Decrypt:
    """One that succeeded, at a time in seconds since 1970; ``insert_id`` finds its entry."""

    time: float
    principal: str
    insert_id: str


@dataclass(slots=True)
class KmsLog:
    """What Google recorded; ``period`` bounds which entries count. By version: decrypts, and how many were refused."""

    period: Period
    decrypts: dict[str, list[Decrypt]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    principals: dict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  # of all calls, by version
    unsealed: Counter[str] = field(default_factory=Counter)  # calls of Decrypt, by key
    span: Span = field(default_factory=Span)
    seen: set[tuple[str, str]] = field(default_factory=set)
    entries: int = 0
    unread: int = 0

    def add(self, log: Iterable[Found]) -> None:
        """Reads a file."""
        for found in log:
            payload = found.value.get("protoPayload")
            if not isinstance(payload, dict) or payload.get("serviceName") != _SERVICE:
                continue
            self.entries += 1
            try:
                self._add_entry(found.value, payload)
            except ValueError:
                self.unread += 1

    def _add_entry(self, entry: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        method, time = str(payload.get("methodName")).rpartition(".")[2], seconds_of(entry.get("timestamp"))
        insert_id, resource = str(entry.get("insertId", "")), _resource(entry, payload)
        if method not in {_UNWRAPS, _UNSEALS} or time not in self.period or self._is_repeated(entry, insert_id):
            return
        self.span.note(time)
        if method == _UNSEALS:
            self.unsealed[resource] += 1
            return
        principal = _principal(payload)
        self.principals[resource][principal] += 1
        if _is_refused(payload):
            self.refused[resource] += 1
        else:
            self.decrypts[resource].append(Decrypt(time, principal, insert_id))

    def _is_repeated(self, entry: Mapping[str, Any], insert_id: str) -> bool:
        """Cloud Logging may deliver an entry twice; what is the same then is this."""
        known = len(self.seen)
        self.seen.add((insert_id, str(entry.get("timestamp"))))
        return bool(insert_id) and len(self.seen) == known


def _resource(entry: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """The name with the project's id, which callers may have named by its number. Raises ValueError."""
    name = payload.get("resourceName")
    if not isinstance(name, str) or not name:
        raise ValueError("no resourceName")
    resource = entry.get("resource")
    labels = resource.get("labels") if isinstance(resource, dict) else None
    project = labels.get("project_id") if isinstance(labels, dict) else None
    head, _, rest = name.removeprefix("projects/").partition("/")
    return f"projects/{project}/{rest}" if head.isdigit() and isinstance(project, str) else name


def _principal(payload: Mapping[str, Any]) -> str:
    found = payload.get("authenticationInfo")
    who = found if isinstance(found, dict) else {}
    return str(who.get("principalEmail") or who.get("principalSubject") or "somebody unnamed")


def _is_refused(payload: Mapping[str, Any]) -> bool:
    """A call that was served has an empty status, or none."""
    status = payload.get("status")
    return isinstance(status, dict) and (bool(status.get("code")) or bool(status.get("message")))
