"""Wiring: settings become a service. No logic; nothing here opens a connection or draws a random value that must be
the worker's own (local mode makes its key files, which are kept).

Runs in the parent process, before the host forks its worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import flask

from kas.audit import AuditLog, descriptor_writer
from kas.auth.authenticator import Authenticator
from kas.auth.issuers import load_issuers
from kas.auth.jwks import JwksCache
from kas.auth.nonce import NonceSource
from kas.auth.times import PROOF_MEMORY_SECONDS
from kas.config import Settings
from kas.crypto.signatures import ResultSigner
from kas.fetch import HttpFetcher
from kas.keys.folder import KeyFolder, load_key_folder, make_local_keys
from kas.keys.registry import KeyRegistry
from kas.keys.software import SoftwareKeyService
from kas.policy.rules import Rules, load_rules
from kas.protocol.acp240.request import Limits, RequestParser
from kas.publish_keys import publish_keys
from kas.rewrap import Rewrap
from kas.state.memory import MemoryReplayStore
from kas.uri import has_secure_scheme, normalise_uri
from kas.web.edge import Edge, Routes
from kas.web.routes import REWRAP, Mounts, health_route, jwks_route, mounts, rewrap_route

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Service:
    """What the entry points need."""

    edge: Edge
    mounts: Mounts

    def answer(self, request: flask.Request, routes: Routes) -> flask.Response:
        return self.edge.handle(request, routes)


def build_service(settings: Settings, clock: Clock) -> Service:
    """Builds the service. Raises ConfigError for anything that it cannot safely run with."""
    if settings.local:
        make_local_keys(settings.keys_dir)
    folder = load_key_folder(settings.keys_dir)
    registry, key_service = KeyRegistry(folder.records), SoftwareKeyService(folder.unwrap_keys)
    rules = load_rules(settings.policy_dir)
    audit = AuditLog(descriptor_writer())
    rewrap = Rewrap(
        authenticator=_authenticator(settings, rules, clock),
        parser=RequestParser(_limits(settings), partial(has_secure_scheme, allow_loopback_http=settings.local)),
        rules=rules,
        registry=registry,
        key_service=key_service,
        signer=_signer(settings.kas_id, folder),
        audit=audit,
        own_urls=_addresses(settings.public_bases, ("", "/", REWRAP)),
        require_client_key_hash=settings.require_client_key_hash,
        clock=clock,
    )
    signing_keys = {kid: key.public_key() for kid, key in folder.signing_keys.items()}
    publication = publish_keys(registry, key_service, signing_keys)
    return Service(
        Edge(local=settings.local, audit=audit),
        mounts(
            rewrap=rewrap_route(
                rewrap,
                max_body_bytes=settings.max_body_bytes,
                body_timeout_seconds=settings.body_timeout_seconds,
            ),
            jwks=jwks_route(lambda: publication),
            health=health_route(),
        ),
    )


def _authenticator(settings: Settings, rules: Rules, clock: Clock) -> Authenticator:
    issuers = load_issuers(settings.issuers_path, countries=rules.countries, allow_loopback_http=settings.local)
    jwks = JwksCache(issuers, HttpFetcher(allow_loopback_http=settings.local), clock)
    return Authenticator(
        issuers=issuers,
        find_key=jwks.find,
        nonces=NonceSource(clock),
        nonce_mode=settings.rewrap_dpop_nonce,
        replay_store=MemoryReplayStore(
            capacity=settings.replay_store_claims, ttl_seconds=PROOF_MEMORY_SECONDS, clock=clock
        ),
        uris=_addresses(settings.public_bases, (REWRAP,)),
        schemes=settings.rewrap_schemes,
        clock=clock,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        groups=settings.max_groups,
        kaos=settings.max_kaos,
        json_depth=settings.max_json_depth,
        id_chars=settings.max_id_chars,
        url_chars=settings.max_url_chars,
        client_key_chars=settings.max_client_key_chars,
        wrapped_key_chars=settings.max_wrapped_key_chars,
        metadata_chars=settings.max_metadata_chars,
        policy_bytes=settings.max_policy_bytes,
    )


def _signer(kas_id: str, folder: KeyFolder) -> ResultSigner:
    kid, private_key = next(iter(folder.signing_keys.items()))  # the current one is first
    return ResultSigner(kas_id, kid, private_key)


def _addresses(bases: tuple[str, ...], paths: tuple[str, ...]) -> frozenset[str]:
    """Every base with every path, normalised; the settings have checked the bases."""
    addresses = (normalise_uri(base + path) for base in bases for path in paths)
    return frozenset(address for address in addresses if address is not None)
