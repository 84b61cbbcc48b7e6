"""What the provider shows: discovery documents (OpenID Connect Discovery, RFC 8414), key set, table of clients."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from kas.jose import ALGORITHMS
from local.provider.clients import CLIENTS, SECRET
from local.provider.signing_key import SigningKey

TOKEN_PATH: Final = "/token"
JWKS_PATH: Final = "/jwks.json"
_COLUMNS: Final = ("client", "clearance", "country", "COI", "acr", "organisation")
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Development identity provider</title>
<style>body {{ font-family: sans-serif; margin: 2em }} td, th {{ text-align: left; padding: .3em 1em .3em 0 }}</style>
<h1>Development identity provider</h1>
<p>Issuer <code>{issuer}</code>. Every client has the secret <code>{secret}</code>.</p>
<table>
{rows}
</table>
<pre>curl -u usa-secret:{secret} -d grant_type=client_credentials {issuer}{token_path}</pre>
"""


def discovery(issuer: str) -> dict[str, Any]:
    """One document serves both well-known addresses."""
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def key_set(key: SigningKey) -> dict[str, Any]:
    """The public half of the signing key."""
    return {"keys": [key.public_jwk()]}


def client_page(issuer: str) -> str:
    """The table of clients for people."""
    cells = [
        (
            client.client_id,
            client.clearance,
            client.country,
            ", ".join(client.coi) or "–",
            client.acr,
            client.organisation,
        )
        for client in CLIENTS.values()
    ]
    rows = [_row("th", _COLUMNS), *(_row("td", row) for row in cells)]
    return _PAGE.format(issuer=escape(issuer), secret=escape(SECRET), token_path=TOKEN_PATH, rows="\n".join(rows))


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
