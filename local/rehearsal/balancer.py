"""The load balancer, once all of its parts name each other: it answers for the domains of its certificate, with no TLS
older than its policy allows, and leads to the service behind it.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Final

from local.processes import StartFailed
from local.rehearsal.compute import KIND, find, path_of
from local.rehearsal.functions_front import CALLER, Functions, page
from local.rehearsal.passing import pass_on
from local.rehearsal.resources import Json
from local.rehearsal.run_services import SERVICES, service_name
from local.rehearsal.wire import Reply, Request
from local.rehearsal.world import World

_FLOORS: Final = {
    "TLS_1_0": ssl.TLSVersion.TLSv1_2,  # nothing older is spoken here
    "TLS_1_1": ssl.TLSVersion.TLSv1_2,
    "TLS_1_2": ssl.TLSVersion.TLSv1_2,
    "TLS_1_3": ssl.TLSVersion.TLSv1_3,
}


class Balancer:
    def __init__(self, world: World, functions: Functions) -> None:
        self._world = world
        self._functions = functions

    def proxy_of(self, host: str) -> Json | None:
        """The target proxy whose certificate is for ``host``, where a forwarding rule leads to it."""
        for rule in self._world.resources.all(KIND).values():
            target = self._part(rule.get("target", ""))
            certificates = [self._part(link) for link in target.get("sslCertificates", [])]
            if any(host in one.get("managed", {}).get("domains", []) for one in certificates):
                return target
        return None

    def floor_of(self, host: str) -> ssl.TLSVersion:
        """The oldest TLS that is spoken under a name."""
        target = self.proxy_of(host) or {}
        return _FLOORS[self._part(target.get("sslPolicy", "")).get("minTlsVersion", "TLS_1_0")]

    def answer(self, request: Request) -> Reply:
        with self._world.lock:
            launch = self._functions.launch(self._service(request.host), "")
        if launch is None:
            return page(404, "Page not found")
        try:
            return pass_on(self._world.fleet.address(launch), request, self._headers(request))
        except (StartFailed, OSError, http.client.HTTPException):
            return page(503, "Service Unavailable")

    def _service(self, host: str) -> Json:
        """From the proxy by way of the map, the backend and the group of endpoints. Raises GoogleError where one is missing."""
        urls = find(self._world, path_of((self.proxy_of(host) or {})["urlMap"]))
        backend = find(self._world, path_of(urls["defaultService"]))
        group = find(self._world, path_of(backend["backends"][0]["group"]))
        region = path_of(group["selfLink"]).split("/")[3]
        return self._world.resources.find(SERVICES, service_name(self._world, region, group["cloudRun"]["service"]))

    def _headers(self, request: Request) -> dict[str, str]:
        """The caller's address is the second from the right: the last is the balancer's own."""
        before = request.headers.get("x-forwarded-for")
        own = f"{CALLER},{self._address()}"
        return {"X-Forwarded-For": f"{before},{own}" if before else own, "X-Forwarded-Proto": "https"}

    def _address(self) -> str:
        rules = (one for one in self._world.resources.all(KIND).values() if "IPAddress" in one)
        return str(next(rules)["IPAddress"])

    def _part(self, link: str) -> Json:
        name = path_of(link)
        return find(self._world, name) if self._world.resources.has(KIND, name) else {}
