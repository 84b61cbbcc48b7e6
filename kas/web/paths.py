"""The paths that more than their own route must know."""

from __future__ import annotations

from typing import Final

REWRAP: Final = "/rewrap"
EXPLAIN: Final = "/explain"
JWKS: Final = "/.well-known/jwks.json"
OPENAPI: Final = "/openapi.json"
