"""Connect unary RPC (protocol version 1): codecs, compression, GET, and its form of errors.

A message is worked on in protobuf's JSON form, whatever the codec. What a caller sends is bounded before and after
decompression. An error is JSON for both codecs.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from kas.encoding import compact_json, parse_json
from kas.errors import (
    CodecUnsupported,
    CompressionUnsupported,
    ContentTooLarge,
    InvalidStructure,
    KasError,
    MessageInvalid,
)
from kas.protocol.bounds import JsonBounds, check_bounds

Codec = Literal["json", "proto"]

CONTENT_TYPES: Final[Mapping[str, Codec]] = {"application/json": "json", "application/proto": "proto"}
_GZIP: Final = 16 + zlib.MAX_WBITS

# Status of a refusal -> (Connect's code, the HTTP status that Connect gives it).
CODES: Final[Mapping[int, tuple[str, int]]] = {
    400: ("invalid_argument", 400),
    401: ("unauthenticated", 401),
    403: ("permission_denied", 403),
    404: ("not_found", 404),
    405: ("unimplemented", 405),
    408: ("deadline_exceeded", 504),
    413: ("resource_exhausted", 429),
    415: ("invalid_argument", 415),
    429: ("resource_exhausted", 429),
    500: ("internal", 500),
    501: ("unimplemented", 501),
    503: ("unavailable", 503),
}


def error_of(refusal: KasError, text: str | None = None) -> tuple[int, dict[str, str]]:
    """HTTP status and body of an error; ``text`` replaces the message where clients look for one."""
    code, status = CODES.get(refusal.status, ("unknown", refusal.status))
    return status, {"code": code, "message": text or _message(refusal)}


def _message(refusal: KasError) -> str:
    """Code and sentence; there is no other place for what is wrong with a structure, so its first fault follows."""
    text = f"{refusal.code}: {refusal.message()}"
    if not isinstance(refusal, InvalidStructure) or not refusal.faults:
        return text
    fault = refusal.faults[0]
    return f"{text} {fault.field or 'body'}: {fault.code}"


def decompress(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """The message of a body or a query. Raises CompressionUnsupported, MessageInvalid, ContentTooLarge."""
    if len(data) > max_bytes:
        raise ContentTooLarge
    if encoding in {"", "identity"}:
        return data
    if encoding != "gzip":
        raise CompressionUnsupported
    inflater = zlib.decompressobj(_GZIP)
    try:
        message = inflater.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise MessageInvalid from error
    if len(message) > max_bytes:
        raise ContentTooLarge
    if not inflater.eof or inflater.unused_data:
        raise MessageInvalid
    return message


def decode_message(codec: Codec, message_type: str, data: bytes, bounds: JsonBounds) -> dict[str, Any]:
    """The JSON form of a request message. Raises MessageInvalid, or a leaf of InvalidRequest for JSON."""
    if codec == "json":
        value = parse_json(data or b"{}")
        check_bounds(value, bounds)
        if not isinstance(value, dict):
            raise MessageInvalid
        return value
    from kas.protocol.opentdf import messages  # who speaks JSON does not pay for protobuf

    try:
        return messages.decode(message_type, data)
    except ValueError as error:
        raise MessageInvalid from error


def encode_message(codec: Codec, message_type: str, value: Any) -> bytes:
    """A response message in its codec."""
    if codec == "json":
        return compact_json(value)
    from kas.protocol.opentdf import messages  # as above

    return messages.encode(message_type, value)


def read_get(query: Mapping[str, str], max_bytes: int) -> tuple[Codec, bytes]:
    """Codec and message of a GET. Raises CodecUnsupported, CompressionUnsupported, MessageInvalid, ContentTooLarge."""
    codec = query.get("encoding")
    if codec not in {"json", "proto"}:
        raise CodecUnsupported
    if query.get("connect", "v1") != "v1" or "message" not in query:
        raise MessageInvalid
    text = query["message"]
    try:
        data = _base64(text) if query.get("base64") == "1" else text.encode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise MessageInvalid from error
    return "json" if codec == "json" else "proto", decompress(data, query.get("compression", ""), max_bytes)


def _base64(text: str) -> bytes:
    plain = text.rstrip("=")
    return base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4), validate=True)
