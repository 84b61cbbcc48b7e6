"""Small pieces of JSON Schema (2020-12), as OpenAPI 3.1 has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

_B64: Final = "[A-Za-z0-9+/]"
_LAST_OF_32_BYTES: Final = "[AEIMQUYcgkosw048]"  # its two lowest bits are none of the data's
BASE64: Final = f"^(?:{_B64}{{4}})*(?:{_B64}[AQgw]==|{_B64}{{2}}[AEIMQUYcgkosw048]=)?$"
BASE64_32_BYTES: Final = f"^{_B64}{{42}}{_LAST_OF_32_BYTES}=$"
BASE64URL_32_BYTES: Final = f"^[A-Za-z0-9_-]{{42}}{_LAST_OF_32_BYTES}$"


def ref(name: str, kind: str = "schemas") -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def text(description: str = "", **rules: Any) -> Json:
    return {"type": "string", **({"description": description} if description else {}), **rules}


def words(*values: str, description: str = "") -> Json:
    """One of ``values``."""
    return text(description, enum=list(values))


def base64_text(description: str = "", pattern: str = BASE64, **rules: Any) -> Json:
    return text(description, pattern=pattern, contentEncoding="base64", **rules)


def items(of: Json, **rules: Any) -> Json:
    return {"type": "array", "items": of, **rules}


def closed(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object of these members and no others: what the service sends."""
    return {**opened(required, optional), "additionalProperties": False}


def opened(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object of these members; others are ignored: what the service takes."""
    members = {"type": "object", "properties": {**required, **(optional or {})}}
    return {**members, "required": list(required)} if required else members


def nullable(schema: Json) -> Json:
    """Protobuf's JSON form takes null for absent."""
    return {**schema, "type": [schema["type"], "null"]}
