"""`/control`: what a test changes in the stand-in, and what it counts. Not a part of Google.

    GET    /control               operations, one row for each method, resource and outcome; calls that are waiting
    GET    /control/data-access   the data-access audit log of Cloud KMS, as `gcloud logging read --format=json` prints it
    DELETE /control               faults, latencies and counts are gone, and that log
    DELETE /control/operations    counts alone
    POST   /control/latency       {"milliseconds": 60, "method"?, "resource"?}
    POST   /control/faults        {"kind", "method"?, "resource"?, "status"?, "field"?, "skip"?, "times"? (null: always)}
    POST   /control/versions      {"name", "state"}, of a key or of a secret
    POST   /control/bindings      {"resource", "role", "member", "isGiven"}
    POST   /control/quotas        {"kind", "perMinute"}
    POST   /control/clock         {"advanceSeconds"}

``resource`` is the beginning of a name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kas.encoding import parse_json
from kas.errors import ConfigError, KasError
from kas.schema import Node
from local.google.cloud import Cloud
from local.google.faults import KINDS, Fault, Latency
from local.google.kinds import KeyState, SecretState
from local.google.metadata import TOKEN_METHOD
from local.google.methods import METHODS
from local.google.names import KEY_VERSION, matches
from local.google.quotas import DEFAULTS
from local.google.status import HTTP_STATUSES, GoogleError, invalid

_KNOWN: Final = frozenset({"*", TOKEN_METHOD, *(method.name for method in METHODS)})
_MAX_MILLISECONDS: Final = 10 * 60 * 1000
_MANY: Final = 10**9


@dataclass(frozen=True, slots=True)
class Control:
    """Answers requests; what cannot be read is refused as INVALID_ARGUMENT."""

    cloud: Cloud

    def answer(self, verb: str, path: str, body: bytes) -> bytes:
        """The body of a 200. Raises GoogleError."""
        changes: dict[tuple[str, str], Callable[[Node], None]] = {
            ("POST", "/control/latency"): self._latency,
            ("POST", "/control/faults"): self._fault,
            ("POST", "/control/versions"): self._version,
            ("POST", "/control/bindings"): self._binding,
            ("POST", "/control/quotas"): self._quota,
            ("POST", "/control/clock"): self._clock,
        }
        if (verb, path) in changes:
            self._change(changes[verb, path], body)
        elif (verb, path) == ("DELETE", "/control"):
            self.cloud.faults.clear()
            self.cloud.operations.clear()
            self.cloud.data_access.clear()
        elif (verb, path) == ("GET", "/control/data-access"):
            return f"{json.dumps(self.cloud.data_access.entries(), indent=2)}\n".encode("ascii")
        elif (verb, path) == ("DELETE", "/control/operations"):
            self.cloud.operations.clear()
        elif (verb, path) != ("GET", "/control"):
            raise GoogleError("NOT_FOUND", f"There is no {verb} {path}.")
        operations = self.cloud.operations
        answer = json.dumps({"waiting": operations.waiting, "operations": operations.rows()})
        return f"{answer}\n".encode("ascii")

    def _change(self, change: Callable[[Node], None], body: bytes) -> None:
        try:
            node = Node(parse_json(body), "body")
            change(node)
        except (ConfigError, KasError) as error:
            raise invalid(str(error)) from error

    def _latency(self, node: Node) -> None:
        milliseconds = node["milliseconds"].integer(0, _MAX_MILLISECONDS)
        rule = Latency(milliseconds / 1000, _method_of(node), _text(node, "resource"))
        node.done()
        self.cloud.faults.add(rule)

    def _fault(self, node: Node) -> None:
        status, times, skip = node.get("status"), node.get("times"), node.get("skip")
        fault = Fault(
            kind=node["kind"].choice(KINDS),
            method=_method_of(node),
            resource=_text(node, "resource"),
            status="UNAVAILABLE" if status is None else status.choice(HTTP_STATUSES),
            field=_text(node, "field"),
            skip=0 if skip is None else skip.integer(0, _MANY),
            times=1 if times is None else None if times.value is None else times.integer(1, _MANY),
        )
        node.done()
        self.cloud.faults.add(fault)

    def _version(self, node: Node) -> None:
        name, state = self.cloud.places.by_id(node["name"].text()), node["state"]
        if matches(name, KEY_VERSION):
            version = self.cloud.keys.find_version(name)
            self.cloud.keys.force(version, KeyState[state.choice(KeyState.__members__)])
        else:
            held = self.cloud.secrets.find_version(name)
            self.cloud.secrets.choose(held, SecretState[state.choice(SecretState.__members__)])
        node.done()

    def _binding(self, node: Node) -> None:
        change = self.cloud.policies.give if node["isGiven"].boolean() else self.cloud.policies.take
        change(self.cloud.places.by_id(node["resource"].text()), node["role"].text(), node["member"].text())
        node.done()

    def _quota(self, node: Node) -> None:
        self.cloud.quotas.limit(node["kind"].choice(DEFAULTS), node["perMinute"].integer(0, _MANY))
        node.done()

    def _clock(self, node: Node) -> None:
        self.cloud.clock.advance(node["advanceSeconds"].integer(0, _MANY))
        node.done()


def _method_of(node: Node) -> str:
    method = node.get("method")
    return "*" if method is None else method.choice(_KNOWN)


def _text(node: Node, name: str) -> str:
    found = node.get(name)
    return "" if found is None else found.text()
