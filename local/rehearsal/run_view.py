"""How a service of Cloud Run looks from outside: its status, where its traffic goes, and its addresses."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import Any, Final

from local.google.status import invalid
from local.rehearsal.resources import Json
from local.rehearsal.run_revisions import condition, failure_of, find_revision
from local.rehearsal.world import World

SHORT_REGIONS: Final = {"us-central1": "uc", "europe-west1": "ew", "europe-west2": "nw"}
INVOKER_OFF: Final = "run.googleapis.com/invoker-iam-disabled"
URL_OFF: Final = "run.googleapis.com/default-url-disabled"
INGRESS: Final = "run.googleapis.com/ingress"
_URLS: Final = "run.googleapis.com/urls"
_TAG: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,44}[a-z0-9])?")
_HASH_LENGTH: Final = 10
# What of a service is ours and not shown.
_OWN: Final = frozenset({"latest", "ready", "count"})
ALL: Final = 100


def check_traffic(world: World, traffic: list[Json], coming: str) -> None:
    """``coming`` is the name of the revision that is being made, if it was given one. Raises GoogleError."""
    if sum(int(target.get("percent", 0)) for target in traffic) != ALL:
        raise invalid("The traffic must add up to 100 percent.")
    for target in traffic:
        if bool(target.get("latestRevision")) == bool(target.get("revisionName")):
            raise invalid("Traffic goes either to a revision by name or to the latest.")
        if target.get("revisionName") not in {None, coming}:
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
    shown = copy.deepcopy({name: value for name, value in kept.items() if name not in _OWN})
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
        "traffic": [shown_target(world, kept, target) for target in kept["spec"]["traffic"]],
    }
    if "ready" in kept:
        shown["status"]["latestReadyRevisionName"] = kept["ready"]
    if urls:
        shown["status"] |= {"url": urls[-1], "address": {"url": urls[-1]}}
    return shown


def shown_target(world: World, kept: Json, target: Json) -> Json:
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
        f"https://{name}-{mark}-{SHORT_REGIONS[region]}.a.run.app",
    ]


def is_on(metadata: Json, annotation: str) -> bool:
    """Written ``True`` by gcloud and ``true`` by others."""
    return bool(metadata["annotations"].get(annotation, "").lower() == "true")
