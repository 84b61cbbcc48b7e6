"""Google's own client for Cloud KMS, made so that it keeps our bounds; imported when it is first used.

The library's retries, redirects, proxies and credentials are not used: a call is made once, carries the token that it is
handed, and its errors become those of `kas.google.status`, by the same code for both transports over HTTP. Over gRPC the
library keeps deadline and size. A time-out of `requests` is one for each read, so the connections below it are ours.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final, cast

import grpc
import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceGrpcTransport,
    KeyManagementServiceRestTransport,
)
from google.protobuf import json_format
from requests.adapters import HTTPAdapter

from kas.encoding import b64_encode
from kas.google.status import MAX_ANSWER_BYTES, GoogleError, answer_of, withheld
from kas.net.answer import LOWEST_FINAL_STATUS, BadAnswer, TimedSocket, check_length
from kas.net.connection import Origin, Tls
from kas.net.deadline import Deadline, Timer

# Without these a service that was away for a while would be taken for away for up to two minutes more.
_CHANNEL_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),
)


class OfficialClient:
    """One `KeyManagementServiceClient`. Safe to use from many threads."""

    def __init__(self, client: kms_v1.KeyManagementServiceClient) -> None:
        self._client = client

    def call(self, method: str, request: Mapping[str, Any], token: str, deadline: Deadline) -> Any:
        """The library's answer to one attempt. Raises GoogleError."""
        metadata = (("authorization", f"Bearer {token}"),)
        try:
            send = getattr(self._client, method)
            return send(request=dict(request), retry=None, timeout=deadline.left(), metadata=metadata)
        except GoogleAPICallError as error:
            refusal = _refusal(error)
        except GoogleError as error:
            refusal = error
        except (json_format.ParseError, ValueError, OverflowError, MemoryError):
            refusal = GoogleError("UNKNOWN", "the answer cannot be read")  # nothing is chained: the error has the text
        sent = (token, *(b64_encode(value) for value in request.values() if isinstance(value, bytes)))
        raise GoogleError(refusal.status, withheld(refusal.detail, sent)) from refusal.__cause__

    def close(self) -> None:
        self._client.transport.close()  # type: ignore[no-untyped-call]


def _refusal(error: GoogleAPICallError) -> GoogleError:
    status = getattr(error.grpc_status_code, "name", "UNKNOWN")
    message = str(error.message)
    if "message larger than max" in message:  # said by the library: it is no quota
        status = "UNKNOWN"
    return GoogleError(status, message)


# ---- gRPC


def grpc_client(origin: Origin, tls: Tls) -> OfficialClient:
    """A channel with TLS under the authorities of ``tls``, or none on loopback."""
    target = grpc_target(origin)
    if origin.is_tls:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(_authorities(tls())), _CHANNEL_OPTIONS)
    else:
        channel = grpc.insecure_channel(target, _CHANNEL_OPTIONS)
    transport = KeyManagementServiceGrpcTransport(channel=channel)
    return OfficialClient(kms_v1.KeyManagementServiceClient(transport=transport))


def grpc_target(origin: Origin) -> str:
    """As gRPC writes it: an address of IPv6 in brackets."""
    return f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"


def _authorities(context: ssl.SSLContext) -> bytes | None:
    """As PEM; None, for those that come with gRPC, where the context finds its own in a folder as it needs them."""
    certificates = context.get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode("ascii") or None


# ---- REST


def rest_client(origin: Origin, tls: Tls, timer: Timer, max_connections: int) -> OfficialClient:
    """A session that keeps at most ``max_connections``."""
    context = tls() if origin.is_tls else None
    transport = _RestTransport(
        host=origin.authority,
        url_scheme="https" if origin.is_tls else "http",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
    )
    transport.bound(_BoundedAdapter(context, timer, max_connections))
    return OfficialClient(kms_v1.KeyManagementServiceClient(transport=transport))


class _RestTransport(KeyManagementServiceRestTransport):
    """The library's, whose session is reached from within alone."""

    def bound(self, adapter: HTTPAdapter) -> None:
        self._session.trust_env = False  # no proxies, no authorities and no netrc of the environment
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)


class _BoundedAdapter(HTTPAdapter):
    """Hands up answers that are whole, in time, small and a 200 with a JSON object; the rest it raises as GoogleError."""

    def __init__(self, context: ssl.SSLContext | None, timer: Timer, max_connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=max_connections)
        self.poolmanager.pool_classes_by_scheme = _timed_pools(timer)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is added to the context, which verifies."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        del args  # all are given by name
        kwargs |= {"timeout": urllib3.Timeout(total=kwargs["timeout"]), "stream": True}
        try:
            response = super().send(request, **kwargs)
            body = _body_of(response)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise TimeoutError from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise GoogleError("UNAVAILABLE", f"call: {type(error).__name__}") from error
        except BadAnswer as error:
            raise GoogleError("UNKNOWN", str(error)) from error
        answer_of(response.status_code, body, ())  # what was sent is withheld by `OfficialClient`
        response.raw = io.BytesIO(body)
        return response


def _body_of(response: requests.Response) -> bytes:
    """Read to its end. A connection on which it is not is closed, and so is one that said that more would come."""
    with contextlib.closing(response.raw) as raw:
        check_length(raw.headers.get("Content-Length"))
        return bytes(raw.read()) if raw.status >= LOWEST_FINAL_STATUS else b""


def _timed_pools(timer: Timer) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Pools by scheme, of connections whose time-out is that of a whole answer."""

    class Timed(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = cast("socket.socket", TimedSocket(self.sock, timer, MAX_ANSWER_BYTES))

        @property
        def is_connected(self) -> bool:
            return super().is_connected and not getattr(self.sock, "has_surplus", False)

    class TimedTls(Timed, urllib3.connection.HTTPSConnection):
        pass

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Timed

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TimedTls

    return {"http": Pool, "https": TlsPool}
