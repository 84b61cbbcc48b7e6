"""What answers at `run.app` and `cloudfunctions.net`: the front end that lets a request in, or not, and passes it on to a process of ours."""

from __future__ import annotations

import dataclasses
import http.client
import random
from typing import Final

from local.processes import StartFailed
from local.rehearsal.launch import Launch
from local.rehearsal.passing import pass_on
from local.rehearsal.resources import Json
from local.rehearsal.run_revisions import launch_of
from local.rehearsal.run_services import SERVICES, service_name
from local.rehearsal.run_view import INGRESS, INVOKER_OFF, is_on, settled, urls_of
from local.rehearsal.wire import Reply, Request
from local.rehearsal.world import World

CALLER: Final = "203.0.113.7"
_TAGGED: Final = "---"
_ANYONE: Final = "allUsers"


class Functions:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Reply:
        """404 for an address that there is not or that is closed, 403 without the right to invoke, 503 if nothing runs."""
        tag, _, host = request.host.rpartition(_TAGGED)
        with self._world.lock:
            service = self._find(host)
            if service is None:
                return page(404, "Page not found")
            if not self._is_open(service):
                return page(403, "Your client does not have permission to get URL from this server.")
            launch = self.launch(service, tag)
            if launch is None:
                return page(404, "Page not found")
        try:
            return pass_on(self._world.fleet.address(launch), request, _headers(request))
        except (StartFailed, OSError, http.client.HTTPException):
            return page(503, "Service Unavailable")

    def answer_function(self, request: Request) -> Reply:
        """Under the older address, of a project's functions together: the name of one comes first in the path."""
        region, name, rest = self._parts(request)
        with self._world.lock:
            full = service_name(self._world, region, name)
            if not self._world.resources.has(SERVICES, full):
                return page(404, "Page not found")
            host = urls_of(self._world, self._world.resources.find(SERVICES, full))[0].removeprefix("https://")
        return self.answer(dataclasses.replace(request, host=host, path=f"/{rest}"))

    def _parts(self, request: Request) -> tuple[str, str, str]:
        region = request.host.partition(f"-{self._world.project.id}.")[0]
        name, _, rest = request.path.lstrip("/").partition("/")
        return region, name, rest

    def _find(self, host: str) -> Json | None:
        for service in self._world.resources.all(SERVICES).values():
            is_public = service["metadata"]["annotations"][INGRESS] == "all"
            if is_public and f"https://{host}" in urls_of(self._world, service):
                return service
        return None

    def _is_open(self, service: Json) -> bool:
        metadata = service["metadata"]
        region = metadata["labels"]["cloud.googleapis.com/location"]
        name = f"{self._world.project.name}/locations/{region}/services/{metadata['name']}"
        is_off = is_on(metadata, INVOKER_OFF)
        return is_off or self._world.access.has_role(name, _ANYONE, "roles/run.invoker")

    def launch(self, service: Json, tag: str) -> Launch | None:
        """How the revision is started that this request goes to."""
        revision = self._route(service, tag)
        return None if revision is None else launch_of(self._world, revision)

    def _route(self, service: Json, tag: str) -> str | None:
        """The revision of a tag, or one by the shares of the traffic."""
        settled(self._world, service)
        targets = service["spec"]["traffic"]
        chosen = [one for one in targets if one.get("tag") == tag] if tag else targets
        weights = [1 if tag else int(one.get("percent", 0)) for one in chosen]
        if not chosen or not any(weights):
            return None
        (target,) = random.choices(chosen, weights)  # noqa: S311 - a share of the traffic is no secret
        return str(target.get("revisionName") or service.get("ready", service["latest"]))


def _headers(request: Request) -> dict[str, str]:
    """What Google's front end says of the caller; the last of the forwarded addresses is its own word."""
    before = request.headers.get("x-forwarded-for")
    return {
        "X-Forwarded-For": f"{before},{CALLER}" if before else CALLER,
        "X-Forwarded-Proto": "https",
        "Forwarded": f'for="{CALLER}";proto=https',
    }


def page(status: int, text: str) -> Reply:
    page = f"<html><head><title>{status}</title></head><body>{text}</body></html>"
    return Reply(status, page.encode("ascii"), {"Content-Type": "text/html; charset=UTF-8"})
