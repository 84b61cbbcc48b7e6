"""Google's token endpoint, for who has logged in: a refresh token becomes an access token for an hour."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from local.rehearsal.journal import Entry
from local.rehearsal.wire import Reply, Request, json_reply
from local.rehearsal.world import LEAD, World

REFRESH_TOKEN: Final = "1//rehearsal-of-the-lead"
_LIFETIME_SECONDS: Final = 3600


class Tokens:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        is_known = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == REFRESH_TOKEN
        outcome = "OK" if is_known else "UNAUTHENTICATED"
        self._world.journal.add(Entry(request.verb, "oauth2.token", request.path, LEAD, outcome, ""))
        if not is_known:
            return json_reply({"error": "invalid_grant", "error_description": "Bad Request"}, 400)
        token = self._world.cloud.accounts.give(f"user:{LEAD}", _LIFETIME_SECONDS)
        scope = "https://www.googleapis.com/auth/cloud-platform"
        return json_reply(
            {"access_token": token, "expires_in": _LIFETIME_SECONDS, "scope": scope, "token_type": "Bearer"}
        )
