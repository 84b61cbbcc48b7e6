"""The bounds of requests, as the settings say: of JSON, of a rewrap of ACP-240, of one of OpenTDF."""

from __future__ import annotations

from kas.config import Settings
from kas.protocol.acp240.request import Limits as Acp240Limits
from kas.protocol.bounds import JsonBounds
from kas.protocol.opentdf.request import Limits as OpenTdfLimits


def json_bounds(settings: Settings) -> JsonBounds:
    return JsonBounds(settings.max_json_depth, settings.max_json_values, settings.max_json_string_chars)


def acp240_limits(settings: Settings) -> Acp240Limits:
    return Acp240Limits(
        groups=settings.max_groups,
        kaos=settings.max_kaos,
        json=json_bounds(settings),
        id_chars=settings.max_id_chars,
        url_chars=settings.max_url_chars,
        client_key_chars=settings.max_client_key_chars,
        wrapped_key_chars=settings.max_wrapped_key_chars,
        metadata_chars=settings.max_metadata_chars,
        policy_bytes=settings.max_policy_bytes,
    )


def opentdf_limits(settings: Settings) -> OpenTdfLimits:
    return OpenTdfLimits(
        json=json_bounds(settings),
        groups=settings.max_groups,
        kaos=settings.max_kaos,
        id_chars=settings.max_id_chars,
        url_chars=settings.max_url_chars,
        client_key_chars=settings.max_client_key_chars,
        wrapped_key_chars=settings.max_wrapped_key_chars,
        policy_chars=4 * -(-settings.max_policy_bytes // 3),  # in base64
    )
