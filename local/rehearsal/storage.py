"""Buckets and objects, as far as an upload of the source needs them. Objects lie in the rehearsal's folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from local.google.material import crc32c
from local.google.status import GoogleError, invalid, not_found, not_stood_in_for
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json
from local.rehearsal.wire import Reply
from local.rehearsal.world import World

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_BUCKETS: Final = "storage.buckets"
_OBJECTS: Final = "storage.objects"
_UPLOADS: Final = "storage.uploads"


def create_bucket(world: World, call: Call) -> Json:
    name = call.body.get("name", "")
    if not _BUCKET.fullmatch(name) or "google" in name:
        raise invalid(f"Invalid bucket name: '{name}'")
    if world.resources.has(_BUCKETS, name):
        raise GoogleError("ALREADY_EXISTS", "Your previous request to create the named bucket succeeded.")
    location = call.body.get("location", "US").upper()
    made = {**call.body, "id": name, "location": location, "projectNumber": str(world.project.number)}
    return world.resources.add(_BUCKETS, name, {**made, "storageClass": "STANDARD", "timeCreated": world.now()})


def get_bucket(world: World, call: Call) -> Json:
    return _bucket(world, call.parameters["bucket"])


def _bucket(world: World, name: str) -> Json:
    if not world.resources.has(_BUCKETS, name):
        raise GoogleError("NOT_FOUND", "The specified bucket does not exist.")
    return world.resources.find(_BUCKETS, name)


def list_buckets(world: World, call: Call) -> Json:
    found = [one for one in world.resources.all(_BUCKETS).values() if one["name"].startswith(call.one("prefix"))]
    return {"items": found}


def delete_bucket(world: World, call: Call) -> Json:
    bucket = _bucket(world, call.parameters["bucket"])
    if any(name.startswith(f"{bucket['name']}/") for name in world.resources.all(_OBJECTS)):
        raise GoogleError("ALREADY_EXISTS", "The bucket you tried to delete is not empty.")
    world.resources.remove(_BUCKETS, bucket["name"])
    return {}


def insert_object(world: World, call: Call) -> Json | Reply:
    """In one request of two parts, or begun here and sent after it."""
    bucket, request = _bucket(world, call.parameters["bucket"])["name"], call.request
    match call.one("uploadType"):
        case "multipart":
            described, data = parts_of(request.headers["content-type"], request.body)
            return keep(world, bucket, call.one("name") or described["name"], data)
        case "resumable":
            asked = json.loads(request.body or b"{}")
            number = str(world.resources.number())
            world.resources.add(_UPLOADS, number, {"bucket": bucket, "name": call.one("name") or asked["name"]})
            where = f"https://{request.host}{request.path}?uploadType=resumable&upload_id={number}"
            return Reply(200, headers={"Location": where})
        case other:
            raise not_stood_in_for(f"an upload of type {other}")


def finish_upload(world: World, number: str, data: bytes) -> Json:
    begun = world.resources.remove(_UPLOADS, number)
    return keep(world, begun["bucket"], begun["name"], data)


def parts_of(kind: str, body: bytes) -> tuple[Json, bytes]:
    """Of a body in two parts, as gcloud writes it: with single quotes round the boundary, and any ends of lines."""
    boundary = b"--" + kind.partition("boundary=")[2].strip("'\"").encode("ascii")
    _, described, content, _ = body.split(boundary, 3)
    return json.loads(_content(described)), _content(content)


def _content(part: bytes) -> bytes:
    """Without its head, and without the end of a line that belongs to the boundary."""
    content = re.split(rb"\r?\n\r?\n", part.lstrip(b"\r\n"), maxsplit=1)[1]
    return content.removesuffix(b"\n").removesuffix(b"\r")


def keep(world: World, bucket: str, name: str, data: bytes) -> Json:
    """Raises GoogleError."""
    path = path_of(world, bucket, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    generation = str(1_700_000_000_000_000 + world.resources.number())
    made = {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "size": str(len(data)),
        "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii"),
        "crc32c": base64.b64encode(crc32c(data).to_bytes(4, "big")).decode("ascii"),
        "timeCreated": world.now(),
    }
    full = f"{bucket}/{name}"
    write = world.resources.replace if world.resources.has(_OBJECTS, full) else world.resources.add
    return write(_OBJECTS, full, made)


def path_of(world: World, bucket: str, name: str) -> Path:
    """Where an object lies. Raises GoogleError for a name that leads elsewhere."""
    if ".." in name.split("/") or name.startswith("/"):
        raise invalid("The name of the object is not valid.")
    return world.folder / "objects" / bucket / quote(name, safe="")


def get_object(world: World, call: Call) -> Json | Reply:
    bucket, name = call.parameters["bucket"], call.parameters["object"]
    found = find_object(world, bucket, name)
    return Reply(200, path_of(world, bucket, name).read_bytes()) if call.one("alt") == "media" else found


def find_object(world: World, bucket: str, name: str) -> Json:
    if not world.resources.has(_OBJECTS, f"{bucket}/{name}"):
        raise not_found("Object", f"{bucket}/{name}")
    return world.resources.find(_OBJECTS, f"{bucket}/{name}")


def list_objects(world: World, call: Call) -> Json:
    bucket = _bucket(world, call.parameters["bucket"])["name"]
    own = [one for name, one in world.resources.all(_OBJECTS).items() if name.startswith(f"{bucket}/")]
    return {"items": [one for one in own if one["name"].startswith(call.one("prefix"))]}


def delete_object(world: World, call: Call) -> Json:
    bucket, name = call.parameters["bucket"], call.parameters["object"]
    find_object(world, bucket, name)
    path_of(world, bucket, name).unlink()
    world.resources.remove(_OBJECTS, f"{bucket}/{name}")
    return {}


HANDLES: Final[Mapping[str, Handle]] = {
    "storage.buckets.insert": create_bucket,
    "storage.buckets.get": get_bucket,
    "storage.buckets.list": list_buckets,
    "storage.buckets.delete": delete_bucket,
    "storage.objects.insert": insert_object,
    "storage.objects.get": get_object,
    "storage.objects.list": list_objects,
    "storage.objects.delete": delete_object,
}
