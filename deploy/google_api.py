"""One call of Google's interfaces, for the little that gcloud has no command for.

The token is gcloud's own, read from its output: it is on no command line and in no file. The addresses are gcloud's too,
with its own variables to override them (``CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE``).
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

_BASES: Final = {
    "compute": "https://compute.googleapis.com/compute/v1/",
    "monitoring": "https://monitoring.googleapis.com/",
}
_TIMEOUT_SECONDS: Final = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token would go along, to whatever host an answer names. What is not followed is raised as HTTPError."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


class CallFailed(Exception):
    """``status`` is of HTTP, ``text`` what Google says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


def token() -> str:
    """Raises CallFailed."""
    done = subprocess.run(["gcloud", "auth", "print-access-token"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CallFailed(401, done.stderr.strip())
    return done.stdout.strip()


def call(
    api: str,
    path: str,
    bearer: str,
    *,
    method: str = "GET",
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Raises CallFailed."""
    base = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}", _BASES[api])
    url = base + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise CallFailed(error.code, error.read(4096).decode("utf-8", "replace")) from error
    except (OSError, ValueError) as error:
        raise CallFailed(503, f"{url}: {error}") from error
