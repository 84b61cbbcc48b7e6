"""The registry file: every member is checked, and a bad one refuses the start with file, place and reason.

One file may serve all parties. Guarantees that an address belongs to one service alone, and so does a key; that every
address may be connected to (`kas.federation.addresses`); that agreements are between services of the file, one a pair,
and name real countries and classifications; and that our own entry and our public bases say the same. Does not check
that the addresses answer, nor that they are whose they are said to be: the operators compare files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from kas.dataclass import dataclass
from kas.federation.registry import Agreement, Federation, Peer, Registry
from kas.federation.registry_keys import read_address, read_keys, read_name
from kas.schema import Node, load_document
from kas.setting import identifier
from kas.uri import normalise_uri

MAX_KASES: Final = 64  # each url of a request may be compared with all of them
MAX_ALIASES: Final = 16
MAX_TIMEOUT_SECONDS: Final = 30
MAX_DEPTH: Final = 8
_KAO_PATHS: Final = ("", "/", "/rewrap")


@dataclass(frozen=True, slots=True)
class _World:
    """What there is beside the file: countries, classifications from the lowest up, and whether this is local mode."""

    countries: frozenset[str]
    levels: Sequence[str]
    allow_loopback_http: bool


def load_federation(
    path: Path,
    *,
    kas_id: str,
    public_bases: Sequence[str],
    countries: frozenset[str],
    levels: Sequence[str],
    allow_loopback_http: bool,
) -> Registry:
    """The registry as ``kas_id``, which answers at ``public_bases``, sees it. Raises ConfigError."""
    world = _World(countries, levels, allow_loopback_http)

    def read(document: Node) -> Registry:
        federation = _read(document, world)
        if kas_id not in federation.kases:
            document["kases"].fail(f"has no entry for this service, whose id is {kas_id} (KAS_ID)")
        _demand_own_addresses(document["kases"], federation, kas_id, _urls_of(public_bases))
        return federation.seen_by(kas_id)

    return load_document(path, read)


def read_federation(
    path: Path, *, countries: frozenset[str], levels: Sequence[str], allow_loopback_http: bool
) -> Federation:
    """The whole file, which is no service's own. Raises ConfigError."""
    return load_document(path, partial(_read, world=_World(countries, levels, allow_loopback_http)))


def _demand_own_addresses(node: Node, federation: Federation, kas_id: str, own_urls: frozenset[str]) -> None:
    """Whoever claimed one of ours would be sent nothing, and partners would send elsewhere what is for us."""
    for entry, peer in zip(node.items(), federation.kases.values(), strict=True):
        if peer.kas_id == kas_id and (foreign := peer.addresses - own_urls):
            entry.fail(f"{min(foreign)} is not an address of this service (KAS_PUBLIC_BASES)")
        if peer.kas_id != kas_id and (ours := peer.addresses & own_urls):
            entry.fail(f"{min(ours)} is an address of this service (KAS_PUBLIC_BASES)")


def _urls_of(bases: Iterable[str]) -> frozenset[str]:
    """Every url by which a key access object may name a service with these bases, normalised."""
    urls = (normalise_uri(base + path) for base in bases for path in _KAO_PATHS)
    return frozenset(url for url in urls if url is not None)


def _read(document: Node, world: _World) -> Federation:
    kases = _read_kases(document["kases"], world)
    agreements: dict[frozenset[str], Agreement] = {}
    for node in document["agreements"].items():
        pair = frozenset(node["between"].pair())
        if unknown := pair - kases.keys():
            node["between"].fail(f"{min(unknown)!r} is not among kases")
        if pair in agreements:
            node["between"].fail("has an agreement already")
        agreements[pair] = _read_agreement(node, world)
    document.done()
    return Federation(kases, agreements)


def _read_kases(node: Node, world: _World) -> dict[str, Peer]:
    kases: dict[str, Peer] = {}
    owners: dict[str, str] = {}
    if not 0 < len(node.items()) <= MAX_KASES:
        node.fail(f"must have 1 to {MAX_KASES} entries")
    for entry in node.items():
        peer = _read_kas(entry, world)
        if peer.kas_id in kases:
            entry["id"].fail("is listed twice")
        for unique in sorted(peer.addresses | peer.thumbprints):
            if owners.setdefault(unique, peer.kas_id) != peer.kas_id:
                entry.fail(f"{unique} belongs to {owners[unique]} already")
        kases[peer.kas_id] = peer
    return kases


def _read_kas(node: Node, world: _World) -> Peer:
    origin, rewrap_url = (_read_address(node[name], world) for name in ("origin", "rewrapUrl"))
    if not rewrap_url.startswith(f"{origin}/"):
        node["rewrapUrl"].fail("must be below origin")
    bases = (origin, *_read_aliases(node.get("aliases"), origin, world))
    peer = Peer(
        kas_id=_read_id(node["id"]),
        organisation=read_name(node["organisation"]),
        country=_read_country(node["country"], world),
        origin=origin,
        rewrap_url=rewrap_url,
        addresses=_urls_of(bases) | {rewrap_url},
        proof_uris=frozenset(f"{base}/rewrap" for base in bases) | {rewrap_url},
        is_active=node["status"].choice(("active", "suspended")) == "active",
        timeout_seconds=node["timeoutSeconds"].integer(1, MAX_TIMEOUT_SECONDS),
        keys=read_keys(node, allow_loopback_http=world.allow_loopback_http),
    )
    node.done()
    return peer


def _read_aliases(node: Node | None, origin: str, world: _World) -> Sequence[str]:
    if node is None:
        return ()
    aliases = [_read_address(item, world) for item in node.items()]
    if len(aliases) > MAX_ALIASES:
        node.fail(f"must have at most {MAX_ALIASES} items")
    return aliases if len({origin, *aliases}) == len(aliases) + 1 else node.fail("must not repeat an address")


def _read_address(node: Node, world: _World) -> str:
    return read_address(node, allow_loopback_http=world.allow_loopback_http)


def _read_id(node: Node) -> str:
    try:
        return identifier(node.text())
    except ValueError:
        return node.fail("must be 1–64 of A–Z a–z 0–9 . _ -, as KAS_ID is")


def _read_country(node: Node, world: _World) -> str:
    country = node.text()
    return country if country in world.countries else node.fail("is not a country of countries.json")


def _read_agreement(node: Node, world: _World) -> Agreement:
    demand = node.get("requireClientKeyHash")
    classification = node["maxClassification"].choice(world.levels)
    cois, countries = node["allowedCOIs"], node["allowedCountries"]
    agreement = Agreement(
        max_classification=classification,
        max_level=world.levels.index(classification),
        cois=frozenset(read_name(coi) for coi in cois.items()),
        countries=frozenset(_read_country(country, world) for country in countries.items()),
        max_depth=node["maxDepth"].integer(1, MAX_DEPTH),
        audience=read_name(node["audience"]),
        require_client_key_hash=True if demand is None else demand.boolean(),
    )
    node.done()
    for listed in (cois, countries):
        listed.texts()  # without repetition
    return agreement
