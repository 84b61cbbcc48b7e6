"""What an issuer may assert beyond its countries: clearance authorities and domains of e-mail addresses."""

import json

import pytest

from kas.auth.issuers import load_issuers
from kas.errors import ConfigError

GOOD = {
    "issuer": "https://idp.example",
    "jwksUrl": "https://idp.example/jwks",
    "audience": "kas",
    "acceptedTypes": ["at+jwt"],
    "claims": {"clearanceAuthority": "clearance_scheme"},
    "acrLevels": {},
    "countries": ["USA"],
    "clearanceAuthorities": ["NATO", "ROU"],
    "emailDomains": ["corp.example", "mil.corp.example"],
}


@pytest.fixture
def load(tmp_path):
    def load(entry, authorities=frozenset({"NATO"})):
        path = tmp_path / "issuers.json"
        path.write_text(json.dumps({"issuers": [entry]}), "utf-8")
        countries = frozenset({"USA", "ROU"})
        issuers = load_issuers(path, countries=countries, authorities=authorities, allow_loopback_http=False)
        return issuers["https://idp.example"]

    return load


def test_an_issuer_may_name_authorities_and_domains(load):
    issuer = load(GOOD)
    assert issuer.clearance_authorities == {"NATO", "ROU"}
    assert issuer.email_domains == {"corp.example", "mil.corp.example"}
    assert issuer.claim_names == {"clearanceAuthority": "clearance_scheme"}


@pytest.mark.parametrize(
    ("member", "field"), [("clearanceAuthorities", "clearance_authorities"), ("emailDomains", "email_domains")]
)
def test_without_the_member_an_issuer_may_assert_none(load, member, field):
    assert getattr(load({name: value for name, value in GOOD.items() if name != member}), field) == frozenset()


@pytest.mark.parametrize("authority", ["nato", "XXX", "", "*", None])
def test_an_authority_that_does_not_exist_stops_the_start(load, authority):
    with pytest.raises(ConfigError, match=r"clearanceAuthorities\[0\]: (must be non-empty|is not one that)"):
        load(GOOD | {"clearanceAuthorities": [authority]})


def test_an_authority_without_table_stops_the_start(load):
    with pytest.raises(ConfigError, match=r"clearanceAuthorities\[0\]: is not one that"):
        load(GOOD, authorities=frozenset())


@pytest.mark.parametrize(
    "domain", ["Corp.Example", "example", "@corp.example", "*.example", ".example", "corp.example.", "a b.c", "", 7]
)
def test_what_is_no_domain_in_lower_case_stops_the_start(load, domain):
    with pytest.raises(ConfigError, match=r"emailDomains\[0\]: must be"):
        load(GOOD | {"emailDomains": [domain]})


@pytest.mark.parametrize("member", ["clearanceAuthorities", "emailDomains"])
@pytest.mark.parametrize("value", ["corp.example", None, {"NATO": 1}])
def test_both_members_are_lists(load, member, value):
    with pytest.raises(ConfigError, match=f"{member}: must be a list"):
        load(GOOD | {member: value})
