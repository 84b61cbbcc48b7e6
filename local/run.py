"""`make run`: the KAS and its identity provider in the foreground, until Ctrl-C or SIGTERM, or until one of them ends."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from local.processes import (
    ROOT,
    Service,
    StartFailed,
    start_kas,
    start_provider,
    stop,
    wait_until_answers,
    write_issuers,
)

_POLL_SECONDS: Final = 0.2
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WELCOME: Final = """
Key Access Service   {kas}
identity provider    {provider}   (its page lists the clients; every secret is dev)

Try:
  curl {kas}/health
  curl {kas}/.well-known/jwks.json
  curl -u usa-secret:dev -d grant_type=client_credentials {provider}/token
  make demo        a file opened by two people and refused to two others, on a pair of its own

Ctrl-C stops both. One audit line for each key access object and each refused request follows here.
"""


def run(port: int, idp_port: int, folder: Path, stopping: threading.Event) -> int:
    """Runs both until ``stopping`` (0) or until one of them ends by itself (1)."""
    services: list[Service] = []
    try:
        issuers_path = write_issuers(folder / f"issuers-{idp_port}.json", idp_port)
        services.append(start_provider(idp_port, folder / "provider", os.environ, None))
        services.append(start_kas(port, issuers_path, folder / "keys", os.environ, None))
        for service in services:
            wait_until_answers(service, stopping.is_set)
        if not stopping.is_set():
            print(_WELCOME.format(kas=services[1].base, provider=services[0].base), flush=True)
        return _watch(services, stopping)
    except StartFailed as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    finally:
        stop(*services)


def _watch(services: list[Service], stopping: threading.Event) -> int:
    while not stopping.wait(_POLL_SECONDS):
        for service in services:
            if service.process.poll() is not None:
                print(f"make run: the {service.name} ended by itself; stopping the other", file=sys.stderr)
                return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port of the KAS")
    parser.add_argument("--idp-port", type=int, default=8081, help="port of the identity provider")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local", help="private folder for keys")
    arguments = parser.parse_args()
    stopping = threading.Event()
    for number in _STOPPING:
        signal.signal(number, lambda *_: stopping.set())
    return run(arguments.port, arguments.idp_port, arguments.folder, stopping)


if __name__ == "__main__":
    sys.exit(main())
