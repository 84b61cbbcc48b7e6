"""The host's own variables, for what they could break.

``DEBUG`` (an interactive debugger), ``FUNCTION_USE_ASGI`` (another server), ``THREADED_TIMEOUT_ENABLED`` (another worker), ``WORKERS`` (memory is not shared), ``HOST``
(local mode stays on one machine), ``K_SERVICE`` (no local mode and no keys in files on Cloud Run).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.errors import ConfigError
from kas.uri import is_loopback

_REFUSED: Final = ("DEBUG", "FUNCTION_USE_ASGI", "THREADED_TIMEOUT_ENABLED")
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def refuse_other_servers(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for variables that make the host start another server than the one that is tested."""
    for name in _REFUSED:
        if environ.get(name, "").lower() not in _OFF:
            raise ConfigError(f"{name}: must not be set: it starts another server than the one that is tested")


def refuse_host_variables(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for what this service cannot safely run with, whatever its own settings."""
    refuse_other_servers(environ)
    if "K_SERVICE" in environ and environ.get("KAS_MODE") == "local":
        raise ConfigError("KAS_MODE: local mode is refused on Cloud Run (K_SERVICE is set)")
    if "K_SERVICE" in environ:
        raise ConfigError("K_SERVICE: private keys in files, the only kind there is yet, are refused on Cloud Run")
    if environ.get("WORKERS", "1") != "1":
        raise ConfigError("WORKERS: must be 1: used proofs are remembered in the memory of one process")


def refuse_open_local_mode(environ: Mapping[str, str]) -> None:
    """Raises ConfigError where the host would listen beyond this machine."""
    if not is_loopback(environ.get("HOST", "0.0.0.0")):  # noqa: S104 - the host's own default, refused here
        raise ConfigError("HOST: must be a loopback address in local mode")
