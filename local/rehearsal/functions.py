"""Cloud Functions of the second generation: a build and a service of Cloud Run, kept as one function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local.google.status import invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.builds import BuildFailed, make_image, start_build
from local.rehearsal.resources import Json, new_id
from local.rehearsal.run_revisions import failure_of
from local.rehearsal.run_services import SERVICES, make, remove, renew, service_name
from local.rehearsal.run_view import INGRESS, settled, urls_of
from local.rehearsal.standard import get_operation, masked
from local.rehearsal.storage import keep, path_of
from local.rehearsal.world import World

_FUNCTIONS: Final = "cloudfunctions.projects.locations.functions"
_ID: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_RUNTIME: Final = re.compile(r"python3(?:1[0-4])")
_INGRESS: Final = {
    "ALLOW_ALL": "all",
    "ALLOW_INTERNAL_ONLY": "internal",
    "ALLOW_INTERNAL_AND_GCLB": "internal-and-cloud-load-balancing",
}
# A new function logs the execution's id with each line unless it is told not to.
_LOGS_EXECUTIONS: Final = "LOG_EXECUTION_ID"


def upload_url(world: World, call: Call) -> Json:
    """An address that takes one PUT without a token."""
    region = call.resource.split("/")[3]
    bucket, name = f"gcf-v2-uploads-{world.project.number}.{region}", f"{new_id()}.zip"
    where = f"https://storage.googleapis.com/{bucket}/{name}?X-Goog-Signature=0"
    return {"uploadUrl": where, "storageSource": {"bucket": bucket, "object": name}}


def take_upload(world: World, path: str, data: bytes) -> None:
    _, bucket, name = path.split("/", 2)
    keep(world, bucket, name, data)


def list_runtimes(world: World, call: Call) -> Json:
    return {"runtimes": [{"name": f"python3{minor}", "environment": "GEN_2", "stage": "GA"} for minor in range(10, 15)]}


def create(world: World, call: Call) -> Json:
    name = f"{call.resource}/functions/{call.one('functionId')}"
    if not _ID.fullmatch(call.one("functionId")):
        raise invalid("The name of the function is not valid.")
    variables = {_LOGS_EXECUTIONS: "true", **call.body["serviceConfig"].get("environmentVariables", {})}
    asked = {**call.body, "serviceConfig": {**call.body["serviceConfig"], "environmentVariables": variables}}
    shown = _deployed(world, name, asked, {}, call.member)
    world.resources.add(_FUNCTIONS, name, shown)
    return _operation(world, name)


def patch(world: World, call: Call) -> Json:
    name = call.resource
    held = world.resources.find(_FUNCTIONS, name)
    asked = masked(held, call.body, call.one("updateMask", "*"))
    world.resources.replace(_FUNCTIONS, name, _deployed(world, name, asked, held, call.member))
    return _operation(world, name)


def _deployed(world: World, name: str, asked: Json, held: Json, member: str) -> Json:
    """Builds, and makes or renews the service. Raises GoogleError."""
    build, config = asked["buildConfig"], asked["serviceConfig"]
    if not _RUNTIME.fullmatch(build.get("runtime", "")):
        raise invalid(f"The runtime {build.get('runtime')} is not supported.")
    _, _, _, region, _, own = name.split("/")
    image = f"{region}-docker.pkg.dev/{world.project.id}/{build['dockerRepository'].rpartition('/')[2]}/{own}"
    source = build["source"]["storageSource"]
    start_build(world, name.partition("/functions/")[0], source, image, build["entryPoint"], build)
    archive = path_of(world, source["bucket"], source["object"])
    try:
        digest = make_image(world, archive.read_bytes(), image, build["entryPoint"])
    except BuildFailed as error:
        raise invalid(f"Build failed: {error}") from error
    body = _service(asked, own, f"{image}@{digest}")
    full = service_name(world, region, own)
    kept = renew(world, full, body, member) if held else make(world, region, body, member)
    more = {
        "service": f"{world.project.name}/locations/{region}/services/{own}",
        "uri": urls_of(world, kept)[-1],
        "revision": kept["latest"],
    }
    return {
        "createTime": world.now(),
        **asked,
        "name": name,
        "environment": "GEN_2",
        "updateTime": world.now(),
        "url": f"https://{region}-{world.project.id}.cloudfunctions.net/{own}",
        "serviceConfig": {**config, **more},
    }


def _service(asked: Json, name: str, image: str) -> Json:
    """A function as Cloud Run knows it."""
    config, build = asked["serviceConfig"], asked["buildConfig"]
    variables = config.get("environmentVariables", {})
    container = {
        "image": image,
        "name": "worker",
        "env": [{"name": one, "value": value} for one, value in variables.items()],
        "resources": {"limits": {"cpu": config["availableCpu"], "memory": config["availableMemory"]}},
    }
    spec = {
        "containers": [container],
        "containerConcurrency": config.get("maxInstanceRequestConcurrency", 1),
        "timeoutSeconds": config.get("timeoutSeconds", 60),
        "serviceAccountName": config["serviceAccountEmail"],
    }
    scale = {"autoscaling.knative.dev/maxScale": str(config.get("maxInstanceCount", 100))}
    labels = {**asked.get("labels", {}), "goog-managed-by": "cloudfunctions"}
    annotations = {
        INGRESS: _INGRESS[config.get("ingressSettings", "ALLOW_ALL")],
        "cloudfunctions.googleapis.com/function-id": name,
        "run.googleapis.com/build-function-target": build["entryPoint"],
    }
    return {
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": {"template": {"metadata": {"annotations": scale}, "spec": spec}},
    }


def _operation(world: World, name: str) -> Json:
    """Done when the newest revision runs, or does not."""
    _, _, _, region, _, own = name.split("/")

    def finish() -> Json:
        kept = world.resources.find(SERVICES, service_name(world, region, own))
        settled(world, kept)
        if failure := failure_of(world, kept["latest"]):
            return {
                "done": True,
                "error": {"code": 3, "message": f"Could not create or update Cloud Run service: {failure}"},
            }
        if kept.get("ready") != kept["latest"]:
            return {"done": False}
        kind = {"@type": "type.googleapis.com/google.cloud.functions.v2.Function"}
        return {"done": True, "response": {**kind, **show(world, world.resources.find(_FUNCTIONS, name))}}

    stages = [{"name": one, "state": "COMPLETE"} for one in ("BUILD", "SERVICE")]
    kind = {"@type": "type.googleapis.com/google.cloud.functions.v2.OperationMetadata"}
    parent = name.partition("/functions/")[0]
    shown = {"metadata": {**kind, "target": name, "stages": stages}, "done": False}
    return world.operations.start("cloudfunctions", f"{parent}/operations/{new_id()}", shown, finish)


def show(world: World, function: Json) -> Json:
    """ACTIVE once its newest revision runs."""
    name = function["serviceConfig"]["revision"]
    state = {"starting": "DEPLOYING", "failed": "FAILED"}.get(world.fleet.state(name), "ACTIVE")
    return {**function, "state": state}


def get(world: World, call: Call) -> Json:
    return show(world, world.resources.find(_FUNCTIONS, call.resource))


def list_functions(world: World, call: Call) -> Json:
    found = world.resources.under(_FUNCTIONS, f"{call.resource}/functions")
    return {"functions": [show(world, one) for one in found]}


def delete(world: World, call: Call) -> Json:
    """With its service."""
    name = call.resource
    world.resources.remove(_FUNCTIONS, name)
    _, _, _, region, _, own = name.split("/")
    remove(world, service_name(world, region, own))
    kind = {"@type": "type.googleapis.com/google.cloud.functions.v2.OperationMetadata"}
    shown = {"metadata": {**kind, "target": name, "stages": [{"name": "SERVICE", "state": "COMPLETE"}]}}
    operation = f"{name.partition('/functions/')[0]}/operations/{new_id()}"
    empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    return world.operations.start("cloudfunctions", operation, shown, lambda: {"done": True, "response": empty})


HANDLES: Final[Mapping[str, Handle]] = {
    f"{_FUNCTIONS}.generateUploadUrl": upload_url,
    f"{_FUNCTIONS}.create": create,
    f"{_FUNCTIONS}.patch": patch,
    f"{_FUNCTIONS}.get": get,
    f"{_FUNCTIONS}.list": list_functions,
    f"{_FUNCTIONS}.delete": delete,
    "cloudfunctions.projects.locations.runtimes.list": list_runtimes,
    "cloudfunctions.projects.locations.operations.get": get_operation,
}
