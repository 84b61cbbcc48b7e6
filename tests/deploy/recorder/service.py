"""The service of Cloud Run, or the function, of the recorder's project, as gcloud leaves it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tests.deploy.recorder.call import Call, Fault

HASH = "abcdefghij-uc.a.run.app"


def environment(path: str) -> list[dict[str, str]]:
    """deploy.sh writes each value as JSON does."""
    pairs = (line.partition(": ") for line in Path(path).read_text("utf-8").splitlines())
    return [{"name": name, "value": json.loads(value)} for name, _, value in pairs]


def _new(project: Any, name: str, region: str) -> dict[str, Any]:
    own = [f"https://{name}-123456789012.{region}.run.app", f"https://{name}-{HASH}"]
    return {
        "metadata": {"name": name, "labels": {}, "annotations": {"run.googleapis.com/urls": json.dumps(own)}},
        "spec": {"template": {}, "traffic": [{"latestRevision": True, "percent": 100}]},
        "status": {"url": own[1]},
    }


def template(flags: dict[str, str], name: str) -> dict[str, Any]:
    annotations = {"autoscaling.knative.dev/maxScale": flags["max-instances"], **_connected(flags)}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "containerConcurrency": int(flags["concurrency"]),
            "timeoutSeconds": int(flags["timeout"].removesuffix("s")),
            "serviceAccountName": flags["service-account"],
            "containers": [
                {
                    "env": environment(flags["env-vars-file"]),
                    "resources": {"limits": {"cpu": flags["cpu"], "memory": flags["memory"]}},
                }
            ],
        },
    }


def _connected(flags: dict[str, str]) -> dict[str, str]:
    """To the network that is named."""
    if "network" not in flags:
        return {}
    interface = {"network": flags["network"], "subnetwork": flags["subnet"]}
    return {
        "run.googleapis.com/network-interfaces": json.dumps([interface]),
        "run.googleapis.com/vpc-access-egress": flags["vpc-egress"],
    }


def deploy(project: Any, call: Call) -> list[Any]:
    flags, name = call.flags, call.words[2]
    if "labels" in flags:
        service = project.kind("run services").setdefault(name, _new(project, name, flags["region"]))
        service["metadata"]["labels"].update(dict([flags["labels"].split("=")]))
    return _revise(project, call, name)


def update(project: Any, call: Call) -> list[Any]:
    describe(project, call)
    return _revise(project, call, call.words[3])


def _revise(project: Any, call: Call, name: str) -> list[Any]:
    flags, service = call.flags, project.kind("run services")[name]
    before = service["status"].get("latestReadyRevisionName")
    if "no-traffic" in flags and before is None:
        raise Fault("--no-traffic not supported when creating a new service.")
    revisions = project.kind("revisions")
    revision = f"{name}-{len([one for one in revisions if one.startswith(name)]) + 1:05}-abc"
    before_it = service["spec"]["template"].get("metadata", {}).get("annotations", {})
    service["spec"]["template"] = template(flags, revision)
    if not {"network", "clear-network"} & flags.keys():  # then it stays connected
        kept = {name: value for name, value in before_it.items() if "network" in name or "vpc" in name}
        service["spec"]["template"]["metadata"]["annotations"] |= kept
    annotations = service["metadata"]["annotations"]
    annotations["run.googleapis.com/ingress"] = flags["ingress"]
    annotations["run.googleapis.com/invoker-iam-disabled"] = str("no-invoker-iam-check" in flags)
    if "no-default-url" in flags or "default-url" in flags:
        annotations["run.googleapis.com/default-url-disabled"] = str("no-default-url" in flags)
    if "no-traffic" in flags:
        for target in service["spec"]["traffic"]:
            if target.pop("latestRevision", False):
                target["revisionName"] = before
    if "tag" in flags:
        _untag(service, flags["tag"])
        service["spec"]["traffic"].append({"revisionName": revision, "tag": flags["tag"]})
    _made(project, service, revision)
    return []


def _made(project: Any, service: dict[str, Any], revision: str) -> None:
    revisions = project.kind("revisions")
    stamp = f"2026-01-01T00:00:{len(revisions):02}Z"
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    own = copy.deepcopy(service["spec"]["template"])
    metadata = {**own["metadata"], "name": revision, "creationTimestamp": stamp}
    revisions[revision] = {**own, "metadata": metadata, "status": ready}
    service["status"] |= {"latestReadyRevisionName": revision, "latestCreatedRevisionName": revision}
    _serve(service)


def _serve(service: dict[str, Any]) -> None:
    newest = service["status"]["latestReadyRevisionName"]
    service["status"]["traffic"] = [
        {**target, "revisionName": target.get("revisionName", newest)} for target in service["spec"]["traffic"]
    ]


def _untag(service: dict[str, Any], tag: str) -> None:
    for target in service["spec"]["traffic"]:
        if target.get("tag") == tag:
            del target["tag"]
    service["spec"]["traffic"] = [one for one in service["spec"]["traffic"] if one.get("percent") or "tag" in one]


def update_traffic(project: Any, call: Call) -> list[Any]:
    (service,), flags = describe(project, call), call.flags
    tagged = [one for one in service["spec"]["traffic"] if "tag" in one and not one.get("percent")]
    if "to-latest" in flags:
        service["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}, *tagged]
    else:
        revision, _, percent = flags["to-revisions"].partition("=")
        if revision not in project.kind("revisions"):
            raise Fault(f"Revision {revision} not found")
        service["spec"]["traffic"] = [{"revisionName": revision, "percent": int(percent)}, *tagged]
    if "remove-tags" in flags:
        _untag(service, flags["remove-tags"])
    _serve(service)
    return []


def describe(project: Any, call: Call) -> list[Any]:
    name = call.words[3]
    if name not in project.kind("run services"):
        raise Fault(f"Cannot find service [{name}]")
    return [project.kind("run services")[name]]


def delete(project: Any, call: Call) -> list[Any]:
    describe(project, call)
    del project.kind("run services")[call.words[3]]
    project.kind("revisions").clear()
    return []


def deploy_function(project: Any, call: Call) -> list[Any]:
    flags, name = call.flags, call.words[2]
    service = project.kind("run services").setdefault(name, _new(project, name, flags["region"]))
    service["metadata"]["labels"]["goog-managed-by"] = "cloudfunctions"
    revision = f"{name}-{len(project.kind('revisions')) + 1:05}-fun"
    service["spec"]["template"] = template(flags, revision)
    labels = dict([flags["update-labels"].split("=")])
    project.kind("functions")[name] = {"name": name, "labels": labels}
    _made(project, service, revision)
    return []


def describe_function(project: Any, call: Call) -> list[Any]:
    if call.words[2] not in project.kind("functions"):
        raise Fault("ResponseError: status=[404], code=[Ok], message=[Resource was not found]")
    return [project.kind("functions")[call.words[2]]]


def delete_function(project: Any, call: Call) -> list[Any]:
    describe_function(project, call)
    del project.kind("functions")[call.words[2]], project.kind("run services")[call.words[2]]
    project.kind("revisions").clear()
    return []


def uploaded(project: Any, call: Call) -> str:
    names = ["main.py", "requirements.txt", "config/issuers.json", *project.more_files]
    return "".join(f"{name}\n" for name in names)


def add_backend(project: Any, call: Call) -> list[Any]:
    project.kind("compute backend-services")[call.words[3]]["backends"] = [
        {"group": call.flags["network-endpoint-group"]}
    ]
    return []


HANDLERS = {
    "compute backend-services add-backend": add_backend,
    "meta list-files-for-upload": uploaded,
    "run deploy": deploy,
    "run services update": update,
    "run services update-traffic": update_traffic,
    "run services describe": describe,
    "run services list": lambda project, call: list(project.kind("run services").values()),
    "run services delete": delete,
    "run revisions list": lambda project, call: list(project.kind("revisions").values()),
    "functions deploy": deploy_function,
    "functions describe": describe_function,
    "functions delete": delete_function,
}
