"""Redis or Valkey as the shared store: claims and windows by scripts, encrypted keys as they are (decision 19).

It must not evict: a server that throws away what has a life, to make room, forgets used proofs early. `check_eviction` asks
it at the start. All keys begin with the name of this KAS, which is also what a cluster places them by.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from kas.errors import ConfigError
from kas.state.claims import Claim, share_of
from kas.state.redis_scripts import CHECK, CLAIM, ERA, KEEP, OUTCOMES, RELEASE, TAKE, Script
from kas.state.resp import Answer, Argument, ScriptUnknown
from kas.state.shared import Claimed, LimitWindow, StoreUnavailable, Taken

_MAXMEMORY_POLICY: Final = re.compile(rb"^maxmemory_policy:(\S+)\r?$", re.MULTILINE)
_MILLISECONDS: Final = 1000
_ERA_BYTES: Final = 32


class Client(Protocol):
    """`kas.state.resp.RespClient`."""

    def call(self, *arguments: Argument) -> Answer: ...


def _server_time() -> int:
    return -1


class RedisStore:
    """A `kas.state.shared.SharedStore`. ``capacity`` claims for ``ttl_seconds`` each.

    ``now`` gives milliseconds since 1970 in place of the server's time.
    """

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        capacity: int,
        ttl_seconds: float,
        now: Callable[[], int] = _server_time,
    ) -> None:
        self._client = client
        self._prefix = f"kas:{{{name}}}:".encode()
        self._capacity = capacity
        self._share = share_of(capacity)
        self._ttl = round(ttl_seconds * _MILLISECONDS)
        self._now = now

    def claim(self, claim: Claim, era: bytes = b"") -> Claimed:
        most_of_kaos = self._capacity - self._share if claim.is_of_kaos else -1
        limits = (self._ttl, self._capacity, self._share, most_of_kaos)
        arguments: list[Argument] = [self._now(), *limits, era, *claim.digests]
        match self._run(CLAIM, (self._key(b"era"), *self._keys(claim)), arguments):
            case [int(outcome), int(wait)] if 0 <= outcome < len(OUTCOMES):
                return Claimed(OUTCOMES[outcome], None if wait < 0 else wait / _MILLISECONDS)
        raise StoreUnavailable("an answer that is none")

    def era(self) -> bytes:
        era = self._run(ERA, (self._key(b"era"),), (self._now(), secrets.token_bytes(_ERA_BYTES)))
        if not isinstance(era, bytes) or len(era) != _ERA_BYTES:
            raise StoreUnavailable("an answer that is none")
        return era

    def release(self, claim: Claim) -> None:
        self._run(RELEASE, self._keys(claim), (self._now(), *claim.digests))

    def check(self) -> bool:
        number = self._run(CHECK, (self._key(b"claims"), self._key(b"check")), (self._now(),))
        return isinstance(number, int) and number < self._capacity

    def take(self, window: LimitWindow, key: bytes) -> Taken:
        of_all = b"window:" + window.name.encode()
        milliseconds = round(window.seconds * _MILLISECONDS)
        arguments = (self._now(), milliseconds, window.quota, window.capacity)
        match self._run(TAKE, (self._key(of_all + b":" + key), self._key(of_all)), arguments):
            case [int(free), int(reset)]:
                return Taken(free, reset / _MILLISECONDS)
        raise StoreUnavailable("an answer that is none")

    def find(self, names: Sequence[bytes]) -> list[bytes | None]:
        found = self._client.call("MGET", *(self._key(b"key:" + name) for name in names)) if names else []
        if not isinstance(found, list) or len(found) != len(names):
            raise StoreUnavailable("an answer that is none")
        return found

    def keep(self, encrypted: Mapping[bytes, bytes], seconds: float) -> None:
        names = [self._key(b"key:" + name) for name in encrypted]
        self._run(KEEP, names, (self._now(), round(seconds * _MILLISECONDS), *encrypted.values()))

    def _keys(self, claim: Claim) -> tuple[bytes, ...]:
        """A holder's key is a digest: what it is made of is long, and is nobody's business there."""
        holders = (
            b"holder:" + hashlib.sha256(holder.encode("utf-8", "surrogatepass")).digest() for holder in claim.holders
        )
        kaos = (b"kaos",) if claim.is_of_kaos else ()
        return tuple(self._key(part) for part in (b"claims", *holders, *kaos))

    def _key(self, part: bytes) -> bytes:
        return self._prefix + part

    def _run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Any:
        try:
            return self._client.call("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except ScriptUnknown:
            return self._client.call("EVAL", script.text, len(keys), *keys, *arguments)


def check_eviction(client: Client) -> str | None:
    """What the operator should know where the server could not be asked, None where all is well.

    Raises ConfigError where it evicts.
    """
    with contextlib.suppress(StoreUnavailable):
        answer = client.call("INFO", "memory")
        found = _MAXMEMORY_POLICY.search(answer) if isinstance(answer, bytes) else None
        if found is None:
            return "does not say its maxmemory-policy"
        if found[1] != b"noeviction":
            raise ConfigError(
                "KAS_REDIS_URL: the server must have maxmemory-policy noeviction: it would forget used proofs"
            )
        return None
    return "was not asked for its maxmemory-policy: it does not answer, or INFO is not allowed"
