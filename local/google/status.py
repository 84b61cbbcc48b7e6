"""How Google refuses: a status of google.rpc.Code by name, a sentence, and the HTTP status that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HTTP_STATUSES: Final[Mapping[str, int]] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}


class GoogleError(Exception):
    """A refusal; ``status`` is a name in `HTTP_STATUSES`."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message

    @property
    def http_status(self) -> int:
        return HTTP_STATUSES[self.status]

    def as_json(self) -> dict[str, Any]:
        """The form of an error over REST."""
        return {"error": {"code": self.http_status, "message": self.message, "status": self.status}}


class ConnectionDropped(Exception):
    """The connection ends without an answer, as when a front end dies."""


class FrontEndPage(Exception):
    """An HTML page in place of an answer, as the front ends before the service give it."""

    def __init__(self, http_status: int) -> None:
        super().__init__(f"HTML {http_status}")
        self.http_status = http_status


def invalid(message: str) -> GoogleError:
    """What was sent is wrong, whatever the state of things."""
    return GoogleError("INVALID_ARGUMENT", message)


def not_found(kind: str, name: str) -> GoogleError:
    """A caller who may use such a thing learns that this one does not exist."""
    return GoogleError("NOT_FOUND", f"{kind} {name} not found.")


def precondition(message: str) -> GoogleError:
    """What was asked for is right, but not in this state."""
    return GoogleError("FAILED_PRECONDITION", message)


def not_stood_in_for(what: str) -> GoogleError:
    """Google does this and the stand-in does not: said aloud, never half done."""
    return GoogleError("UNIMPLEMENTED", f"The local stand-in does not do this: {what}.")
