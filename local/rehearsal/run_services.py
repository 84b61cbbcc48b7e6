"""Cloud Run's services: made, replaced, read and deleted as `gcloud run` does it, with traffic, tags and addresses."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Final

from local.google.status import GoogleError, invalid, precondition
from local.rehearsal.answer import Call, Handle
from local.rehearsal.projects import show_policy, write_policy
from local.rehearsal.resources import Json, new_id
from local.rehearsal.run_revisions import (
    PAGE,
    REVISIONS,
    check_template,
    find_revision,
    get_revision,
    list_revisions,
    make_revision,
)
from local.rehearsal.run_view import ALL, INGRESS, SHORT_REGIONS, check_traffic, show, shown_target
from local.rehearsal.world import World

SERVICES: Final = "run.namespaces.services"
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?")
_REGION: Final = re.compile(r"^([a-z]+-[a-z]+\d+)-run\.")
_OPERATION: Final = "run.googleapis.com/operation-id"


def region_of(call: Call) -> str:
    """The regional address is where a service is. Raises GoogleError for one that we do not have."""
    found = _REGION.match(call.request.host)
    if found is None or found[1] not in SHORT_REGIONS:
        raise invalid(f"{call.request.host} is not the address of a region that is stood in for.")
    return found[1]


def _key(call: Call, name: str) -> str:
    return f"{region_of(call)}/{name}"


def create(world: World, call: Call) -> Json:
    if call.one("dryRun") == "all":
        return looked_at(world, call)
    return show(world, make(world, region_of(call), call.body, call.member))


def looked_at(world: World, call: Call) -> Json:
    """What would be refused is, and nothing happens. The image need not be there yet. Raises GoogleError."""
    check_template(world, call.body["spec"]["template"], is_built=False)
    return {name: call.body[name] for name in ("apiVersion", "kind", "metadata", "spec")}


def make(world: World, region: str, body: Json, member: str) -> Json:
    """The service as it is kept. Raises GoogleError."""
    name = body.get("metadata", {}).get("name", "")
    if not _NAME.fullmatch(name):
        raise invalid(f"The service name {name} is not valid.")
    full = service_name(world, region, name)
    if world.resources.has(SERVICES, full):
        raise GoogleError("ALREADY_EXISTS", f"Resource '{name}' already exists.")
    check_template(world, body["spec"]["template"])
    metadata = {
        "name": name,
        "namespace": str(world.project.number),
        "uid": new_id(),
        "creationTimestamp": world.now(),
        "labels": {**body["metadata"].get("labels", {}), "cloud.googleapis.com/location": region},
        "annotations": body["metadata"].get("annotations", {}),
        "generation": 0,
    }
    kept: Json = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata, "spec": {}}
    _release(world, kept, body, member)
    return world.resources.add(SERVICES, full, kept)


def service_name(world: World, region: str, name: str) -> str:
    return f"{region}/namespaces/{world.project.id}/services/{name}"


def replace(world: World, call: Call) -> Json:
    """Raises GoogleError; ABORTED for a service that was read before another change."""
    if call.one("dryRun") == "all":
        return looked_at(world, call)
    return show(world, renew(world, _key(call, call.resource), call.body, call.member))


def renew(world: World, full: str, body: Json, member: str) -> Json:
    """The service as it is kept from now on. Raises GoogleError."""
    kept = world.resources.find(SERVICES, full)
    if body["metadata"].get("resourceVersion", "") not in {"", kept["metadata"]["resourceVersion"]}:
        text = f"Conflict for resource '{kept['metadata']['name']}': version '{body['metadata']['resourceVersion']}'"
        raise GoogleError("ABORTED", f"{text} was specified but current version is different.")
    check_template(world, body["spec"]["template"])
    changed = copy.deepcopy(kept)
    region = kept["metadata"]["labels"]["cloud.googleapis.com/location"]
    for part in ("labels", "annotations"):
        changed["metadata"][part] = {**body["metadata"].get(part, {})}
    changed["metadata"]["labels"]["cloud.googleapis.com/location"] = region
    _release(world, changed, body, member)
    return world.resources.replace(SERVICES, full, changed)


def _release(world: World, kept: Json, body: Json, member: str) -> None:
    """A changed template is a new revision. Raises GoogleError for traffic that cannot be routed."""
    metadata, template = kept["metadata"], body["spec"]["template"]
    metadata["generation"] += 1
    metadata["resourceVersion"] = f"AAA{world.resources.number()}"
    person = member.partition(":")[2]
    metadata["annotations"].setdefault("serving.knative.dev/creator", person)
    metadata["annotations"]["serving.knative.dev/lastModifier"] = person
    metadata["annotations"][_OPERATION] = new_id()
    metadata["annotations"].setdefault(INGRESS, "all")
    traffic = body["spec"].get("traffic") or [{"latestRevision": True, "percent": ALL}]
    check_traffic(world, traffic, template.get("metadata", {}).get("name", ""))
    if template != kept["spec"].get("template"):
        region = metadata["labels"]["cloud.googleapis.com/location"]
        number = kept.get("count", 0) + 1
        kept["count"] = number
        kept["latest"] = make_revision(world, metadata["name"], region, template, number)
        template.get("metadata", {}).pop("name", None)
    kept["spec"] = {"template": template, "traffic": traffic}


def get(world: World, call: Call) -> Json:
    return show(world, world.resources.find(SERVICES, _key(call, call.resource)))


def list_services(world: World, call: Call) -> Json:
    found = world.resources.under(SERVICES, f"{_key(call, call.resource)}/services")
    shown = [show(world, one) for one in found]
    return {"apiVersion": "serving.knative.dev/v1", "kind": "ServiceList", "metadata": PAGE, "items": shown}


def delete(world: World, call: Call) -> Json:
    remove(world, _key(call, call.resource))
    return {"status": "Success"}


def remove(world: World, full: str) -> None:
    """With its revisions. Raises GoogleError."""
    gone = world.resources.remove(SERVICES, full)
    name = gone["metadata"]["name"]
    for revision_name, revision in world.resources.all(REVISIONS).items():
        if revision["metadata"]["labels"]["serving.knative.dev/service"] == name:
            world.fleet.stop(revision["metadata"]["name"])
            world.resources.remove(REVISIONS, revision_name)


def wait(world: World, call: Call) -> Json:
    """Of the operation that a service names: done when its newest revision runs or has failed."""
    number = call.resource.rpartition("/")[2]
    for kept in world.resources.all(SERVICES).values():
        if kept["metadata"]["annotations"][_OPERATION] == number:
            shown = show(world, kept)
            is_done = shown["status"]["conditions"][0]["status"] != "Unknown"
            kind = {"@type": "type.googleapis.com/google.cloud.run.v1.Service"}
            return {"name": call.resource, "done": is_done, **({"response": {**kind, **shown}} if is_done else {})}
    raise GoogleError("NOT_FOUND", f"Operation {call.resource} not found.")


def delete_revision(world: World, call: Call) -> Json:
    """Raises GoogleError for one that still gets traffic."""
    name = call.resource.rpartition("/")[2]
    find_revision(world, name)
    for kept in world.resources.all(SERVICES).values():
        if any(shown_target(world, kept, target)["revisionName"] == name for target in kept["spec"]["traffic"]):
            raise precondition(f"Revision {name} is actively referenced and cannot be deleted.")
    world.fleet.stop(name)
    world.resources.remove(REVISIONS, call.resource)
    return {"status": "Success"}


def get_policy(world: World, call: Call) -> Json:
    _check_there(world, call)
    return show_policy(world, call.resource)


def set_policy(world: World, call: Call) -> Json:
    _check_there(world, call)
    return write_policy(world, call.resource, call.body)


def _check_there(world: World, call: Call) -> None:
    _, _, _, region, _, name = call.resource.split("/")
    world.resources.find(SERVICES, service_name(world, region, name))


HANDLES: Final[Mapping[str, Handle]] = {
    f"{SERVICES}.create": create,
    f"{SERVICES}.replaceService": replace,
    f"{SERVICES}.get": get,
    f"{SERVICES}.list": list_services,
    f"{SERVICES}.delete": delete,
    f"{REVISIONS}.get": get_revision,
    f"{REVISIONS}.list": list_revisions,
    f"{REVISIONS}.delete": delete_revision,
    "run.projects.locations.operations.wait": wait,
    "run.projects.locations.services.getIamPolicy": get_policy,
    "run.projects.locations.services.setIamPolicy": set_policy,
}
