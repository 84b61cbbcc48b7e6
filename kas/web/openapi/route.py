"""``GET /openapi.json``: what this deployment answers, for whoever asks; the limits in it are those in force.

The document is made at the first request for it, so that a cold start does not pay for it, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Final

from kas.encoding import sha256_b64url
from kas.publish_keys import Publication
from kas.web.cacheable import cacheable_route
from kas.web.openapi.deployment import Deployment
from kas.web.replies import Route, Routes

_MAX_AGE_SECONDS: Final = 300


def openapi_route(deployment: Deployment, routes: Callable[[], Routes]) -> Route:
    """The route; ``routes`` gives the table that it stands in itself."""

    @cache  # two first requests at once may each make it: it is the same
    def publication() -> Publication:
        from kas.web.openapi.document import build_document  # whoever does not ask does not pay

        body = json.dumps(build_document(routes(), deployment), separators=(",", ":"), ensure_ascii=False).encode()
        return Publication(body, f'"{sha256_b64url(body)}"')

    return cacheable_route(publication, _MAX_AGE_SECONDS)
