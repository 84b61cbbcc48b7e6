"""Compute Engine, as far as a load balancer before Cloud Run needs it: its parts name each other, so they are made in one
order and removed in the other.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, timestamp
from local.rehearsal.standard import merged
from local.rehearsal.world import World

_LINK: Final = "https://www.googleapis.com/compute/v1/"
_NAME: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ANY_LINK: Final = re.compile(r"https://(?:www|compute)\.googleapis\.com/compute/v1/(projects/.+)")
KIND: Final = "compute"
_OPERATIONS: Final = "compute.operations"
_ADDRESS: Final = "203.0.113.80"

Complete = Callable[[World, Json], Json]


def path_of(link: str) -> str:
    """The name in a link."""
    found = _ANY_LINK.fullmatch(link)
    return found[1] if found else link


def _as_asked(world: World, value: Json) -> Json:
    return value


@dataclass(frozen=True, slots=True)
class Part:
    """``group`` is that of its methods; ``links`` are the fields, or fields of lists of it, that name other parts."""

    group: str
    links: tuple[str, ...] = ()
    complete: Complete = _as_asked
    has_fingerprint: bool = True

    def handles(self) -> dict[str, Handle]:
        does = {"insert": self.insert, "get": get, "list": list_parts, "delete": delete}
        does |= {"patch": self.change, "update": self.change}
        return {f"compute.{self.group}.{verb}": handle for verb, handle in does.items()}

    def insert(self, world: World, call: Call) -> Json:
        name, path = call.body.get("name", ""), call.request.path.removeprefix("/compute/v1/")
        if not _NAME.fullmatch(name):
            raise invalid(f"Invalid value for field 'resource.name': '{name}'.")
        full = f"{path}/{name}"
        if world.resources.has(KIND, full):
            raise GoogleError("ALREADY_EXISTS", f"The resource '{full}' already exists")
        made = {
            **self._checked(world, call.body),
            "id": str(world.resources.number() + 10**18),
            "selfLink": _LINK + full,
            "creationTimestamp": timestamp(world.cloud.clock()),
        }
        world.resources.add(KIND, full, made)
        return operation(world, "insert", full)

    def change(self, world: World, call: Call) -> Json:
        """A whole part, or some fields of one. Raises GoogleError; a fingerprint that is sent must be that of the part as it is."""
        full = _path(call)
        held = find(world, full)
        if call.body.get("fingerprint", held.get("fingerprint")) != held.get("fingerprint"):
            raise GoogleError("ABORTED", "Invalid fingerprint.")
        changed = {**held, **call.body}
        world.resources.replace(KIND, full, {**changed, **self._checked(world, changed)})
        return operation(world, "update", full)

    def _checked(self, world: World, value: Json) -> Json:
        for link in _links(value, self.links):
            find(world, path_of(link))
        checked = self.complete(world, copy.deepcopy(value))
        mark = base64.b64encode(world.resources.number().to_bytes(6, "big")).decode("ascii")
        return {**checked, "fingerprint": mark} if self.has_fingerprint else checked


def _links(value: Json, fields: tuple[str, ...]) -> list[str]:
    """``backends.group`` is one of each item of a list."""
    found: list[str] = []
    for field in fields:
        first, _, rest = field.partition(".")
        held: Any = value.get(first)
        several = held if isinstance(held, list) else [held] if held else []
        found.extend(one[rest] if rest else one for one in several)
    return found


def find(world: World, full: str) -> Json:
    if not world.resources.has(KIND, full):
        raise GoogleError("NOT_FOUND", f"The resource '{full}' was not found")
    return world.resources.find(KIND, full)


def _path(call: Call) -> str:
    return call.request.path.removeprefix("/compute/v1/")


def get(world: World, call: Call) -> Json:
    return find(world, _path(call))


def list_parts(world: World, call: Call) -> Json:
    return {"items": world.resources.under(KIND, _path(call))}


def delete(world: World, call: Call) -> Json:
    """Raises GoogleError while another part names this one."""
    full = _path(call)
    held = find(world, full)
    for name, other in world.resources.all(KIND).items():
        is_address = "address" in held and held["address"] == other.get("IPAddress")
        if name != full and (is_address or full in {path_of(text) for text in _texts(other)}):
            text = f"The {full.split('/')[-2]} resource '{full}' is already being used by '{name}'"
            raise GoogleError("FAILED_PRECONDITION", text)
    world.resources.remove(KIND, full)
    return operation(world, "delete", full)


def _texts(value: object) -> list[str]:
    return re.findall(r'"(https://[^"]+)"', json.dumps(value))


def operation(world: World, kind: str, target: str) -> Json:
    """One that runs until it has been asked after."""
    scope = target.rsplit("/", 2)[0]
    name = f"operation-{world.resources.number():013d}"
    shown = {
        "kind": "compute#operation",
        "id": str(world.resources.number()),
        "name": name,
        "operationType": kind,
        "targetLink": _LINK + target,
        "selfLink": f"{_LINK}{scope}/operations/{name}",
        "status": "RUNNING",
        "progress": 0,
        **({"region": _LINK + scope} if "/regions/" in scope else {}),
    }
    return world.operations.start(_OPERATIONS, name, shown, lambda: {"status": "DONE", "progress": 100})


def get_operation(world: World, call: Call) -> Json:
    return world.operations.poll(_OPERATIONS, call.parameters["operation"])


def wait_operation(world: World, call: Call) -> Json:
    get_operation(world, call)
    return get_operation(world, call)


# ---- what each part is beside what was asked


def _address(world: World, value: Json) -> Json:
    return {"address": _ADDRESS, "addressType": "EXTERNAL", "status": "RESERVED", **value}


def _endpoint_group(world: World, value: Json) -> Json:
    if value.get("networkEndpointType") != "SERVERLESS" or not value.get("cloudRun", {}).get("service"):
        raise invalid("Only serverless network endpoint groups of Cloud Run are stood in for.")
    return {**value, "size": 0}


def _backend(world: World, value: Json) -> Json:
    if value.get("backends") and value.get("healthChecks"):
        raise invalid("A backend service with a serverless network endpoint group has no health check.")
    return value


def _certificate(world: World, value: Json) -> Json:
    if not value.get("managed", {}).get("domains"):
        raise invalid("Only managed certificates are stood in for.")
    state = {"status": "PROVISIONING", "domainStatus": dict.fromkeys(value["managed"]["domains"], "PROVISIONING")}
    return {**value, "managed": {**state, **value["managed"]}, "type": "MANAGED"}


def _policy(world: World, value: Json) -> Json:
    if value.get("minTlsVersion") == "TLS_1_3" and value.get("profile") != "RESTRICTED":
        raise invalid("TLS 1.3 as the least version goes with the profile RESTRICTED alone.")
    return value


def _rule(world: World, value: Json) -> Json:
    """The address is shown as itself, however it was named."""
    if value.get("portRange") not in {"443", "443-443"} or not value.get("target"):
        raise invalid("A forwarding rule needs a target and the port 443.")
    address = path_of(value.get("IPAddress", ""))
    is_named = world.resources.has(KIND, address)
    return {**value, "portRange": "443-443", "IPAddress": find(world, address)["address"] if is_named else address}


PARTS: Final = (
    Part("globalAddresses", complete=_address, has_fingerprint=False),
    Part("regionNetworkEndpointGroups", complete=_endpoint_group, has_fingerprint=False),
    Part("backendServices", ("backends.group",), _backend),
    Part("urlMaps", ("defaultService",)),
    Part("sslCertificates", complete=_certificate, has_fingerprint=False),
    Part("sslPolicies", complete=_policy),
    Part("targetHttpsProxies", ("urlMap", "sslCertificates", "sslPolicy")),
    Part("globalForwardingRules", ("target",), _rule),
)
HANDLES: Final[Mapping[str, Handle]] = merged(
    *(part.handles() for part in PARTS),
    {
        "compute.globalOperations.get": get_operation,
        "compute.globalOperations.wait": wait_operation,
        "compute.regionOperations.get": get_operation,
        "compute.regionOperations.wait": wait_operation,
    },
)
