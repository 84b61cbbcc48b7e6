"""What went wrong between us and Google, in Google's canonical codes (google.rpc.Code)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kas.encoding import b64_decode, parse_json
from kas.errors import KasError

# A secret has at most 64 KiB, in base64 a third more.
MAX_ANSWER_BYTES: Final = 128 * 1024
_MAX_DETAIL_CHARS: Final = 200
# Of what was sent, so much in an answer's text, anywhere in it, is taken for its repetition.
_TELLING_CHARS: Final = 16
_STATUSES: Final = frozenset({
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
})  # fmt: skip
# What an answer means that does not name a status. A 400 that is not the service's own says nothing about what was sent.
_BY_HTTP: Final[Mapping[int, str]] = {
    400: "INTERNAL",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_OK: Final = 200


class GoogleError(Exception):
    """A call that brought no answer that can be used.

    ``status`` is the canonical code, such as ``PERMISSION_DENIED``; where no answer came at all it is ``UNAVAILABLE`` or
    ``DEADLINE_EXCEEDED``; for one that cannot be read it is ``UNKNOWN``. ``detail`` is for the operator: one line of at
    most 200 characters that holds nothing secret that was sent.
    """

    def __init__(self, status: str, detail: str) -> None:
        shown = in_one_line(detail, _MAX_DETAIL_CHARS)
        super().__init__(f"{status}: {shown}")
        self.status = status
        self.detail = shown


def in_one_line(text: str, max_chars: int) -> str:
    """The beginning of it, with spaces for what would tear a line or steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text[:max_chars])


def answer_of(http_status: int, body: bytes, sent: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a 200. Raises GoogleError for any other answer; ``sent`` is as `withheld` takes it."""
    if http_status != _OK:
        raise _refusal(http_status, body, sent)
    answer = _parsed(body)
    if not isinstance(answer, dict):
        raise GoogleError("UNKNOWN", "the answer is no JSON object")
    return answer


def rows_of(http_status: int, body: bytes, sent: Iterable[str]) -> list[dict[str, Any]]:
    """As `answer_of`, for calls that answer a list of JSON objects."""
    if http_status != _OK:
        raise _refusal(http_status, body, sent)
    rows = _parsed(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise GoogleError("UNKNOWN", "the answer is no list of JSON objects")
    return rows


def _refusal(http_status: int, body: bytes, sent: Iterable[str]) -> GoogleError:
    match _parsed(body):
        case {"error": {"status": str(status), "message": str(message)}} if status in _STATUSES:
            return GoogleError(status, withheld(message, sent))
    return GoogleError(_BY_HTTP.get(http_status, "UNKNOWN"), f"HTTP {http_status} without a status of the service")


def _parsed(body: bytes) -> Any:
    """None for what is no JSON. Where it went wrong is not chained: the errors of parsers hold the text."""
    try:
        return parse_json(body)
    except KasError:
        return None


def withheld(message: str, sent: Iterable[str]) -> str:
    """The message as far as it is shown, unless it repeats a part of what was sent: a token, a ciphertext in base64.

    Letters and digits alone are compared, whatever their case: so a text is known in pieces, folded or with escapes, and
    in either alphabet of base64. It is known in hexadecimal too.
    """
    shown = message[:_MAX_DETAIL_CHARS]
    told = _bare(shown)
    windows = {told[start : start + _TELLING_CHARS] for start in range(len(told) - _TELLING_CHARS + 1)}
    if any(window in form for text in sent for form in _forms(text) for window in windows):
        return "the message is withheld: it repeats what was sent"
    return shown


def _forms(text: str) -> Iterable[str]:
    yield _bare(text)
    yield text.encode("utf-8").hex()
    with contextlib.suppress(ValueError):
        yield b64_decode(text).hex()


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
