"""What happens to a connection, as errors of Google's."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

from kas.google.status import GoogleError
from kas.net.answer import BadAnswer


@contextlib.contextmanager
def failures_as_google_errors(what: str) -> Iterator[None]:
    """UNAVAILABLE or DEADLINE_EXCEEDED with ``what`` before the detail; UNKNOWN, without it, for an answer that is not read."""
    try:
        yield
    except TimeoutError as error:
        raise GoogleError("DEADLINE_EXCEEDED", f"{what}: no answer in time") from error
    except (OSError, http.client.HTTPException) as error:
        raise GoogleError("UNAVAILABLE", f"{what}: {type(error).__name__}") from error
    except BadAnswer as error:
        raise GoogleError("UNKNOWN", str(error)) from error
