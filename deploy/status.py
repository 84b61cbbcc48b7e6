"""What is deployed, for people: ``python3 -m deploy.status SERVICE_JSON``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.deployed import Deployed


def lines(deployed: Deployed) -> Iterator[str]:
    if not deployed.is_there:
        yield "service: none"
        return
    yield f"service: newest ready revision {deployed.newest or '–'}{'' if deployed.is_ready else '; a later one does not start'}"
    for target in deployed.service.get("status", {}).get("traffic", []):
        tag = f", tag {target['tag']}" if "tag" in target else ""
        yield f"traffic: {target.get('percent', 0)} % to {target.get('revisionName', deployed.newest)}{tag}"
    yield from (f"address: {base}" for base in deployed.environment.get("KAS_PUBLIC_BASES", "").split(",") if base)
    yield f"state: {_state(deployed.environment)}"
    for entry in json.loads(deployed.environment.get("KAS_KEYS") or "{}").get("unwrapKeys", []):
        yield f"serves: {entry['kid']} ({', '.join(entry['dialects'])}), {entry['status']}"


def _state(environment: Mapping[str, str]) -> str:
    """Where what is remembered between requests is."""
    backend = environment.get("KAS_STATE_BACKEND", "memory")
    return f"{backend}, database {environment.get('KAS_FIRESTORE_DATABASE', '')}" if backend == "firestore" else backend


def main(arguments: Sequence[str]) -> int:
    deployed = Deployed(json.loads(Path(arguments[0]).read_text("utf-8")), {})
    print(*lines(deployed), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
