"""The part of gcloud's ``--format`` and ``--flatten`` that deploy.sh asks for."""

from __future__ import annotations

import json
from typing import Any


def show(resources: list[Any], flags: dict[str, str], *, is_list: bool) -> str:
    """What gcloud prints of one resource, or of a list."""
    form = flags.get("format", "")
    if "flatten" in flags:
        resources = [flat for one in resources for flat in _flatten(one, flags["flatten"])]
    if form == "json":
        return json.dumps(resources if is_list else resources[0])
    if form.startswith("json("):
        name = form[5:-1]
        return json.dumps({name: resources[0][name]} if name in resources[0] else {})
    assert form.startswith("value("), form
    paths = form[6:-1].split(",")
    return "".join("\t".join(_text(_at(one, path)) for path in paths) + "\n" for one in resources)


def _flatten(resource: dict[str, Any], path: str) -> list[dict[str, Any]]:
    assert path == "bindings[].members[]"
    return [
        {"bindings": {**binding, "members": member}}
        for binding in resource.get("bindings", [])
        for member in binding["members"]
    ]


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if step == "basename()":
            value = str(value).rpartition("/")[2]
        elif isinstance(value, list):
            value = [one.get(step) for one in value]
        else:
            value = (value or {}).get(step.removesuffix("[]"))
    return value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(_text(one) for one in value)
    if isinstance(value, dict):
        return ";".join(f"{name}={_text(one)}" for name, one in value.items())
    return "" if value is None else str(value)
