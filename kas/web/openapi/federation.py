"""What other services bring: the header by which they forward, and the schemas of what may be seen of them."""

from __future__ import annotations

from typing import Final

from kas.federation.assertion import ALGORITHM, MAX_ASSERTION_CHARS, TYPE
from kas.web.openapi.pieces import Json, closed, items, nullable, text, words

_PART: Final = "[A-Za-z0-9_-]+"
FORWARDED_KAS: Final[Json] = {
    "name": "Forwarded-KAS",
    "in": "header",
    "schema": text(
        f"Sent by other services, never by clients: a compact JWS of type {TYPE} under {ALGORITHM} that holds forwarder, "
        "way, body, access token and the client's key together.",
        pattern=rf"^{_PART}\.{_PART}\.{_PART}$",
        maxLength=MAX_ASSERTION_CHARS,
    ),
}


def federation_schemas() -> dict[str, Json]:
    """By name."""
    return {"Registry": _answer(_peer()), "FederationStatus": _answer(_line())}


def _answer(peer: Json) -> Json:
    return closed({"kas": text("This service."), "peers": items(peer)})


def _peer() -> Json:
    count: Json = {"type": "integer", "minimum": 1}
    agreement = closed(
        {
            "maxClassification": text(),
            "allowedCOIs": items(text()),
            "allowedCountries": items(text()),
            "maxDepth": count | {"description": "Services that a request may have passed, the first included."},
            "audience": text("What an access token must name to be passed on."),
            "requireClientKeyHash": {"type": "boolean"},
        }
    )
    return closed(
        {
            **_known(),
            "organisation": text(),
            "country": text(),
            "origin": text(format="uri"),
            "agreement": nullable(agreement) | {"description": "null: nothing may pass."},
        }
    )


def _line() -> Json:
    count: Json = {"type": "integer", "minimum": 0}
    seconds = {"type": ["number", "null"], "minimum": 0, "description": "Since it opened the last time."}
    breaker = closed(
        {
            "state": words("closed", "open", "half-open"),
            "failuresInARow": count,
            "successes": count,
            "failures": count,
            "refusals": count | {"description": "Calls that were not made."},
            "openForSeconds": seconds,
        }
    )
    return closed({**_known(), "breaker": breaker})


def _known() -> dict[str, Json]:
    return {"kas": text(), "status": words("active", "suspended")}
