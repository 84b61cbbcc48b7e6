"""`make run NATIONS=usa,fra,gbr`: a KAS and an identity provider for each nation, until Ctrl-C or SIGTERM.

One that ends, or is ended to see what the others do without it, is told; they go on. The settings of the environment reach
every KAS, but for those that are its own.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from local.nations import Nation, Place, nations_world, set_up
from local.processes import Service, StartFailed
from local.provider.clients import CLIENTS

_POLL_SECONDS: Final = 0.2
_OF_EACH: Final = frozenset(
    {"KAS_ID", "KAS_PUBLIC_BASES", "KAS_ISSUERS_PATH", "KAS_KEYS_DIR", "KAS_FEDERATION_CONFIG_PATH"}
)
_NATION_NAME: Final = re.compile("[a-z]{3}")
_NATION: Final = "{kas_id:<9} {base}   process {pid:<7} identity provider of {country}: {provider}"
_WELCOME: Final = """
{nations}

A provider lists its clients; every secret is dev, and each provider speaks for its own country alone.

Try:
  .venv/bin/python -m kas.admin.federation check --local {registry}
        what may pass between whom
  .venv/bin/python -c 'import json, time; from local.client import *; print(json.dumps(Session(Http(), "{base}",
    Credentials("{provider}/token", "{client}", "dev"), time.time).get("/federation/status"), indent=2))'
        how the others are doing, as {kas_id} sees them
  kill {last_pid}
        what is held by {last_id} is answered 503 peer_unavailable, and its breaker opens after five failures
  make demo-federation        documents of several nations, and what a partner must withstand, on a world of its own

Ctrl-C stops all. Audit lines follow here: for each key access object, each refused request (one that is challenged for a nonce
included), each explained policy, each public key handed out, and checkpoints of the trail.
"""


def consecutive_places(folder: Path, nations: Sequence[str], first_port: int) -> list[Place]:
    """Each nation's KAS and provider on two ports in a row, from ``first_port``; their keys are kept below ``folder``."""
    ports = range(first_port, first_port + 2 * len(nations), 2)
    return [Place(nation, port, port + 1, folder / nation) for nation, port in zip(nations, ports, strict=True)]


def run_nations(places: Sequence[Place], folder: Path, stopping: threading.Event) -> int:
    """Runs all until ``stopping`` (0), or until none is left (1); their files are in ``folder``."""
    env = {name: value for name, value in os.environ.items() if name not in _OF_EACH}
    try:
        setup = set_up(places, folder)
        with nations_world(places, setup, env, is_cancelled=stopping.is_set) as nations:
            if not stopping.is_set():
                print(_welcome(list(nations.values()), setup.registry_path), flush=True)
            return _watch(nations.values(), stopping)
    except StartFailed as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1


def _welcome(nations: Sequence[Nation], registry: Path) -> str:
    first, last = nations[0], nations[-1]
    return _WELCOME.format(
        nations="\n".join(_line(nation) for nation in nations),
        registry=os.path.relpath(registry),
        base=first.place.base,
        kas_id=first.place.kas_id,
        provider=first.world.provider.base,
        client=_client_of(first.place.country),
        last_pid=last.world.kas.process.pid,
        last_id=last.place.kas_id,
    )


def _line(nation: Nation) -> str:
    place, world = nation.place, nation.world
    pid, provider = world.kas.process.pid, world.provider.base
    return _NATION.format(kas_id=place.kas_id, base=place.base, pid=pid, country=place.country, provider=provider)


def _client_of(country: str) -> str:
    """Somebody whom the provider knows, a national where there is one."""
    nationals = [client.client_id for client in CLIENTS.values() if client.country == country]
    return (nationals or list(CLIENTS))[0]


def _watch(nations: Iterable[Nation], stopping: threading.Event) -> int:
    running: list[Service] = [service for nation in nations for service in (nation.world.kas, nation.world.provider)]
    while running and not stopping.wait(_POLL_SECONDS):
        for service in [service for service in running if service.process.poll() is not None]:
            print(f"make run: the {service.name} ended; the others go on", file=sys.stderr)
            running.remove(service)
    return 0 if running else 1


def parse_nations(text: str) -> list[str]:
    """``usa,fra,gbr``: two countries or more in three small letters, each once. Raises ArgumentTypeError."""
    nations = text.split(",")
    if not 1 < len(set(nations)) == len(nations) or not all(_NATION_NAME.fullmatch(nation) for nation in nations):
        raise argparse.ArgumentTypeError(
            "nations are two or more, three small letters each, a comma between: usa,fra,gbr"
        )
    return nations
