"""The headers by which a caller says who asks, and the one by which he is told what his next proof needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import flask

from kas.auth.authenticator import Authenticator, Credentials


def credentials_of(request: flask.Request) -> Credentials:
    """As they came, unproven."""
    headers = request.headers
    return Credentials(headers.get("Authorization"), headers.get("DPoP"), headers.get("Forwarded-KAS"))


def nonce_offer(authenticator: Authenticator) -> Callable[[], Mapping[str, str]]:
    """The header that offers the next nonce (RFC 9449 §8.2), where nonces are on."""

    def offer() -> Mapping[str, str]:
        next_nonce = authenticator.next_nonce()
        return {} if next_nonce is None else {"DPoP-Nonce": next_nonce}

    return offer
