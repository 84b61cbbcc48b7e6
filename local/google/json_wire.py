"""Messages as the JSON of Google's REST interfaces: camel case, base64, 64-bit numbers as text, defaults left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import proto
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from local.google.methods import Method
from local.google.status import invalid


def _raw(message: Any) -> Any:
    """The protobuf message of a message of either kind."""
    return type(message).pb(message) if isinstance(message, proto.Message) else message


def parse_request(method: Method, resource: str, query: Iterable[tuple[str, str]], body: bytes) -> Any:
    """A request from its three places. Raises GoogleError (INVALID_ARGUMENT), as for an unknown member."""
    request = method.request()
    raw = _raw(request)
    members: dict[str, Any] = _parse_body(method, body)
    for path, text in query:
        _place(members, raw.DESCRIPTOR, path.split("."), text)
    _place(members, raw.DESCRIPTOR, method.field.split("."), resource)
    try:
        json_format.ParseDict(members, raw)
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    return request


def _parse_body(method: Method, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise invalid("Invalid JSON payload received. It cannot be parsed.") from error
    if not isinstance(value, dict) or (value and not method.body):
        raise invalid("Invalid JSON payload received. It is not an object, or there must be none.")
    if not method.body:
        return {}
    return value if method.body == "*" else {method.body: value}


def _place(members: dict[str, Any], message: Descriptor, path: list[str], text: str) -> None:
    """Puts a value of the query where it belongs; a name that is unknown is left for the parser to refuse."""
    name, *rest = path
    field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    key = field.name if field is not None else name
    if rest and field is not None and field.message_type is not None:
        inner = members.setdefault(key, {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid value at '{key}'.")
        _place(inner, field.message_type, rest, text)
    elif field is not None and field.is_repeated:
        members.setdefault(key, []).append(text)
    else:
        members[key] = _scalar(field, text)


def _scalar(field: FieldDescriptor | None, text: str) -> Any:
    if field is not None and field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text.lower(), text)
    if field is not None and field.type == FieldDescriptor.TYPE_ENUM and text.isdigit():
        return int(text)
    return text


def render(message: Any, *, has_number_enums: bool) -> bytes:
    members = json_format.MessageToDict(_raw(message), use_integers_for_enums=has_number_enums)
    return json.dumps(members).encode("ascii")
