"""A project as Google keeps it, as far as deploy.sh asks and changes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.deploy.recorder import keys, service, stores, watching
from tests.deploy.recorder.call import Call, Fault
from tests.deploy.recorder.formats import show

Json = dict[str, Any]
Handler = Callable[["Project", Call], list[Any]]

NAME, NUMBER = "my-project", 123456789012
OWNER = {"role": "roles/owner", "members": ["user:admin@example.com"]}
# What is named by its first word after the verb, kept as the flags say, without a rule of its own.
PLAIN = (
    *("kms keyrings", "compute addresses", "compute url-maps"),
    *("compute network-endpoint-groups", "compute backend-services", "compute ssl-certificates"),
    *("compute target-https-proxies", "compute forwarding-rules", "compute ssl-policies"),
)


class Project:
    """Everything in ``state`` by kind and name, so that two of them can be compared."""

    def __init__(self) -> None:
        self.state: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, Json] = {"project": {"bindings": [OWNER], "etag": "BwXhqDVh0wA=", "version": 1}}
        self.enabled: set[str] = set()
        self.secrets: dict[str, dict[int, str]] = {}
        self.servers_made = 0
        self.passwords: dict[str, str] = {}  # of servers
        self.pending = 0  # questions until a new key version, or server, is made
        self.generating: dict[str, int] = {}
        self.more_files: list[str] = []
        self.account = "admin@example.com"
        self.seen: list[Json] = []  # what a smoke test measures
        self.log: list[Json] = []
        self.numbers = 0

    def kind(self, name: str) -> dict[str, Any]:
        return self.state.setdefault(name, {})

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def snapshot(self) -> Json:
        """What is there, without what no two projects share."""
        policies = {
            name: [policy.get("bindings"), policy.get("auditConfigs")] for name, policy in self.policies.items()
        }
        secrets = {name: len(versions) for name, versions in self.secrets.items()}
        return json.loads(json.dumps([self.state, policies, sorted(self.enabled), secrets], sort_keys=True))

    def run(self, call: Call) -> str:
        """What it prints. Raises Fault."""
        if call.program == "python":
            return keys.python(self, call)
        for length in (4, 3, 2):
            handler = HANDLERS.get(" ".join(call.words[:length]))
            if handler is not None:
                found = handler(self, call)
                if isinstance(found, str) or "format" not in call.flags:
                    return found if isinstance(found, str) else ""
                return show(found, call.flags, is_list="list" in call.words)
        raise LookupError(" ".join(call.words))


def named(kind: str) -> dict[str, Handler]:
    """create, describe, list and delete of a kind of resource."""
    depth = len(kind.split()) + 1

    def create(project: Project, call: Call) -> list[Any]:
        (name,) = call.words[depth:]
        if name in project.kind(kind):
            raise Fault(f"ALREADY_EXISTS: {kind} {name}")
        flags = {flag: value for flag, value in call.flags.items() if flag != "project"}
        project.kind(kind)[name] = {"name": name, **flags}
        return []

    def describe(project: Project, call: Call) -> list[Any]:
        (name,) = call.words[depth:]
        if name not in project.kind(kind):
            raise Fault(f"NOT_FOUND: {kind} {name} was not found")
        return [project.kind(kind)[name]]

    def delete(project: Project, call: Call) -> list[Any]:
        describe(project, call)
        del project.kind(kind)[call.words[depth:][0]]
        return []

    def list_all(project: Project, call: Call) -> list[Any]:
        return list(project.kind(kind).values())

    return {f"{kind} create": create, f"{kind} describe": describe, f"{kind} delete": delete, f"{kind} list": list_all}


def policy(kind: str, depth: int) -> dict[str, Handler]:
    """get-, add- and remove-iam-policy-binding."""

    def of(project: Project, call: Call) -> Json:
        name = call.words[depth:][0]
        if kind != "projects" and name not in project.kind(kind):
            raise Fault(f"NOT_FOUND: {kind} {name}")
        return project.policies.setdefault("project" if kind == "projects" else f"{kind}/{name}", {"bindings": []})

    def add(project: Project, call: Call) -> list[Any]:
        bindings, flags, rule = of(project, call)["bindings"], call.flags, condition(call)
        binding = next((one for one in bindings if (one["role"], one.get("condition")) == (flags["role"], rule)), None)
        if binding is None:
            own = {"role": flags["role"], "members": [flags["member"]]}
            bindings.append(own if rule is None else {**own, "condition": rule})
        elif flags["member"] not in binding["members"]:
            binding["members"].append(flags["member"])
        return []

    def remove(project: Project, call: Call) -> list[Any]:
        own, flags = of(project, call), call.flags
        for binding in own["bindings"]:
            if (binding["role"], binding.get("condition")) == (flags["role"], condition(call)):
                binding["members"].remove(flags["member"])
        own["bindings"] = [binding for binding in own["bindings"] if binding["members"]]
        return []

    def condition(call: Call) -> dict[str, str] | None:
        text = call.flags.get("condition", "None")
        return None if text == "None" else dict(part.split("=", 1) for part in text.split(","))

    return {
        f"{kind} get-iam-policy": lambda project, call: [of(project, call)],
        f"{kind} add-iam-policy-binding": add,
        f"{kind} remove-iam-policy-binding": remove,
    }


def set_project_policy(project: Project, call: Call) -> list[Any]:
    asked = json.loads(Path(call.words[2:][1]).read_text("utf-8"))
    if asked.get("etag") != project.policies["project"]["etag"]:
        raise Fault("ABORTED: there were concurrent policy changes")
    project.policies["project"] = {
        **asked,
        "etag": base64.b64encode(str(project.next_number()).zfill(8).encode()).decode(),
    }
    return []


def enable(project: Project, call: Call) -> list[Any]:
    project.enabled |= set(call.words[2:])
    return []


HANDLERS: dict[str, Handler] = {
    "config get-value": lambda project, call: f"{NAME}\n",
    "auth list": lambda project, call: [{"account": project.account}],
    "auth print-access-token": lambda project, call: "canary-access-token\n",
    "projects describe": lambda project, call: [{"projectNumber": NUMBER}],
    "billing projects describe": lambda project, call: [
        {"billingAccountName": "billingAccounts/0X0X0X-0X0X0X-0X0X0X", "billingEnabled": True}
    ],
    "logging read": lambda project, call: json.dumps(project.log),
    "services list": lambda project, call: [{"config": {"name": name}} for name in sorted(project.enabled)],
    "services enable": enable,
    "projects set-iam-policy": set_project_policy,
    **{name: handler for kind in PLAIN for name, handler in named(kind).items()},
    **policy("projects", 2),
    **policy("kms keys", 3),
    **policy("secrets", 2),
    **keys.HANDLERS,
    **service.HANDLERS,
    **stores.HANDLERS,
    **watching.HANDLERS,
}
