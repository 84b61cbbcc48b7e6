"""The subject of a decision: what a verified access token says about the caller, read without trust in its shape.

Guarantees that a claim of the wrong type, or an empty one, is a missing one, so that no odd token says more than a
short one (`policy.md` §1 of the specification). Does not check signatures, nor that a country or a clearance exists:
that is the decision's.
"""

from __future__ import annotations

from collections.abc import Mapping

from kas.dataclass import dataclass
from kas.encoding import parse_json
from kas.errors import KasError


@dataclass(frozen=True, slots=True)
class Subject:
    """Missing is None or empty. ``acr_level`` is the authenticator assurance level, 0 (unknown) to 3.

    ``issuer_countries``: those that the token's issuer may speak for; an empty set is none. ``clearance_authority``:
    whose terms the clearance is read by, the country unless the token says otherwise.
    """

    unique_id: str | None
    clearance: str | None
    country: str | None
    coi: frozenset[str]
    organization_type: str | None
    acr_level: int
    amr: frozenset[str]
    issuer_countries: frozenset[str]
    clearance_authority: str | None


def read_subject(
    claims: Mapping[str, object],
    *,
    names: Mapping[str, str],
    acr_levels: Mapping[str, int],
    issuer_countries: frozenset[str],
    issuer_authorities: frozenset[str] = frozenset(),
) -> Subject:
    """The subject of verified ``claims``; never raises.

    ``names``: concept of the specification to the issuer's claim, by default the concept itself. ``acr_levels``: what
    the issuer's ``acr`` values mean; any other value is 0. ``issuer_authorities``: the clearance authorities that the
    issuer may assert.
    """

    def claim(concept: str) -> object:
        return claims.get(names.get(concept, concept))

    # `sub` stands in for a claim that is not there, never for one that says something unusable.
    named = names.get("uniqueID", "uniqueID") in claims
    country = _text(claim("countryOfAffiliation"))
    authority = _text(claim("clearanceAuthority"))
    # Nor does the country for an authority that may not be asserted: its terms may say more.
    asserted = names.get("clearanceAuthority", "clearanceAuthority") in claims
    return Subject(
        unique_id=_text(claim("uniqueID") if named else claims.get("sub")),
        clearance=_text(claim("clearance")),
        country=country,
        coi=_communities(claim("acpCOI")),
        organization_type=_text(claim("organizationType")),
        acr_level=acr_levels.get(_text(claim("acr")) or "", 0),
        amr=_texts(claim("amr")),
        issuer_countries=issuer_countries,
        clearance_authority=(authority if authority in issuer_authorities else None) if asserted else country,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _texts(value: object) -> frozenset[str]:
    texts = value if isinstance(value, list) else []
    # One item that cannot be read makes the list unreadable: what is left of it may say something else.
    return frozenset(texts) if all(_text(item) for item in texts) else frozenset()


def _communities(value: object) -> frozenset[str]:
    if not isinstance(value, str):
        return _texts(value)
    try:
        return _texts(parse_json(value.encode()))
    except (KasError, UnicodeEncodeError):
        return frozenset()
