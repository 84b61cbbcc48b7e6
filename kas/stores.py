"""What is remembered between requests, and where, as ``KAS_STATE_BACKEND`` says: in this process, in Redis or in Firestore.

Nothing is opened here but, for Redis, one connection of the parent process, which asks whether the server forgets early and is
closed again. The modules of a shared store are imported only where it is chosen.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from kas.auth.nonce import Nonces, NonceSource
from kas.auth.times import LEEWAY_SECONDS, PROOF_MEMORY_SECONDS
from kas.config import Settings
from kas.errors import ConfigError, KasError
from kas.google.cloud import Cloud
from kas.keys.dek_cache import DekCache, SharedKeys, new_dek_cache
from kas.ratelimit import Limit, SlidingWindow, Window
from kas.state.own_replay import MemoryReplayStore

if TYPE_CHECKING:
    from kas.net.connection import Tls
    from kas.state.guard import StoreGuard
    from kas.state.nonces import SharedNonces
    from kas.state.resp import RespClient
    from kas.state.shared import SharedStore
    from kas.state.shared_replay import SharedReplayStore

Clock = Callable[[], float]

# Instances' clocks differ: a proof that one of them takes must not be forgotten for another.
SHARED_MEMORY_SECONDS: Final = PROOF_MEMORY_SECONDS + 2 * LEEWAY_SECONDS


class Stores:
    """Each is made when it is first asked for. ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start."""

    def __init__(
        self, settings: Settings, clock: Clock, timer: Clock, cloud: Cloud, warn: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._cloud = cloud
        self._warn = warn

    @property
    def is_shared(self) -> bool:
        return self._settings.state_backend != "memory"

    @cached_property
    def replay(self) -> MemoryReplayStore | SharedReplayStore:
        """The memory of used proofs."""
        if not self.is_shared:
            capacity = self._settings.replay_store_claims
            return MemoryReplayStore(capacity=capacity, ttl_seconds=PROOF_MEMORY_SECONDS, clock=self._clock)
        from kas.state.shared_replay import SharedReplayStore

        return SharedReplayStore(self.shared, self.guard, self._shared_nonces)

    def stranger_window(self, limit: Limit, capacity: int, refusal: Callable[[float], KasError]) -> Window:
        """Of strangers: in Firestore, where each count is paid for, they are counted by each instance."""
        return self._window(limit, capacity, refusal, is_shared=self._settings.state_backend == "redis")

    def caller_window(self, limit: Limit, capacity: int, refusal: Callable[[float], KasError]) -> Window:
        """Of callers whose token is genuine."""
        return self._window(limit, capacity, refusal, is_shared=self.is_shared)

    def _window(self, limit: Limit, capacity: int, refusal: Callable[[float], KasError], *, is_shared: bool) -> Window:
        own = SlidingWindow(limit, self._timer, capacity=capacity, refusal=refusal)
        if not is_shared:
            return own
        from kas.state.windows import SharedWindow

        return SharedWindow(self.shared, self.guard, own)

    @cached_property
    def nonces(self) -> Nonces:
        """For DPoP proofs. Where used proofs are remembered by this process alone, it draws a value after the fork."""
        return self._shared_nonces if self.is_shared else NonceSource(self._clock, self._settings.nonce_secrets)

    @cached_property
    def _shared_nonces(self) -> SharedNonces:
        from kas.state.nonces import SharedNonces

        secrets = self._settings.nonce_secrets
        return SharedNonces(self.shared, self.guard, lambda era: NonceSource(self._clock, secrets, lambda: era))

    @cached_property
    def own_kept_keys(self) -> DekCache | None:
        """Unwrapped keys in this process, None where none are kept here."""
        seconds, entries = self._settings.dek_cache_seconds, self._settings.dek_cache_entries
        if self.is_shared or not seconds:
            return None
        return new_dek_cache(capacity=entries, ttl_seconds=seconds, clock=self._timer)

    @cached_property
    def shared_kept_keys(self) -> SharedKeys | None:
        """Unwrapped keys elsewhere, None where none are kept there."""
        seconds = self._settings.dek_cache_seconds
        if not self.is_shared or not seconds:
            return None
        from kas.state.kept_keys import KeptKeys

        keys = self._settings.state_keys
        return KeptKeys(self.shared, self.guard, state_keys=keys, ttl_seconds=seconds, clock=self._clock)

    @property
    def troubles(self) -> Callable[[], Mapping[tuple[str, str], int]] | None:
        """What counts how often a shared store failed, None where there is none."""
        return self.guard.counts if self.is_shared else None

    @cached_property
    def guard(self) -> StoreGuard:
        """Of the shared store."""
        from kas.state.guard import StoreGuard

        return StoreGuard(self._settings.state_backend, self._timer, self._warn)

    @cached_property
    def shared(self) -> SharedStore:
        """The store that instances share. Raises ConfigError where it cannot serve as one."""
        return self._redis() if self._settings.state_backend == "redis" else self._firestore()

    def _redis(self) -> SharedStore:
        from kas.state.redis import RedisStore, check_eviction

        settings, client = self._settings, self._redis_client()
        unknown = check_eviction(client)
        client.close()  # before the fork
        if unknown is not None:
            line = {"severity": "WARNING", "event": "state_unchecked", "backend": "redis", "status": unknown}
            self._warn(line)
        capacity = settings.replay_store_claims
        return RedisStore(client, name=settings.kas_id, capacity=capacity, ttl_seconds=SHARED_MEMORY_SECONDS)

    def _redis_client(self) -> RespClient:
        from kas.net.connection import Origin
        from kas.state.resp import RespClient

        server = self._settings.redis
        if server is None:
            raise ValueError("refused by the settings")
        return RespClient(
            Origin(server.is_tls, server.host, server.port, server.host),
            self._timer,
            tls=self._redis_tls(),
            sign_in=server.sign_in,
            database=server.database,
            timeout_seconds=self._settings.state_timeout_milliseconds / 1000,
        )

    def _redis_tls(self) -> Tls:
        from kas.tls import context_of, context_of_text

        path, text = self._settings.redis_ca_path, self._settings.redis_ca
        if path is None and not text:
            return self._cloud.tls
        try:
            context = context_of_text(text) if path is None else context_of(path)
        except (OSError, ValueError) as error:  # of which ssl.SSLError is one
            name, takes = ("KAS_REDIS_CA", "PEM") if path is None else ("KAS_REDIS_CA_PATH", "a PEM file")
            raise ConfigError(f"{name}: must be {takes} of authorities that can be read") from error
        return lambda: context

    def _firestore(self) -> SharedStore:
        from kas.google.rest import RestClient
        from kas.state.firestore import FirestoreStore
        from kas.state.firestore_documents import Documents

        settings = self._settings
        seconds = settings.state_timeout_milliseconds / 1000
        client = RestClient(settings.firestore_endpoint, self._cloud.tokens, self._timer, tls=self._cloud.tls)
        database = f"projects/{settings.gcp_project}/databases/{settings.firestore_database}"
        return FirestoreStore(
            Documents(client, database, timeout_seconds=seconds),
            name=settings.kas_id,
            ttl_seconds=SHARED_MEMORY_SECONDS,
            clock=self._clock,
            timer=self._timer,
            timeout_seconds=seconds,
            sleep=threading.Event().wait,
            random=random.random,
        )
