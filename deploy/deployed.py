"""What Google says of the deployed service, as `gcloud run services describe --format=json` prints it.

`differences` names every setting in which it is not what is wanted, its own and those of the platform: whatever was
changed elsewhere is found, and what is as it should be is not deployed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

_URLS: Final = "run.googleapis.com/urls"
_INTERFACES: Final = "run.googleapis.com/network-interfaces"
_EGRESS: Final = "run.googleapis.com/vpc-access-egress"
_OURS: Final = ("KAS_", "THREADS", "WORKERS", "DEBUG")
_TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Deployed:
    """``service`` is of Cloud Run, ``function`` of Cloud Functions where it was deployed by that; each may be empty."""

    service: Json
    function: Json

    @property
    def is_there(self) -> bool:
        return bool(self.service)

    @property
    def newest(self) -> str:
        """The newest revision that is ready, or nothing."""
        return str(self._status.get("latestReadyRevisionName", ""))

    @property
    def is_ready(self) -> bool:
        """Whether what was deployed last has started."""
        return self.newest != "" and self.newest == self._status.get("latestCreatedRevisionName", self.newest)

    @property
    def environment(self) -> dict[str, str]:
        """What the newest revision was given."""
        return environment_of(self._template)

    @property
    def urls(self) -> list[str]:
        """Addresses that Google has given it, without those of tags."""
        listed = json.loads(_annotations(self.service).get(_URLS, "[]"))
        return list(dict.fromkeys([*listed, *([self._status["url"]] if "url" in self._status else [])]))

    def tagged(self, tag: str) -> str:
        """The revision with this tag, or nothing."""
        return next((self._name(one) for one in self._traffic if one.get("tag") == tag), "")

    def withdrawn(self, tag: str) -> str:
        """The newest revision, where it has neither traffic nor waits for it: somebody has rolled back."""
        serving = {self._name(one) for one in self._traffic if one.get("percent")}
        return self.newest if serving and self.newest not in serving and not self.tagged(tag) else ""

    @property
    def _status(self) -> Json:
        return dict(self.service.get("status", {}))

    @property
    def _template(self) -> Json:
        return dict(self.service.get("spec", {}).get("template", {}))

    @property
    def _traffic(self) -> list[Json]:
        return list(self.service.get("spec", {}).get("traffic", []))

    def _name(self, target: Json) -> str:
        return self.newest if target.get("latestRevision") else str(target.get("revisionName", ""))

    def differences(self, environment: Mapping[str, str], options: Mapping[str, str]) -> Iterator[str]:
        """Names of what is not as wanted; "source" first, where there is anything to build."""
        labels = (self.function if options["via"] == "functions" else self.service.get("metadata", {})).get(
            "labels", {}
        )
        if not self.is_there or labels.get("kas-source") != options["source"]:
            yield "source"
        if not self.is_there:
            return
        if not self.is_ready:
            yield "unready"
        yield from sorted(_unlike(environment, self.environment))
        yield from sorted(_unlike(_wanted(options), self._platform(options)))

    def _platform(self, options: Mapping[str, str]) -> dict[str, str]:
        spec, own = self._template.get("spec", {}), _annotations(self._template)
        limits = spec.get("containers", [{}])[0].get("resources", {}).get("limits", {})
        seen = {
            "cpu": str(limits.get("cpu", "")).replace("000m", ""),
            "memory": str(limits.get("memory", "")),
            "concurrency": str(spec.get("containerConcurrency", "")),
            "timeout": str(spec.get("timeoutSeconds", "")),
            "account": str(spec.get("serviceAccountName", "")),
            "max_instances": own.get("autoscaling.knative.dev/maxScale", ""),
            "min_instances": own.get("autoscaling.knative.dev/minScale", "0"),
        }
        return seen if options["via"] == "functions" else seen | self.edge | {"egress": egress_of(own)}

    @property
    def edge(self) -> dict[str, str]:
        """Who may reach the service, whichever revision serves."""
        own = _annotations(self.service)
        return {
            "ingress": own.get("run.googleapis.com/ingress", "all"),
            "default_url": "no" if own.get("run.googleapis.com/default-url-disabled", "").lower() == "true" else "yes",
            "open": own.get("run.googleapis.com/invoker-iam-disabled", "false").lower(),
        }


def environment_of(template: Json) -> dict[str, str]:
    """Of a revision or a template of one; the platform's own variables are not ours to compare."""
    listed = template.get("spec", {}).get("containers", [{}])[0].get("env", [])
    return {one["name"]: one.get("value", "") for one in listed if one["name"].startswith(_OURS)}


def egress_of(annotations: Mapping[str, str]) -> str:
    """Network, subnet and what is sent by it, of a template's annotations; nothing where it is connected to none."""
    found = [
        f"{one.get('network', '')}/{one.get('subnetwork', '')}"
        for one in json.loads(annotations.get(_INTERFACES, "[]"))
    ]
    return "".join(f"{one}/{annotations.get(_EGRESS, '')}" for one in found)


def _wanted(options: Mapping[str, str]) -> dict[str, str]:
    same = {name: options[name] for name in ("cpu", "memory", "account", "max_instances")}
    numbers = {"concurrency": options["threads"], "timeout": str(_TIMEOUT_SECONDS), "min_instances": "0"}
    if options["via"] == "functions":
        return same | numbers
    edge = {name: options[name] for name in ("ingress", "default_url", "egress")}
    return same | numbers | edge | {"open": "true"}


def _unlike(wanted: Mapping[str, str], seen: Mapping[str, str]) -> set[str]:
    return {name for name in wanted.keys() | seen.keys() if wanted.get(name) != seen.get(name)}


def _annotations(resource: Json) -> dict[str, str]:
    return dict(resource.get("metadata", {}).get("annotations", {}))
