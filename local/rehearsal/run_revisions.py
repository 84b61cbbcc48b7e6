"""Cloud Run's revisions: what of a service's template is refused, what becomes of it, and how it is started."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any, Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call
from local.rehearsal.builds import IMAGES
from local.rehearsal.launch import Launch
from local.rehearsal.resources import Json, new_id
from local.rehearsal.world import World

REVISIONS: Final = "run.namespaces.revisions"
# Of a list that is whole.
PAGE: Final[Json] = {"resourceVersion": "1"}
_NETWORK: Final = "run.googleapis.com/network-interfaces"
_RESERVED: Final = frozenset({"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"})
_MEBIBYTES: Final = {"Mi": 1, "M": 1, "Gi": 1024, "G": 1024}
_SIZE: Final = re.compile(r"(\d+)(Mi|M|Gi|G)")
_MAX_CONCURRENCY: Final = 1000
_MAX_TIMEOUT: Final = 3600
_MIN_MEBIBYTES: Final = 128
_MEBIBYTES_OF_ONE_CPU: Final = 4096
_LOWER: Final = "bcdfghjklmnpqrstvwxz"
_NOT_STARTED: Final = (
    "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment "
    "variable within the allocated timeout. Logs URL: "
)


def check_template(world: World, template: Json, *, is_built: bool = True) -> None:
    """Raises GoogleError (INVALID_ARGUMENT, or NOT_FOUND for an image or account that is not there)."""
    spec = template.get("spec", {})
    (container,) = spec.get("containers") or [{}]
    names = [one["name"] for one in container.get("env", [])]
    if _RESERVED & set(names):
        raise invalid(f"The following reserved env names were provided: {', '.join(sorted(_RESERVED & set(names)))}.")
    if len(names) != len(set(names)):
        raise invalid("An environment variable is given twice.")
    if not 1 <= int(spec.get("containerConcurrency", 80)) <= _MAX_CONCURRENCY:
        raise invalid(f"Concurrency must be 1 to {_MAX_CONCURRENCY}.")
    if not 1 <= int(spec.get("timeoutSeconds", 300)) <= _MAX_TIMEOUT:
        raise invalid(f"The timeout must be 1 to {_MAX_TIMEOUT} s.")
    _check_limits(container.get("resources", {}).get("limits", {}), int(spec.get("containerConcurrency", 80)))
    account = spec.get("serviceAccountName") or world.project.builder
    if account != world.project.builder:
        world.resources.find("iam", f"{world.project.name}/serviceAccounts/{account}")
    if is_built and not world.resources.has(IMAGES, container.get("image", "")):
        raise GoogleError("NOT_FOUND", f"Image '{container.get('image')}' not found.")


def _check_limits(limits: Json, concurrency: int) -> None:
    size = _SIZE.fullmatch(limits.get("memory", "512Mi"))
    if size is None or int(size[1]) * _MEBIBYTES[size[2]] < _MIN_MEBIBYTES:
        raise invalid(f"Invalid value specified for container memory: {limits.get('memory')}.")
    processors = limits.get("cpu", "1")
    share = float(processors.removesuffix("m")) / (1000 if processors.endswith("m") else 1)
    if share < 1 and concurrency > 1:
        raise invalid("Total cpu < 1 is not supported with concurrency > 1.")
    if share <= 1 and int(size[1]) * _MEBIBYTES[size[2]] > _MEBIBYTES_OF_ONE_CPU:
        raise invalid("For this memory more than one CPU is needed.")


def make_revision(world: World, service: str, region: str, template: Json, number: int) -> str:
    """Its name. It is on its way from now on."""
    metadata = template.get("metadata", {})
    suffix = "".join(secrets.choice(_LOWER) for _ in range(3))
    name = metadata.get("name") or f"{service}-{number:05d}-{suffix}"
    full = f"namespaces/{world.project.id}/revisions/{name}"
    labels = {
        **metadata.get("labels", {}),
        "serving.knative.dev/service": service,
        "serving.knative.dev/configuration": service,
        "serving.knative.dev/configurationGeneration": str(number),
        "cloud.googleapis.com/location": region,
    }
    made = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {
            "name": name,
            "namespace": str(world.project.number),
            "uid": new_id(),
            "generation": 1,
            "resourceVersion": f"AAA{world.resources.number()}",
            "creationTimestamp": world.now(),
            "labels": labels,
            "annotations": metadata.get("annotations", {}),
        },
        "spec": template["spec"],
    }
    world.resources.add(REVISIONS, full, made)
    world.fleet.start(launch_of(world, name))
    return name


def launch_of(world: World, name: str) -> Launch:
    """How a revision is started."""
    revision = find_revision(world, name)
    (container,) = revision["spec"]["containers"]
    image = world.resources.find(IMAGES, container["image"])
    service = revision["metadata"]["labels"]["serving.knative.dev/service"]
    return Launch(
        revision=name,
        service=service,
        folder=Path(image["folder"]),
        target=image["target"],
        settings={one["name"]: one.get("value", "") for one in container.get("env", [])},
        account=revision["spec"].get("serviceAccountName") or world.project.builder,
        is_connected=_NETWORK in revision["metadata"]["annotations"],
    )


def find_revision(world: World, name: str) -> Json:
    return world.resources.find(REVISIONS, f"namespaces/{world.project.id}/revisions/{name}")


def failure_of(world: World, name: str) -> str:
    """Why it did not start, or nothing."""
    if world.fleet.state(name) != "failed":
        return ""
    return f"Revision '{name}' is not ready and cannot serve traffic. {_NOT_STARTED}{world.fleet.log_of(name)}"


def show_revision(world: World, revision: Json) -> Json:
    """A revision that was ready once stays so, whether a process of it runs now or not."""
    name = revision["metadata"]["name"]
    state, failure = world.fleet.state(name), failure_of(world, name)
    status = {"starting": "Unknown", "failed": "False"}.get(state, "True")
    ready = condition(world, "Ready", status, failure)
    image = revision["spec"]["containers"][0]["image"]
    shown = {"conditions": [ready], "observedGeneration": 1, "imageDigest": image}
    return {**revision, "status": shown}


def condition(world: World, kind: str, status: str, message: str = "") -> Json:
    shown: dict[str, Any] = {"type": kind, "status": status, "lastTransitionTime": world.now()}
    return {**shown, "reason": "HealthCheckContainerError", "message": message} if message else shown


def get_revision(world: World, call: Call) -> Json:
    return show_revision(world, world.resources.find(REVISIONS, call.resource))


def list_revisions(world: World, call: Call) -> Json:
    """Of one service where the label selector names it, the newest first."""
    pairs = (part.partition("=") for part in call.one("labelSelector").split(",") if part)
    selector = {name.strip(): value.strip() for name, _, value in pairs}
    found = [
        one
        for one in world.resources.under(REVISIONS, f"{call.resource}/revisions")
        if selector.items() <= one["metadata"]["labels"].items()
    ]
    found.sort(key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    shown = [show_revision(world, one) for one in found]
    return {"apiVersion": "serving.knative.dev/v1", "kind": "RevisionList", "metadata": PAGE, "items": shown}
