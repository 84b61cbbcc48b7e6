"""An answer as the host takes it: a WSGI application (PEP 3333).

Flask's response can become anything before it is sent, which takes as long as the decision about a policy. This one is
sent as it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from werkzeug.wsgi import ClosingIterator

from kas.dataclass import dataclass
from kas.web.connection import announce_end

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Answer:
    """``after`` is called once it has been sent, or cannot be. HEAD gets the headers of the body, and no body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str
    after: Callable[[], None]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Sends it."""
        announce_end(environ, start_response)
        headers = list(self.headers.items())
        if self.status not in _BODILESS:
            headers += [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(_STATUS_LINES[self.status], headers)
        has_body = self.status not in _BODILESS and environ["REQUEST_METHOD"] != "HEAD"
        return ClosingIterator([self.body] if has_body else [], self.after)
