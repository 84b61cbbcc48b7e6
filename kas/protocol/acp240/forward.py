"""What one service asks of another and the shape of its answer (ACP-240 §2; KAS-REQ-080, 081).

What goes out is what came in, value by value: the canonical forms under bindings, signatures and hashes are those of the
client. What comes back is a stranger's: it has the shape of a response within bounds, and that is all. Whose the results
are, whether they were asked for and who signed them is for whoever forwarded to check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from kas.encoding import parse_json
from kas.errors import InvalidRequest
from kas.protocol.bounds import JsonBounds, check_bounds

# A policy and KAOs of it, as the client sent them.
SentGroup: TypeAlias = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]
# A policyId and the results under it.
AnsweredGroup: TypeAlias = tuple[str, list[dict[str, Any]]]


def forwarded_body(client_key_sent: Any, groups: Sequence[SentGroup]) -> bytes:
    """The body for the other service. A group has no ``mode``: that is resolved where the client asked."""
    requests = [{"policy": policy, "keyAccessObjects": kaos} for policy, kaos in groups]
    body = {"clientPublicKey": client_key_sent, "requests": requests}
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def read_forwarded_answer(body: bytes, bounds: JsonBounds) -> list[AnsweredGroup]:
    """The results in the order of the answer, each an object with a non-empty ``keyAccessObjectId``; nothing else of it is
    read. Members beside ``responses`` are ignored. Raises ValueError for anything of another shape.
    """
    try:
        value = parse_json(body)
        check_bounds(value, bounds)
    except InvalidRequest as error:
        raise ValueError("not I-JSON within bounds") from error
    return [(_text(group, "policyId"), list(_results(group))) for group in _objects(value, "responses")]


def _results(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for result in _objects(group, "results"):
        _text(result, "keyAccessObjectId")
        yield result


def _objects(holder: Any, name: str) -> list[dict[str, Any]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"{name} is not a list of objects")
    return found


def _text(holder: dict[str, Any], name: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is not a text, or empty")
    return found
