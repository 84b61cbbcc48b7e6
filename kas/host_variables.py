"""The host's own variables, for what they could break.

``DEBUG`` (an interactive debugger), ``FUNCTION_USE_ASGI`` (another server), ``THREADED_TIMEOUT_ENABLED`` (another
worker), ``WORKERS`` (memory is not shared, where no store is), ``HOST`` (local mode stays on one machine), ``K_SERVICE`` (set by Cloud Run:
nothing that is for one machine runs there), ``GCE_METADATA_HOST`` (who says who this service is), and those by which
libraries write down what passes through them (keys of TLS, tokens, data keys).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kas.errors import ConfigError
from kas.uri import is_loopback

_METADATA_HOSTS: Final = frozenset({"metadata.google.internal", "169.254.169.254"})
_AUTHORITY: Final = re.compile(r"([a-z0-9.-]{1,253})(:[0-9]{1,5})?")
_WORKERS: Final = re.compile(r"[1-9]|[1-5][0-9]|6[0-4]")
_REFUSED: Final = ("DEBUG", "FUNCTION_USE_ASGI", "THREADED_TIMEOUT_ENABLED")
_TELLTALES: Final = ("SSLKEYLOGFILE", "GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "GRPC_TRACE", "GRPC_VERBOSITY")
_QUIET: Final = frozenset({"", "none", "error"})
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def is_on_cloud_run(environ: Mapping[str, str]) -> bool:
    """Whether the platform says so, in whatever words."""
    return "K_SERVICE" in environ


def refuse_other_servers(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for variables that make the host start another server than the one that is tested."""
    for name in _REFUSED:
        if environ.get(name, "").lower() not in _OFF:
            raise ConfigError(f"{name}: must not be set: it starts another server than the one that is tested")


def refuse_host_variables(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for what this service cannot safely run with, whatever its own settings."""
    refuse_other_servers(environ)
    for name in _TELLTALES:
        if environ.get(name, "").lower() not in _QUIET:
            raise ConfigError(f"{name}: must not be set: secrets would be written where nobody looks after them")
    if is_on_cloud_run(environ) and environ.get("KAS_MODE") == "local":
        raise ConfigError("KAS_MODE: local mode is refused on Cloud Run (K_SERVICE is set)")
    if is_on_cloud_run(environ):
        _refuse_foreign_metadata(environ.get("GCE_METADATA_HOST", ""))
    workers, is_shared = environ.get("WORKERS", "1"), environ.get("KAS_STATE_BACKEND", "memory") != "memory"
    if is_shared and not _WORKERS.fullmatch(workers):
        raise ConfigError("WORKERS: must be 1–64")
    if not is_shared and workers != "1":
        raise ConfigError(
            "WORKERS: must be 1: used proofs are remembered in the memory of one process (KAS_STATE_BACKEND is memory)"
        )


def _refuse_foreign_metadata(authority: str) -> None:
    """It is asked without TLS, so on Cloud Run it is the platform's, or in the same container."""
    named = _AUTHORITY.fullmatch(authority)
    host = named[1] if named else ""
    if authority and host not in _METADATA_HOSTS and not is_loopback(host):
        raise ConfigError("GCE_METADATA_HOST: must be absent on Cloud Run, or the platform's own metadata server")


def refuse_open_local_mode(environ: Mapping[str, str]) -> None:
    """Raises ConfigError where the host would listen beyond this machine."""
    if not is_loopback(environ.get("HOST", "0.0.0.0")):  # noqa: S104 - the host's own default, refused here
        raise ConfigError("HOST: must be a loopback address in local mode")
