"""What can go wrong for a client, by cause: each class asks for another reaction of the caller."""

from __future__ import annotations


class ClientError(Exception):
    """Base of all of them."""


class TransportFailed(ClientError):
    """The service could not be reached in time, or answered more than a client reads."""


class TokenRefused(ClientError):
    """The token endpoint refused; ``code`` is its ``error`` (RFC 6749 §5.2)."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class RewrapRefused(ClientError):
    """The KAS refused the request, or this key of it; ``sentence`` is its explanation for people."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"{status} {code}: {sentence}")
        self.status = status
        self.code = code
        self.sentence = sentence


class AnswerInvalid(ClientError):
    """The answer is not one to this request, or not signed by the KAS: nothing in it can be trusted."""


class ContainerInvalid(ClientError):
    """The container is damaged or was tampered with."""
