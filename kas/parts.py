"""The parts that routes share, made once in the parent process: who asks, what opens, who is told, who else there is.

The files are loaded first (`kas.files`). Nothing here keeps a connection open, starts a thread or draws a random
value: a worker that is forked makes its own.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from kas.audit.log import STDOUT, AuditLog
from kas.auth.authenticator import Authenticator, NonceMode
from kas.auth.jwks import JwksCache
from kas.cache import Counts
from kas.config import Settings
from kas.crypto.signatures import ResultSigner
from kas.descriptor import descriptor_writer
from kas.diagnostics import tell_operator
from kas.engine import Engine, PolicyEngine
from kas.errors import HealthLimit, RewrapLimit
from kas.fetch import HttpFetcher
from kas.files import load_files
from kas.google.cloud import Cloud
from kas.keys.budget import KeyOperationBudget
from kas.keys.flights import Flights
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyService
from kas.keys.service import KeyServices
from kas.keys.side_by_side import SideBySide
from kas.keys.software import SoftwareKeyService
from kas.metrics import Meter, Metrics, NoMetrics, Readings
from kas.ratelimit import Limit, Window
from kas.stores import Stores
from kas.uri import addresses

if TYPE_CHECKING:
    from kas.federation.wiring import Federation  # nothing of it is imported where no other service is known
    from kas.keys.kms import KmsKeyService

Clock = Callable[[], float]

_MINUTE: Final = 60.0
_LEAST_PUBLIC_KEY_SECONDS: Final = 60  # whoever asks for our keys must not use up the quota of reads in Cloud KMS
_READY_QUOTA: Final = 30  # of one caller who shows credentials


class Parts:
    """Each part is made when it is first asked for, by the wiring, and is one for all.

    ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start: what only measures time must not jump with
    the clock of the machine.
    """

    def __init__(self, settings: Settings, clock: Clock, timer: Clock, cloud: Cloud | None = None) -> None:
        """``cloud`` is what the settings were read with; without it tokens are the developer's own."""
        self.settings = settings
        self.clock = clock
        self.timer = timer
        self.cloud = cloud or Cloud({}, clock, timer)
        self.files = load_files(settings, self.cloud, timer)

    @cached_property
    def audit(self) -> AuditLog:
        """The trail; its chain is begun by the worker."""
        settings = self.settings
        return AuditLog(
            descriptor_writer(STDOUT),
            self.signer,
            clock=self.clock,
            timer=self.timer,
            project=settings.gcp_project,
            revision=settings.revision,
        )

    @cached_property
    def jwks(self) -> JwksCache:
        """The issuers' keys."""
        fetch = HttpFetcher(self.timer, allow_loopback_http=self.settings.local, tls=self.cloud.tls)
        return JwksCache(self.files.issuers, fetch, self.clock, self.settings.jwks_cache_seconds)

    @cached_property
    def stores(self) -> Stores:
        """What is remembered between requests."""
        return Stores(self.settings, self.clock, self.timer, self.cloud, tell_operator)

    @cached_property
    def rewrap_limit(self) -> Window:
        """Rewraps and explanations a minute of one caller, whatever the route."""
        quota = self.settings.rate_rewrap
        limit, capacity = Limit("rewrap", quota, _MINUTE), max(self.settings.rate_memory, quota)
        return self.stores.caller_window(limit, capacity, RewrapLimit)

    @cached_property
    def ready_limit(self) -> Window:
        """Requests a minute of one caller who asks which checks fail: from many networks he would fill the memory of
        proofs as far as his share of it goes.
        """
        limit, capacity = Limit("ready", _READY_QUOTA, _MINUTE), max(self.settings.rate_memory, _READY_QUOTA)
        return self.stores.caller_window(limit, capacity, HealthLimit)

    def authenticator(
        self,
        path: str,
        *,
        nonce_mode: NonceMode,
        schemes: frozenset[str] = frozenset({"dpop"}),
        takes_unbound: bool = False,
        limit: Window | None = None,
    ) -> Authenticator:
        """Of the route at ``path``, which proofs name."""
        return Authenticator(
            issuers=self.files.issuers,
            find_key=self.jwks.find,
            nonces=self.stores.nonces,
            nonce_mode=nonce_mode,
            limit=limit,
            replay_store=self.stores.replay,
            uris=addresses(self.settings.public_bases, (path,)),
            schemes=schemes,
            takes_unbound=takes_unbound,
            clock=self.clock,
        )

    @cached_property
    def signer(self) -> ResultSigner:
        """Signs in our name: results, and what we forward."""
        kid, private_key = self.files.keys.current_signing_key
        return ResultSigner(self.settings.kas_id, kid, private_key)

    @cached_property
    def federation(self) -> Federation | None:
        """The other services, None where we know none."""
        settings, registry = self.settings, self.files.services
        if registry is None:
            return None
        from kas.federation.addresses import is_forbidden_address
        from kas.federation.peer_keys import PeerKeys
        from kas.federation.receiving import ForwardedAuthenticator
        from kas.federation.wiring import ANSWER_BOUNDS, Federation, new_broker

        fetch = HttpFetcher(
            self.timer,
            allow_loopback_http=settings.local,
            tls=self.cloud.tls,
            allow_address=lambda ip: not is_forbidden_address(ip, allow_loopback=settings.local),
        )
        keys = PeerKeys(registry.peers.values(), fetch, self.clock)
        receiver = ForwardedAuthenticator(
            registry=registry,
            find_peer_key=keys.find,
            issuers=self.files.issuers,
            find_key=self.jwks.find,
            limit=self.rewrap_limit,
            replay_store=self.stores.replay,
            clock=self.clock,
        )
        broker = new_broker(
            registry,
            keys=keys,
            signer=self.signer,
            rules=self.files.rules,
            bounds=ANSWER_BOUNDS,
            deadline_seconds=settings.federation_deadline_seconds,
            allow_loopback_http=settings.local,
            tls=self.cloud.tls,
            clock=self.clock,
            timer=self.timer,
            warn=tell_operator,
        )
        return Federation(receiver, broker)

    @cached_property
    def engine(self) -> Engine:
        """Who decides: this process, or another program."""
        settings, files, allow_empty_policy = self.settings, self.files, self.allow_empty_policy
        if settings.policy_backend == "builtin":
            return PolicyEngine(files.rules, files.definitions, allow_empty_policy)
        from kas.opa.engine import OpaEngine
        from kas.opa.question import Questions

        questions = Questions(files.rules, files.definitions, allow_empty_policy=allow_empty_policy)
        return OpaEngine(settings.opa_url, questions, self.timer, tell_operator, tls=self.cloud.tls)

    @property
    def allow_empty_policy(self) -> bool:
        """Whether a policy of OpenTDF that demands nothing admits any caller."""
        return self.settings.opentdf_empty_policy == "allow"

    @cached_property
    def budget(self) -> KeyOperationBudget | None:
        """Of key operations, None where nothing is counted."""
        if self.settings.key_budget == "metered" and not self._has_remote_keys:
            return None
        return KeyOperationBudget(
            per_minute=self.settings.key_operations_per_minute,
            per_day=self.settings.kms_operations_per_day,
            clock=self.timer,
            warn=tell_operator,
        )

    @cached_property
    def key_service(self) -> KeyService:
        """Whoever holds the keys: this process, Cloud KMS, or each its own."""
        software = SoftwareKeyService(self.files.keys.unwrap_keys)
        return software if self.kms is None else KeyServices(software=software, kms=self.kms)

    @cached_property
    def kms(self) -> KmsKeyService | None:
        """Who calls Cloud KMS, None where no key is there."""
        if not self._has_remote_keys:
            return None
        from kas.keys.kms import KmsKeyService

        settings = self.settings
        return KmsKeyService(
            self.cloud.kms_for_workers(settings.kms_transport, settings.kms_endpoint, settings.kms_concurrency),
            timer=self.timer,
            sleep=threading.Event().wait,
            random=random.random,
            timeout_seconds=settings.kms_timeout_seconds,
            deadline_seconds=settings.kms_deadline_seconds,
            protection_level=settings.kms_protection_level,
            public_key_seconds=max(settings.public_key_cache_seconds, _LEAST_PUBLIC_KEY_SECONDS),
            warn=tell_operator,
        )

    @cached_property
    def opener(self) -> KeyOpener:
        """What opens wrapped keys."""
        settings = self.settings
        side_by_side = SideBySide(
            Flights(settings.kms_concurrency),
            deadline_seconds=settings.kms_deadline_seconds,
            timer=self.timer,
            warn=tell_operator,
        )
        return KeyOpener(
            registry=self.files.registry,
            key_service=self.key_service,
            cache=self.stores.own_kept_keys,
            budget=self.budget,
            budget_all=settings.key_budget == "all",
            side_by_side=side_by_side,
            shared=self.stores.shared_kept_keys,
        )

    @property
    def _has_remote_keys(self) -> bool:
        return any(record.is_remote for record in self.files.registry.records)

    @cached_property
    def metrics(self) -> Metrics | None:
        """What counts, None where nothing does."""
        if self.settings.metrics == "off":
            return None
        readings = Readings(
            caches=self._caches,
            keeps_keys=self.settings.dek_cache_seconds > 0,
            troubles=self.stores.troubles,
            budget_left=None if self.budget is None else self.budget.left,
        )
        return Metrics(readings)

    @property
    def _caches(self) -> dict[str, Callable[[], Counts]]:
        """What counts its questions, by the name that the metrics show."""
        keys = {} if self.kms is None else {"public_keys": self.kms.public_key_counts}
        return {"jwks": self.jwks.counts, **keys}

    @property
    def meter(self) -> Meter:
        """Where the edge and the use cases report to."""
        return self.metrics or NoMetrics()
