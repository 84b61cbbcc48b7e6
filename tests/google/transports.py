"""The official clients over REST and gRPC, and the refusals that both raise."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import google.auth.credentials
import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import kms_v1, secretmanager_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport


class StaticToken(google.auth.credentials.Credentials):
    """A token that is what it is, or none."""

    def __init__(self, token):
        super().__init__()
        self.token = token

    @property
    def valid(self):
        return True

    def refresh(self, request):
        """Another one there is not."""

    def before_request(self, request, method, url, headers):
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"


class _Details(NamedTuple):
    """What an interceptor hands on; the library brings no such class."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str]]
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _WithToken(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token):
        self._token = token

    def intercept_unary_unary(self, continuation, client_call_details, request):
        details = client_call_details
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {self._token}")]
        own = _Details(details.method, details.timeout, metadata, None, details.wait_for_ready, details.compression)
        return continuation(own, request)


@dataclass(frozen=True)
class Clients:
    """``kms`` and ``secrets`` are the official clients."""

    kms: Any
    secrets: Any


@contextlib.contextmanager
def clients_over(transport, cloud, token):
    """Clients that carry ``token``, or none."""
    with contextlib.ExitStack() as open_ones:
        yield _rest(cloud, token, open_ones) if transport == "rest" else _grpc(cloud, token, open_ones)


def _rest(cloud, token, open_ones):
    own = {
        "transport": "rest",
        "credentials": StaticToken(token),
        "client_options": {"api_endpoint": cloud.base},
    }
    kinds = (kms_v1.KeyManagementServiceClient, secretmanager_v1.SecretManagerServiceClient)
    return Clients(*(open_ones.enter_context(kind(**own)) for kind in kinds))


def _grpc(cloud, token, open_ones):
    channel = open_ones.enter_context(grpc.insecure_channel(cloud.rpc_target))
    if token:
        channel = grpc.intercept_channel(channel, _WithToken(token))
    return Clients(
        kms_v1.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel)),
        secretmanager_v1.SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel)),
    )


@contextlib.contextmanager
def refused(status, text=""):
    """Asserts that the call within is refused with this status, in words that hold ``text``."""
    with pytest.raises(GoogleAPICallError) as caught:
        yield
    error = caught.value
    over_rest = hasattr(error.response, "json")
    assert (error.response.json()["error"]["status"] if over_rest else error.grpc_status_code.name) == status, error
    assert text in error.message
