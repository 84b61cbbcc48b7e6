"""Several nations on one machine: for each a KAS and an identity provider of its own, and one registry for all.

Every KAS has keys of its own and trusts the issuers of all, each for its own country alone: the French provider knows
the American clients too, and what it says of them is refused. The keys are made before anything starts, since the
registry pins those that sign.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kas.jose import to_jwk
from kas.keys.folder import make_local_keys
from local.ending import undisturbed
from local.ports import HOST, free_ports
from local.processes import (
    Service,
    World,
    environment_without_settings,
    issuer_entry,
    start_kas,
    start_provider,
    stop,
    wait_until_answers,
    write_private_json,
)
from local.provider.tokens import FEDERATION

ORGANISATIONS: Final = {
    "usa": "Example Agency of the United States",
    "fra": "Agence exemplaire de la République française",
    "gbr": "Example Office of the United Kingdom",
}
# What may pass between two; any other pair has agreed on SECRET.
_HIGHEST: Final = {frozenset({"fra", "gbr"}): "CONFIDENTIAL"}
_PEER_SECONDS: Final = 3

OpenLog = Callable[["Place"], IO[Any] | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the services of one nation are, before they run; ``folder`` takes what they write."""

    nation: str
    kas_port: int
    provider_port: int
    folder: Path

    @property
    def kas_id(self) -> str:
        return f"kas-{self.nation}"

    @property
    def country(self) -> str:
        """In three letters."""
        return self.nation.upper()

    @property
    def base(self) -> str:
        """The public base of the KAS."""
        return f"http://{HOST}:{self.kas_port}"

    @property
    def keys_dir(self) -> Path:
        return self.folder / "keys"


@dataclass(frozen=True, slots=True)
class Nation:
    """A place where both services run."""

    place: Place
    world: World


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that a KAS signs results and forwarded requests with."""

    kid: str
    private: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Setup:
    """The files that all of the KASes read."""

    issuers_path: Path
    registry_path: Path

    def settings(self, place: Place) -> dict[str, str]:
        """Of the KAS there."""
        return {"KAS_ID": place.kas_id, "KAS_FEDERATION_CONFIG_PATH": str(self.registry_path)}


def free_places(folder: Path, nations: Sequence[str]) -> list[Place]:
    """On ports that are free now, each with a folder of its own below ``folder``."""
    ports = free_ports(2 * len(nations))
    return [
        Place(nation, *pair, folder / nation)
        for nation, pair in zip(nations, zip(ports[::2], ports[1::2], strict=True), strict=True)
    ]


def set_up(places: Sequence[Place], folder: Path) -> Setup:
    """Makes what keys there are not yet, and writes the issuers and the registry into ``folder``."""
    for place in places:
        make_local_keys(place.keys_dir)
    issuers = [issuer_entry(place.provider_port, (place.country,)) for place in places]
    return Setup(
        write_private_json(folder / "issuers.json", {"issuers": issuers}),
        write_private_json(folder / "federation.json", registry(places)),
    )


def registry(places: Sequence[Place]) -> dict[str, Any]:
    """The registry file: every service, and an agreement for each pair."""
    countries = sorted(place.country for place in places)
    agreements = [_agreement(first, second, countries) for first, second in combinations(places, 2)]
    return {"kases": [_entry(place) for place in places], "agreements": agreements}


def _entry(place: Place) -> dict[str, Any]:
    key = signing_key(place)
    jwk = {**to_jwk(key.private.public_key()), "kid": key.kid, "use": "sig", "alg": "ES256"}
    return {
        "id": place.kas_id,
        "organisation": ORGANISATIONS.get(place.nation, f"Example Office of {place.country}"),
        "country": place.country,
        "origin": place.base,
        "rewrapUrl": f"{place.base}/rewrap",
        "aliases": [f"http://localhost:{place.kas_port}"],
        "status": "active",
        "timeoutSeconds": _PEER_SECONDS,
        "jwks": {"keys": [jwk]},
    }


def _agreement(first: Place, second: Place, countries: Sequence[str]) -> dict[str, Any]:
    return {
        "between": [first.kas_id, second.kas_id],
        "maxClassification": _HIGHEST.get(frozenset({first.nation, second.nation}), "SECRET"),
        "allowedCOIs": ["NATO"],
        "allowedCountries": list(countries),
        "maxDepth": 1,
        "audience": FEDERATION,
    }


def signing_key(place: Place) -> SigningKey:
    """The current one of the KAS, from its folder."""
    entries = json.loads((place.keys_dir / "keys.json").read_text("utf-8"))["signingKeys"]
    entry = next(entry for entry in entries if entry["status"] == "current")
    private = serialization.load_pem_private_key((place.keys_dir / entry["file"]).read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("a signing key is an EC key")
    return SigningKey(entry["kid"], private)


def start_nation_kas(place: Place, setup: Setup, env: Mapping[str, str], log: IO[Any] | None) -> Service:
    """The KAS alone; the settings of ``env`` win."""
    settings = {**setup.settings(place), **env}
    return start_kas(place.kas_port, setup.issuers_path, place.keys_dir, settings, log, f"KAS of {place.country}")


def start_nation_provider(place: Place, env: Mapping[str, str], log: IO[Any] | None) -> Service:
    """The identity provider alone."""
    name = f"identity provider of {place.country}"
    return start_provider(place.provider_port, place.folder / "provider", env, log, name)


@contextlib.contextmanager
def nations_world(
    places: Sequence[Place],
    setup: Setup,
    env: Mapping[str, str] | None = None,
    open_log: OpenLog = lambda _: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Nation]]:
    """All services of all places, by nation, answering unless ``is_cancelled``, stopped at the end. ``env`` are further
    settings of every KAS, and ``open_log`` gives what both services of a place write to. Settings of our own environment
    stay outside. Raises StartFailed.
    """
    clean = environment_without_settings()
    with contextlib.ExitStack() as running:
        started: list[Service] = []
        running.callback(lambda: stop(*started))
        nations = {}
        for place in places:
            log = open_log(place)
            with undisturbed():
                started.append(provider := start_nation_provider(place, clean, log))
            with undisturbed():
                started.append(kas := start_nation_kas(place, setup, {**clean, **(env or {})}, log))
            nations[place.nation] = Nation(place, World(kas, provider))
        for service in started:
            wait_until_answers(service, is_cancelled)
        yield nations
