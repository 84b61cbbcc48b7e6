"""Secrets and their versions. `latest` is the version made last, whatever its state, as Google has it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from google.cloud.secretmanager_v1 import Secret

from local.google.kinds import SecretState
from local.google.names import last_of, number_of, parent_of
from local.google.status import GoogleError, precondition


@dataclass(slots=True)
class HeldVersion:
    """``name`` has the project's id. The data of a destroyed version is gone."""

    name: str
    data: bytes = field(repr=False)
    created: float
    has_checksum: bool
    state: SecretState = SecretState.ENABLED
    destroyed: float | None = None


@dataclass(slots=True)
class HeldSecret:
    """``config`` is what the secret was created with, or changed to; each time it has another ``etag``, in quotes."""

    name: str
    config: Secret
    created: float
    etag: str
    versions: dict[int, HeldVersion] = field(default_factory=dict)


class SecretStore:
    """``clock`` gives seconds since 1970; ``shown`` writes a name as Google answers it."""

    def __init__(self, clock: Callable[[], float], shown: Callable[[str], str]) -> None:
        self.secrets: dict[str, HeldSecret] = {}
        self.clock = clock
        self.shown = shown

    def add(self, name: str, config: Secret) -> HeldSecret:
        """Raises GoogleError (ALREADY_EXISTS)."""
        if name in self.secrets:
            raise GoogleError("ALREADY_EXISTS", f"Secret [{self.shown(name)}] already exists.")
        self.secrets[name] = HeldSecret(name, config, self.clock(), _new_etag())
        return self.secrets[name]

    def find(self, name: str) -> HeldSecret:
        """Raises GoogleError (NOT_FOUND)."""
        try:
            return self.secrets[name]
        except KeyError as error:
            raise GoogleError("NOT_FOUND", f"Secret [{self.shown(name)}] not found.") from error

    def change(self, secret: HeldSecret, config: Secret) -> None:
        secret.config, secret.etag = config, _new_etag()

    def delete(self, name: str) -> None:
        """With all versions. Raises GoogleError (NOT_FOUND)."""
        self.find(name)
        del self.secrets[name]

    def add_version(self, secret: HeldSecret, data: bytes, *, has_checksum: bool) -> HeldVersion:
        number = max(secret.versions, default=0) + 1
        version = HeldVersion(f"{secret.name}/versions/{number}", data, self.clock(), has_checksum)
        secret.versions[number] = version
        return version

    def find_version(self, name: str) -> HeldVersion:
        """By number, or the latest. Raises GoogleError (NOT_FOUND)."""
        versions = self._versions_of(parent_of(name))
        number = max(versions, default=0) if last_of(name) == "latest" else number_of(name)
        if number not in versions:
            raise GoogleError("NOT_FOUND", f"Secret Version [{self.shown(name)}] not found.")
        return versions[number]

    def _versions_of(self, secret_name: str) -> dict[int, HeldVersion]:
        held = self.secrets.get(secret_name)
        if held is None or not held.versions:
            text = f"Secret [{self.shown(secret_name)}] not found or has no versions."
            raise GoogleError("NOT_FOUND", text)
        return held.versions

    def access(self, version: HeldVersion) -> bytes:
        """Raises GoogleError (FAILED_PRECONDITION) unless the version is enabled."""
        if version.state != SecretState.ENABLED:
            raise precondition(f"Secret Version [{self.shown(version.name)}] is in {version.state.name} state.")
        return version.data

    def choose(self, version: HeldVersion, state: SecretState) -> None:
        """Any state; nothing comes back from DESTROYED. Raises GoogleError (FAILED_PRECONDITION)."""
        if version.state == SecretState.DESTROYED:
            raise precondition(f"Secret Version [{self.shown(version.name)}] is in DESTROYED state.")
        version.state = state
        if state == SecretState.DESTROYED:
            version.data, version.destroyed = b"", self.clock()


def _new_etag() -> str:
    return f'"{secrets.token_hex(8)}"'
