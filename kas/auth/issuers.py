"""Who may issue access tokens, from a schema-checked file.

Each issuer is pinned: its JWKS address and audience are configuration, never read from a token. The entry also says
which ``typ`` its tokens have, what its claims are called, what its ``acr`` values mean and for which countries it
may speak. An issuer without countries speaks for none. On Cloud Run one that is for development, on the machine itself or
over plain HTTP, is refused. Optional, and nothing when absent, are the clearance authorities
that its tokens may name, the domains of the e-mail addresses that it may assert, and the two endpoints that clients are
told to log in at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from kas.dataclass import dataclass
from kas.errors import ConfigError
from kas.schema import Node, load_document
from kas.uri import is_loopback, is_secure_url

TYPES: Final = ("at+jwt", "JWT", "none")
CONCEPTS: Final = (
    "uniqueID",
    "clearance",
    "clearanceAuthority",
    "countryOfAffiliation",
    "acpCOI",
    "organizationType",
    "acr",
    "amr",
)
_MAX_ACR_LEVEL: Final = 3
_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")


@dataclass(frozen=True, slots=True)
class Issuer:
    """One trusted issuer. ``acr_levels`` gives an ``acr`` value its authenticator assurance level, 1 to 3;
    ``email_domains`` are in lower case, each exactly what follows the ``@``. The endpoints are what OpenTDF clients are
    told to log in at; empty when the issuer has none.
    """

    issuer: str
    jwks_url: str
    audience: str
    accepted_types: frozenset[str]
    claim_names: Mapping[str, str]
    acr_levels: Mapping[str, int]
    countries: frozenset[str]
    clearance_authorities: frozenset[str] = frozenset()
    email_domains: frozenset[str] = frozenset()
    authorization_endpoint: str = ""
    token_endpoint: str = ""


def load_issuers(
    path: Path,
    *,
    countries: frozenset[str],
    allow_loopback_http: bool,
    refuse_loopback: bool = False,
    authorities: frozenset[str] = frozenset(),
) -> Mapping[str, Issuer]:
    """Issuers by their exact ``iss``. ``countries`` are the codes that exist, ``authorities`` the clearance authorities
    beside them. With ``refuse_loopback`` none may be on this machine, in name or in address. Raises ConfigError.
    """

    def read(document: Node) -> dict[str, Issuer]:
        issuers: dict[str, Issuer] = {}
        for node in document["issuers"].items():
            entry = _read_issuer(node, countries, authorities, allow_loopback_http=allow_loopback_http)
            if entry.issuer in issuers:
                node.fail("issuer is listed twice")
            if refuse_loopback and _is_for_development(entry):
                node.fail(
                    "is for development (loopback or plain http), which is refused on Cloud Run (K_SERVICE is set)"
                )
            issuers[entry.issuer] = entry
        document.done()
        if not issuers:
            raise ConfigError(f"{path.name}: lists no issuer, so nobody could be authenticated")
        return issuers

    return load_document(path, read)


def _read_issuer(
    node: Node, countries: frozenset[str], authorities: frozenset[str], *, allow_loopback_http: bool
) -> Issuer:
    read_url = partial(_read_url, allow_loopback_http=allow_loopback_http)
    asserted = node.get("clearanceAuthorities")
    domains = node.get("emailDomains")
    entry = Issuer(
        issuer=_read_issuer_name(node["issuer"]),
        jwks_url=read_url(node["jwksUrl"]),
        audience=node["audience"].text(),
        accepted_types=frozenset(item.choice(TYPES) for item in node["acceptedTypes"].items()),
        claim_names=_read_claim_names(node["claims"]),
        acr_levels={name: value.integer(1, _MAX_ACR_LEVEL) for name, value in node["acrLevels"].members().items()},
        countries=frozenset(_read_name(item, countries) for item in node["countries"].items()),
        clearance_authorities=frozenset(
            _read_name(item, countries | authorities) for item in (asserted.items() if asserted else ())
        ),
        email_domains=frozenset(_read_domain(item) for item in (domains.items() if domains else ())),
        authorization_endpoint=read_url(node.get("authorizationEndpoint")),
        token_endpoint=read_url(node.get("tokenEndpoint")),
    )
    node.done()
    return entry


def _read_name(node: Node, known: frozenset[str]) -> str:
    """Of a country or an authority; there are too many to list them."""
    name = node.text()
    return name if name in known else node.fail("is not one that countries.json or clearances.json has")


def _is_for_development(entry: Issuer) -> bool:
    addresses = (entry.issuer, entry.jwks_url, entry.authorization_endpoint, entry.token_endpoint)
    return any(map(_is_on_this_machine_or_plain, addresses))


def _is_on_this_machine_or_plain(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return True  # nobody knows where it is
    is_here = is_loopback(host) or host.endswith(".localhost") or host in {"0.0.0.0", "::"}  # noqa: S104 - refused here
    return is_here or parts.scheme == "http"


def _read_url(node: Node | None, *, allow_loopback_http: bool) -> str:
    if node is None:
        return ""
    if not is_secure_url(node.text(), allow_loopback_http=allow_loopback_http):
        node.fail("must be https (http on loopback in local mode only)")
    return node.text()


def _read_domain(node: Node) -> str:
    domain = node.text()
    return domain if _DOMAIN.fullmatch(domain) else node.fail("must be a domain name in lower case")


def _read_issuer_name(node: Node) -> str:
    name = node.text()
    return node.fail("must have no white space") if any(map(str.isspace, name)) else name


def _read_claim_names(node: Node) -> Mapping[str, str]:
    names = {concept: name.text() for concept in CONCEPTS if (name := node.get(concept))}
    node.done()
    return names
