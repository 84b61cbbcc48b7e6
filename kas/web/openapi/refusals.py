"""Which refusals each kind of route has, taken from the tree of errors, and the answers that they become.

A route's refusals are classes; statuses, codes and sentences follow from them, so none can be misspelt or left over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

from kas import errors
from kas.errors import Denial, InvalidForwarding, KaoRefusal, KasError, leaves
from kas.protocol.connect import CODES
from kas.web.openapi.deployment import Deployment
from kas.web.openapi.pieces import Json, closed, items, ref, text, words

Refusals = tuple[type[KasError], ...]

_ATTRIBUTE_DENIALS: Final[Refusals] = (
    errors.PolicyEmpty,
    errors.AttributeUnknown,
    errors.AttributeNotEntitled,
    errors.NotInDissem,
)
_OF_SERVICES: Final[Refusals] = (errors.AgreementExceeded, errors.PeerRefused, errors.PeerUnavailable)
_OF_ANOTHER_PROGRAM: Final[Refusals] = (errors.PolicyDenied, errors.PolicyUnavailable)
_ALWAYS: Final[Refusals] = (errors.Internal, errors.AuditUnavailable)
# A store that instances share may be away.
_STORE: Final[Refusals] = (errors.ReplayStoreFull, errors.ReplayStoreUnavailable)
_LIMITED: Final[Refusals] = (errors.NetworkLimit, errors.GlobalLimit)
_BODY: Final[Refusals] = (errors.RequestTimeout, errors.ContentTooLarge, errors.TooManyBodies)
_JSON: Final[Refusals] = (errors.InvalidJson, errors.NotCanonical, errors.InvalidStructure)
_MEDIA: Final[Refusals] = (errors.NotAcceptable, errors.UnsupportedMediaType)
# What a request without a body is never refused for.
OF_BODIES: Final[Refusals] = (errors.RequestTimeout, errors.TooManyBodies)
_CONNECT: Final[Refusals] = (errors.CodecUnsupported, errors.CompressionUnsupported, errors.MessageInvalid)
_ONE_KAO_OF_OPENTDF: Final[Refusals] = (
    errors.KeyMaterialRejected,
    errors.UnknownKey,
    errors.UnknownKas,
    errors.NotSupported,
    errors.SubjectIncomplete,
    errors.LabelInvalid,
    errors.LabelIncoherent,
    errors.IssuerNotForCountry,
    *_ATTRIBUTE_DENIALS,
    errors.BudgetExhausted,
    errors.KeyUnavailable,
)


def refusals_of(deployment: Deployment) -> Mapping[str, Refusals]:
    """By the name of the group that a route belongs to."""
    door: Refusals = (errors.LoopbackOnly if deployment.is_local else errors.HttpsRequired, *_ALWAYS)
    edge = (*door, *_LIMITED)
    acp240 = _asked(deployment.rewrap_nonces, takes_bearer="bearer" in deployment.rewrap_schemes)
    # Where nobody may forward, whoever does is unknown.
    unknown: Refusals = (errors.ForwarderUnknown,)
    forwarded = unknown
    if deployment.is_federated:
        forwarded = (*leaves(InvalidForwarding), errors.ForwarderKeysUnavailable)
    opentdf = (*_asked(deployment.opentdf_nonces, takes_bearer=False), *unknown, *_opentdf_refusals(deployment))
    seen = _asked("offer", takes_bearer=False)
    explain = (*_asked(deployment.rewrap_nonces, takes_bearer=False), *unknown)
    late = (errors.PolicyUnavailable,) * deployment.decides_elsewhere
    rewrap = (*edge, errors.SignedRequestTokenInvalid, errors.RewrapLimit, *_BODY, *_JSON)
    connect = (*edge, *_BODY, *_JSON, *_CONNECT)
    return {
        "Public": edge,
        "PublicKey": (*edge, errors.PublicKeyUnknown),
        "Health": (*door, errors.HealthLimit),
        "Ready": (*door, errors.HealthLimit, errors.NotReady, *seen),
        "Federation": (*edge, errors.HealthLimit, *seen),
        "Rewrap": (*rewrap, *_MEDIA, *acp240, *forwarded, *_standing(deployment)),
        "Explain": (*edge, errors.RewrapLimit, *_BODY, *_JSON, *_MEDIA, *explain, *late),
        "TdfRewrap": (*rewrap, *_MEDIA, *opentdf),
        "ConnectRewrap": (*rewrap, *_CONNECT, *opentdf),
        "Connect": connect,
        "ConnectPublicKey": (*connect, errors.PublicKeyUnknown),
        "ConnectAttributes": (*connect, errors.AttributeValueUnknown),
        "ConnectHealth": (*door, errors.HealthLimit, *_BODY, *_JSON, *_CONNECT),
        "ConnectUnknown": (*edge, errors.ProcedureUnknown),
        "Nothing": (errors.NotFound, errors.MethodNotAllowed),
    }


def label_refusals(deployment: Deployment) -> Refusals:
    """What this service may say of one key access object of ACP-240. Another program gives what reasons it likes."""
    never: set[type[KasError]] = set() if deployment.is_federated else set(_OF_SERVICES)
    if deployment.decides_elsewhere:
        never.difference_update(leaves(Denial))
    else:
        never.update(_OF_ANOTHER_PROGRAM, _ATTRIBUTE_DENIALS)
    return tuple(leaf for leaf in leaves(KaoRefusal) if leaf not in never)


def _standing(deployment: Deployment) -> Refusals:
    """What may stand for a whole request: nothing without a status, and whatever other services say of theirs."""
    found = tuple(leaves(KaoRefusal)) if deployment.is_federated else label_refusals(deployment)
    return tuple(leaf for leaf in found if leaf.status)


def _opentdf_refusals(deployment: Deployment) -> Refusals:
    more = (*leaves(Denial), errors.PolicyUnavailable) if deployment.decides_elsewhere else ()
    return tuple(dict.fromkeys((*_ONE_KAO_OF_OPENTDF, *more)))


def _asked(nonces: str, *, takes_bearer: bool) -> Refusals:
    """What may be wrong with the caller's own credentials."""
    never: set[type[KasError]] = set(leaves(InvalidForwarding))
    if takes_bearer:
        never.add(errors.SchemeRefused)
    if nonces != "require":
        never.add(errors.NonceRequired)
    if nonces == "off":
        never.add(errors.NonceInvalid)
    possible = (leaf for leaf in leaves(errors.Unauthenticated) if leaf not in never)
    return (*possible, errors.ReplayShareExhausted, *_STORE, errors.IssuerKeysUnavailable)


def error_schemas() -> dict[str, Json]:
    """The one form of errors (ACP-240 §2), alone and with what stands beside it; and Connect's."""
    members = {"error": text(), "code": ref("Code"), "message": text(), "requestId": text()}
    fault = closed({"code": text(), "field": text("requests[0].policy; empty for the whole body."), "message": text()})
    return {
        "Code": {"oneOf": [{"const": leaf.code, "description": leaf.message()} for leaf in leaves()]},
        "Error": closed(members),
        "StructuralError": closed({**members, "validationErrors": items(fault, minItems=1)}),
        "RewrapError": closed({**members, "responses": ref("Responses")})
        | {"description": "No key access object succeeded, and all failures stand for this status."},
        "NotReady": closed({**members, "checks": ref("Checks")}),
        "Checks": {"type": "object", "additionalProperties": {"anyOf": [{"const": True}, text("What is wrong.")]}},
        "ConnectError": closed({"code": text("Connect's code."), "message": text("Begins with the code of ours.")}),
    }


def plain_responses(refusals: Refusals, *, has_results: bool) -> dict[int, Json]:
    """The answers by status, in the one form of errors; ``has_results``: beside those of a rewrap that all failed."""
    forms = partial(_forms, has_results=has_results)
    return {
        status: _response(HTTPStatus(status).phrase, {"anyOf": forms(found), "properties": _members(found)})
        for status, found in _by_status(refusals, lambda leaf: leaf.status).items()
    }


def connect_responses(refusals: Refusals) -> dict[int, Json]:
    """The answers by status, in Connect's form."""
    return {
        status: _response(_codes(found), {**ref("ConnectError"), "properties": _connect_members(found)})
        for status, found in _by_status(refusals, lambda leaf: CODES[leaf.status][1]).items()
    }


def _by_status(refusals: Refusals, status: Callable[[type[KasError]], int]) -> dict[int, list[type[KasError]]]:
    statuses = sorted({status(leaf) for leaf in refusals})
    return {number: [leaf for leaf in refusals if status(leaf) == number] for number in statuses}


def _forms(found: Iterable[type[KasError]], *, has_results: bool) -> list[Json]:
    names = {
        "StructuralError" if leaf is errors.InvalidStructure
        else "NotReady" if leaf is errors.NotReady
        else "RewrapError" if has_results and issubclass(leaf, KaoRefusal)
        else "Error"
        for leaf in found
    }  # fmt: skip
    return [ref(name) for name in sorted(names | {"Error"})]


def _members(found: Iterable[type[KasError]]) -> Json:
    return {
        "error": words(*dict.fromkeys(leaf.error for leaf in found)),
        "code": words(*(leaf.code for leaf in found)),
    }


def _connect_members(found: Iterable[type[KasError]]) -> Json:
    return {"code": words(*dict.fromkeys(CODES[leaf.status][0] for leaf in found))}


def _codes(found: Iterable[type[KasError]]) -> str:
    """Connect's form has no member for them: the message begins with one."""
    return f"One of {', '.join(f'`{leaf.code}`' for leaf in found)}."


def _response(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
