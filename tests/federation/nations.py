"""Three nations as processes: a kit for each, and requests whose key access objects are of several KASes.

    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    answer = attempt.send()
    nations.results(attempt, answer)        # verified: each signed by the KAS whose it is
    nations.open(attempt, answer)           # the data keys by keyAccessObjectId, `attempt.data_keys` when all is well

A key access object is called ``kao-NATION-NUMBER``. What a kit sends, and the outputs of all processes, are watched for
secrets (`tests.canaries`).
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.client import Answer, new_proof_key, new_receiving_key
from local.client.results import open_result, verify_answer_of_several
from local.client.rewrap import KasKeys, build_kao, build_request, fetch_kas_keys
from local.client.services import Kas, Services
from local.nations import Nation, Place, Setup, free_places, nations_world, set_up, start_nation_kas
from local.processes import Service, World, environment_without_settings, stop, wait_until_answers
from tests.canaries import CANARIES
from tests.kit import UNLIMITED, Attempt, Kit, policy, stderr_into

NATIONS = ("usa", "fra", "gbr")


@dataclass
class Nations(Mapping[str, Kit]):
    """The kits by nation. ``places`` and ``setup`` are where they run and what files they read."""

    kits: dict[str, Kit]
    places: dict[str, Place]
    setup: Setup
    settings: Mapping[str, str]
    restarted: list[Service] = field(default_factory=list)
    _keys: dict[str, KasKeys] = field(default_factory=dict)

    def __getitem__(self, nation: str) -> Kit:
        return self.kits[nation]

    def __iter__(self) -> Iterator[str]:
        return iter(self.kits)

    def __len__(self) -> int:
        return len(self.kits)

    def kas(self, nation: str) -> Kas:
        """What a client knows of it, also while it is down."""
        if nation not in self._keys:
            self._keys[nation] = fetch_kas_keys(self[nation].http, self[nation].base)
        return Kas(self.places[nation].kas_id, self[nation].base, self._keys[nation])

    def services(self, asked: str) -> Services:
        """All of them, to a client of the one that is ``asked``."""
        return Services(self.kas(asked), tuple(self.kas(nation) for nation in self if nation != asked))

    def attempt(
        self,
        client: str = "usa-secret",
        *,
        at: str = "usa",
        holders: Sequence[str] = ("usa", "fra"),
        under: Mapping[str, Any] | None = None,
        mode: str | None = None,
        data_key: bytes | None = None,
        home: str | None = None,
        override: Mapping[str, Any] | None = None,
    ) -> Attempt:
        """A good request to the KAS of ``at``: under one policy, ``under``, a key access object of each of ``holders``,
        in this order, with ``data_key`` or each its own. The client's token is of his own nation, or of ``home``.
        """
        key, receiving = new_proof_key(), new_receiving_key()
        one = dict(under or policy(releasabilityTo=["USA", "FRA", "GBR"]))
        token = self[home or client.partition("-")[0]].access_token(client, key, override)
        data_keys, kaos = {}, []
        for number, holder in enumerate(holders):
            kas, kao_id = self.kas(holder), f"kao-{holder}-{number}"
            data_keys[kao_id] = data_key or secrets.token_bytes(32)
            CANARIES.keep_key(kao_id, data_keys[kao_id])
            url = f"{kas.base}/rewrap"
            kaos.append(build_kao(one, data_keys[kao_id], kas.keys, url, kao_id=kao_id, sid=f"s-{number}"))
        request = build_request(receiving.jwk, [(one, kaos)], key, mode)
        return Attempt(self[at], key, token, data_keys, receiving, request)

    def results(self, attempt: Attempt, answer: Answer) -> dict[str, dict[str, Any]]:
        """The results by ``keyAccessObjectId``, verified."""
        asked = next(nation for nation, kit in self.items() if kit is attempt.kit)
        return verify_answer_of_several(
            answer.json(), attempt.request, str(attempt.proof), self.services(asked), time.time()
        )

    def open(self, attempt: Attempt, answer: Answer) -> dict[str, bytes]:
        """The data keys; every result is a success."""
        results = self.results(attempt, answer)
        return {kao_id: open_result(result, attempt.receiving) for kao_id, result in results.items()}

    def stop_kas(self, nation: str) -> None:
        """Its port refuses connections from then on, until `restart_kas`."""
        self.kas(nation)  # its keys are known before it goes
        stop(self[nation].world.kas)

    def restart_kas(self, nation: str) -> None:
        """The KAS runs again, with the same keys, on the same port, into the same log."""
        kit, place = self[nation], self.places[nation]
        with kit.log.open("ab") as log, stderr_into(place.folder / "stderr"):
            service = start_nation_kas(place, self.setup, {**environment_without_settings(), **self.settings}, log)
        self.restarted.append(service)
        kit.world = World(service, kit.world.provider)
        wait_until_answers(service)


@contextlib.contextmanager
def running_nations(folder: Path, names: Sequence[str] = NATIONS, **settings: str) -> Iterator[Nations]:
    """A fresh world with these ``KAS_…`` settings of every KAS, stopped at the end; rates are unlimited unless they say
    otherwise. Each nation's processes write to ``folder/NATION/log``, and all of them to ``folder/stderr``.
    """
    places = free_places(folder, names)
    setup, env = set_up(places, folder), {**UNLIMITED, **settings}
    CANARIES.watch(folder)
    with contextlib.ExitStack() as running:
        logs = {place: running.enter_context((place.folder / "log").open("ab")) for place in places}
        with stderr_into(folder / "stderr"):
            nations = running.enter_context(nations_world(places, setup, env, logs.get))
        kits = {name: _kit(nation) for name, nation in nations.items()}
        world = Nations(kits, {place.nation: place for place in places}, setup, env)
        running.callback(lambda: stop(*world.restarted))
        yield world
        for kit in kits.values():
            kit.http.close()  # a connection that is kept alive holds up the end of a process


def _kit(nation: Nation) -> Kit:
    return Kit(nation.world, nation.place.folder / "log")
