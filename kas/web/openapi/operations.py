"""What there is to say of each route: its purpose, what it takes and gives. Paths and methods are the table's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.dataclass import dataclass
from kas.web.connect import CONNECT_REWRAP
from kas.web.federation import REGISTRY, STATUS
from kas.web.health import HEALTH, HEALTHZ, LIVE, READY
from kas.web.metrics import METRICS
from kas.web.openapi.opentdf import ALGORITHMS
from kas.web.openapi.pieces import Json, text, words
from kas.web.opentdf import REST_REWRAP
from kas.web.paths import EXPLAIN, JWKS, OPENAPI, REWRAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One route. ``refusals`` is a group of `refusals`, ``answer`` and ``request`` name schemas; ``access`` says what
    the caller shows: nothing, what he likes (``ready``), a bound token (``federation``, ``explain``), or what the rewrap of a
    dialect asks for.
    """

    name: str
    summary: str
    tag: str
    refusals: str
    answer: str | None
    request: str | None = None
    parameters: tuple[Json, ...] = ()
    access: str = "public"
    media_type: str = "application/json"
    is_cacheable: bool = False
    is_procedure: bool = False


def _query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


_ASKED_KEY: Final = (
    _query("algorithm", words("", *ALGORITHMS, description="rsa:2048 when absent.")),
    _query("fmt", words("", "pkcs8", "jwk")),
    _query("v", text("1 leaves the kid out.")),
)
_IF_NONE_MATCH: Final[Json] = {"name": "If-None-Match", "in": "header", "schema": text("An entity tag.")}
_KEY: Final = "The public key to wrap to"


def _alive(name: str, summary: str, answer: str) -> Entry:
    return Entry(name=name, summary=summary, tag="Operation", refusals="Health", answer=answer)


def _procedure(
    name: str, summary: str, answer: str, request: str = "Empty", refusals: str = "Connect", access: str = "public"
) -> Entry:
    return Entry(
        name=name,
        summary=summary,
        tag="OpenTDF, Connect",
        refusals=refusals,
        answer=answer,
        request=request,
        access=access,
        is_procedure=True,
    )


def _key_entry(name: str) -> Entry:
    return Entry(
        name=name,
        summary=_KEY,
        tag="OpenTDF, REST",
        refusals="PublicKey",
        answer="PublicKeyAnswer",
        parameters=_ASKED_KEY,
    )


def _federation_entry(name: str, summary: str, answer: str) -> Entry:
    return Entry(
        name=name, summary=summary, tag="Federation", refusals="Federation", answer=answer, access="federation"
    )


ENTRIES: Final[Mapping[str, Entry]] = {
    REWRAP: Entry(
        name="rewrap",
        summary="Rewrap data keys to the client's key, where the policy permits",
        tag="ACP-240",
        refusals="Rewrap",
        answer="RewrapAnswer",
        request="RewrapRequest",
        access="acp240",
    ),
    EXPLAIN: Entry(
        name="explain",
        summary="What a rewrap would decide about policies, for the caller himself, and why; without any key",
        tag="Explanation",
        refusals="Explain",
        answer="ExplainAnswer",
        request="ExplainRequest",
        access="explain",
    ),
    JWKS: Entry(
        name="jwks",
        summary="The public keys: to wrap to, and to verify results with",
        tag="ACP-240",
        refusals="Public",
        answer="KeySet",
        parameters=(_IF_NONE_MATCH,),
        is_cacheable=True,
    ),
    REGISTRY: _federation_entry(
        "federation_registry", "The other services: who they are and what is agreed", "Registry"
    ),
    STATUS: _federation_entry("federation_status", "How the lines to the other services are", "FederationStatus"),
    HEALTH: _alive("health", "Whether this process answers", "Alive"),
    LIVE: _alive("live", "Whether this process answers", "Alive"),
    HEALTHZ: _alive("healthz", "Whether this process answers, as OpenTDF's probes ask", "HealthAnswer"),
    READY: Entry(
        name="ready",
        summary="Whether this process can work; with credentials, what is wrong",
        tag="Operation",
        refusals="Ready",
        answer="Ready",
        access="ready",
    ),
    METRICS: Entry(
        name="metrics",
        summary="What this process counts, in Prometheus' text",
        tag="Operation",
        refusals="Public",
        answer="Metrics",
        media_type="text/plain",
    ),
    OPENAPI: Entry(
        name="openapi",
        summary="This document",
        tag="Operation",
        refusals="Public",
        answer="Document",
        parameters=(_IF_NONE_MATCH,),
        is_cacheable=True,
    ),
    REST_REWRAP: Entry(
        name="tdf_rewrap",
        summary="Rewrap data keys to the client's key, where the policy permits",
        tag="OpenTDF, REST",
        refusals="TdfRewrap",
        answer="TdfRewrapAnswer",
        request="TdfRewrapRequest",
        access="opentdf",
    ),
    "/kas/v2/kas_public_key": _key_entry("tdf_public_key_v2"),
    "/kas/kas_public_key": _key_entry("tdf_public_key"),
    "/.well-known/opentdf-configuration": Entry(
        name="tdf_configuration",
        summary="What clients need to know of this platform",
        tag="OpenTDF, REST",
        refusals="Public",
        answer="Configuration",
    ),
    CONNECT_REWRAP: _procedure(
        "Rewrap",
        "Rewrap data keys to the client's key, where the policy permits",
        "TdfRewrapAnswer",
        "TdfRewrapRequest",
        "ConnectRewrap",
        "opentdf",
    ),
    "/kas.AccessService/PublicKey": _procedure(
        "PublicKey", _KEY, "PublicKeyAnswer", "PublicKeyRequest", "ConnectPublicKey"
    ),
    "/kas.AccessService/LegacyPublicKey": _procedure(
        "LegacyPublicKey", _KEY, "LegacyPublicKeyAnswer", "LegacyPublicKeyRequest", "ConnectPublicKey"
    ),
    "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration": _procedure(
        "GetWellKnownConfiguration", "What clients need to know of this platform", "ConfigurationAnswer"
    ),
    "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers": _procedure(
        "ListKeyAccessServers", "The key access servers: this one", "ServersAnswer"
    ),
    "/policy.attributes.AttributesService/GetKeyMappingsByFqns": _procedure(
        "GetKeyMappingsByFqns", "The key to wrap to for each attribute value", "KeyMappingsAnswer", "FqnsRequest"
    ),
    "/policy.attributes.AttributesService/GetAttributeValuesByFqns": _procedure(
        "GetAttributeValuesByFqns", "Attribute values", "AttributeValuesAnswer", "FqnsRequest", "ConnectAttributes"
    ),
    "/grpc.health.v1.Health/Check": _procedure(
        "Check", "Whether this process answers", "HealthAnswer", refusals="ConnectHealth"
    ),
}


def unknown_procedure(prefix: str) -> Entry:
    """Of the procedures below ``prefix`` that there are not."""
    name: Json = {
        "name": "procedure",
        "in": "path",
        "required": True,
        "schema": text(pattern="^[A-Za-z]+$", maxLength=64),
    }
    return Entry(
        name=f"unknown_{prefix.strip('/').rpartition('.')[2]}",
        summary="A procedure that this service does not have",
        tag="OpenTDF, Connect",
        refusals="ConnectUnknown",
        answer=None,
        parameters=(name,),
    )
