"""A policy of OpenTDF: base64 of JSON, bound as the text that it is.

One that cannot be read is no fault: it becomes a policy that nobody satisfies.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from kas.encoding import parse_json
from kas.errors import InvalidRequest
from kas.protocol.values import AttributePolicy, UnreadablePolicy


def read_policy(text: str) -> AttributePolicy | UnreadablePolicy:
    """What the base64 ``text`` demands; never raises."""
    try:
        policy = parse_json(protobuf_bytes(text))
        _refuse_misspelt(policy, "body")
        body = policy["body"]
        _refuse_misspelt(body, "dataAttributes", "dissem")
        attributes = [entry["attribute"] for entry in _demands(body, "dataAttributes")]
        dissem = _demands(body, "dissem")
    except (InvalidRequest, ValueError, TypeError, KeyError, AttributeError):
        return UnreadablePolicy()
    if not all(isinstance(item, str) for item in attributes + dissem):
        return UnreadablePolicy()
    return AttributePolicy(tuple(attributes), tuple(dissem))


def _refuse_misspelt(members: Mapping[str, Any], *names: str) -> None:
    """Raises ValueError for a name that other readers may take for one of ``names``: they would see a demand."""
    folded = {name.lower() for name in names}
    for name in members:
        if name not in names and name.lower().replace("_", "") in folded:
            raise ValueError("misspelt")


def _demands(body: Mapping[str, Any], name: str) -> list[Any]:
    """A list of a policy, empty when absent or null. Raises TypeError: no other value says that there is no demand."""
    demands = body.get(name)
    if demands is None:
        return []
    if not isinstance(demands, list):
        raise TypeError("not a list")
    return demands


def protobuf_bytes(text: str) -> bytes:
    """Standard or URL-safe base64, with or without padding, as protobuf's JSON form takes it. Raises ValueError."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
