"""What goes to Cloud Storage outside its methods: the second half of an upload, and archives sent to a signed address."""

from __future__ import annotations

from local.rehearsal.answer import Administration
from local.rehearsal.functions import take_upload
from local.rehearsal.journal import Entry
from local.rehearsal.storage import finish_upload
from local.rehearsal.wire import Reply, Request, json_reply
from local.rehearsal.world import World


class Uploads:
    """Hands on everything else."""

    def __init__(self, world: World, administration: Administration) -> None:
        self._world = world
        self._administration = administration

    def answer(self, request: Request) -> Reply:
        query = dict(request.query)
        if request.verb != "PUT" or not {"upload_id", "X-Goog-Signature"} & query.keys():
            return self._administration.answer(request)
        with self._world.lock:
            self._world.journal.add(Entry(request.verb, "storage.upload", request.path, "", "OK", ""))
            if "upload_id" in query:
                return json_reply(finish_upload(self._world, query["upload_id"], request.body))
            take_upload(self._world, request.path, request.body)
            return Reply(200)
