"""Access tokens as RFC 9068 describes them, with the attributes that decisions are made of."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from local.provider.clients import Client
from local.provider.override import Override, Signer, compact_jws
from local.provider.refusal import invalid_request
from local.provider.signing_key import SigningKey

FEDERATION: Final = "kas-federation"  # a service may show the token to those that it works with
AUDIENCES: Final = ("kas", FEDERATION)
LIFETIME_SECONDS: Final = 300


def mint(issuer: str, client: Client, key: SigningKey, *, now: float, jkt: str | None, override: Override) -> str:
    """A token for ``client``, bound to the key of thumbprint ``jkt`` where there is one."""
    iat = int(now)
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": list(AUDIENCES),
        "iat": iat,
        "exp": iat + LIFETIME_SECONDS,
        "jti": secrets.token_urlsafe(16),
        **client.claims(),
        **({} if jkt is None else {"cnf": {"jkt": jkt}}),
    }
    signer = override.signer or Signer("P-256", key.private)
    header = {"typ": "at+jwt", "alg": signer.natural_alg, "kid": key.kid}
    payload = override.raw if override.raw is not None else _text(_merged(claims, override.claims))
    return compact_jws(_merged(header, override.header), payload, signer)


def _merged(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def _text(claims: Mapping[str, Any]) -> str:
    try:
        return json.dumps(claims, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise invalid_request("a claim of override cannot be written as JSON; raw can") from error
