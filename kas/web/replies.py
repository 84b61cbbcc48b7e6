"""What a route answers with, and the one form of errors (ACP-240 §2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from http import HTTPStatus
from typing import Final

import flask

from kas.dataclass import dataclass
from kas.encoding import compact_json
from kas.errors import InvalidStructure, KasError, MethodNotAllowed, Unauthenticated, error_members
from kas.jose import ALGORITHMS
from kas.journal import Journal

_CHALLENGE: Final = f'algs="{" ".join(ALGORITHMS)}"'


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` is in the media type ``content_type``."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def is_public(self) -> bool:
        """Whether others than the caller may be given it, from a cache that anybody shares."""
        return self.headers.get("Cache-Control", "").startswith("public")


def json_reply(status: int, value: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer that nobody may store."""
    return Reply(status, compact_json(value), {"Cache-Control": "no-store", **(headers or {})})


def error_reply(refusal: KasError, request_id: str) -> Reply:
    """The one form of errors (ACP-240 §2), with the headers that the status asks for."""
    body = error_members(refusal, request_id)
    if isinstance(refusal, InvalidStructure):
        body["validationErrors"] = [
            {"code": fault.code, "message": fault.message, "field": fault.field} for fault in refusal.faults
        ]
    return json_reply(refusal.status, body, refusal_headers(refusal))


def refusal_headers(refusal: KasError) -> dict[str, str]:
    """What the status asks for, in whatever form the body is."""
    if isinstance(refusal, MethodNotAllowed):
        return {"Allow": ", ".join(refusal.allowed)}
    return {"WWW-Authenticate": _challenge(refusal)} if isinstance(refusal, Unauthenticated) else {}


def _challenge(refusal: Unauthenticated) -> str:
    """RFC 9449 §7.1; without credentials there is no error to name (RFC 6750 §3.1)."""
    if refusal.error == Unauthenticated.error:
        return f"DPoP {_CHALLENGE}"
    return f'DPoP error="{refusal.error}", error_description="{refusal.message()}", {_CHALLENGE}'


@dataclass(frozen=True, slots=True)
class Route:
    """``answer`` serves the methods; ``extra_headers`` go on every answer of the path, refusals included; ``refuse``
    gives a refusal the form that the route's clients read; ``is_health`` counts it against the limit of health routes.
    """

    methods: tuple[str, ...]
    answer: Callable[[flask.Request, Journal], Reply]
    extra_headers: Callable[[], Mapping[str, str]] = dict
    refuse: Callable[[KasError, str], Reply] = error_reply
    is_health: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods, with those that the edge answers: what may be had by GET has a HEAD, and all have OPTIONS."""
        head = ("HEAD",) if "GET" in self.methods and "HEAD" not in self.methods else ()
        return (*self.methods, *head, "OPTIONS")


def recorded(route: Route, record: Callable[[Journal], None]) -> Route:
    """The route, with ``record`` called before what it hands out leaves; when that raises, nothing does.

    HEAD and an answer that the caller's copy is still good hand out nothing.
    """

    def answer(request: flask.Request, journal: Journal) -> Reply:
        reply = route.answer(request, journal)
        if reply.status == HTTPStatus.OK and request.method != "HEAD":
            record(journal)
        return reply

    return replace(route, answer=answer)


@dataclass(frozen=True, slots=True)
class Routes:
    """Routes by exact path; below one of ``prefixes`` any other path is that route's."""

    exact: Mapping[str, Route]
    prefixes: Mapping[str, Route] = field(default_factory=dict)

    def find(self, path: str) -> Route | None:
        """The route of a path, None when there is none."""
        label = self.label(path)
        return None if label is None else self.exact.get(label) or self.prefixes[label]

    def label(self, path: str) -> str | None:
        """The path or prefix of that route in the table, None when there is none."""
        if path in self.exact:
            return path
        return next((prefix for prefix in self.prefixes if path.startswith(prefix)), None)
