"""The three transports, made as the service makes them, and the project that they are shown on."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from kas.google.credentials import TokenSource, metadata_fetch
from kas.google.kms_http import HttpKmsTransport
from kas.google.kms_official import OfficialKmsTransport
from kas.google.rest import RestClient
from kas.tls import client_context, listing_context
from tests.google.project import KAS, RING, UNWRAP, setup_of

KINDS = ("http", "grpc", "rest")
OVER_HTTP = ("http", "rest")
REGIONS = ("us-central1", "europe-west1", "europe-west2")
SECONDS = 20.0


def regional(name, region):
    """The same name in another region."""
    return name.replace("us-central1", region)


def regional_setup():
    """The project of the stand-in's tests, with the unwrap key in every region."""
    setup = setup_of()
    unwrap = next(key for key in setup["keys"] if UNWRAP.startswith(key["name"] + "/"))
    for region in REGIONS[1:]:
        setup["keys"].append(unwrap | {"name": regional(unwrap["name"], region)})
        own = [binding for binding in setup["bindings"] if binding["resource"] == RING]
        setup["bindings"] += [binding | {"resource": regional(RING, region)} for binding in own]
    return setup


def new_transport(kind, endpoint, tokens, *, size=64, tls=None):
    """``size`` bounds connections or calls; without ``tls`` the authorities are the environment's."""
    tls = tls or (listing_context if kind == "grpc" else client_context)
    if kind == "http":
        return HttpKmsTransport(RestClient(endpoint, tokens, time.monotonic, tls=tls, max_connections=size))
    return OfficialKmsTransport(kind, endpoint, tokens, time.monotonic, tls=tls, max_calls=size)


def tokens_of(cloud, timer=time.monotonic):
    """From the metadata server of the stand-in."""
    return TokenSource(metadata_fetch(cloud.base.removeprefix("http://"), time.monotonic), timer)


def endpoint_of(kind, cloud):
    return f"http://{cloud.rpc_target}" if kind == "grpc" else cloud.base


def trusting(authority: Path):
    """A context that trusts this authority alone."""
    return lambda: ssl.create_default_context(cafile=authority)


class OneToken:
    """A `TokenSource` whose token is what it is; ``refused`` are those that were given back."""

    def __init__(self, value=KAS.token):
        self.refused = []
        self.value = value

    def token(self, timeout_seconds):
        assert timeout_seconds > 0
        return self.value

    def forget(self, value):
        self.refused.append(value)


class Over:
    """Transports, which are closed together."""

    def __init__(self):
        self._made = []

    def __call__(self, kind, cloud, *, tokens=None, **options):
        """One on a stand-in, with tokens of its metadata server or others."""
        return self.at(kind, endpoint_of(kind, cloud), tokens or tokens_of(cloud), **options)

    def at(self, kind, endpoint, tokens=None, **options):
        """One at an address, with a token of its own."""
        self._made.append(new_transport(kind, endpoint, tokens or OneToken(), **options))
        return self._made[-1]

    def close(self):
        for transport in self._made:
            transport.close()
