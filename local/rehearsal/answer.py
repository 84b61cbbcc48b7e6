"""The steps of every call of the administrative interfaces. What gcloud asks for beyond the tables is refused, and told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from local.google.status import GoogleError, invalid, not_stood_in_for
from local.rehearsal.definitions import Method
from local.rehearsal.journal import DRY_RUN, Entry
from local.rehearsal.wire import DetailedError, Reply, Request, json_reply, refusal
from local.rehearsal.world import World

# Interfaces that answer whatever is enabled: gcloud brings a project of its own to pay for them.
_ALWAYS: Final = frozenset({"cloudresourcemanager", "serviceusage", "cloudbilling"})
_REGION: Final = re.compile(r"^[a-z]+-[a-z]+\d+-")
_PROJECT: Final = re.compile(r"(?:^|/)(?:projects|namespaces)/([^/:]+)")
_UPLOAD: Final = "/upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``parameters`` are those of the path, with the project's id for its number; ``body`` is JSON, or None where what
    came is not.
    """

    method: Method
    parameters: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    member: str
    request: Request

    @property
    def resource(self) -> str:
        """What the path names."""
        return "/".join(self.parameters.values())

    def one(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[0]


Handle = Callable[[World, Call], Any]


class WrongAnswer(Exception):
    """The stand-in's own mistake: its answer is not one of this method."""


@dataclass(slots=True)
class _Note:
    method: str
    resource: str = ""
    member: str = ""
    outcome: str = "OK"


@dataclass(frozen=True, slots=True)
class Administration:
    """``handles`` by the name of the method."""

    world: World
    handles: Mapping[str, Handle]

    def answer(self, request: Request) -> Reply:
        """The reply to one call, whatever it is; the journal has it."""
        note = _Note(f"{api_of(request.host)} {request.verb} {request.path}")
        try:
            reply = self._answer(request, note)
        except GoogleError as error:
            note.outcome, reply = error.status, refusal(error)
        project = request.headers.get("x-goog-user-project", "")
        verb = DRY_RUN if ("dryRun", "all") in request.query else request.verb
        self.world.journal.add(Entry(verb, note.method, note.resource, note.member, note.outcome, project))
        return reply

    def _answer(self, request: Request, note: _Note) -> Reply:
        """Answers one call.

        1. The caller is known.
        2. The method is one of Google's, in the version of gcloud that is installed, and is stood in for.
        3. Trouble on demand.
        4. The interface is enabled in the project that pays.
        5. Query and body are what the method takes.
        6. The caller may do it: he owns the project.
        7. It is done, and what is answered is what the method answers.

        Raises GoogleError.
        """
        # 1.
        note.member = self.world.cloud.accounts.member_of(request.headers.get("authorization"))
        # 2.
        method, parameters = self._find(request)
        note.method, note.resource = method.name, "/".join(parameters.values())
        if method.name not in self.handles:
            raise not_stood_in_for(method.name)
        # 3.
        for fault in self.world.cloud.faults.take(method.name, note.resource):
            fault.raise_if_refusal()
        # 4.
        self._check_enabled(method, request, note.resource)
        # 5.
        self.world.definitions.check_query(method, (name for name, _ in request.query))
        call = _read(method, parameters, request, note.member)
        if call.body is not None:
            self.world.definitions.check_body(method, call.body)
        # 6.
        self._check_may(call)
        # 7.
        with self.world.lock:
            answer = self.handles[method.name](self.world, call)
        if isinstance(answer, Reply):
            return answer
        try:
            self.world.definitions.check_answer(method, answer)
        except GoogleError as error:
            raise WrongAnswer(f"{method.name}: {error.message}") from error
        return json_reply(answer)

    def _find(self, request: Request) -> tuple[Method, dict[str, str]]:
        path = unquote(request.path).removeprefix(_UPLOAD)
        found = self.world.definitions.find(api_of(request.host), request.verb, path)
        if not found:
            raise not_stood_in_for(f"{request.verb} {request.host}{request.path}")
        stood_in_for = [one for one in found if one[0].name in self.handles]
        method, parameters = (stood_in_for or found)[0]
        by_id = {name: _by_id(value, self.world) for name, value in parameters.items()}
        return method, by_id

    def _check_enabled(self, method: Method, request: Request, resource: str) -> None:
        named = _PROJECT.search(resource)
        payer = request.headers.get("x-goog-user-project") or (named[1] if named else self.world.project.id)
        service = f"{method.api}.googleapis.com"
        is_ours = payer in {self.world.project.id, str(self.world.project.number)}
        if method.api not in _ALWAYS and is_ours and service not in self.world.project.enabled:
            raise disabled(service, self.world)

    def _check_may(self, call: Call) -> None:
        """Raises GoogleError for a project that is not there as for one that is another's."""
        named = _PROJECT.search(call.resource)
        project = _named_project(call) or (named[1] if named else self.world.project.id)
        permission = f"{call.method.api}.{'.'.join(call.method.name.split('.')[-2:])}"
        if not self.world.access.allows(call.member, permission, f"projects/{project}"):
            text = f"Permission '{permission}' denied on resource '//{call.request.host}/{call.resource}' (or it may not exist)."
            raise GoogleError("PERMISSION_DENIED", text)


def _named_project(call: Call) -> str | None:
    """Of paths that name a project alone."""
    is_project = call.method.name.startswith("cloudresourcemanager.projects.")
    return call.parameters.get("project") or (call.resource if is_project and call.resource else None)


def api_of(host: str) -> str:
    """``run`` of ``us-central1-run.googleapis.com``."""
    return _REGION.sub("", host.partition(".")[0])


def disabled(service: str, world: World) -> DetailedError:
    """What an interface answers before it is enabled."""
    project, url = world.project, f"https://console.developers.google.com/apis/api/{service}/overview"
    text = f"{service} has not been used in project {project.id} before or it is disabled. Enable it by visiting "
    return DetailedError(
        "PERMISSION_DENIED",
        f"{text}{url}?project={project.id} then retry.",
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": service, "consumer": f"projects/{project.id}"},
        },
    )


def _by_id(value: str, world: World) -> str:
    """``projects/-`` is the project of whatever follows."""
    number, name = str(world.project.number), world.project.id
    parts = [name if part == number else part for part in value.split("/")]
    if parts[:2] == ["projects", "-"]:
        parts[1] = name
    return "/".join(parts)


def _read(method: Method, parameters: Mapping[str, str], request: Request, member: str) -> Call:
    query: dict[str, list[str]] = {}
    for name, value in request.query:
        query.setdefault(name, []).append(value)
    body = None
    if request.headers.get("content-type", "application/json").startswith("application/json"):
        body = _json(request.body)
    return Call(method=method, parameters=parameters, query=query, body=body, member=member, request=request)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise invalid("Invalid JSON payload received. It cannot be parsed.") from error
