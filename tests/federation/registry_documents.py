"""One good registry of three services, with real keys; tests break one member of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from kas.federation.registry import Registry
from kas.federation.registry_file import load_federation
from kas.jose import parse_public_jwk
from kas.policy.rules import load_rules
from local.client.keys import ProofKey, new_proof_key

CONFIG = Path(__file__).resolve().parents[2] / "config"
RULES = load_rules(CONFIG)
USA, FRA, GBR = (new_proof_key() for _ in range(3))
REMOVED = object()


def jwk(key: ProofKey, kid: str = "sig-1", **members: Any) -> dict[str, Any]:
    """The published form of a signing key; ``members`` replace some of it, or with REMOVED remove them."""
    return without_removed({**key.jwk, "kid": kid, "use": "sig", "alg": "ES256", **members})


def without_removed(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not REMOVED}


def thumbprint(key: ProofKey) -> str:
    return parse_public_jwk(key.jwk).thumbprint


def _kas(name: str, **members: Any) -> dict[str, Any]:
    origin = f"https://kas.{name}.example"
    return {
        "id": f"kas-{name}",
        "organisation": f"Agency of {name}",
        "country": name.upper(),
        "origin": origin,
        "rewrapUrl": f"{origin}/rewrap",
        "status": "active",
        "timeoutSeconds": 3,
        **members,
    }


def _agreement(*names: str, **members: Any) -> dict[str, Any]:
    return {
        "between": [f"kas-{name}" for name in names],
        "maxClassification": "SECRET",
        "allowedCOIs": ["NATO"],
        "allowedCountries": ["USA", "FRA"],
        "maxDepth": 2,
        "audience": "kas-federation",
        **members,
    }


GOOD: dict[str, Any] = {
    "kases": [
        _kas("usa", jwks={"keys": [jwk(USA)]}),
        _kas("fra", jwks={"keys": [jwk(FRA)]}, aliases=["https://kas2.fra.example", "https://gate.example/fra"]),
        _kas("gbr", jwksUrl="https://kas.gbr.example/jwks", thumbprints=[thumbprint(GBR)]),
    ],
    "agreements": [_agreement("usa", "fra"), _agreement("gbr", "fra", requireClientKeyHash=False)],
}


def good() -> dict[str, Any]:
    """A copy that a test may change."""
    return copy.deepcopy(GOOD)


def changed(place: str, value: object) -> dict[str, Any]:
    """The good registry with the member at ``place``, as in ``kases.1.origin``, replaced or, with REMOVED, gone."""
    document = good()
    *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    target: Any = document
    for step in way:
        target = target[step]
    if value is REMOVED:
        del target[last]
    else:
        target[last] = value
    return document


def write(folder: Path, document: object) -> Path:
    path = folder / "federation.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def load(
    folder: Path,
    document: object,
    *,
    kas_id: str = "kas-usa",
    bases: tuple[str, ...] = ("https://kas.usa.example",),
    local: bool = False,
) -> Registry:
    """What ``kas_id`` sees of it."""
    return load_federation(
        write(folder, document),
        kas_id=kas_id,
        public_bases=bases,
        countries=RULES.countries,
        levels=RULES.levels,
        allow_loopback_http=local,
    )
