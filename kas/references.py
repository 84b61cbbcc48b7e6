"""Values that stand elsewhere: a version of a secret in Secret Manager (``sm://…``), or a mounted file (``file:/…``).

They are read once, at the start, before the worker is forked; whatever cannot be had stops the start. No error holds a
word of a value. Whoever calls Secret Manager is handed in (`kas.google.secrets`), and is not asked where nothing refers
to it.

A mounted file is one that nobody else can change. That others cannot read it is demanded where there are others: not on
a file system that is mounted read-only, and not on Cloud Run, which mounts secrets readable for all of a container that
is ours alone. There it must not lie in the tree of the code either: what is deployed with the code is in its image.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kas.dataclass import dataclass
from kas.errors import ConfigError

# What Secret Manager holds at most in one version.
MAX_BYTES: Final = 64 * 1024
LATEST: Final = "latest"
# Project (id or number), secret and version.
SECRET_VERSION: Final = re.compile(
    r"projects/([a-z][a-z0-9-]{4,28}[a-z0-9]|[1-9][0-9]{0,18})/secrets/([A-Za-z0-9_-]{1,255})"
    r"/versions/([1-9][0-9]{0,8}|latest)"
)
_MANAGER: Final = "sm://"
_FILE: Final = "file:"
_FORMS: Final = "sm://projects/P/secrets/S/versions/N or file:/absolute/path"
_CODE: Final = Path(__file__).resolve().parent.parent
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022

# Where Secret Manager answers, and place -> full name of a version; gives place -> payload. Raises ConfigError.
ReadSecrets = Callable[[str, Mapping[str, str]], Mapping[str, bytes]]


def is_reference(text: str) -> bool:
    """Whether ``text`` is meant as a reference, well written or not."""
    return text.startswith((_MANAGER, _FILE))


def no_secrets(_endpoint: str, versions: Mapping[str, str]) -> Mapping[str, bytes]:
    """A `ReadSecrets` for where there is no Secret Manager. Raises ConfigError."""
    raise ConfigError(f"{next(iter(versions))}: there is nobody here to read secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """How references are resolved: ``takes_latest`` in local mode only, since what runs must be what was chosen."""

    read_secrets: ReadSecrets
    endpoint: str
    takes_latest: bool
    on_cloud_run: bool

    def texts(self, references: Mapping[str, str]) -> dict[str, str]:
        """As `values`, for texts: one line break at the end, which editors and shells add, is no part of them."""
        return {place: _text(place, data) for place, data in self.values(references).items()}

    def values(self, references: Mapping[str, str]) -> dict[str, bytes]:
        """What each reference stands for, by its place, 1 byte to 64 KiB. All forms are checked before any is read.

        Raises ConfigError, which names the place.
        """
        versions = {place: self._version(place, text) for place, text in references.items() if not _is_file(text)}
        files = {place: _file_path(place, text) for place, text in references.items() if _is_file(text)}
        found = {place: _read_file(place, path, on_cloud_run=self.on_cloud_run) for place, path in files.items()}
        found |= self.read_secrets(self.endpoint, versions) if versions else {}
        for place in references:
            if not found[place]:
                raise ConfigError(f"{place}: what it refers to is empty")
        return found

    def _version(self, place: str, text: str) -> str:
        named = SECRET_VERSION.fullmatch(text.removeprefix(_MANAGER))
        if not text.startswith(_MANAGER) or named is None:
            raise ConfigError(f"{place}: must be {_FORMS}")
        if named[3] == LATEST and not self.takes_latest:
            raise ConfigError(f"{place}: must name the version of the secret: latest is for local mode")
        return named[0]


def _text(place: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: what it refers to is no text") from None  # the cause would hold the value
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _is_file(text: str) -> bool:
    return text.startswith(_FILE)


def _file_path(place: str, text: str) -> str:
    path = text.removeprefix(_FILE)
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise ConfigError(f"{place}: must be {_FORMS}")
    return path


def _read_file(place: str, path: str, *, on_cloud_run: bool) -> bytes:
    def fault_of(descriptor: int) -> str | None:
        is_mounted_read_only = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
        mode = os.fstat(descriptor).st_mode
        fault = file_fault(mode, is_mounted_read_only=is_mounted_read_only, on_cloud_run=on_cloud_run)
        if fault is None and on_cloud_run and Path(path).resolve().is_relative_to(_CODE):
            return "the file that it names is deployed with the code, not mounted"
        return fault

    try:
        data = read_judged(place, path, fault_of)
    except OSError as error:
        raise ConfigError(f"{place}: the file that it names cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{place}: the file that it names is too large")
    return data


def read_judged(place: str, path: str | Path, fault_of: Callable[[int], str | None]) -> bytes:
    """A file up to a byte more than `MAX_BYTES`. It is judged and read by one descriptor, so that it cannot be another one
    by then; a pipe is not waited for.

    Raises ConfigError with the fault, and OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        fault = fault_of(descriptor)
        if fault is not None:
            raise ConfigError(f"{place}: {fault}")
        return file.read(MAX_BYTES + 1)


def file_fault(mode: int, *, is_mounted_read_only: bool, on_cloud_run: bool) -> str | None:
    """What is wrong with a file of such a mode as a place for a secret."""
    if not stat.S_ISREG(mode):
        return "what it names is no file"
    if mode & _OTHERS_WRITE and not is_mounted_read_only:
        return "others can write the file that it names (chmod go-w)"
    if mode & _OTHERS and not (is_mounted_read_only or on_cloud_run):
        return "the file that it names is readable by others (chmod 600, or mount it read-only)"
    return None
