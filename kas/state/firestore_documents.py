"""Firestore in native mode by REST, as far as a shared store needs it: documents read, written and deleted, all or none.

Each document has ``expireAt``, by which a policy of the database deletes it, up to three days later; nothing here
depends on when. The calls go by this service's own client (`kas.google.rest`), whose account needs roles/datastore.user.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from kas.dataclass import dataclass
from kas.encoding import b64_decode, b64_encode, b64url_encode
from kas.google.status import GoogleError
from kas.state.shared import StoreBusy, StoreFull, StoreUnavailable

_MAX_READ_AT_ONCE: Final = 100
# How a version that is not the one that was demanded is refused, by whichever of Firestore's parts sees it.
_OTHER_VERSION: Final = frozenset({"FAILED_PRECONDITION", "NOT_FOUND"})


class Conflict(Exception):
    """A document is not as a write demands; nothing was written."""


class Client(Protocol):
    """`kas.google.rest.RestClient`."""

    def call(self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float) -> dict[str, Any]: ...
    def rows(
        self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """``value`` as it was written, and the version that a write may demand."""

    value: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Write:
    """``expires`` in seconds since 1970. ``demands`` is a version of the document, "" for none yet, None for any or none."""

    path: str
    value: bytes
    expires: float
    demands: str | None


class Documents:
    """Those of one ``database``, as in ``projects/P/databases/(default)``. Raises StoreFailure."""

    def __init__(self, client: Client, database: str, *, timeout_seconds: float) -> None:
        self._client = client
        self._root = f"{database}/documents"
        self._timeout_seconds = timeout_seconds

    @property
    def root(self) -> str:
        """The full name of the database's documents."""
        return self._root

    def read(self, paths: Sequence[str]) -> list[Document | None]:
        """In their order."""
        found: dict[str, Document] = {}
        for start in range(0, len(paths), _MAX_READ_AT_ONCE):
            names = [f"{self._root}/{path}" for path in paths[start : start + _MAX_READ_AT_ONCE]]
            found.update(_found(self._rows({"documents": names})))
        return [found.get(f"{self._root}/{path}") for path in paths]

    def write(self, writes: Sequence[Write]) -> None:
        """All, or none. Raises Conflict besides; StoreBusy where others wrote the same at the same time."""
        has_version = any(write.demands for write in writes)
        self._commit([self._update(write) for write in writes], _OTHER_VERSION if has_version else frozenset())

    def delete(self, paths: Sequence[str]) -> None:
        """Those that are there."""
        self._commit([{"delete": f"{self._root}/{path}"} for path in paths])

    def _update(self, write: Write) -> dict[str, Any]:
        end = dt.datetime.fromtimestamp(write.expires, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = {"expireAt": {"timestampValue": end}, "value": {"bytesValue": b64_encode(write.value)}}
        update: dict[str, Any] = {"update": {"name": f"{self._root}/{write.path}", "fields": fields}}
        if write.demands is not None:
            update["currentDocument"] = {"updateTime": write.demands} if write.demands else {"exists": False}
        return update

    def _commit(self, writes: list[dict[str, Any]], conflicts: frozenset[str] = frozenset()) -> None:
        try:
            self._client.call("POST", f"/v1/{self._root}:commit", {"writes": writes}, self._timeout_seconds)
        except GoogleError as error:
            if error.status == "ALREADY_EXISTS" or error.status in conflicts:
                raise Conflict from error
            raise _failure(error) from error

    def _rows(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            return self._client.rows("POST", f"/v1/{self._root}:batchGet", body, self._timeout_seconds)
        except GoogleError as error:
            raise _failure(error) from error


def document_id(data: bytes) -> str:
    """A name of a document: base64url, which begins with no underscores that Firestore keeps for itself."""
    return f"d{b64url_encode(data)}"


def _found(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Document]]:
    for row in rows:
        match row:
            case {
                "found": {"name": str(name), "updateTime": str(version), "fields": {"value": {"bytesValue": str(text)}}}
            }:
                try:
                    yield name, Document(b64_decode(text), version)
                except ValueError:
                    raise StoreUnavailable("a document cannot be read") from None


def _failure(error: GoogleError) -> Exception:
    """A quota that is used up is what a full memory is elsewhere; all else is no answer. The status alone is shown: the
    text of a refusal names documents.
    """
    kinds = {"RESOURCE_EXHAUSTED": StoreFull, "ABORTED": StoreBusy}
    return kinds.get(error.status, StoreUnavailable)(error.status)
