"""An identity provider whose tokens the deployed service takes: the development one, under a name of its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.ending import undisturbed
from local.ports import free_port
from local.processes import environment_without_settings, issuer_entry, start_provider, stop, wait_until_answers
from local.rehearsal.passing import pass_on
from local.rehearsal.wire import Reply, Request

HOST: Final = "idp.example"
_COUNTRIES: Final = ("USA", "FRA", "GBR")


@dataclass(frozen=True, slots=True)
class Issuer:
    """``address`` is the process that answers under the name `HOST`."""

    address: str

    def document(self) -> str:
        """`config/issuers.json` with this issuer alone."""
        base = f"https://{HOST}"
        entry = issuer_entry(0, _COUNTRIES) | {"issuer": base, "jwksUrl": f"{base}/jwks.json"}
        entry |= {"tokenEndpoint": f"{base}/token", "authorizationEndpoint": f"{base}/authorize"}
        return json.dumps({"issuers": [entry]}, indent=2)

    def answer(self, request: Request) -> Reply:
        return pass_on(self.address, request, {})


@contextlib.contextmanager
def issuer(folder: Path) -> Iterator[Issuer]:
    """Runs until the end; everything that it writes is in ``folder``."""
    environment = {**environment_without_settings(), "IDP_ISSUER": f"https://{HOST}"}
    with (folder / "provider.log").open("wb") as log, contextlib.ExitStack() as running:
        with undisturbed():
            provider = start_provider(free_port(), folder / "provider", environment, log)
            running.callback(stop, provider)
        wait_until_answers(provider)
        yield Issuer(provider.base.removeprefix("http://"))
