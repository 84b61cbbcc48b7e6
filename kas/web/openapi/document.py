"""OpenAPI 3.1 of the table of routes: paths and methods from the table, words from `operations`, the rest from code.

A route that nobody has described is no document at all; a description without route (metrics, where they are off) is
left out. HEAD and OPTIONS are the edge's and are told of once, in words.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kas.errors import Internal
from kas.web.openapi.acp240 import acp240_schemas
from kas.web.openapi.deployment import Deployment
from kas.web.openapi.explain import explain_schemas
from kas.web.openapi.federation import FORWARDED_KAS, federation_schemas
from kas.web.openapi.headers import HEADERS, NONCE, described_headers, success_headers
from kas.web.openapi.opentdf import opentdf_schemas
from kas.web.openapi.operations import ENTRIES, Entry, unknown_procedure
from kas.web.openapi.pieces import Json, closed, ref, text, words
from kas.web.openapi.refusals import (
    OF_BODIES,
    connect_responses,
    error_schemas,
    label_refusals,
    plain_responses,
    refusals_of,
)
from kas.web.replies import Routes

_ABOUT: Final = """\
Releases data keys to whom the policy on the data permits, by ACP-240 and by OpenTDF's protocols.

Whatever may be had by GET has a HEAD, and every path an OPTIONS with `Allow`; any other method is 405, any other path
404 (`NothingError404`, `NothingError405`). Every answer has an `X-Request-Id` of ours. JSON is I-JSON (RFC 7493); members
that are not named here are ignored, but for `/explain`, which refuses them. Connect's procedures also take and give `application/proto`, and gzip."""
_TAGS: Final = ("ACP-240", "Explanation", "Federation", "OpenTDF, REST", "OpenTDF, Connect", "Operation")
_CONNECT_VERSION: Final[Json] = {"name": "connect", "in": "query", "schema": words("v1")}
_ENCODING: Final[Json] = {"name": "encoding", "in": "query", "required": True, "schema": words("json")}


def build_document(routes: Routes, deployment: Deployment) -> Json:
    """The document as JSON. Raises Internal for a route that is not described."""
    described = {path: (route, _entry(path)) for path, route in routes.exact.items()}
    described |= {
        f"{prefix}{{procedure}}": (route, unknown_procedure(prefix)) for prefix, route in routes.prefixes.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Key Access Service", "version": "1.0", "description": _ABOUT},
        "servers": [{"url": base} for base in deployment.bases],
        "tags": [{"name": tag} for tag in _TAGS],
        "paths": {
            path: {method.lower(): _operation(method, entry, deployment) for method in route.methods}
            for path, (route, entry) in described.items()
        },
        "components": _components(deployment),
    }


def _entry(path: str) -> Entry:
    if path not in ENTRIES:
        raise Internal(f"{path} is not described")
    return ENTRIES[path]


def _operation(method: str, entry: Entry, deployment: Deployment) -> Json:
    operation: Json = {
        "operationId": f"{entry.name}_{method.lower()}",
        "summary": entry.summary,
        "tags": [entry.tag],
        "parameters": _parameters(method, entry, deployment),
        "responses": _responses(method, entry, deployment),
        "security": _security(entry, deployment),
    }
    if method == "POST" and entry.request is not None:
        operation["requestBody"] = {"required": True, "content": _json(ref(entry.request))}
    return operation


def _parameters(method: str, entry: Entry, deployment: Deployment) -> list[Json]:
    client = ref("ClientRequestId", "parameters")
    if method == "GET" and entry.is_procedure and entry.request is not None:
        message: Json = {"name": "message", "in": "query", "required": True, "content": _json(ref(entry.request))}
        return [client, _ENCODING, message, _CONNECT_VERSION]
    forwarded = [FORWARDED_KAS] * (entry.access == "acp240" and deployment.is_federated)
    return [*entry.parameters, *forwarded, client]


def _responses(method: str, entry: Entry, deployment: Deployment) -> Json:
    found: Json = {}
    if entry.answer is not None:
        headers = success_headers(is_cacheable=entry.is_cacheable, offers_nonce=_offers_nonce(entry, deployment))
        media = {entry.media_type: {"schema": ref(entry.answer)}}
        found["200"] = {"description": entry.summary + ".", "headers": headers, "content": media}
        if entry.is_cacheable:
            found["304"] = {"description": "What the caller has is current.", "headers": headers}
    refused = _refused(entry.refusals, deployment, has_body=method == "POST")
    return found | {str(status): ref(f"{entry.refusals}Error{status}", "responses") for status in refused}


def _offers_nonce(entry: Entry, deployment: Deployment) -> bool:
    modes = {
        "acp240": deployment.rewrap_nonces,
        "explain": deployment.rewrap_nonces,
        "opentdf": deployment.opentdf_nonces,
        "ready": "offer",
        "federation": "offer",
        "public": "off",
    }
    return modes[entry.access] != "off"


def _security(entry: Entry, deployment: Deployment) -> list[Json]:
    bound: list[Json] = [{"DPoP": [], "Proof": []}]
    if entry.access == "acp240":
        return bound + [{"Bearer": [], "Proof": []}] * ("bearer" in deployment.rewrap_schemes)
    if entry.access == "opentdf":
        return bound + [{"Bearer": []}] * deployment.takes_unbound
    if entry.access in {"federation", "explain"}:
        return bound
    return [{}, *bound] if entry.access == "ready" else []


def _refused(group: str, deployment: Deployment, *, has_body: bool = True) -> dict[int, Json]:
    make = connect_responses if group.startswith("Connect") else partial(plain_responses, has_results=group == "Rewrap")
    refusals = refusals_of(deployment)[group]
    return make(tuple(leaf for leaf in refusals if has_body or leaf not in OF_BODIES))


def _components(deployment: Deployment) -> Json:
    offering = {entry.refusals for entry in ENTRIES.values() if _offers_nonce(entry, deployment)}
    responses = {
        f"{group}Error{status}": {**response, "headers": described_headers(status, offers_nonce=group in offering)}
        for group in refusals_of(deployment)
        for status, response in _refused(group, deployment).items()
    }
    client = text("Comes back as X-Client-Request-Id when it is 1–128 of A–Z a–z 0–9 . _ : -")
    return {
        "schemas": {
            **acp240_schemas(deployment, label_refusals(deployment)),
            **explain_schemas(deployment),
            **(federation_schemas() if deployment.is_federated else {}),
            **opentdf_schemas(),
            **error_schemas(),
            "Alive": closed({"status": words("ok")}),
            "Ready": closed({"status": words("ready")}, {"checks": ref("Checks")}),
            "Metrics": text(),
            "Document": {"type": "object", "required": ["openapi", "info", "paths"]},
        },
        "parameters": {"ClientRequestId": {"name": "X-Request-Id", "in": "header", "schema": client}},
        "headers": {name: value for name, value in HEADERS.items() if name != NONCE or offering},
        "responses": responses,
        "securitySchemes": _security_schemes(),
    }


def _security_schemes() -> Json:
    proof = (
        "A DPoP proof (RFC 9449 §4.2), made for this one request; with the nonce of DPoP-Nonce where one is asked for."
    )
    bound = "An access token that is bound to the key of the proof (RFC 9449 §7.1)."
    return {
        "DPoP": {"type": "http", "scheme": "DPoP", "description": bound},
        "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "Proof": {"type": "apiKey", "in": "header", "name": "DPoP", "description": proof},
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
