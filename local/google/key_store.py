"""Key rings, crypto keys and their versions: what there is, and in which state each version is now.

States follow the clock by themselves: PENDING_GENERATION ends when the key is made, and DESTROY_SCHEDULED when the time
comes, after which the material is gone. Keys cannot be deleted, and numbers of versions are never used again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from google.cloud.kms_v1 import CryptoKey

from local.google.kinds import Algorithm, KeyState, Level
from local.google.material import SYMMETRIC, Material
from local.google.names import number_of, parent_of
from local.google.status import GoogleError, not_found, precondition

DESTROY_SECONDS: Final = 30 * 24 * 3600.0


@dataclass(slots=True)
class Version:
    """``chosen`` is the state that was last asked for; `KeyStore.state_of` says the one that holds."""

    name: str
    algorithm: Algorithm
    level: Level
    created: float
    ready_at: float
    material: Material | None = field(repr=False)
    chosen: KeyState = KeyState.ENABLED
    destroy_at: float | None = None


@dataclass(slots=True)
class Key:
    """``config`` is what the key was created with, or changed to. ``primary`` is the number of a symmetric key's primary version."""

    name: str
    config: CryptoKey
    created: float
    versions: dict[int, Version] = field(default_factory=dict)
    primary: int | None = None
    destroy_seconds: float = DESTROY_SECONDS


class KeyStore:
    """``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float], hsm_generation_seconds: float = 0.0) -> None:
        self.rings: dict[str, float] = {}
        self.keys: dict[str, Key] = {}
        self.clock = clock
        self._hsm_generation_seconds = hsm_generation_seconds

    def add_ring(self, name: str) -> None:
        """Raises GoogleError (ALREADY_EXISTS)."""
        if name in self.rings:
            raise GoogleError("ALREADY_EXISTS", f"KeyRing {name} already exists.")
        self.rings[name] = self.clock()

    def check_ring(self, name: str) -> None:
        """Raises GoogleError (NOT_FOUND)."""
        if name not in self.rings:
            raise not_found("KeyRing", name)

    def add_key(self, name: str, config: CryptoKey) -> Key:
        """Raises GoogleError (NOT_FOUND without its ring, ALREADY_EXISTS)."""
        self.check_ring(parent_of(name))
        if name in self.keys:
            raise GoogleError("ALREADY_EXISTS", f"CryptoKey {name} already exists.")
        self.keys[name] = Key(name, config, self.clock())
        return self.keys[name]

    def find_key(self, name: str) -> Key:
        """Raises GoogleError (NOT_FOUND)."""
        try:
            return self.keys[name]
        except KeyError as error:
            raise not_found("CryptoKey", name) from error

    def add_version(self, key: Key, algorithm: Algorithm, level: Level, material: Material) -> Version:
        """An asymmetric key of an HSM takes its time to be made."""
        number, now = max(key.versions, default=0) + 1, self.clock()
        is_slow = level == Level.HSM and algorithm != SYMMETRIC
        ready_at = now + (self._hsm_generation_seconds if is_slow else 0.0)
        version = Version(f"{key.name}/cryptoKeyVersions/{number}", algorithm, level, now, ready_at, material)
        key.versions[number] = version
        return version

    def find_version(self, name: str) -> Version:
        """Raises GoogleError (NOT_FOUND)."""
        key = self.find_key(parent_of(name))
        try:
            return key.versions[number_of(name)]
        except KeyError as error:
            raise not_found("CryptoKeyVersion", name) from error

    def state_of(self, version: Version) -> KeyState:
        """The state that holds now; the material of a destroyed version is dropped here."""
        now = self.clock()
        if version.chosen == KeyState.DESTROYED or (version.destroy_at is not None and now >= version.destroy_at):
            version.chosen, version.material = KeyState.DESTROYED, None
        elif version.chosen == KeyState.ENABLED and now < version.ready_at:
            return KeyState.PENDING_GENERATION
        return version.chosen

    def use(self, version: Version) -> Material:
        """The material of an enabled version. Raises GoogleError (FAILED_PRECONDITION)."""
        state = self.state_of(version)
        if state != KeyState.ENABLED or version.material is None:
            raise precondition(f"{version.name} is not enabled, current state is: {state.name}.")
        return version.material

    def choose(self, version: Version, state: KeyState) -> None:
        """ENABLED or DISABLED, from each other. Raises GoogleError (FAILED_PRECONDITION)."""
        if self.state_of(version) not in {KeyState.ENABLED, KeyState.DISABLED}:
            raise _wrong_state(version, self.state_of(version), "ENABLED or DISABLED")
        version.chosen = state

    def destroy(self, key: Key, version: Version) -> None:
        """Schedules the end. Raises GoogleError (FAILED_PRECONDITION)."""
        if self.state_of(version) not in {KeyState.ENABLED, KeyState.DISABLED}:
            raise _wrong_state(version, self.state_of(version), "ENABLED or DISABLED")
        version.chosen, version.destroy_at = KeyState.DESTROY_SCHEDULED, self.clock() + key.destroy_seconds

    def restore(self, version: Version) -> None:
        """Back to DISABLED while there is time. Raises GoogleError (FAILED_PRECONDITION)."""
        if self.state_of(version) != KeyState.DESTROY_SCHEDULED:
            raise _wrong_state(version, self.state_of(version), "DESTROY_SCHEDULED")
        version.chosen, version.destroy_at = KeyState.DISABLED, None

    def force(self, version: Version, state: KeyState) -> None:
        """Any state at once, for a test."""
        version.chosen, version.destroy_at = state, None
        version.ready_at = float("inf") if state == KeyState.PENDING_GENERATION else self.clock()
        if state == KeyState.PENDING_GENERATION:
            version.chosen = KeyState.ENABLED
        if state == KeyState.DESTROY_SCHEDULED:
            version.destroy_at = self.clock() + DESTROY_SECONDS
        self.state_of(version)


def _wrong_state(version: Version, state: KeyState, wanted: str) -> GoogleError:
    return precondition(f"{version.name} has state {state.name}; it must be {wanted}.")
