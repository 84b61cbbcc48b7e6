"""A build from source: the archive is unpacked, and looked at as the buildpack for Python looks at it. Nothing is
installed: what `requirements.txt` pins must be what the checkout's environment has, which then runs it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.google.status import invalid, precondition
from local.rehearsal.access import BUILDERS
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, new_id
from local.rehearsal.storage import find_object, path_of
from local.rehearsal.world import World

IMAGES: Final = "images"
_IMAGE: Final = re.compile(r"([a-z0-9-]+)-docker\.pkg\.dev/([^/]+)/([^/:@]+)/([^:@]+)")
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_BASE_IMAGES: Final = re.compile(r"python3(?:1[0-4])")


class BuildFailed(Exception):
    """The text is what the build's log would say last."""


def submit(world: World, call: Call) -> Json:
    """Cloud Run's way to Cloud Build. Raises GoogleError for what is refused before anything is built."""
    asked = call.body
    pack = asked.get("buildpackBuild")
    if pack is None:
        raise invalid("Only builds by buildpack are stood in for.")
    if not _BASE_IMAGES.fullmatch(pack.get("baseImage", "python313").rpartition("/")[2]):
        raise invalid(f"The base image {pack.get('baseImage')} is not supported.")
    source = asked["storageSource"]
    operation = start_build(world, call.resource, source, asked["imageUri"], pack.get("functionTarget", ""), asked)
    base = f"us-central1-docker.pkg.dev/serverless-runtimes/google-22-full/runtimes/{pack.get('baseImage')}"
    return {"buildOperation": operation, **({"baseImageUri": base} if pack.get("baseImage") else {})}


def start_build(world: World, parent: str, source: Json, image: str, target: str, asked: Json) -> Json:
    """An operation of Cloud Build, whose metadata and response are the build. Raises GoogleError."""
    builder = asked.get("serviceAccount", "").rpartition("/")[2] or world.project.builder
    if not world.access.has_role(world.project.name, f"serviceAccount:{builder}", *BUILDERS):
        text = f"Build failed because the service account {builder} is missing required IAM permissions: "
        raise precondition(f"{text}give it roles/run.builder.")
    find_object(world, source["bucket"], source["object"])
    _check_repository(world, image)
    number = new_id()
    build: Json = {
        "name": f"{parent}/builds/{number}",
        "id": number,
        "projectId": world.project.id,
        "status": "WORKING",
        "logUrl": f"https://console.cloud.google.com/cloud-build/builds/{number}?project={world.project.number}",
    }
    kind = {"@type": "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"}
    archive = path_of(world, source["bucket"], source["object"])
    return world.operations.start(
        "cloudbuild",
        f"{parent}/operations/{number}",
        {"metadata": {**kind, "build": build}},
        lambda: _outcome(world, archive, image, target, build),
    )


def _check_repository(world: World, image: str) -> None:
    found = _IMAGE.fullmatch(image.partition(":")[0])
    if found is None or found[2] != world.project.id:
        raise invalid(f"{image} is not an image of a repository of this project.")
    name = f"{world.project.name}/locations/{found[1]}/repositories/{found[3]}"
    world.resources.find("artifactregistry.projects.locations.repositories", name)


def _outcome(world: World, archive: Path, image: str, target: str, build: Json) -> Json:
    try:
        digest = make_image(world, archive.read_bytes(), image, target)
    except BuildFailed as error:
        return {"done": True, "error": {"code": 2, "message": f"Build failed: {error}"}}
    built = {"name": image, "digest": digest}
    kind = {"@type": "type.googleapis.com/google.devtools.cloudbuild.v1.Build"}
    return {"done": True, "response": {**kind, **build, "status": "SUCCESS", "results": {"images": [built]}}}


def make_image(world: World, archive: bytes, image: str, target: str) -> str:
    """Unpacks and looks at it; gives the digest under which it is kept. Raises BuildFailed."""
    digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    folder = world.folder / IMAGES / digest.removeprefix("sha256:")
    if not folder.exists():
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            packed.extractall(folder)
    look_at(folder, target)
    kept = {"image": image.partition(":")[0], "folder": str(folder), "target": target}
    name = f"{kept['image']}@{digest}"
    (world.resources.replace if world.resources.has(IMAGES, name) else world.resources.add)(IMAGES, name, kept)
    return digest


def look_at(folder: Path, target: str) -> None:
    if not (folder / "main.py").is_file():
        raise BuildFailed("missing main.py and GOOGLE_FUNCTION_SOURCE not specified")
    if not re.search(rf"^def {re.escape(target)}\(", (folder / "main.py").read_text("utf-8"), re.MULTILINE):
        raise BuildFailed(f"the function {target} is not in main.py")
    requirements = folder / "requirements.txt"
    pins = dict(_PIN.findall(requirements.read_text("utf-8"))) if requirements.is_file() else {}
    if "functions-framework" not in pins:
        raise BuildFailed("requirements.txt does not pin functions-framework")
    wrong = sorted(name for name, version in pins.items() if _installed(name) not in {version, None})
    if wrong:
        raise BuildFailed(f"the environment here has other versions than requirements.txt pins: {', '.join(wrong)}")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def get_operation(world: World, call: Call) -> Json:
    return world.operations.poll("cloudbuild", call.resource)


def default_account(world: World, call: Call) -> Json:
    name = f"{world.project.name}/serviceAccounts/{world.project.builder}"
    return {"name": call.resource, "serviceAccountEmail": name}


HANDLES: Final[Mapping[str, Handle]] = {
    "run.projects.locations.builds.submit": submit,
    "cloudbuild.projects.locations.getDefaultServiceAccount": default_account,
    "cloudbuild.operations.get": get_operation,
    "cloudbuild.projects.locations.operations.get": get_operation,
}
