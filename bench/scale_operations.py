"""Part of `scale`: how often the store is asked for one rewrap, as its server counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.asked import Document, ask
from bench.host import BenchFailed
from bench.scale_load import check_all, new_documents
from bench.scale_stand import FIRESTORE, Backend, instances
from bench.speed_stand import Server, Stand
from local.ports import free_port
from tests.interop.tls_front import Front, tls_front

_COMMANDS: Final = re.compile(r"^cmdstat_(evalsha|eval|mget):calls=([0-9]+),", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Operations:
    """For one request of one key: when it is unwrapped, and when it is a kept one. By what the store calls them."""

    first: Mapping[str, float]
    again: Mapping[str, float]


def operations(stand: Stand, backend: Backend, server: Server, requests: int) -> Operations:
    """As the server of the store counts them: round trips to Redis; calls of Firestore, where an instance like ``server`` is
    asked, and documents that it read and wrote.
    """
    if backend.name == FIRESTORE:
        return _firestore_operations(stand, backend, requests)
    return _operations(stand, server, requests, partial(_commands, backend))


def _operations(stand: Stand, server: Server, requests: int, count: Callable[[], dict[str, int]]) -> Operations:
    documents, found = new_documents(stand, requests), []
    _send(stand, server, new_documents(stand, 1))  # the first one asks for what is asked for once
    for _ in range(2):
        nonce = server.nonce()
        before = count()
        _send(stand, server, documents, nonce)
        found.append({name: (number - before.get(name, 0)) / requests for name, number in count().items()})
    return Operations(*found)


def _send(stand: Stand, server: Server, documents: Sequence[Document], nonce: str | None = None) -> None:
    users = stand.users.some(len(documents))
    nonce = nonce or server.nonce()
    asked = [ask(user, document, nonce) for user, document in zip(users, documents, strict=True)]
    check_all(asked, server.send([one.raw for one in asked])[0])


def _commands(backend: Backend) -> dict[str, int]:
    if backend.redis is None:
        raise BenchFailed(f"{backend.name} has no commands")
    found = backend.redis.shared_client.call("INFO", "commandstats").decode("ascii")
    return {"round trips": sum(int(number) for _, number in _COMMANDS.findall(found))}


def _firestore_operations(stand: Stand, backend: Backend, requests: int) -> Operations:
    """Behind a front that remembers what passed."""
    with (
        tls_front(stand.deployment.certificate, free_port(), f"http://{backend.upstream}") as front,
        instances(stand, backend, 1, KAS_FIRESTORE_ENDPOINT=front.base) as (server,),
    ):
        return _operations(stand, server, requests, partial(_documents_passed, front))


def _documents_passed(front: Front) -> dict[str, int]:
    answers = [json.loads(one.answer) for one in front.seen if one.path.endswith(":batchGet")]
    commits = [json.loads(one.answer) for one in front.seen if one.path.endswith(":commit")]
    return {
        "calls": len(front.seen),
        "documents read": sum("found" in row or "missing" in row for rows in answers for row in rows),
        "documents written": sum(len(one.get("writeResults", ())) for one in commits),
    }
