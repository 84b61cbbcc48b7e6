"""A process of its own for what cannot be seen within another's: what a transport has open, and what a fork does to it.

python -m tests.kms.probe quiet|fork KIND ENDPOINT METADATA_HOST
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

from kas.google.credentials import find_tokens
from tests.google.project import UNWRAP
from tests.kms.transports import SECONDS, new_transport

PLAIN = bytes(range(32))


def opened():
    """Sockets and threads of this process, and what of Google's client it has loaded."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            names.append(link.readlink().name)
    return {
        "sockets": sum(name.startswith("socket:") for name in names),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "loaded": sorted({"grpc", "google.cloud.kms_v1", "google.auth", "requests"} & set(sys.modules)),
    }


def call(transport):
    return transport.get_public_key(UNWRAP, timeout_seconds=SECONDS).name == UNWRAP


def in_child(transport):
    """Whether eight calls at once succeed in a process that is forked now."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    good = []
    threads = [threading.Thread(target=lambda: good.append(call(transport))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0 if good == [True] * 8 else 1)


def tell(value):
    sys.stdout.write(json.dumps(value))


def main(what, kind, endpoint, host):
    clock = {"clock": time.time, "timer": time.monotonic}
    before = opened()
    transport = new_transport(kind, endpoint, find_tokens({"GCE_METADATA_HOST": host}, **clock))
    made = opened()
    if what == "quiet":
        call(transport)
        tell({"before": before, "made": made, "used": opened()})
        return
    forked = [in_child(transport), in_child(transport)]
    if kind == "http":  # the one that a parent process uses before it forks
        call(transport)
        transport.close()
        forked += [opened() == before, in_child(transport), call(transport)]
    tell(forked)


if __name__ == "__main__":
    main(*sys.argv[1:])
