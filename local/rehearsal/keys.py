"""Cloud KMS and Secret Manager under their own names: `local.google` answers, once the interface is enabled."""

from __future__ import annotations

from typing import Final

from local.google.rest import Calls, Page
from local.google.status import FrontEndPage, GoogleError
from local.rehearsal.answer import api_of, disabled
from local.rehearsal.journal import Entry
from local.rehearsal.wire import Reply, Request, refusal
from local.rehearsal.world import World

_JSON: Final = {"Content-Type": "application/json; charset=UTF-8"}


class Keys:
    """The two interfaces. What gcloud asks for and `local.google` does not know is in the journal as UNIMPLEMENTED."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls = Calls(world.keys)

    def answer(self, request: Request) -> Reply:
        caller, outcome = request.headers.get("authorization"), "OK"
        service = f"{api_of(request.host)}.googleapis.com"
        try:
            if service not in self._world.project.enabled:
                raise disabled(service, self._world)
            answer = self._calls.answer(request.verb, request.path, request.query_text, request.body, caller)
            reply = Reply(200, answer, _JSON)
        except GoogleError as error:
            outcome, reply = error.status, refusal(error)
        except Page as page:
            outcome, reply = "UNIMPLEMENTED", Reply(page.status, page.text.encode("utf-8"))
        except FrontEndPage as page:
            outcome, reply = "UNAVAILABLE", Reply(page.http_status, b"<html>")
        self._note(request, outcome)
        return reply

    def _note(self, request: Request, outcome: str) -> None:
        found = self._calls.find(request.verb, request.path)
        method, name = (found[0].name, found[1]) if found else (f"{request.verb} {request.path}", "")
        payer = request.headers.get("x-goog-user-project", "")
        entry = Entry(request.verb, f"{api_of(request.host)}.{method}", name, "", outcome, payer)
        self._world.journal.add(entry)
