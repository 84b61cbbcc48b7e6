"""What the configured files say, checked before anything else is made.

Loading them may read secrets and open sealed keys; every connection and thread of that has ended when it returns.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kas.auth.issuers import Issuer, load_issuers
from kas.config import Settings
from kas.dataclass import dataclass
from kas.errors import ConfigError
from kas.google.cloud import Cloud
from kas.jose import parse_public_jwk, to_jwk
from kas.keys.folder import make_local_keys
from kas.keys.index import read_index
from kas.keys.private_keys import Keys, Sealed, fetch_keys
from kas.keys.registry import KeyRegistry
from kas.policy.attributes import Definition, load_attributes
from kas.policy.rules import Rules, load_rules
from kas.references import References

if TYPE_CHECKING:  # nothing of it is imported where no other service is known
    from kas.federation.registry import Registry

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Files:
    """What the configured files say, checked."""

    keys: Keys
    registry: KeyRegistry
    rules: Rules
    definitions: Mapping[str, Definition]
    issuers: Mapping[str, Issuer]
    services: Registry | None


def load_files(settings: Settings, cloud: Cloud, timer: Clock) -> Files:
    """Local mode makes its keys first, unless it is told of others. Raises ConfigError, which names the file and the place.

    What is asked for over the network comes last, and no connection is left.
    """
    if settings.local and not settings.keys:
        make_local_keys(settings.keys_dir)
    rules = load_rules(settings.policy_dir)
    issuers = load_issuers(
        settings.issuers_path,
        countries=rules.countries,
        authorities=frozenset(rules.clearances.authorities),
        allow_loopback_http=settings.local,
        refuse_loopback=settings.on_cloud_run,
    )
    definitions = load_attributes(settings.policy_dir / "attributes.json")
    services = load_services(settings, settings.federation_config_path, rules)
    with closing(cloud):
        keys = load_keys(settings, cloud, timer)
    if services is not None:
        _demand_own_key(services, keys, str(settings.federation_config_path))
    return Files(
        keys=keys,
        registry=KeyRegistry(keys.records),
        rules=rules,
        definitions=definitions,
        issuers=issuers,
        services=services,
    )


def load_services(settings: Settings, path: Path | None, rules: Rules) -> Registry | None:
    """The other services that this one works with, None where there is no ``path``. Raises ConfigError."""
    if path is None:
        return None
    from kas.federation.registry_file import load_federation

    return load_federation(
        path,
        kas_id=settings.kas_id,
        public_bases=settings.public_bases,
        countries=rules.countries,
        levels=rules.levels,
        allow_loopback_http=settings.local,
    )


def _demand_own_key(services: Registry, keys: Keys, path: str) -> None:
    """Whatever is signed by a key that partners do not know, they refuse."""
    kid, key = keys.current_signing_key
    known = frozenset[str]() if services.own is None else services.own.thumbprints
    if parse_public_jwk(to_jwk(key.public_key())).thumbprint not in known:
        raise ConfigError(f"{path}: the entry of this service does not list its signing key {kid}")


def load_keys(settings: Settings, cloud: Cloud, timer: Clock) -> Keys:
    """The keys that the index names, with the private ones that this process holds. Raises ConfigError."""

    def open_sealed(sealed: Iterable[Sealed]) -> Mapping[str, bytes]:
        from kas.keys.sealed import unseal

        kms = cloud.kms(settings.kms_endpoint)
        return unseal(sealed, kms, timer=timer, sleep=threading.Event().wait, random=random.random)

    references = References(
        read_secrets=cloud.read_secrets,
        endpoint=settings.secrets_endpoint,
        takes_latest=settings.local,
        on_cloud_run=settings.on_cloud_run,
    )
    index = read_index(settings.keys, settings.keys_dir, takes_files=not settings.on_cloud_run)
    return fetch_keys(index, settings.keys_dir, references.values, open_sealed)
