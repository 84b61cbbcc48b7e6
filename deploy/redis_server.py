"""A server of Memorystore for Redis, as `gcloud redis instances describe --format=json` shows it.

    python3 -m deploy.redis_server state SERVER_JSON NATION NETWORK     its state, where it is as it should be
    python3 -m deploy.redis_server older SERVER_JSON TIME               status 0 where a secret of that time is of one before
    python3 -m deploy.redis_server url                                  its URL, of what standard input says

``url`` reads the password, which is a secret, and in the next line host and port: none of them is an argument.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from deploy.env_file import Refused

Json = Mapping[str, Any]

LABEL: Final = "kas_nation"
_TLS: Final = "SERVER_AUTHENTICATION"
_MAXMEMORY_POLICY: Final = "noeviction"
_NONE: Final = "DISABLED"
_SECONDS: Final = len("2026-01-01T00:00:00")


def authorities(server: Json) -> str:
    """PEM of those that vouch for it, the newest first: while Google changes them there are two."""
    found = sorted(server.get("serverCaCerts", []), key=lambda one: str(one.get("createTime", "")), reverse=True)
    return "".join(f"{one['cert'].strip()}\n" for one in found)


def shortcomings(server: Json, nation: str, network: str) -> Iterator[str]:
    """What is not as deploy.sh makes it."""
    if server.get("labels", {}).get(LABEL) != nation:
        yield f"it does not have the label {LABEL}={nation}, so somebody else has made it"
    if not server.get("authEnabled"):
        yield "it asks for no password"
    if server.get("transitEncryptionMode") != _TLS:
        yield "it does not speak TLS"
    if server.get("redisConfigs", {}).get("maxmemory-policy") != _MAXMEMORY_POLICY:
        yield f"its maxmemory-policy is not {_MAXMEMORY_POLICY}: it would forget used proofs"
    if server.get("tier", "BASIC") != "BASIC":
        yield "it has a replica, which may be behind when it takes over: used proofs would be forgotten"
    if server.get("persistenceConfig", {}).get("persistenceMode", _NONE) not in {_NONE, "PERSISTENCE_MODE_UNSPECIFIED"}:
        yield "it keeps snapshots: after a start from one, proofs used since would be forgotten"
    if str(server.get("authorizedNetwork", "")).rpartition("/")[2] != network:
        yield f"it is not in the network {network}"


def state(server: Json, nation: str, network: str) -> str:
    """Such as CREATING or READY. Raises Refused."""
    found = list(shortcomings(server, nation, network))
    if found:
        raise Refused(
            f"the Redis server {str(server['name']).rpartition('/')[2]} cannot be the store: {'; '.join(found)}"
        )
    return str(server["state"])


def predates(made: str, server: Json) -> bool:
    """Whether something made at this time, as Google writes it, is from before the server; also where there is none yet."""
    return not server or made[:_SECONDS] < str(server["createTime"])[:_SECONDS]


def url(said: TextIO) -> str:
    """``rediss://:PASSWORD@HOST:PORT/0``. Raises Refused where anything is missing."""
    password = said.readline().strip()
    host, _, port = said.readline().strip().partition("\t")
    if not (password and host and port.isdecimal()):
        raise Refused("Google has not said password, host and port of the Redis server")
    return f"rediss://:{quote(password, safe='')}@{host}:{port}/0"


def main(arguments: Sequence[str]) -> int:
    try:
        match arguments:
            case ["state", path, nation, network]:
                print(state(_read(path), nation, network))
            case ["older", path, made]:
                return 0 if predates(made, _read(path)) else 1
            case ["url"]:
                sys.stdout.write(url(sys.stdin))
            case _:
                return 2
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    return 0


def _read(path: str) -> Json:
    return dict(json.loads(Path(path).read_text("utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
