"""The clients of several nations, and documents whose keys several KASes hold: what `local.demo_federation` plays with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.client import Credentials, Http, Session
from local.client.container import Container, decrypt, encrypt, new_data_key
from local.client.rewrap import Json, build_kao, fetch_kas_keys
from local.client.services import Kas, Services
from local.client.splits import split
from local.nations import Nation, free_places, nations_world, set_up


@dataclass(frozen=True, slots=True)
class Document:
    """A file under a policy, its data key wrapped for several KASes: whole for each of them, or in splits."""

    policy: Json
    kaos: list[Json]
    payload: bytes

    def read(self, data_key: bytes) -> bytes:
        return decrypt(Container(self.policy, {}, self.payload), data_key)


@dataclass(frozen=True, slots=True)
class Clients:
    """The people of all nations, and what each knows of the KASes."""

    http: Http
    nations: Mapping[str, Nation]
    known: Mapping[str, Kas]

    @classmethod
    def of(cls, http: Http, nations: Mapping[str, Nation]) -> Clients:
        """Knows the keys of every KAS from the KAS itself, which is up now."""
        known = {
            name: Kas(nation.place.kas_id, nation.place.base, fetch_kas_keys(http, nation.place.base))
            for name, nation in nations.items()
        }
        return cls(http, nations, known)

    def services(self, asked: str) -> Services:
        return Services(self.known[asked], tuple(kas for name, kas in self.known.items() if name != asked))

    def session(self, client_id: str, at: str) -> Session:
        """A client at the KAS of one nation, with a token of his own."""
        home = self.nations[client_id.partition("-")[0]]
        credentials = Credentials(f"{home.world.provider.base}/token", client_id, "dev")
        return Session(self.http, self.known[at].base, credentials, time.time, services=self.services(at))

    def document(self, data: bytes, policy: Json, holders: Sequence[str], *, in_splits: bool = False) -> Document:
        """``data`` under ``policy``, with a key access object for the KAS of each holder, named after it."""
        data_key = new_data_key()
        parts = split(data_key, len(holders)) if in_splits else [data_key] * len(holders)
        kaos = [
            build_kao(policy, part, self.known[name].keys, f"{self.known[name].base}/rewrap", kao_id=name)
            for name, part in zip(holders, parts, strict=True)
        ]
        return Document(policy, kaos, encrypt(data, policy, data_key))


@contextmanager
def running_clients(folder: Path, names: Sequence[str]) -> Iterator[Clients]:
    """A world of these nations on free ports, everything they write in ``folder``, with its clients. Raises StartFailed."""
    places = free_places(folder, names)
    setup = set_up(places, folder)
    with ExitStack() as open_now:
        logs = {place: open_now.enter_context((place.folder / "audit.log").open("wb")) for place in places}
        http = open_now.enter_context(closing(Http()))
        nations = open_now.enter_context(nations_world(places, setup, open_log=logs.get))
        yield Clients.of(http, nations)
