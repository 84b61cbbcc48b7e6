"""Requests and replies as the proxy hands them on, and refusals in the form that gcloud reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from local.google.status import GoogleError

_JSON: Final = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` and ``query_text`` are as they were sent, percent-encoded; names of ``headers`` are in small letters."""

    verb: str
    host: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_text, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class DetailedError(GoogleError):
    """A refusal with ``details``, which are what gcloud decides on."""

    def __init__(self, status: str, message: str, *details: Mapping[str, Any]) -> None:
        super().__init__(status, message)
        self.details = details

    def as_json(self) -> dict[str, Any]:
        refusal = super().as_json()
        refusal["error"]["details"] = list(self.details)
        return refusal


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode("utf-8"), {"Content-Type": _JSON})


def refusal(error: GoogleError) -> Reply:
    """``errors`` is the form of the older interfaces (compute, storage); the newer ones have it too."""
    body = error.as_json()
    body["error"]["errors"] = [{"message": error.message, "domain": "global", "reason": _reason(error.status)}]
    # Not the 501 that belongs to it: gcloud would ask again and again.
    status = 400 if error.status == "UNIMPLEMENTED" else error.http_status
    body["error"]["code"] = status
    return json_reply(body, status)


def _reason(status: str) -> str:
    """``NOT_FOUND`` as ``notFound``."""
    first, *rest = status.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)
