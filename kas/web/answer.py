"""An answer as the host takes it: a WSGI application (PEP 3333), sent as it was made. Flask's response, which can become
anything until then, takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from werkzeug.wsgi import ClosingIterator

from kas.dataclass import dataclass
from kas.web.connection import announce_end_if_left

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Answer:
    """``after`` is called when the host closes the answer, or did not take it. HEAD gets the headers of the body, and no body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str
    after: Callable[[], None]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Sends it."""
        announce_end_if_left(environ, start_response)
        headers = list(self.headers.items())
        can_have_body = self.status not in _BODILESS
        if can_have_body:
            headers += [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        is_taken = False
        try:
            start_response(_STATUS_LINES[self.status], headers)
            is_taken = True
        finally:
            if not is_taken:  # the host closes nothing then
                self.after()
        has_body = can_have_body and environ["REQUEST_METHOD"] != "HEAD"
        return ClosingIterator([self.body] if has_body else [], self.after)
