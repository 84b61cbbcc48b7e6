"""Wiring: settings become a service. No logic; nothing here keeps a connection open or draws a random value that must be
the worker's own (local mode makes its key files, which are kept).

Runs in the parent process, before the host forks its worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import flask

from kas.config import Settings
from kas.cost.marginal import new_tariff
from kas.dataclass import dataclass
from kas.diagnostics import tell_operator
from kas.errors import IssuerKeysUnavailable, ReplayStoreFull
from kas.events import public_key_event
from kas.google.cloud import Cloud
from kas.health import Check, Readiness, keys_usable, one_holds
from kas.journal import Journal
from kas.parts import Clock, Parts
from kas.platform import Platform
from kas.protocol.acp240.request import RequestParser
from kas.protocol.acp240.wire import Acp240Wire
from kas.protocol.opentdf.wire import OpenTdfWire
from kas.publish_keys import Publication, publish_keys
from kas.release import Release
from kas.request_limits import acp240_limits, json_bounds, opentdf_limits
from kas.rewrap import Rewrap, Wire
from kas.uri import addresses, has_secure_scheme
from kas.web.answer import Answer
from kas.web.body import Bounds
from kas.web.cacheable import cacheable_route
from kas.web.connect import CONNECT_REWRAP
from kas.web.cors import Cors
from kas.web.edge import Edge
from kas.web.federation import REGISTRY, STATUS, federation_routes
from kas.web.health import READY, health_routes
from kas.web.limits import edge_limits
from kas.web.metrics import METRICS, metrics_route
from kas.web.openapi.deployment import Deployment
from kas.web.openapi.route import openapi_route
from kas.web.opentdf import REST_REWRAP, opentdf_routes
from kas.web.paths import EXPLAIN, REWRAP
from kas.web.replies import Route, Routes, recorded
from kas.web.routes import Mounts, explain_route, mounts, rewrap_route

if TYPE_CHECKING:
    from kas.explain import Explain

# Metadata stands so deep in an answer, and an answer has the depth of a request.
RESULT_DEPTH: Final = 5
# Clients write the KAS's address into a KAO in these forms.
_ACP240_URLS: Final = ("", "/", REWRAP)
_OPENTDF_URLS: Final = ("", "/", "/kas", "/kas/", REST_REWRAP)


@dataclass(frozen=True, slots=True)
class Service:
    """What the entry points need; ``end`` is called when the worker ends."""

    edge: Edge
    mounts: Mounts
    end: Callable[[], None]

    def answer(self, request: flask.Request, routes: Routes) -> Answer:
        return self.edge.handle(request, routes)


def build_service(settings: Settings, clock: Clock, timer: Clock, cloud: Cloud | None = None) -> Service:
    """Builds the service; ``clock`` gives seconds since 1970, ``timer`` from an arbitrary start, ``cloud`` is what the
    settings were read with. Every connection that it took is closed.

    Raises ConfigError for anything that it cannot safely run with.
    """
    return assemble(Parts(settings, clock, timer, cloud))


def assemble(parts: Parts) -> Service:
    """The service over its parts, whoever made them."""
    settings, rewraps = parts.settings, _Rewraps(parts)
    bounds = Bounds(settings.max_body_bytes, settings.body_timeout_seconds, json_bounds(settings))

    def record_public_key(journal: Journal) -> None:
        parts.audit.record([public_key_event(journal, now=parts.clock())], journal.trace)

    jwks = cacheable_route(partial(_publish, parts), settings.public_key_cache_seconds)
    return Service(
        _edge(parts),
        mounts(
            rewrap=rewrap_route(rewraps.acp240(), bounds),
            explain=_explain(parts, bounds),
            jwks=recorded(jwks, record_public_key),
            health=_health(parts),
            opentdf=opentdf_routes(
                rewraps.opentdf(REST_REWRAP),
                rewraps.opentdf(CONNECT_REWRAP),
                _platform(parts),
                bounds,
                record_public_key,
            ),
            others={**_metrics(parts), **_federation(parts)},
            describe=partial(openapi_route, _deployment(settings)),
        ),
        parts.audit.close,
    )


def _explain(parts: Parts, bounds: Bounds) -> Route:
    """A bound token under DPoP, nonces and the caller's limit as for rewraps; the engine is theirs."""
    settings, files = parts.settings, parts.files
    authenticator = parts.authenticator(EXPLAIN, nonce_mode=settings.rewrap_dpop_nonce, limit=parts.rewrap_limit)

    @cache  # two first requests at once may each make it: it is the same
    def explain() -> Explain:
        from kas.explain import Explain
        from kas.findings.finder import Finder
        from kas.protocol.explain import ExplainParser  # whoever does not ask does not pay

        return Explain(
            authenticator=authenticator,
            parser=ExplainParser(acp240_limits(settings), opentdf_limits(settings)),
            engine=parts.engine,
            finder=Finder(files.rules, files.definitions, parts.allow_empty_policy),
            audit=parts.audit,
            clock=parts.clock,
        )

    return explain_route(explain, authenticator, bounds)


def _edge(parts: Parts) -> Edge:
    settings = parts.settings
    return Edge(
        local=settings.local,
        hops=settings.trusted_proxy_hops,
        audit=parts.audit,
        limits=edge_limits(
            network=settings.rate_network,
            everybody=settings.rate_global,
            health=settings.rate_health,
            memory=settings.rate_memory,
            new_window=parts.stores.stranger_window,
        ),
        cors=Cors(settings.cors_origins),
        meter=parts.meter,
        tariff=new_tariff(
            parts.files.registry.records,
            protection_level=settings.kms_protection_level,
            vcpu=settings.instance_vcpu,
            memory_mib=settings.instance_memory_mib,
        ),
        clock=parts.clock,
        timer=parts.timer,
    )


def _metrics(parts: Parts) -> dict[str, Route]:
    return {} if parts.metrics is None else {METRICS: metrics_route(parts.metrics.text)}


def _federation(parts: Parts) -> dict[str, Route]:
    if parts.federation is None:
        return {}
    views = parts.federation.views()
    authenticator = partial(parts.authenticator, nonce_mode="offer", limit=parts.ready_limit)
    return dict(federation_routes({REGISTRY: views["registry"], STATUS: views["status"]}, authenticator))


def _health(parts: Parts) -> dict[str, Route]:
    issuers = [partial(parts.jwks.is_usable, issuer) for issuer in parts.files.issuers.values()]
    others = () if parts.settings.policy_backend == "builtin" else (Check("policy", parts.engine.check),)
    readiness = Readiness(
        (
            Check("keys", keys_usable(parts.files.registry, parts.key_service)),
            Check("issuers", one_holds(issuers, IssuerKeysUnavailable)),
            Check("replayStore", one_holds([parts.stores.replay.has_room], ReplayStoreFull)),
            *others,
        ),
        parts.timer,
        tell_operator,
    )
    authenticator = parts.authenticator(READY, nonce_mode="offer", limit=parts.ready_limit)
    return dict(health_routes(readiness, authenticator))


class _Rewraps:
    """The use case for each route, over the same parts."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self._parts = parts
        self._build = partial(
            Rewrap,
            engine=parts.engine,
            audit=parts.audit,
            meter=parts.meter,
            clock=parts.clock,
        )
        is_kao_url = partial(has_secure_scheme, allow_loopback_http=settings.local)
        self._acp240 = Acp240Wire(RequestParser(acp240_limits(settings), is_kao_url), parts.signer)
        self._opentdf = OpenTdfWire(opentdf_limits(settings))

    def acp240(self) -> Rewrap:
        settings = self._parts.settings
        authenticator = self._parts.authenticator(
            REWRAP,
            nonce_mode=settings.rewrap_dpop_nonce,
            schemes=settings.rewrap_schemes,
            limit=self._parts.rewrap_limit,
        )
        release = self._release(self._acp240, _ACP240_URLS)
        federation = self._parts.federation
        return self._build(wire=self._acp240, authenticator=authenticator, release=release, federation=federation)

    def opentdf(self, path: str) -> Rewrap:
        """For the route at ``path``, which proofs name."""
        settings = self._parts.settings
        authenticator = self._parts.authenticator(
            path,
            nonce_mode=settings.opentdf_dpop_nonce,
            takes_unbound=settings.opentdf_bearer == "allow",
            limit=self._parts.rewrap_limit,
        )
        release = self._release(self._opentdf, _OPENTDF_URLS)
        return self._build(wire=self._opentdf, authenticator=authenticator, release=release, federation=None)

    def _release(self, wire: Wire, paths: tuple[str, ...]) -> Release:
        settings = self._parts.settings
        bounds = json_bounds(settings)
        return Release(
            dialect=wire.dialect,
            rsa_hash=wire.rsa_hash,
            opener=self._parts.opener,
            own_urls=addresses(settings.public_bases, paths),
            require_client_key_hash=settings.require_client_key_hash,
            metadata_bounds=replace(bounds, depth=max(1, bounds.depth - RESULT_DEPTH)),
        )


def _platform(parts: Parts) -> Platform:
    settings, files = parts.settings, parts.files
    return Platform(
        kas_id=settings.kas_id,
        kas_uri=f"{settings.public_bases[0]}/kas",  # as clients write and compare it
        issuers=tuple(files.issuers.values()),
        registry=files.registry,
        key_service=parts.key_service,
        definitions=files.definitions,
        base_key=None if settings.opentdf_base_key == "off" else settings.opentdf_base_key,
        nonce_required=settings.opentdf_dpop_nonce == "require",
    )


def _publish(parts: Parts) -> Publication:
    files = parts.files
    signing_keys = {kid: key.public_key() for kid, key in files.keys.signing_keys.items()}
    return publish_keys(files.registry, parts.key_service, signing_keys)


def _deployment(settings: Settings) -> Deployment:
    return Deployment(
        kas_id=settings.kas_id,
        bases=settings.public_bases,
        is_local=settings.local,
        limits=acp240_limits(settings),
        rewrap_schemes=settings.rewrap_schemes,
        rewrap_nonces=settings.rewrap_dpop_nonce,
        opentdf_nonces=settings.opentdf_dpop_nonce,
        is_federated=settings.federation_config_path is not None,
        decides_elsewhere=settings.policy_backend != "builtin",
        takes_unbound=settings.opentdf_bearer == "allow",
    )
