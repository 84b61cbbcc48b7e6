"""The registry file: one good registry, one member broken, and each refusal names the place."""

from __future__ import annotations

import re

import pytest

from kas.errors import ConfigError
from kas.federation.registry import Agreement, FetchedKeys
from kas.federation.registry_file import load_federation
from local.client.keys import new_proof_key
from tests.federation.registry_documents import (
    FRA,
    GBR,
    GOOD,
    REMOVED,
    RULES,
    USA,
    changed,
    good,
    jwk,
    load,
    thumbprint,
    write,
)

OPTIONAL = {"aliases"}


def refused(folder, document, place, **how):
    with pytest.raises(ConfigError, match=re.escape(f"federation.json.{place}")) as refusal:
        load(folder, document, **how)
    return str(refusal.value)


def test_an_entry_is_read_whole(tmp_path):
    registry = load(tmp_path, GOOD)
    peer = registry.find("kas-fra")
    assert (peer.kas_id, peer.organisation, peer.country) == ("kas-fra", "Agency of fra", "FRA")
    assert (peer.origin, peer.rewrap_url) == ("https://kas.fra.example", "https://kas.fra.example/rewrap")
    assert (peer.is_active, peer.timeout_seconds) == (True, 3)
    bases = ("https://kas.fra.example", "https://kas2.fra.example", "https://gate.example/fra")
    assert peer.proof_uris == {f"{base}/rewrap" for base in bases}
    assert peer.addresses == {
        *peer.proof_uris,
        *(f"{base}/" for base in bases),
        "https://gate.example/fra",
    }
    assert {kid: key.thumbprint for kid, key in peer.keys.items()} == {"sig-1": thumbprint(FRA)}
    assert peer.thumbprints == {thumbprint(FRA)}


def test_keys_that_are_fetched_are_an_address_and_thumbprints(tmp_path):
    peer = load(tmp_path, GOOD).find("kas-gbr")
    assert peer.keys == FetchedKeys("https://kas.gbr.example/jwks", frozenset({thumbprint(GBR)}))
    assert peer.thumbprints == {thumbprint(GBR)}


def test_an_agreement_is_read_whole_and_demands_the_hash_of_the_clients_key_by_default(tmp_path):
    expected = Agreement(
        "SECRET", 3, frozenset({"NATO"}), frozenset({"USA", "FRA"}), 2, "kas-federation", require_client_key_hash=True
    )
    assert load(tmp_path, GOOD).find("kas-fra").agreement == expected


@pytest.mark.parametrize("demanded", [True, False])
def test_an_agreement_may_say_whether_the_hash_of_the_clients_key_is_demanded(tmp_path, demanded):
    registry = load(tmp_path, changed("agreements.0.requireClientKeyHash", demanded))
    assert registry.find("kas-fra").agreement.require_client_key_hash is demanded


def test_each_service_sees_the_others_with_its_own_agreements(tmp_path):
    registry = load(tmp_path, GOOD)
    assert (registry.kas_id, registry.own.kas_id) == ("kas-usa", "kas-usa")
    assert registry.peers.keys() == {"kas-fra", "kas-gbr"}
    assert registry.find("kas-gbr").agreement is None
    french = load(tmp_path, GOOD, kas_id="kas-fra", bases=tuple(sorted(bases_of("kas-fra"))))
    assert french.find("kas-usa").agreement == registry.find("kas-fra").agreement
    assert not french.find("kas-gbr").agreement.require_client_key_hash


def bases_of(kas_id):
    (entry,) = (entry for entry in GOOD["kases"] if entry["id"] == kas_id)
    return [entry["origin"], *entry.get("aliases", ())]


def test_we_are_never_our_own_peer(tmp_path):
    registry = load(tmp_path, GOOD)
    assert registry.find("kas-usa") is None
    assert registry.find_by_url("https://kas.usa.example/rewrap") is None
    assert registry.find("kas-FRA") is None


def test_a_suspended_service_is_known_and_not_active(tmp_path):
    registry = load(tmp_path, changed("kases.1.status", "suspended"))
    assert not registry.find("kas-fra").is_active
    assert registry.find_by_url("https://kas.fra.example") is registry.find("kas-fra")


@pytest.mark.parametrize(
    ("entry", "name"),
    [(f"kases.{index}", name) for index in (1, 2) for name in GOOD["kases"][index] if name not in OPTIONAL]
    + [("agreements.0", name) for name in GOOD["agreements"][0]]
    + [("kases.0.jwks", "keys"), ("kases.0.jwks.keys.0", "kid")],
)
def test_every_member_is_required(tmp_path, entry, name):
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, changed(f"{entry}.{name}", REMOVED))
    place = re.sub(r"\.(\d)", r"[\1]", entry)
    expected = f"{name} is missing" if name not in {"jwks", "jwksUrl", "thumbprints"} else "must have either jwks, or"
    assert str(refusal.value).startswith(f"federation.json.{place}: {expected}")


@pytest.mark.parametrize("place", ["", "kases.1.", "kases.1.jwks.", "kases.1.jwks.keys.0.", "agreements.0."])
def test_a_member_that_nobody_knows_is_refused(tmp_path, place):
    """A misspelt rule must not be a missing rule."""
    with pytest.raises(ConfigError, match="unknown member 'maxDeepth'"):
        load(tmp_path, changed(f"{place}maxDeepth", 1))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("kases", []),
        ("kases", {}),
        ("agreements", None),
        ("kases.1", "kas-fra"),
        ("kases.1.id", "kas fra"),
        ("kases.1.id", ""),
        ("kases.1.id", "k" * 65),
        ("kases.1.id", "kas-fra\n"),
        ("kases.1.id", 5),
        ("kases.1.organisation", ""),
        ("kases.1.organisation", "a\x1b[2J"),
        ("kases.1.organisation", "a\u202eb"),
        ("kases.1.organisation", " a"),
        ("kases.1.organisation", "a" * 257),
        ("kases.1.country", "XXX"),
        ("kases.1.country", "fra"),
        ("kases.1.country", ["FRA"]),
        ("kases.1.aliases", "https://kas2.fra.example"),
        ("kases.1.status", "Active"),
        ("kases.1.status", True),
        ("kases.1.timeoutSeconds", 0),
        ("kases.1.timeoutSeconds", 31),
        ("kases.1.timeoutSeconds", 2.5),
        ("kases.1.timeoutSeconds", True),
        ("agreements.0.maxClassification", "COSMIC"),
        ("agreements.0.maxClassification", "secret"),
        ("agreements.0.allowedCOIs", "NATO"),
        ("agreements.0.allowedCOIs", None),
        ("agreements.0.allowedCOIs", ["NATO", "NATO"]),
        ("agreements.0.allowedCOIs", [""]),
        ("agreements.0.allowedCOIs", ["NA\nTO"]),
        ("agreements.0.allowedCountries", ["USA", "USA"]),
        ("agreements.0.allowedCountries", ["US"]),
        ("agreements.0.allowedCountries", ["*"]),
        ("agreements.0.maxDepth", 0),
        ("agreements.0.maxDepth", 9),
        ("agreements.0.maxDepth", "1"),
        ("agreements.0.audience", ""),
        ("agreements.0.audience", ["kas-federation"]),
        ("agreements.0.requireClientKeyHash", "false"),
        ("agreements.0.requireClientKeyHash", 0),
        ("agreements.0.between", ["kas-usa", "kas-usa"]),
        ("agreements.0.between", ["kas-usa"]),
        ("agreements.0.between", ["kas-usa", "kas-fra", "kas-gbr"]),
        ("agreements.0.between", ["kas-usa", "kas-nld"]),
        ("agreements.0.between", ["kas-usa", "*"]),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_place(tmp_path, place, value):
    refused(tmp_path, changed(place, value), re.sub(r"\.(\d)", r"[\1]", place))


def test_the_largest_and_smallest_numbers_are_taken(tmp_path):
    for place, numbers in (("kases.1.timeoutSeconds", (1, 30)), ("agreements.0.maxDepth", (1, 8))):
        for number in numbers:
            load(tmp_path, changed(place, number))


def test_lists_that_allow_nothing_are_taken(tmp_path):
    document = changed("agreements.0.allowedCOIs", [])
    document["agreements"][0]["allowedCountries"] = []
    agreement = load(tmp_path, document).find("kas-fra").agreement
    assert (agreement.cois, agreement.countries) == (frozenset(), frozenset())


def test_an_id_is_listed_once(tmp_path):
    assert "is listed twice" in refused(tmp_path, changed("kases.2.id", "kas-fra"), "kases[2].id: ")


def test_a_pair_has_one_agreement_in_whatever_order(tmp_path):
    document = good()
    document["agreements"].append({**document["agreements"][0], "between": ["kas-fra", "kas-usa"]})
    assert "an agreement already" in refused(tmp_path, document, "agreements[2].between: ")


@pytest.mark.parametrize(
    "claimed",
    ["https://kas.fra.example", "https://kas2.fra.example", "https://gate.example/fra"],
    ids=["origin", "alias", "prefix"],
)
@pytest.mark.parametrize("member", ["origin", "aliases"])
def test_an_address_belongs_to_one_service(tmp_path, member, claimed):
    document = changed(f"kases.2.{member}", claimed if member == "origin" else [claimed])
    if member == "origin":
        document["kases"][2]["rewrapUrl"] = f"{claimed}/kas/rewrap"
    assert "belongs to kas-fra already" in refused(tmp_path, document, "kases[2]: ")


def test_an_address_below_one_of_another_service_is_not_its_rewrap_address(tmp_path):
    """Else one url would name two services."""
    document = changed("kases.2.aliases", ["https://kas.fra.example/rewrap"])
    assert "belongs to kas-fra already" in refused(tmp_path, document, "kases[2]: ")


@pytest.mark.parametrize("alias", ["https://kas.fra.example", "https://kas2.fra.example"])
def test_an_address_is_listed_once_of_one_service(tmp_path, alias):
    refused(tmp_path, changed("kases.1.aliases", ["https://kas2.fra.example", alias]), "kases[1].aliases: ")


def test_there_are_at_most_sixteen_aliases_and_sixty_four_services(tmp_path):
    aliases = [f"https://kas{number}.fra.example" for number in range(17)]
    load(tmp_path, changed("kases.1.aliases", aliases[:16]))
    refused(tmp_path, changed("kases.1.aliases", aliases), "kases[1].aliases: ")
    document = good()
    document["kases"] += [document["kases"][1]] * 62
    assert "1 to 64" in refused(tmp_path, document, "kases: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://kas.gbr.example/rewrap",
        "https://kas.fra.example.evil.example/rewrap",
        "https://kas.fra.example:444/rewrap",
        "https://kas.fra.example",
    ],
)
def test_a_rewrap_address_is_below_its_origin(tmp_path, url):
    refused(tmp_path, changed("kases.1.rewrapUrl", url), "kases[1].rewrapUrl: must be below origin")


def test_a_rewrap_address_of_another_path_names_its_service_too(tmp_path):
    url = "https://kas.fra.example/v2/unwrap"
    peer = load(tmp_path, changed("kases.1.rewrapUrl", url)).find("kas-fra")
    assert peer.rewrap_url == url
    assert url in peer.addresses
    assert url in peer.proof_uris


def test_attack_f06_a_peer_that_claims_one_of_our_public_bases_is_refused(tmp_path):
    """What is for us would be sent to it, or taken for its."""
    bases = ("https://kas.usa.example", "https://kas2.usa.example")
    document = changed("kases.2.aliases", ["https://kas2.usa.example"])
    assert "KAS_PUBLIC_BASES" in refused(tmp_path, document, "kases[2]: ", bases=bases)
    load(tmp_path, document)


def test_attack_f06_two_services_never_share_a_key(tmp_path):
    """Whoever has it could sign as either."""
    for place, value in (
        ("kases.1.jwks.keys", [jwk(FRA), jwk(USA, "other")]),
        ("kases.2.thumbprints", [thumbprint(GBR), thumbprint(USA)]),
    ):
        assert "belongs to kas-usa already" in refused(tmp_path, changed(place, value), f"kases[{place[6]}]: ")


def test_our_own_entry_names_no_address_that_is_not_ours(tmp_path):
    """Partners would send there what is for us."""
    document = changed("kases.0.aliases", ["https://kas9.usa.example"])
    assert "KAS_PUBLIC_BASES" in refused(tmp_path, document, "kases[0]: ")
    document = changed("kases.0.rewrapUrl", "https://kas.usa.example/v2/rewrap")
    assert "KAS_PUBLIC_BASES" in refused(tmp_path, document, "kases[0]: ")


def test_a_service_that_the_file_does_not_name_does_not_start_with_it(tmp_path):
    assert "KAS_ID" in refused(tmp_path, GOOD, "kases: ", kas_id="kas-uas")


@pytest.mark.parametrize("members", [("jwks", "jwksUrl", "thumbprints"), ("jwks", "thumbprints"), ("jwks", "jwksUrl")])
def test_keys_are_pinned_or_fetched_never_both(tmp_path, members):
    entry = {name: value for name, value in GOOD["kases"][2].items() if name not in {"jwksUrl", "thumbprints"}}
    offered = {
        "jwks": {"keys": [jwk(GBR)]},
        "jwksUrl": "https://kas.gbr.example/jwks",
        "thumbprints": [thumbprint(GBR)],
    }
    document = changed("kases.2", {**entry, **{name: offered[name] for name in members}})
    refused(tmp_path, document, "kases[2]: must have either jwks, or jwksUrl and thumbprints")


UNFIT = {
    "private": {"d": "AQ"},
    "use-enc": {"use": "enc"},
    "alg": {"alg": "ES384"},
    "key-ops": {"key_ops": ["sign"]},
    "off-curve": {"y": FRA.jwk["x"]},
    "not-canonical": {"x": f"{FRA.jwk['x']}="},
    "symmetric": {"kty": "oct", "k": "AQ"},
    "kid-empty": {"kid": ""},
    "kid-long": {"kid": "k" * 257},
    "kid-control": {"kid": "a\nb"},
    "kid-number": {"kid": 5},
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_pinned_key_that_is_none_for_es256_refuses_the_file(tmp_path, name):
    refused(tmp_path, changed("kases.1.jwks.keys.0", jwk(FRA, **UNFIT[name])), "kases[1].jwks.keys[0]")


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "RS256", "EdDSA"])
def test_a_pinned_key_of_another_family_refuses_the_file(tmp_path, algorithm):
    unfit = jwk(new_proof_key(algorithm), alg=REMOVED)
    refused(tmp_path, changed("kases.1.jwks.keys", [jwk(FRA), unfit]), "kases[1].jwks.keys[1]: must be a P-256 key")


@pytest.mark.parametrize("members", [{"use": REMOVED}, {"alg": REMOVED}, {"key_ops": ["verify"]}])
def test_what_a_pinned_key_need_not_say(tmp_path, members):
    registry = load(tmp_path, changed("kases.1.jwks.keys.0", jwk(FRA, **members)))
    assert registry.find("kas-fra").thumbprints == {thumbprint(FRA)}


@pytest.mark.parametrize("keys", [[jwk(FRA), jwk(new_proof_key())], [jwk(FRA), jwk(FRA, "sig-2")]], ids=["kid", "key"])
def test_neither_a_kid_nor_a_key_is_pinned_twice(tmp_path, keys):
    refused(tmp_path, changed("kases.1.jwks.keys", keys), "kases[1].jwks.keys[1]: repeats")


@pytest.mark.parametrize("place", ["kases.1.jwks.keys", "kases.2.thumbprints"])
def test_there_are_one_to_sixteen_keys(tmp_path, place):
    keys = [new_proof_key() for _ in range(17)]
    values = [jwk(key, f"k{n}") if "jwks" in place else thumbprint(key) for n, key in enumerate(keys)]
    for count in (1, 16):
        load(tmp_path, changed(place, values[:count]))
    for count in (0, 17):
        refused(tmp_path, changed(place, values[:count]), re.sub(r"\.(\d)", r"[\1]", place) + ": must have 1 to 16")


@pytest.mark.parametrize(
    "text", ["", "abc", thumbprint(GBR) + "=", thumbprint(GBR)[:-1], thumbprint(GBR)[:-1] + "_", "*", 5], ids=str
)
def test_a_thumbprint_is_that_of_sha_256(tmp_path, text):
    refused(tmp_path, changed("kases.2.thumbprints", [text]), "kases[2].thumbprints[0]: ")


def test_a_thumbprint_is_listed_once(tmp_path):
    refused(tmp_path, changed("kases.2.thumbprints", [thumbprint(GBR)] * 2), "kases[2].thumbprints: ")


def test_no_refusal_repeats_a_private_key(tmp_path):
    secret = "c2VjcmV0LXNlY3JldA"
    assert secret not in refused(tmp_path, changed("kases.1.jwks.keys.0", jwk(FRA, d=secret)), "kases[1]")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    how = {"countries": RULES.countries, "levels": RULES.levels, "allow_loopback_http": False}
    for text in (None, "{", '{"kases":[],"kases":[]}'):
        path = write(tmp_path, {}) if text else tmp_path / "none.json"
        if text:
            path.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_federation(path, kas_id="kas-usa", public_bases=(), **how)
