"""Cloud Run's services: made, replaced, read and deleted as `gcloud run` does it, with traffic, tags and addresses."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from local.google.status import GoogleError, invalid, precondition
from local.rehearsal.answer import Call, Handle
from local.rehearsal.projects import show_policy, write_policy
from local.rehearsal.resources import Json, new_id
from local.rehearsal.run_revisions import (
    REVISIONS,
    check_template,
    condition,
    failure_of,
    find_revision,
    get_revision,
    list_revisions,
    make_revision,
)
from local.rehearsal.world import World

SERVICES: Final = "run.namespaces.services"
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?")
_TAG: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,44}[a-z0-9])?")
_HASH_LENGTH: Final = 10
_SHORT_REGIONS: Final = {"us-central1": "uc", "europe-west1": "ew", "europe-west2": "nw"}
_REGION: Final = re.compile(r"^([a-z]+-[a-z]+\d+)-run\.")
INVOKER_OFF: Final = "run.googleapis.com/invoker-iam-disabled"
URL_OFF: Final = "run.googleapis.com/default-url-disabled"
INGRESS: Final = "run.googleapis.com/ingress"
_URLS: Final = "run.googleapis.com/urls"
_OPERATION: Final = "run.googleapis.com/operation-id"
_ALL: Final = 100


def region_of(call: Call) -> str:
    """The regional address is where a service is. Raises GoogleError for one that we do not have."""
    found = _REGION.match(call.request.host)
    if found is None or found[1] not in _SHORT_REGIONS:
        raise invalid(f"{call.request.host} is not the address of a region that is stood in for.")
    return found[1]


def _key(call: Call, name: str) -> str:
    return f"{region_of(call)}/{name}"


def create(world: World, call: Call) -> Json:
    body, region = call.body, region_of(call)
    name = body.get("metadata", {}).get("name", "")
    if not _NAME.fullmatch(name):
        raise invalid(f"The service name {name} is not valid.")
    full = f"{region}/{call.resource}/services/{name}"
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
    kept: Json = {"apiVersion": body["apiVersion"], "kind": "Service", "metadata": metadata, "spec": {}}
    _release(world, kept, body, call.member)
    world.resources.add(SERVICES, full, kept)
    return show(world, kept)


def replace(world: World, call: Call) -> Json:
    """Raises GoogleError; ABORTED for a service that was read before another change."""
    body, kept = call.body, world.resources.find(SERVICES, _key(call, call.resource))
    if body["metadata"].get("resourceVersion", "") not in {"", kept["metadata"]["resourceVersion"]}:
        text = f"Conflict for resource '{kept['metadata']['name']}': version '{body['metadata']['resourceVersion']}'"
        raise GoogleError("ABORTED", f"{text} was specified but current version is different.")
    check_template(world, body["spec"]["template"])
    changed = copy.deepcopy(kept)
    for part in ("labels", "annotations"):
        changed["metadata"][part] = body["metadata"].get(part, {})
    changed["metadata"]["labels"]["cloud.googleapis.com/location"] = region_of(call)
    _release(world, changed, body, call.member)
    world.resources.replace(SERVICES, _key(call, call.resource), changed)
    return show(world, changed)


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
    traffic = body["spec"].get("traffic") or [{"latestRevision": True, "percent": _ALL}]
    _check_traffic(world, traffic)
    if template != kept["spec"].get("template"):
        region = metadata["labels"]["cloud.googleapis.com/location"]
        number = kept.get("count", 0) + 1
        kept["count"] = number
        kept["latest"] = make_revision(world, metadata["name"], region, template, number)
        template.get("metadata", {}).pop("name", None)
    kept["spec"] = {"template": template, "traffic": traffic}


def _check_traffic(world: World, traffic: list[Json]) -> None:
    if sum(int(target.get("percent", 0)) for target in traffic) != _ALL:
        raise invalid("The traffic must add up to 100 percent.")
    for target in traffic:
        if bool(target.get("latestRevision")) == bool(target.get("revisionName")):
            raise invalid("Traffic goes either to a revision by name or to the latest.")
        if target.get("revisionName"):
            find_revision(world, target["revisionName"])
        if not _TAG.fullmatch(target.get("tag", "a")):
            raise invalid(f"The tag {target['tag']} is not valid.")


def settled(world: World, kept: Json) -> None:
    """Follows what has become of the newest revision."""
    latest = kept["latest"]
    if world.fleet.state(latest) == "ready":
        kept["ready"] = latest


def show(world: World, kept: Json) -> Json:
    """As gcloud reads it: with the status, and the addresses that there are."""
    settled(world, kept)
    shown = copy.deepcopy({name: value for name, value in kept.items() if name not in {"latest", "ready", "count"}})
    metadata, latest = shown["metadata"], kept["latest"]
    urls = urls_of(world, kept)
    metadata["annotations"][_URLS] = json.dumps(urls)
    metadata["annotations"]["run.googleapis.com/ingress-status"] = metadata["annotations"][INGRESS]
    failure = failure_of(world, latest)
    state = "False" if failure else "True" if kept.get("ready") == latest else "Unknown"
    shown["status"] = {
        "observedGeneration": metadata["generation"],
        "conditions": [
            condition(world, "Ready", state, failure),
            condition(world, "ConfigurationsReady", state, failure),
            condition(world, "RoutesReady", state if state != "False" else "True"),
        ],
        "latestCreatedRevisionName": latest,
        "traffic": [_shown_target(world, kept, target) for target in kept["spec"]["traffic"]],
    }
    if "ready" in kept:
        shown["status"]["latestReadyRevisionName"] = kept["ready"]
    if urls:
        shown["status"] |= {"url": urls[-1], "address": {"url": urls[-1]}}
    return shown


def _shown_target(world: World, kept: Json, target: Json) -> Json:
    shown: dict[str, Any] = {**target}
    if target.get("latestRevision"):
        shown["revisionName"] = kept.get("ready", kept["latest"])
    urls = urls_of(world, kept)
    if target.get("tag") and urls:
        shown["url"] = urls[-1].replace("https://", f"https://{target['tag']}---")
    return shown


def urls_of(world: World, kept: Json) -> list[str]:
    """The address that can be told beforehand, and the older one; none where they are switched off."""
    metadata = kept["metadata"]
    if is_on(metadata, URL_OFF):
        return []
    region, name = metadata["labels"]["cloud.googleapis.com/location"], metadata["name"]
    digest = hashlib.sha256(world.project.id.encode("utf-8")).hexdigest()
    mark = "".join(chr(ord("a") + int(digit, 16)) for digit in digest[:_HASH_LENGTH])
    return [
        f"https://{name}-{world.project.number}.{region}.run.app",
        f"https://{name}-{mark}-{_SHORT_REGIONS[region]}.a.run.app",
    ]


def is_on(metadata: Json, annotation: str) -> bool:
    """Written ``True`` by gcloud and ``true`` by others."""
    return bool(metadata["annotations"].get(annotation, "").lower() == "true")


def get(world: World, call: Call) -> Json:
    return show(world, world.resources.find(SERVICES, _key(call, call.resource)))


def list_services(world: World, call: Call) -> Json:
    found = world.resources.under(SERVICES, f"{_key(call, call.resource)}/services")
    shown = [show(world, one) for one in found]
    return {"apiVersion": "serving.knative.dev/v1", "kind": "ServiceList", "items": shown}


def delete(world: World, call: Call) -> Json:
    """With its revisions."""
    gone = world.resources.remove(SERVICES, _key(call, call.resource))
    name = gone["metadata"]["name"]
    for full, revision in world.resources.all(REVISIONS).items():
        if revision["metadata"]["labels"]["serving.knative.dev/service"] == name:
            world.fleet.stop(revision["metadata"]["name"])
            world.resources.remove(REVISIONS, full)
    return {"status": "Success"}


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
        if any(_shown_target(world, kept, target)["revisionName"] == name for target in kept["spec"]["traffic"]):
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
    world.resources.find(SERVICES, f"{region}/namespaces/{world.project.id}/services/{name}")


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
