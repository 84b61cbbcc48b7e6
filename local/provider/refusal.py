"""The answers of a token endpoint that are no tokens: RFC 6749 §5.2 and RFC 9449 §5."""

from __future__ import annotations


class Refusal(Exception):
    """``error`` is the code of the RFC, ``description`` a constant sentence, ``status`` that of the answer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


def invalid_request(description: str) -> Refusal:
    """The request is malformed or contradicts itself."""
    return Refusal("invalid_request", description)


def invalid_client() -> Refusal:
    """Unknown client, wrong secret or no credentials: one answer for all."""
    return Refusal("invalid_client", "client authentication failed", 401)
