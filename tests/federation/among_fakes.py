"""Nations of which some are real processes and the others fakes, in one registry that a test may change.

    with running_among_fakes(folder, real=("usa",), fakes=("fra",)) as world:
        world.fakes["fra"].answering(…)
        attempt = world.nations.attempt(at="usa", holders=("usa", "fra"))

A fake has its entry in the registry and its keys, and no process. Its kit is there to ask real ones in its name.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kas.keys.folder import make_local_keys
from local.client import new_proof_key
from local.client.proofs import make_proof
from local.nations import Place, Setup, free_places, nations_world, registry
from local.processes import Service, World, issuer_entry, stop, write_private_json
from tests.canaries import CANARIES
from tests.federation.fake_kas import FakeKas, fake_kas, listening, make_signing_key
from tests.federation.nations import Nations
from tests.kit import UNLIMITED, Kit, stderr_into

Document = dict[str, Any]


@dataclass(frozen=True)
class AmongFakes:
    """``folder`` is where the real ones write."""

    nations: Nations
    fakes: Mapping[str, FakeKas]
    folder: Path

    def told(self) -> list[dict[str, Any]]:
        """What the operators were told."""
        lines = (self.folder / "stderr").read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def breaker(self, asked: str, nation: str) -> dict[str, Any]:
        """Of the line to ``nation``, as ``/federation/status`` of the KAS of ``asked`` shows it: to a caller of its own each time, since one
        caller may ask for it thirty times a minute.
        """
        kit, key = self.nations[asked], new_proof_key()
        token = kit.access_token("usa-secret", key, {"claims": {"sub": secrets.token_hex(8)}})
        url = f"{kit.base}/federation/status"
        proof = make_proof(key, "GET", url, time.time(), token=token, nonce=kit.fresh_nonce())
        answer = kit.http("GET", url, [("Authorization", f"DPoP {token}"), ("DPoP", proof)])
        assert answer.status == 200, answer.body
        (peer,) = [peer for peer in answer.json()["peers"] if peer["kas"] == f"kas-{nation}"]
        return dict(peer["breaker"])

    def outputs(self) -> str:
        """All that the real ones wrote."""
        return "\n".join(
            path.read_text("utf-8", "replace") for path in CANARIES.outputs() if self.folder in path.parents
        )


@contextlib.contextmanager
def running_among_fakes(
    folder: Path,
    *,
    real: Sequence[str],
    fakes: Sequence[str],
    certificates: Mapping[str, Path] | None = None,
    change: Callable[[dict[str, Document], dict[frozenset[str], Document]], object] = lambda _kases, _agreements: None,
    **settings: str,
) -> Iterator[AmongFakes]:
    """Stopped at the end. ``certificates`` are of the fakes that speak TLS. ``change`` gets the entries of the registry by
    nation, and the agreements by pair of nations; ``settings`` are of every KAS, ``KAS_…`` or not.
    """
    CANARIES.watch(folder)
    with contextlib.ExitStack() as running:
        sockets = {name: running.enter_context(listening((certificates or {}).get(name))) for name in fakes}
        places = free_places(folder, real) + [
            Place(name, int(peer.address.rpartition(":")[2]), 0, folder / name) for name, (peer, _) in sockets.items()
        ]
        setup, origins = _set_up(
            places, folder, change, {name for name, (peer, _) in sockets.items() if peer.base[:5] == "https"}
        )
        env = {**UNLIMITED, **settings}
        logs = {name: running.enter_context((folder / name / "log").open("ab")) for name in real}
        with stderr_into(folder / "stderr"):
            started = running.enter_context(
                nations_world([place for place in places if place.nation in real], setup, env, lambda p: logs[p.nation])
            )
        kits = {name: Kit(nation.world, folder / name / "log") for name, nation in started.items()}
        world = Nations(kits, {place.nation: place for place in places}, setup, env)
        running.callback(lambda: stop(*world.restarted))
        by_name = {}
        for name, (peer, behind) in sockets.items():
            behind.append(fake_kas(world.places[name], peer))
            by_name[name] = behind[0]
            base = origins[name]
            stand_in = Service(f"fake KAS of {name}", base, f"{base}/rewrap", kits[real[0]].world.kas.process)
            kits[name] = Kit(World(stand_in, kits[real[0]].world.provider), folder / name / "log")
            world._keys[name] = behind[0].keys
        yield AmongFakes(world, by_name, folder)
        for kit in kits.values():
            kit.http.close()  # a connection that is kept alive holds up the end of a process


def _set_up(
    places: Sequence[Place], folder: Path, change: Callable[..., object], secure: set[str]
) -> tuple[Setup, dict[str, str]]:
    """The files, and where each nation's KAS is registered to be."""
    for place in places:
        make_keys = make_local_keys if place.provider_port else make_signing_key
        make_keys(place.keys_dir)
    document = registry(places)
    kases = {entry["id"].removeprefix("kas-"): entry for entry in document["kases"]}
    for name in secure:
        over_tls(kases[name])
    agreements = {
        frozenset(kas_id.removeprefix("kas-") for kas_id in one["between"]): one for one in document["agreements"]
    }
    change(kases, agreements)
    issuers = [issuer_entry(place.provider_port, (place.country,)) for place in places if place.provider_port]
    origins = {name: str(entry["origin"]) for name, entry in kases.items()}
    setup = Setup(
        write_private_json(folder / "issuers.json", {"issuers": issuers}),
        write_private_json(
            folder / "federation.json", {"kases": [*kases.values()], "agreements": [*agreements.values()]}
        ),
    )
    return setup, origins


def over_tls(entry: Document) -> None:
    """Its address becomes one with https."""
    authority = urlsplit(entry["origin"]).netloc
    entry |= {"origin": f"https://{authority}", "rewrapUrl": f"https://{authority}/rewrap", "aliases": []}
