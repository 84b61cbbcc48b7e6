"""Run by gcloud's own Python: prints, as JSON, how gcloud itself describes the interfaces named on the command line.

It is a script beside the package and imports nothing of it: `definitions` starts it with the folder of the installation
and pairs such as ``run/v1``.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

GENERATED = "googlecloudsdk.generated_clients.apis"
NUMBERS = {"INT32": "int", "INT64": "int", "UINT32": "int", "UINT64": "int", "DOUBLE": "float", "FLOAT": "float"}


def described(api: str, version: str) -> dict[str, Any]:
    name = f"{GENERATED}.{api}.{version}.{api}_{version}"
    client, messages = (importlib.import_module(f"{name}_{part}") for part in ("client", "messages"))
    service: Any
    (service,) = (one for one in vars(client).values() if isinstance(one, type) and hasattr(one, "MESSAGES_MODULE"))
    methods = dict(method for group in vars(service).values() for method in methods_of(group, messages))
    types: dict[str, Any] = {}
    for one in vars(messages).values():
        if isinstance(one, type):
            describe(one, types)
    return {"base": service.BASE_URL, "methods": methods, "types": types}


def methods_of(group: Any, messages: Any) -> list[tuple[str, dict[str, Any]]]:
    from apitools.base.py import encoding

    def shown(request: str, name: str) -> str:
        return encoding.GetCustomJsonFieldMapping(getattr(messages, request), python_name=name) or name

    if not isinstance(group, type):
        return []
    found = [call.method_config() for call in vars(group).values() if hasattr(call, "method_config")]
    return [
        (
            one.method_id,
            {
                "verb": one.http_method,
                "path": one.relative_path,
                "flatPath": one.flat_path or one.relative_path,
                "query": [shown(one.request_type_name, name) for name in one.query_params],
                "body": one.request_field,
                "request": one.request_type_name,
                "response": one.response_type_name,
            },
        )
        for one in found
    ]


def describe(kind: Any, types: dict[str, Any]) -> str:
    """Puts a message or enumeration, and what its fields are made of, into ``types``; gives its name there."""
    from apitools.base.protorpclite import messages
    from apitools.base.py import encoding

    name = ".".join(kind.__qualname__.split("."))
    if name in types:
        return name
    if issubclass(kind, messages.Enum):
        mapped = [encoding.GetCustomJsonEnumMapping(kind, python_name=one) or one for one in kind.names()]
        types[name] = {"values": mapped}
    elif issubclass(kind, messages.Message):
        types[name] = {}
        fields = {
            encoding.GetCustomJsonFieldMapping(kind, python_name=one.name) or one.name: typed(one, types)
            for one in kind.all_fields()
        }
        # A map of Google's is a message here whose only field is the list of what is not named.
        is_map = set(fields) == {"additionalProperties"}
        types[name] = {"map": value_of(kind, types)} if is_map else {"fields": fields}
    return name


def value_of(kind: Any, types: dict[str, Any]) -> list[Any]:
    """The type of the values of a map."""
    return typed(kind.additionalProperties.type.value, types)


def typed(field: Any, types: dict[str, Any]) -> list[Any]:
    """Type of a field: a word, or the name of a message or an enumeration; and whether it is repeated."""
    from apitools.base.protorpclite import messages

    if isinstance(field, messages.MessageField):
        inner = field.type
        is_open = inner.__module__.endswith("extra_types")
        is_time = not issubclass(inner, messages.Message)
        word = "any" if is_open else "string" if is_time else describe(inner, types)
    elif isinstance(field, messages.EnumField):
        word = describe(field.type, types)
    else:
        word = NUMBERS.get(field.variant.name, field.variant.name.lower())
    return [word, bool(field.repeated)]


def main() -> None:
    library = Path(sys.argv[1]) / "lib"
    sys.path[:0] = [str(library), str(library / "third_party")]
    json.dump({pair: described(*pair.split("/")) for pair in sys.argv[2:]}, sys.stdout)


if __name__ == "__main__":
    main()
