"""A rehearsal's surroundings: the stand-in behind the proxy, somebody who has logged in, and the environment in which
gcloud and everything else finds Google here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.ports import HOST
from local.rehearsal.answer import Administration
from local.rehearsal.authority import Authority
from local.rehearsal.balancer import Balancer
from local.rehearsal.definitions import load_definitions
from local.rehearsal.documents import Documents
from local.rehearsal.functions_front import Functions
from local.rehearsal.issuer import HOST as ISSUER_HOST
from local.rehearsal.issuer import Issuer, issuer
from local.rehearsal.keys import Keys
from local.rehearsal.launch import names_lead_here
from local.rehearsal.proxy import Front, Proxy, proxy
from local.rehearsal.table import HANDLES
from local.rehearsal.tokens import REFRESH_TOKEN, Tokens
from local.rehearsal.uploads import Uploads
from local.rehearsal.world import LEAD, PROJECT_ID, World, new_world

# Somebody of the development world (README.md).
CLIENT: Final = "usa-secret"
SECRET: Final = "dev"
GCLOUD: Final = shutil.which("gcloud")


class NoGcloud(Exception):
    """The rehearsal is one of gcloud, which is not installed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """``environment`` is whole: what runs in it meets nothing but the stand-in. ``issuer`` is one that the service takes."""

    world: World
    proxy: Proxy
    issuer: Issuer
    environment: Mapping[str, str]

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """What a command prints and how it ends; ``more`` are variables."""
        env = {**self.environment, **more}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, check=False)


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Everything that it writes is in ``folder``. Raises NoGcloud."""
    if GCLOUD is None:
        raise NoGcloud("gcloud is not installed")
    folder.chmod(0o700)
    authority = Authority(folder / "authority.pem")
    world = new_world(folder, load_definitions(Path(GCLOUD)), authority)
    try:
        with issuer(folder) as own_issuer:
            fronts = _Fronts(world, own_issuer)
            authority.floor_of = fronts.balancer.floor_of
            with proxy(fronts.find, authority) as running:
                world.fleet.direct_port = running.direct_port
                one = Stage(world, running, own_issuer, _environment(folder, running))
                _log_in(one)
                yield one
    finally:
        world.fleet.stop()
        world.programs.stop()


class _Fronts:
    """Who answers under which name."""

    def __init__(self, world: World, own_issuer: Issuer) -> None:
        administration, functions, keys = Administration(world, HANDLES), Functions(world), Keys(world)
        self.balancer = Balancer(world, functions)
        self._names: dict[str, Front] = {
            "cloudkms.googleapis.com": keys.answer,
            "firestore.googleapis.com": Documents(world, administration).answer,
            "secretmanager.googleapis.com": keys.answer,
            ISSUER_HOST: own_issuer.answer,
            "oauth2.googleapis.com": Tokens(world).answer,
            "storage.googleapis.com": Uploads(world, administration).answer,
        }
        self._ends: dict[str, Front] = {
            ".googleapis.com": administration.answer,
            ".run.app": functions.answer,
            ".cloudfunctions.net": functions.answer_function,
        }

    def find(self, host: str) -> Front | None:
        if self.balancer.proxy_of(host) is not None:
            return self.balancer.answer
        own = (front for end, front in self._ends.items() if host.endswith(end))
        return self._names.get(host) or next(own, None)


def _environment(folder: Path, running: Proxy) -> dict[str, str]:
    trust, address = str(running.authority.trust), f"http://{HOST}:{running.port}"
    home = folder / "home"
    home.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder),
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": trust,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": HOST,
        "CLOUDSDK_PROXY_PORT": str(running.port),
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        "SSL_CERT_FILE": trust,
        "CURL_CA_BUNDLE": trust,
        "REQUESTS_CA_BUNDLE": trust,
        "SMOKE_TOKEN_URL": f"https://{ISSUER_HOST}/token",
        "SMOKE_CLIENT_ID": CLIENT,
        "SMOKE_CLIENT_SECRET": SECRET,
        **names_lead_here({443: running.direct_port}),
    }


def _log_in(one: Stage) -> None:
    """As `gcloud auth login` and `gcloud auth application-default login` leave it, without the browser."""
    done = one.run("gcloud", "auth", "activate-refresh-token", LEAD, REFRESH_TOKEN)
    if done.returncode:
        raise NoGcloud(f"gcloud does not log in: {done.stderr}")
    credentials = {
        "type": "authorized_user",
        "client_id": "rehearsal",
        "client_secret": "",
        "refresh_token": REFRESH_TOKEN,
    }
    path = Path(one.environment["CLOUDSDK_CONFIG"]) / "application_default_credentials.json"
    path.write_text(json.dumps({**credentials, "quota_project_id": PROJECT_ID}), "utf-8")
