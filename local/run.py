"""`make run`: the KAS and its identity provider in the foreground, until Ctrl-C or SIGTERM, or until one of them ends.

With ``--keys kms`` the KAS has its keys and secrets in a stand-in for Google Cloud, which runs and ends with them; with
``--nations`` there is a pair for each of several nations (`local.run_nations`).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.google.remote import Google, start_google
from local.google_world import ACP240_VERSION, make_project
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
from local.run_nations import consecutive_places, parse_nations, run_nations

_POLL_SECONDS: Final = 0.2
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WELCOME: Final = """
Key Access Service   {kas}
identity provider    {provider}   (its page lists the clients; every secret is dev)
"""
_TRY: Final = """
Try:
  curl {kas}/health
  curl {kas}/.well-known/jwks.json
  curl -u usa-secret:dev -d grant_type=client_credentials {provider}/token
"""
_SOFTWARE: Final = """\
  make demo        a file opened by two people and refused to two others, on a pair of its own

Ctrl-C stops both. Audit lines follow here: for each key access object, each refused request (one that is challenged for a nonce
included), each explained policy, each public key handed out, and checkpoints of the trail.
"""
_GOOGLE: Final = """\
Cloud KMS, secrets   {google}   (gRPC alone on {rpc}): a stand-in, see docs/local-google.md
"""
_TRY_GOOGLE: Final = """\
  curl {google}/control        every call that Cloud KMS and Secret Manager were asked for
  curl -d '{{"name": "{version}", "state": "DISABLED"}}' \\
    {google}/control/versions        until it is ENABLED, what is wrapped to this key is answered
                                     503 key_unavailable; what was opened in the last minute still opens
  curl -i {kas}/health/ready        503 not_ready within some 11 s of that, 200 before
  make demo KEYS=kms        a file opened by two people and refused to two others, on processes of its own

Ctrl-C stops all three. Audit lines follow here: for each key access object, each refused request (one that is challenged for a nonce
included), each explained policy, each public key handed out, and checkpoints of the trail.
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each listens; ``google`` is None with software keys, else the ports of its REST and gRPC interfaces."""

    kas: int
    provider: int
    google: tuple[int, int] | None = None


def run(ports: Ports, folder: Path, stopping: threading.Event) -> int:
    """Runs all until ``stopping`` (0) or until one of them ends by itself (1)."""
    services: list[Service] = []
    try:
        issuers_path = write_issuers(folder / f"issuers-{ports.provider}.json", ports.provider)
        services.append(start_provider(ports.provider, folder / "provider", os.environ, None))
        google, settings = _start_google(ports.google, folder / "google", services, stopping)
        services.append(start_kas(ports.kas, issuers_path, folder / "keys", {**settings, **os.environ}, None))
        for service in services:
            wait_until_answers(service, stopping.is_set)
        if not stopping.is_set():
            print(_welcome(services, google), flush=True)
        return _watch(services, stopping)
    except StartFailed as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    finally:
        stop(*services)


def _start_google(
    ports: tuple[int, int] | None, folder: Path, services: list[Service], stopping: threading.Event
) -> tuple[Google | None, dict[str, str]]:
    """The stand-in, where there is one, and the settings for it. It answers first: the KAS reads secrets as it starts."""
    if ports is None:
        return None, {}
    project = make_project(folder)
    google = start_google(*ports, project.setup_path)
    services.append(google.service)
    wait_until_answers(google.service, stopping.is_set)
    return google, project.environment(google)


def _welcome(services: list[Service], google: Google | None) -> str:
    texts = [_WELCOME, _TRY, _SOFTWARE] if google is None else [_WELCOME, _GOOGLE, _TRY, _TRY_GOOGLE]
    return "".join(texts).format(
        provider=services[0].base,
        kas=services[-1].base,
        google=google and google.base,
        rpc=google and google.rpc_target,
        version=ACP240_VERSION,
    )


def _watch(services: list[Service], stopping: threading.Event) -> int:
    while not stopping.wait(_POLL_SECONDS):
        for service in services:
            if service.process.poll() is not None:
                print(f"make run: the {service.name} ended by itself; stopping the rest", file=sys.stderr)
                return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8080, help="port of the KAS; of several nations, the first of all ports"
    )
    parser.add_argument("--idp-port", type=int, default=8081, help="port of the identity provider")
    parser.add_argument("--keys", choices=("software", "kms"), default="software", help="where the KAS has its keys")
    parser.add_argument("--nations", type=parse_nations, default=None, help="several, as in usa,fra,gbr")
    parser.add_argument("--google-port", type=int, default=8090, help="port of the stand-in's REST interfaces")
    parser.add_argument("--google-rpc-port", type=int, default=8091, help="port of its gRPC")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local", help="private folder for keys")
    arguments = parser.parse_args()
    if arguments.nations and arguments.keys == "kms":
        parser.error("several nations have software keys")
    google_ports = (arguments.google_port, arguments.google_rpc_port) if arguments.keys == "kms" else None
    stopping = threading.Event()
    for number in _STOPPING:
        signal.signal(number, lambda *_: stopping.set())
    if arguments.nations:
        folder = arguments.folder / "nations"
        places = consecutive_places(folder, arguments.nations, arguments.port)
        return run_nations(places, folder / str(arguments.port), stopping)
    return run(Ports(arguments.port, arguments.idp_port, google_ports), arguments.folder, stopping)


if __name__ == "__main__":
    sys.exit(main())
