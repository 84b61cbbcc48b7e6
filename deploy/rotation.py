"""Which version is deployed: ``python3 -m deploy.rotation SERVICE_JSON key|secret NAME`` prints its number, 0 for none.

Of a key it is the one that is published, of a secret the one that is current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.deployed import Deployed


def names(environment: Mapping[str, str]) -> Iterator[str]:
    """Full names of the versions in use: published keys, the current signing key, the nonce secret, the key of a store."""
    index = json.loads(environment.get("KAS_KEYS") or "{}")
    yield from (entry.get("kms", "") for entry in index.get("unwrapKeys", []) if entry["status"] == "active")
    yield from (entry["secret"] for entry in index.get("signingKeys", []) if entry["status"] == "current")
    yield from (environment.get(name, "") for name in ("KAS_NONCE_SECRET", "KAS_STATE_KEY"))


def version_of(environment: Mapping[str, str], kind: str, name: str) -> int:
    place = f"/cryptoKeys/{name}/cryptoKeyVersions/" if kind == "key" else f"/secrets/{name}/versions/"
    return next((int(one.rpartition("/")[2]) for one in names(environment) if place in one), 0)


def main(arguments: Sequence[str]) -> int:
    path, kind, name = arguments
    deployed = Deployed(json.loads(Path(path).read_text("utf-8")), {})
    print(version_of(deployed.environment, kind, name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
