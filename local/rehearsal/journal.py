"""What was asked of the stand-in, in order: by whom, with which outcome, and whether it would change anything."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Final

# Methods that read, though their verb is not GET: last words of their names.
_READING: Final = frozenset(
    {"getIamPolicy", "testIamPermissions", "getAncestry", "search", "wait", "Encrypt", "Decrypt", "AsymmetricDecrypt"}
)
# What a deployed service does with its documents is no change of the project.
_OF_SERVICES: Final = frozenset({"firestore.documents.commit", "firestore.documents.batchGet"})
# In place of the verb of what is only looked at.
DRY_RUN: Final = "DRY_RUN"
_READING_METHODS: Final = frozenset({"logging.entries.list", "oauth2.token"})


@dataclass(frozen=True, slots=True)
class Entry:
    """``outcome`` is OK or a status; ``project`` is the one that pays for the call, if the caller names one."""

    verb: str
    method: str
    resource: str
    member: str
    outcome: str
    project: str

    @property
    def is_change(self) -> bool:
        """Whether it asks for a change, whatever it was answered."""
        is_reading = self.method in _READING_METHODS | _OF_SERVICES or self.method.rpartition(".")[2] in _READING
        return self.verb not in {"GET", DRY_RUN} and not is_reading


class Journal:
    """Grows until it is cleared."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def entries(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def changes(self) -> list[str]:
        """Methods and resources of what would change something."""
        return [f"{entry.method} {entry.resource}" for entry in self.entries() if entry.is_change]

    def missing(self) -> list[str]:
        """What was asked for and is not stood in for."""
        return [f"{entry.method} {entry.resource}" for entry in self.entries() if entry.outcome == "UNIMPLEMENTED"]
