"""Starts the stand-in on two loopback ports, until Ctrl-C or SIGTERM. HTTP answers last, so both do when it does."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

from kas.errors import ConfigError
from local.google.answer import Answering
from local.google.control import Control
from local.google.metadata import Metadata
from local.google.rest import RestServer
from local.google.rpc import serve_rpc
from local.google.setup import load_cloud

_POLL_SECONDS: Final = 0.5


def serve(port: int, grpc_port: int, setup: Path, stopping: threading.Event) -> None:
    """Serves until ``stopping``. Raises ConfigError, OSError and RuntimeError (a port is taken)."""
    cloud = load_cloud(setup, time.time)
    # Waiting ends with the process: an answer that is held back must not hold back its end.
    answering = Answering(cloud, time.monotonic, stopping.wait)
    rpc = serve_rpc(grpc_port, answering)
    with RestServer(port, grpc_port, answering, Metadata(cloud), Control(cloud)) as rest:
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        while not stopping.wait(_POLL_SECONDS):  # a signal just before an endless wait would not end it
            pass
        rest.shutdown()
    rpc.stop(grace=None).wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.google", description=__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="port of REST, metadata server, /control, and of gRPC too"
    )
    parser.add_argument("--grpc-port", type=int, required=True, help="port of gRPC alone")
    parser.add_argument("--setup", type=Path, required=True, help="JSON file of what there is at the start")
    arguments = parser.parse_args()
    if "K_SERVICE" in os.environ:
        print("local.google: refused on Cloud Run (K_SERVICE is set)", file=sys.stderr)
        return 1
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        serve(arguments.port, arguments.grpc_port, arguments.setup, stopping)
    except (ConfigError, OSError, RuntimeError) as error:
        print(f"local.google: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
