"""What gcloud's own installation says of Google's interfaces: methods with their paths, and messages with their fields.

It is read where it lies when a rehearsal starts, and never copied: what is refused here as unknown is unknown to the
version of gcloud that is installed. A request or an answer that does not fit a message is refused with its place.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from local.google.status import invalid

# Interfaces in the versions that gcloud speaks.
INTERFACES: Final = (
    "artifactregistry/v1",
    "billingbudgets/v1",
    "cloudbilling/v1",
    "cloudbuild/v1",
    "cloudbuild/v2",
    "cloudfunctions/v2",
    "cloudresourcemanager/v1",
    "compute/v1",
    "firestore/v1",
    "iam/v1",
    "logging/v2",
    "monitoring/v1",
    "monitoring/v3",
    "redis/v1",
    "run/v1",
    "run/v2",
    "serviceusage/v1",
    "storage/v1",
)
# What the interface takes and this gcloud has no word for.
_NEWER: Final = {"compute/v1": {"SslPolicy.MinTlsVersionValueValuesEnum": "TLS_1_3"}}
_DUMP: Final = Path(__file__).with_name("definitions_dump.py")
# Parameters of every call.
_SYSTEM: Final = frozenset({"alt", "$alt", "prettyPrint", "key", "quotaUser", "fields", "uploadType", "$.xgafv"})
_PARAMETER: Final = re.compile(r"\{(\+?)(\w+)\}")
_DURATION: Final = re.compile(r"-?\d+(?:\.\d+)?s")
_SCALARS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "bytes": (str,),
    "bool": (bool,),
    "int": (int, str),
    "float": (int, float),
    "any": (object,),
}


@dataclass(frozen=True, slots=True)
class Method:
    """``interface`` is such as ``run/v1``; ``pattern`` finds the parameters of the path."""

    interface: str
    name: str
    verb: str
    pattern: re.Pattern[str]
    query: frozenset[str]
    body: str
    request: str
    response: str

    @property
    def api(self) -> str:
        return self.interface.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Definitions:
    """``types`` by interface and name."""

    methods: tuple[Method, ...]
    types: Mapping[str, Mapping[str, Any]]

    def find(self, api: str, verb: str, path: str) -> list[tuple[Method, dict[str, str]]]:
        """The methods at a path, the most particular first, each with the parameters of the path."""
        found = [
            (method, match)
            for method in self.methods
            if method.api == api and method.verb == verb and (match := method.pattern.fullmatch(path))
        ]
        return [(method, match.groupdict()) for method, match in found]

    def check_query(self, method: Method, names: Iterator[str]) -> None:
        for name in names:
            if name.split(".")[0] not in method.query and name not in method.query | _SYSTEM:
                raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.')

    def check_body(self, method: Method, body: Any) -> None:
        """Raises GoogleError (INVALID_ARGUMENT) for a body that the method does not take."""
        if not method.body:
            if body:
                raise invalid("There must be no body.")
            return
        kind = method.request
        if method.body != "<request>":
            kind = self.types[method.interface][kind]["fields"][method.body][0]
        self.check(method.interface, kind, body, "")

    def check_answer(self, method: Method, answer: Any) -> None:
        self.check(method.interface, method.response, answer, "answer")

    def check(self, interface: str, kind: str, value: Any, place: str) -> None:
        """Raises GoogleError (INVALID_ARGUMENT) unless ``value`` is JSON of this type."""
        described = self.types[interface].get(kind)
        if described is None:
            _check_scalar(kind, value, place)
        elif "values" in described:
            if not isinstance(value, str) or value.upper() not in {one.upper() for one in described["values"]}:
                raise invalid(f"Invalid value at '{place}': {json.dumps(value)}")
        elif not isinstance(value, dict):
            raise invalid(f"Invalid value at '{place}': an object is expected")
        else:
            for name, inner in value.items():
                at = f"{place}.{name}".lstrip(".")
                if "map" in described:
                    self._check_field(interface, described["map"], inner, at)
                elif name not in described["fields"]:
                    raise invalid(
                        f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
                    )
                else:
                    self._check_field(interface, described["fields"][name], inner, at)

    def _check_field(self, interface: str, field: tuple[str, bool], value: Any, place: str) -> None:
        kind, is_repeated = field
        if value is None:
            return
        if is_repeated and not isinstance(value, list):
            raise invalid(f"Invalid value at '{place}': a list is expected")
        for item in value if is_repeated else (value,):
            self.check(interface, kind, item, place)


def _check_scalar(kind: str, value: Any, place: str) -> None:
    is_number = kind != "int" or not isinstance(value, str) or value.lstrip("-").isdigit()
    if not isinstance(value, _SCALARS[kind]) or not is_number or (kind in {"int", "float"} and isinstance(value, bool)):
        raise invalid(f"Invalid value at '{place}' ({kind}): {json.dumps(value)}")


def load_definitions(gcloud: Path) -> Definitions:
    """From an installation; ``gcloud`` is its command, or a link to it."""
    root = gcloud.resolve().parent.parent
    command = [sys.executable, "-I", "-B", str(_DUMP), str(root), *INTERFACES]
    described = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    for interface, enumerations in _NEWER.items():
        for name, value in enumerations.items():
            described[interface]["types"][name]["values"].append(value)
    methods = [
        _method(interface, name, one, urlsplit(found["base"]).path)
        for interface, found in described.items()
        for name, one in found["methods"].items()
    ]
    return Definitions(tuple(methods), {interface: found["types"] for interface, found in described.items()})


def _method(interface: str, name: str, one: Mapping[str, Any], base: str) -> Method:
    return Method(
        interface=interface,
        name=name,
        verb=one["verb"],
        pattern=pattern_of(base + one["path"], base + one["flatPath"]),
        query=frozenset(one["query"]),
        body=one["body"],
        request=one["request"],
        response=one["response"],
    )


def pattern_of(path: str, flat: str) -> re.Pattern[str]:
    """Of a whole path: its form is the flat one's, its parameters (``{+name}`` may hold slashes) are the other's."""
    form = _PARAMETER.sub("[^/:]+" if flat != path else "[^/]+", _escaped(flat))
    own = _PARAMETER.sub(lambda found: f"(?P<{found[2]}>{'.+' if found[1] else '[^/]+'})", _escaped(path))
    return re.compile(f"(?={form}$){own}")


def _escaped(path: str) -> str:
    return re.sub(r"[.:$]", lambda found: "\\" + found[0], path)
