"""Wiring: settings become a service. No logic; nothing here opens a connection or draws a random value that must be
the worker's own (local mode makes its key files, which are kept).

Runs in the parent process, before the host forks its worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import flask

from kas.audit import AuditLog, descriptor_writer
from kas.auth.authenticator import Authenticator
from kas.auth.issuers import Issuer, load_issuers
from kas.auth.jwks import JwksCache
from kas.auth.nonce import NonceSource
from kas.auth.times import PROOF_MEMORY_SECONDS
from kas.config import Settings
from kas.crypto.signatures import ResultSigner
from kas.engine import PolicyEngine
from kas.fetch import HttpFetcher
from kas.keys.folder import KeyFolder, load_key_folder, make_local_keys
from kas.keys.registry import KeyRegistry, KeyService
from kas.keys.software import SoftwareKeyService
from kas.platform import Platform
from kas.policy.attributes import Definition, load_attributes
from kas.policy.rules import Rules, load_rules
from kas.protocol.acp240.request import Limits, RequestParser
from kas.protocol.acp240.wire import Acp240Wire
from kas.protocol.opentdf.request import Limits as OpenTdfLimits
from kas.protocol.opentdf.wire import OpenTdfWire
from kas.publish_keys import Publication, publish_keys
from kas.rewrap import Rewrap
from kas.state.memory import MemoryReplayStore
from kas.uri import has_secure_scheme, normalise_uri
from kas.web.body import Bounds
from kas.web.edge import Edge
from kas.web.opentdf import CONNECT_REWRAP, REST_REWRAP, opentdf_routes
from kas.web.replies import Routes
from kas.web.routes import REWRAP, Mounts, health_route, jwks_route, mounts, rewrap_route

Clock = Callable[[], float]

# Clients write the KAS's address into a KAO in these forms.
_OPENTDF_URLS: Final = ("", "/", "/kas", "/kas/", REST_REWRAP)


@dataclass(frozen=True, slots=True)
class Service:
    """What the entry points need."""

    edge: Edge
    mounts: Mounts

    def answer(self, request: flask.Request, routes: Routes) -> flask.Response:
        return self.edge.handle(request, routes)


def build_service(settings: Settings, clock: Clock) -> Service:
    """Builds the service. Raises ConfigError for anything that it cannot safely run with."""
    files, audit = _load(settings), AuditLog(descriptor_writer())
    rewraps = _Rewraps(settings, files, audit, clock)
    bounds = Bounds(settings.max_body_bytes, settings.body_timeout_seconds)
    publication = _publish(files)
    return Service(
        Edge(local=settings.local, audit=audit),
        mounts(
            rewrap=rewrap_route(rewraps.acp240(), bounds),
            jwks=jwks_route(lambda: publication),
            health=health_route(),
            opentdf=opentdf_routes(
                rewraps.opentdf(REST_REWRAP), rewraps.opentdf(CONNECT_REWRAP), _platform(settings, files), bounds
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Files:
    """What the configured files say, checked."""

    folder: KeyFolder
    registry: KeyRegistry
    key_service: KeyService
    rules: Rules
    definitions: Mapping[str, Definition]
    issuers: Mapping[str, Issuer]


def _load(settings: Settings) -> _Files:
    if settings.local:
        make_local_keys(settings.keys_dir)
    folder, rules = load_key_folder(settings.keys_dir), load_rules(settings.policy_dir)
    issuers = load_issuers(
        settings.issuers_path,
        countries=rules.countries,
        authorities=frozenset(rules.clearances.authorities),
        allow_loopback_http=settings.local,
    )
    return _Files(
        folder=folder,
        registry=KeyRegistry(folder.records),
        key_service=SoftwareKeyService(folder.unwrap_keys),
        rules=rules,
        definitions=load_attributes(settings.policy_dir / "attributes.json"),
        issuers=issuers,
    )


class _Rewraps:
    """The use case for each route. All share keys, rules, the audit, issuers' keys, nonces and the memory of proofs."""

    def __init__(self, settings: Settings, files: _Files, audit: AuditLog, clock: Clock) -> None:
        self._settings = settings
        self._callers = _Callers(settings, files.issuers, clock)
        self._build = partial(
            Rewrap,
            engine=PolicyEngine(files.rules, files.definitions, settings.opentdf_empty_policy == "allow"),
            registry=files.registry,
            key_service=files.key_service,
            audit=audit,
            require_client_key_hash=settings.require_client_key_hash,
            clock=clock,
        )
        is_kao_url = partial(has_secure_scheme, allow_loopback_http=settings.local)
        self._acp240 = Acp240Wire(RequestParser(_limits(settings), is_kao_url), _signer(settings.kas_id, files.folder))
        self._opentdf = OpenTdfWire(_opentdf_limits(settings))

    def acp240(self) -> Rewrap:
        urls = _addresses(self._settings.public_bases, ("", "/", REWRAP))
        return self._build(wire=self._acp240, authenticator=self._callers.of_acp240(), own_urls=urls)

    def opentdf(self, path: str) -> Rewrap:
        """For the route at ``path``, which proofs name."""
        urls = _addresses(self._settings.public_bases, _OPENTDF_URLS)
        return self._build(wire=self._opentdf, authenticator=self._callers.of_opentdf(path), own_urls=urls)


class _Callers:
    """Authenticators that share issuers' keys, nonces and the memory of used proofs."""

    def __init__(self, settings: Settings, issuers: Mapping[str, Issuer], clock: Clock) -> None:
        jwks = JwksCache(issuers, HttpFetcher(allow_loopback_http=settings.local), clock)
        replay_store = MemoryReplayStore(
            capacity=settings.replay_store_claims, ttl_seconds=PROOF_MEMORY_SECONDS, clock=clock
        )
        self._settings = settings
        self._build = partial(
            Authenticator,
            issuers=issuers,
            find_key=jwks.find,
            nonces=NonceSource(clock),
            replay_store=replay_store,
            clock=clock,
        )

    def of_acp240(self) -> Authenticator:
        return self._build(
            nonce_mode=self._settings.rewrap_dpop_nonce,
            uris=_addresses(self._settings.public_bases, (REWRAP,)),
            schemes=self._settings.rewrap_schemes,
            takes_unbound=False,
        )

    def of_opentdf(self, path: str) -> Authenticator:
        return self._build(
            nonce_mode=self._settings.opentdf_dpop_nonce,
            uris=_addresses(self._settings.public_bases, (path,)),
            schemes=frozenset({"dpop"}),
            takes_unbound=self._settings.opentdf_bearer == "allow",
        )


def _platform(settings: Settings, files: _Files) -> Platform:
    return Platform(
        kas_id=settings.kas_id,
        kas_uri=f"{settings.public_bases[0]}/kas",  # as clients write and compare it
        issuers=tuple(files.issuers.values()),
        registry=files.registry,
        key_service=files.key_service,
        definitions=files.definitions,
        base_key=None if settings.opentdf_base_key == "off" else settings.opentdf_base_key,
        nonce_required=settings.opentdf_dpop_nonce == "require",
    )


def _publish(files: _Files) -> Publication:
    signing_keys = {kid: key.public_key() for kid, key in files.folder.signing_keys.items()}
    return publish_keys(files.registry, files.key_service, signing_keys)


def _opentdf_limits(settings: Settings) -> OpenTdfLimits:
    return OpenTdfLimits(
        groups=settings.max_groups,
        kaos=settings.max_kaos,
        id_chars=settings.max_id_chars,
        url_chars=settings.max_url_chars,
        client_key_chars=settings.max_client_key_chars,
        wrapped_key_chars=settings.max_wrapped_key_chars,
        policy_chars=4 * -(-settings.max_policy_bytes // 3),  # in base64
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
