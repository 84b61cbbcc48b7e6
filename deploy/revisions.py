"""Which revision to go to: ``python3 -m deploy.revisions candidate SERVICE_JSON TAG``, ``edge SERVICE REVISIONS NAME``, or
``back SERVICE REVISIONS OUT [NAME]``.

``candidate`` prints the newest ready revision, the one with the tag, and the newest again where somebody has rolled back from
it; ``-`` where there is none. ``edge`` ends with 1 where the revision believes other proxies than those that callers have
to come by. ``back`` writes the revision to go back to, by default the newest one before that which serves now, and then what it names: ``key`` and
``secret`` with a version, ``store`` with what instances share, and ``newer`` with the kid of a key that serves now and that it does
not know.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.deployed import Deployed, environment_of
from deploy.env_file import Refused
from deploy.safety import check_edge
from deploy.shared_state import BACKEND

_SECRET: Final = re.compile(r"sm://(projects/[^/]+/secrets/[^/]+/versions/\d+)")
_ALONE: Final = "memory"
Json = dict[str, Any]


def serving(service: Json) -> str:
    """The revision that has most of the traffic."""
    targets: list[Json] = service.get("status", {}).get("traffic", [])
    most = max(targets, key=lambda one: int(one.get("percent", 0)), default=None)
    return "" if most is None else str(most.get("revisionName", ""))


def target(service: Json, revisions: Sequence[Json], name: str | None) -> tuple[Json, Json]:
    """The revision to go to and the one that serves. Raises Refused."""
    newest_first = sorted(revisions, key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    names = [one["metadata"]["name"] for one in newest_first]
    now = serving(service)
    if now not in names:
        raise Refused("no revision serves")
    if name is None:
        older = [one for one in newest_first[names.index(now) + 1 :] if _is_ready(one)]
        if not older:
            raise Refused(f"{now} serves, and there is none before it")
        return older[0], newest_first[names.index(now)]
    if name not in names:
        raise Refused(f"there is no revision {name}; there are {', '.join(names)}")
    return newest_first[names.index(name)], newest_first[names.index(now)]


def _is_ready(revision: Json) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def named(there: Json, now: Json) -> Iterator[tuple[str, str]]:
    """What the revision ``there`` stands on, and keys of ``now`` that it does not know."""
    environment = environment_of(there)
    keys = _keys(environment)
    for entry in keys.values():
        if "kms" in entry and entry["status"] != "disabled":
            yield "key", entry["kms"]
    for name in dict.fromkeys(_SECRET.findall(json.dumps(environment))):
        yield "secret", name
    if environment.get(BACKEND, _ALONE) != _ALONE:
        yield "store", environment[BACKEND]
    for kid in _keys(environment_of(now)).keys() - keys.keys():
        yield "newer", kid


def check_reached(service: Json, revisions: Sequence[Json], name: str) -> None:
    """Raises Refused where callers of the revision would choose the address that they are counted as, or have all one."""
    edge = Deployed(service, {}).edge
    environment = next((environment_of(one) for one in revisions if one["metadata"]["name"] == name), None)
    if environment is None:
        raise Refused(f"there is no revision {name}")
    try:
        check_edge(int(environment.get("KAS_TRUSTED_PROXY_HOPS", "0")), edge["ingress"], edge["default_url"])
    except Refused as refusal:
        raise Refused(f"{name} would believe {refusal}") from refusal


def _keys(environment: Mapping[str, str]) -> dict[str, Json]:
    index = json.loads(environment.get("KAS_KEYS") or "{}")
    return {entry["kid"]: entry for entry in index.get("unwrapKeys", [])}


def main(arguments: Sequence[str]) -> int:
    service = json.loads(Path(arguments[1]).read_text("utf-8"))
    if arguments[0] == "candidate":
        deployed = Deployed(service, {})
        tag = arguments[2]
        print(deployed.newest or "-", deployed.tagged(tag) or "-", deployed.withdrawn(tag) or "-")
        return 0
    revisions = json.loads(Path(arguments[2]).read_text("utf-8"))
    try:
        if arguments[0] == "edge":
            check_reached(service, revisions, arguments[3])
            return 0
        there, now = target(service, revisions, next(iter(arguments[4:]), None))
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    lines = [there["metadata"]["name"], *("\t".join(pair) for pair in named(there, now))]
    Path(arguments[3]).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
