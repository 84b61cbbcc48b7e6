"""The parts that routes share, made once in the parent process: what the files say, who asks, what opens, who is told.

Nothing here opens a connection, starts a thread or draws a random value: a worker that is forked makes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kas.audit import STDOUT, AuditLog
from kas.auth.authenticator import Authenticator, NonceMode
from kas.auth.issuers import Issuer, load_issuers
from kas.auth.jwks import JwksCache
from kas.auth.nonce import NonceSource
from kas.auth.times import PROOF_MEMORY_SECONDS
from kas.config import Settings
from kas.descriptor import descriptor_writer
from kas.diagnostics import tell_operator
from kas.errors import HealthLimit, RewrapLimit
from kas.fetch import HttpFetcher
from kas.keys.budget import KeyOperationBudget
from kas.keys.dek_cache import DekCache, new_dek_cache
from kas.keys.folder import KeyFolder, load_key_folder, make_local_keys
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyRegistry, KeyService
from kas.keys.software import SoftwareKeyService
from kas.metrics import Meter, Metrics, NoMetrics, Readings
from kas.policy.attributes import Definition, load_attributes
from kas.policy.rules import Rules, load_rules
from kas.ratelimit import Limit, SlidingWindow
from kas.state.memory import MemoryReplayStore
from kas.uri import normalise_uri

Clock = Callable[[], float]

_MINUTE: Final = 60.0
_REMEMBERED: Final = 100_000  # requests of the last minute, over all callers
_READY_QUOTA: Final = 30  # of one caller who shows credentials


@dataclass(frozen=True, slots=True)
class Files:
    """What the configured files say, checked."""

    folder: KeyFolder
    registry: KeyRegistry
    key_service: KeyService
    rules: Rules
    definitions: Mapping[str, Definition]
    issuers: Mapping[str, Issuer]


def load_files(settings: Settings) -> Files:
    """Local mode makes its keys first. Raises ConfigError, which names the file and the place."""
    if settings.local:
        make_local_keys(settings.keys_dir)
    folder, rules = load_key_folder(settings.keys_dir), load_rules(settings.policy_dir)
    issuers = load_issuers(
        settings.issuers_path,
        countries=rules.countries,
        authorities=frozenset(rules.clearances.authorities),
        allow_loopback_http=settings.local,
    )
    return Files(
        folder=folder,
        registry=KeyRegistry(folder.records),
        key_service=SoftwareKeyService(folder.unwrap_keys),
        rules=rules,
        definitions=load_attributes(settings.policy_dir / "attributes.json"),
        issuers=issuers,
    )


class Parts:
    """Each part is made when it is first asked for, by the wiring, and is one for all.

    ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start: what only measures time must not jump with
    the clock of the machine.
    """

    def __init__(self, settings: Settings, clock: Clock, timer: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.timer = timer
        self.files = load_files(settings)
        self.audit = AuditLog(descriptor_writer(STDOUT), project=settings.gcp_project)

    @cached_property
    def jwks(self) -> JwksCache:
        """The issuers' keys."""
        fetch = HttpFetcher(allow_loopback_http=self.settings.local)
        return JwksCache(self.files.issuers, fetch, self.clock, self.settings.jwks_cache_seconds)

    @cached_property
    def replay_store(self) -> MemoryReplayStore:
        """The memory of used proofs."""
        return MemoryReplayStore(
            capacity=self.settings.replay_store_claims, ttl_seconds=PROOF_MEMORY_SECONDS, clock=self.clock
        )

    @cached_property
    def rewrap_limit(self) -> SlidingWindow:
        """Rewraps a minute of one caller, whatever the route."""
        quota = self.settings.rate_rewrap
        limit = Limit("rewrap", quota, _MINUTE)
        return SlidingWindow(limit, self.timer, capacity=max(_REMEMBERED, quota), refusal=RewrapLimit)

    @cached_property
    def ready_limit(self) -> SlidingWindow:
        """Requests a minute of one caller who asks which checks fail: from many networks he would fill the memory of
        proofs as far as his share of it goes.
        """
        limit = Limit("ready", _READY_QUOTA, _MINUTE)
        return SlidingWindow(limit, self.timer, capacity=_REMEMBERED, refusal=HealthLimit)

    @cached_property
    def nonces(self) -> NonceSource:
        """Nonces for DPoP proofs; the secret is drawn by the worker."""
        return NonceSource(self.clock)

    def authenticator(
        self,
        path: str,
        *,
        nonce_mode: NonceMode,
        schemes: frozenset[str] = frozenset({"dpop"}),
        takes_unbound: bool = False,
        limit: SlidingWindow | None = None,
    ) -> Authenticator:
        """Of the route at ``path``, which proofs name."""
        return Authenticator(
            issuers=self.files.issuers,
            find_key=self.jwks.find,
            nonces=self.nonces,
            nonce_mode=nonce_mode,
            limit=limit,
            replay_store=self.replay_store,
            uris=addresses(self.settings.public_bases, (path,)),
            schemes=schemes,
            takes_unbound=takes_unbound,
            clock=self.clock,
        )

    @cached_property
    def dek_cache(self) -> DekCache | None:
        """Unwrapped keys, None where none are kept."""
        seconds, entries = self.settings.dek_cache_seconds, self.settings.dek_cache_entries
        return new_dek_cache(capacity=entries, ttl_seconds=seconds, clock=self.timer) if seconds else None

    @cached_property
    def budget(self) -> KeyOperationBudget | None:
        """Of key operations, None where nothing is counted."""
        if self.settings.key_budget == "metered" and not self.files.key_service.is_metered:
            return None
        return KeyOperationBudget(
            per_minute=self.settings.key_operations_per_minute,
            per_day=self.settings.kms_operations_per_day,
            clock=self.timer,
            warn=tell_operator,
        )

    @cached_property
    def opener(self) -> KeyOpener:
        """What opens wrapped keys."""
        return KeyOpener(
            registry=self.files.registry,
            key_service=self.files.key_service,
            cache=self.dek_cache,
            budget=self.budget,
        )

    @cached_property
    def metrics(self) -> Metrics | None:
        """What counts, None where nothing does."""
        if self.settings.metrics == "off":
            return None
        readings = Readings(
            caches={"jwks": self.jwks.counts},
            keeps_keys=self.dek_cache is not None,
            budget_left=None if self.budget is None else self.budget.left,
        )
        return Metrics(readings)

    @property
    def meter(self) -> Meter:
        """Where the edge and the use cases report to."""
        return self.metrics or NoMetrics()


def addresses(bases: tuple[str, ...], paths: tuple[str, ...]) -> frozenset[str]:
    """Every base with every path, normalised; the settings have checked the bases."""
    found = (normalise_uri(base + path) for base in bases for path in paths)
    return frozenset(address for address in found if address is not None)
