"""The list of issuers: one good entry, one member broken."""

from __future__ import annotations

import json

import pytest

from kas.auth.issuers import load_issuers
from kas.errors import ConfigError

GOOD = {
    "issuer": "https://idp.example",
    "jwksUrl": "https://idp.example/jwks",
    "audience": "kas",
    "acceptedTypes": ["at+jwt"],
    "claims": {"clearance": "niveau"},
    "acrLevels": {"gold": 3},
    "countries": ["USA"],
}
REMOVED = object()


def write(tmp_path, document):
    path = tmp_path / "issuers.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def load(tmp_path, *entries, local=False, cloud=False, **top):
    path = write(tmp_path, {"issuers": list(entries), **top})
    countries = frozenset({"USA", "FRA"})
    return load_issuers(path, countries=countries, allow_loopback_http=local, refuse_loopback=cloud)


def good(**changes):
    return {name: value for name, value in (GOOD | changes).items() if value is not REMOVED}


def test_an_entry_is_read_whole(tmp_path):
    (issuer,) = load(tmp_path, GOOD).values()
    assert (issuer.issuer, issuer.jwks_url, issuer.audience) == (
        "https://idp.example",
        "https://idp.example/jwks",
        "kas",
    )
    assert (issuer.accepted_types, issuer.countries) == (frozenset({"at+jwt"}), frozenset({"USA"}))
    assert (dict(issuer.claim_names), dict(issuer.acr_levels)) == ({"clearance": "niveau"}, {"gold": 3})


def test_issuers_are_found_by_their_exact_name(tmp_path):
    issuers = load(tmp_path, GOOD, good(issuer="https://idp.example/"))
    assert issuers.keys() == {"https://idp.example", "https://idp.example/"}


@pytest.mark.parametrize("accepted", [["at+jwt"], ["JWT"], ["none"], ["JWT", "none", "at+jwt"]])
def test_the_types_that_can_be_accepted(tmp_path, accepted):
    (issuer,) = load(tmp_path, good(acceptedTypes=accepted)).values()
    assert issuer.accepted_types == frozenset(accepted)


@pytest.mark.parametrize("name", GOOD)
def test_every_member_is_required(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"issuers\.json\.issuers\[0\]: {name} is missing"):
        load(tmp_path, good(**{name: REMOVED}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", ""),
        ("issuer", 5),
        ("issuer", "https://idp.example other"),
        ("issuer", "https://idp.example\n"),
        ("issuer", None),
        ("jwksUrl", ""),
        ("jwksUrl", "http://idp.example/jwks"),
        ("jwksUrl", "http://127.0.0.1/jwks"),
        ("jwksUrl", "file:///etc/passwd"),
        ("jwksUrl", "ftp://idp.example/"),
        ("jwksUrl", "https://user@idp.example/"),
        ("jwksUrl", "https://idp.example/#x"),
        ("jwksUrl", "https:///jwks"),
        ("jwksUrl", "/jwks"),
        ("jwksUrl", ["https://idp.example/jwks"]),
        ("audience", ""),
        ("audience", ["kas"]),
        ("audience", None),
        ("acceptedTypes", "at+jwt"),
        ("acceptedTypes", ["jwt"]),
        ("acceptedTypes", ["application/at+jwt"]),
        ("acceptedTypes", ["dpop+jwt"]),
        ("acceptedTypes", [None]),
        ("claims", []),
        ("claims", {"clearance": ""}),
        ("claims", {"clearance": None}),
        ("claims", {"clearence": "niveau"}),
        ("acrLevels", []),
        ("acrLevels", {"gold": 4}),
        ("acrLevels", {"gold": 0}),
        ("acrLevels", {"gold": True}),
        ("acrLevels", {"gold": "3"}),
        ("acrLevels", {"gold": 2.0}),
        ("countries", "USA"),
        ("countries", ["usa"]),
        ("countries", ["XXX"]),
        ("countries", ["US"]),
        ("countries", [""]),
    ],
)
def test_a_member_of_another_shape_stops_the_start(tmp_path, name, value):
    with pytest.raises(ConfigError, match=rf"issuers\.json\.issuers\[0\]\.{name}"):
        load(tmp_path, good(**{name: value}))


URLS = ["jwksUrl", "authorizationEndpoint", "tokenEndpoint"]


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    ["", "http://idp.example/x", "http://127.0.0.1/x", "javascript:alert(1)", "https://user@idp.example/", "/x", None],
)
def test_every_address_is_https(tmp_path, name, url):
    """Clients send their secret to the endpoints; http on loopback is for local mode."""
    with pytest.raises(ConfigError, match=rf"issuers\.json\.issuers\[0\]\.{name}: must be"):
        load(tmp_path, good(**{name: url}))


def test_the_endpoints_are_read_and_may_be_absent(tmp_path):
    (issuer,) = load(tmp_path, GOOD).values()
    assert (issuer.authorization_endpoint, issuer.token_endpoint) == ("", "")
    given = good(authorizationEndpoint="https://idp.example/a", tokenEndpoint="http://127.0.0.1/t")
    (issuer,) = load(tmp_path, given, local=True).values()
    assert (issuer.authorization_endpoint, issuer.token_endpoint) == ("https://idp.example/a", "http://127.0.0.1/t")


def test_an_unknown_member_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match=r"issuers\[0\]: unknown member 'jwksURL'"):
        load(tmp_path, good(jwksURL="https://idp.example/jwks"))
    with pytest.raises(ConfigError, match=r"issuers\.json: unknown member 'default'"):
        load(tmp_path, GOOD, default="allow")


def test_an_issuer_listed_twice_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match=r"issuers\[1\]: issuer is listed twice"):
        load(tmp_path, GOOD, good(audience="other"))


def test_a_list_without_issuers_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="lists no issuer"):
        load(tmp_path)


@pytest.mark.parametrize(
    "document", ["", "[]", "{}", '{"issuers": {}}', '{"issuers": [], "issuers": []}', '{"issuers": [5]}']
)
def test_a_file_of_another_shape_stops_the_start(tmp_path, document):
    with pytest.raises(ConfigError, match=r"issuers\.json"):
        load_issuers(write(tmp_path, document), countries=frozenset(), allow_loopback_http=False)


def test_an_issuer_without_types_or_countries_is_one_whose_tokens_get_nothing(tmp_path):
    (issuer,) = load(tmp_path, good(acceptedTypes=[], countries=[])).values()
    assert (issuer.accepted_types, issuer.countries) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081/jwks", "http://localhost/jwks", "http://[::1]:1/jwks", "https://idp.example"]
)
def test_local_mode_takes_http_on_loopback(tmp_path, url):
    (issuer,) = load(tmp_path, good(jwksUrl=url), local=True).values()
    assert issuer.jwks_url == url


@pytest.mark.parametrize(
    "url", ["http://idp.example/jwks", "http://127.0.0.1.example/", "http://10.0.0.1/jwks", "http://0.0.0.0/"]
)
def test_local_mode_takes_http_nowhere_else(tmp_path, url):
    with pytest.raises(ConfigError, match="must be https"):
        load(tmp_path, good(jwksUrl=url), local=True)


@pytest.mark.parametrize("name", ["issuer", "jwksUrl", "authorizationEndpoint", "tokenEndpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/jwks",
        "https://127.9.9.9:8081/jwks",
        "https://[::1]/jwks",
        "https://localhost/jwks",
        "https://LOCALHOST./jwks",
        "https://idp.localhost/jwks",
        "https://0.0.0.0/jwks",
        "https://[::]/jwks",
    ],
)
def test_fault_14_an_issuer_for_development_is_refused_on_cloud_run(tmp_path, name, url):
    """By any of its addresses. Elsewhere one machine may be all there is."""
    with pytest.raises(ConfigError, match=r"issuers\[1\]: is for development .* refused on Cloud Run"):
        load(tmp_path, GOOD, good(issuer="https://b.example") | {name: url}, cloud=True)
    assert len(load(tmp_path, GOOD, good(issuer="https://b.example") | {name: url})) == 2


@pytest.mark.parametrize("name", ["http://idp.example", "HTTP://idp.example", "http://127.0.0.1:8081", "https://[::1"])
def test_fault_20_an_issuer_that_is_named_by_plain_http_is_refused_on_cloud_run(tmp_path, name):
    with pytest.raises(ConfigError, match="is for development"):
        load(tmp_path, good(issuer=name), cloud=True)


@pytest.mark.parametrize("name", ["https://idp.example", "accounts.example", "urn:idp", "https://localhost.example"])
def test_other_issuers_are_not_refused_on_cloud_run(tmp_path, name):
    assert load(tmp_path, good(issuer=name), cloud=True).keys() == {name}
