"""What the start and the service share of Google Cloud: one source of tokens, one client for each interface
until the fork.

Everything is made, and its modules are imported, when it is first needed: a service without references and without keys
in Cloud KMS pays for none of it. What was opened in the parent process is closed before the worker is forked; the
clients can be used again there.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from kas.errors import ConfigError
from kas.tls import client_context, listing_context

if TYPE_CHECKING:
    import ssl

    from kas.google.credentials import TokenSource
    from kas.google.kms import KmsTransport
    from kas.google.rest import RestClient

Clock = Callable[[], float]


class Cloud:
    """``environ`` says where tokens come from; ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, timer: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._timer = timer
        self._clients: dict[str, RestClient] = {}
        self._tls_lock = threading.Lock()

    @cached_property
    def tokens(self) -> TokenSource:
        """Of the service's own account. Raises ConfigError."""
        from kas.google.credentials import find_tokens

        try:
            return find_tokens(self._environ, clock=self._clock, timer=self._timer)
        except ValueError as error:
            raise ConfigError("GCE_METADATA_HOST: must be a host, perhaps with a port") from error

    def client(self, endpoint: str) -> RestClient:
        """The one client of the interface at ``endpoint``. Raises ConfigError. The wiring's alone, so not locked."""
        from kas.google.rest import RestClient

        if endpoint not in self._clients:
            self._clients[endpoint] = RestClient(endpoint, self.tokens, self._timer, tls=self.tls)
        return self._clients[endpoint]

    def kms(self, endpoint: str) -> KmsTransport:
        """Cloud KMS by REST, over `client`: the transport that may be used before the fork as well as after it."""
        from kas.google.kms_http import HttpKmsTransport

        return HttpKmsTransport(self.client(endpoint))

    def kms_for_workers(self, kind: Literal["http", "grpc", "rest"], endpoint: str, max_calls: int) -> KmsTransport:
        """Cloud KMS by the transport ``kind``, at most ``max_calls`` at once; gRPC must not be used before the fork."""
        if kind == "http":
            from kas.google.kms_http import HttpKmsTransport
            from kas.google.rest import RestClient

            client = RestClient(endpoint, self.tokens, self._timer, tls=self.tls, max_connections=max_calls)
            return HttpKmsTransport(client)
        from kas.google.kms_official import OfficialKmsTransport

        tls = listing_context if kind == "grpc" else self.tls  # it verifies by itself, and wants a list
        return OfficialKmsTransport(kind, endpoint, self.tokens, self._timer, tls=tls, max_calls=max_calls)

    def read_secrets(self, endpoint: str, versions: Mapping[str, str]) -> Mapping[str, bytes]:
        """A `kas.references.ReadSecrets`."""
        from kas.google.secrets import SecretReader

        sleep = threading.Event().wait
        return SecretReader(self.client(endpoint).call, sleep=sleep, random=random.random).read(versions)

    def close(self) -> None:
        """Ends every connection; tokens that are good stay."""
        for client in self._clients.values():
            client.close()

    def tls(self) -> ssl.SSLContext:
        """One context for all connections, made when it is first needed, and once however many ask."""
        with self._tls_lock:
            return self._context

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return client_context()
