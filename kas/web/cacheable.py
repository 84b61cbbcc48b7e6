"""Public documents that others may keep for a while, with an entity tag (RFC 9110 §13.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import flask

from kas.journal import Journal
from kas.publish_keys import Publication
from kas.web.replies import Reply, Route

_SOON: Final = 60  # seconds, for what is not whole


def cacheable_route(publish: Callable[[], Publication], max_age_seconds: int) -> Route:
    """``GET`` of the document: 200, or 304 for whoever has it already."""

    def answer(request: flask.Request, _journal: Journal) -> Reply:
        publication = publish()
        max_age = max_age_seconds if publication.is_whole else min(max_age_seconds, _SOON)
        headers = {"ETag": publication.etag, "Cache-Control": f"public, max-age={max_age}"}
        if request.if_none_match.contains_weak(publication.etag.strip('"')):
            return Reply(304, b"", headers)
        return Reply(200, publication.body, headers)

    return Route(("GET",), answer)
