"""The OpenTDF clients as published, each run as a process: what `setup.sh` installed, with nothing patched.

All three take a file and give a file; what they say of a failure is theirs. `docs/clients.md` has the versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from local.otdf.client import Operation, Outcome, otdf_python, run_client
from local.processes import ROOT
from local.provider.clients import SECRET

HOME: Final = ROOT / ".local" / "interop"
HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where the client goes and as whom; ``trust`` is a file of certificate authorities for https."""

    platform: str
    issuer: str
    client_id: str = "usa-secret"
    trust: Path | None = None

    @property
    def kas(self) -> str:
        return f"{self.platform}/kas"

    def as_(self, client_id: str) -> Place:
        return replace(self, client_id=client_id)


@dataclass(frozen=True, slots=True)
class Call:
    """One run; ``options`` are the client's own."""

    operation: Operation
    source: Path
    target: Path
    place: Place
    attributes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def _otdf_python(call: Call) -> list[str]:
    return otdf_python(
        call.operation,
        call.source,
        call.target,
        platform=call.place.platform,
        client_id=call.place.client_id,
        attributes=call.attributes,
        options=call.options,
    )


def _npm(call: Call) -> list[str]:
    return ["node", str(HERE / "npm" / "client.cjs"), *_flags(call), "--issuer", call.place.issuer]


def _go(call: Call) -> list[str]:
    return [str(HOME / "go-sdk"), *_flags(call), "--platform", call.place.platform]


def _flags(call: Call) -> list[str]:
    return [
        *(call.operation, "--in", str(call.source), "--out", str(call.target), "--kas", call.place.kas),
        *("--client-id", call.place.client_id, "--client-secret", SECRET),
        *(word for attribute in call.attributes for word in ("--attr", attribute)),
        *call.options,
    ]


COMMANDS: Final[Mapping[str, Callable[[Call], list[str]]]] = {"otdf-python": _otdf_python, "npm": _npm, "go": _go}
CLIENTS: Final = tuple(COMMANDS)
_HUNG_UP: Final = "socket hang up"


def run(client: str, call: Call) -> Outcome:
    """Runs the client of that name; what was at the target before is gone."""
    outcome = run_client(COMMANDS[client](call), call.target, _environment(call.place))
    if _HUNG_UP in outcome.error:  # Node reuses a connection that the host is just closing, and does not ask again
        outcome = run_client(COMMANDS[client](call), call.target, _environment(call.place))
    return outcome


def encrypt(
    client: str, source: Path, target: Path, place: Place, *attributes: str, options: tuple[str, ...] = ()
) -> Path:
    """The TDF of ``source`` as a file at ``target``, which is returned."""
    outcome = run(client, Call("encrypt", source, target, place, attributes, options))
    assert outcome.status == 0, outcome.error
    return target


def decrypt(client: str, tdf: Path, place: Place, *, options: tuple[str, ...] = ()) -> Outcome:
    """What the client makes of the TDF."""
    return run(client, Call("decrypt", tdf, tdf.with_name(f"{tdf.name}.{client}.plain"), place, options=options))


def require_installed() -> None:
    """Fails the test where the clients are not installed."""
    if not (HOME / "go.made-from").exists():  # the last that setup.sh makes
        pytest.fail(
            "the OpenTDF clients are not installed: run tests/interop/setup.sh (make test-clients does)", pytrace=False
        )


def _environment(place: Place) -> dict[str, str]:
    trust = {} if place.trust is None else {"SSL_CERT_FILE": str(place.trust), "NODE_EXTRA_CA_CERTS": str(place.trust)}
    return {"NODE_PATH": str(HOME / "npm" / "node_modules"), **trust}
