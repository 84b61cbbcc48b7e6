"""T6–T8 with several issuers: each is believed as far as its own entry in the list goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.client.keys import new_proof_key
from tests.attacks.token_refusals import admit, deny, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, trusting_kit
from tests.kit import policy, refused

RENAMED = {
    "uniqueID": "preferred_username",
    "clearance": "niveau",
    "countryOfAffiliation": "pays",
    "acpCOI": "groupes",
    "organizationType": "org",
    "acr": "loa",
}
AS_RENAMED = {
    "preferred_username": "alice",
    "niveau": "SECRET",
    "pays": "USA",
    "groupes": ["NATO"],
    "org": "GOV",
    "loa": "aal2",
}


@pytest.fixture(scope="module")
def issuers() -> Iterator[FakeIssuers]:
    """Issuers with a key ``k1`` each (the kid is the same, the keys are not) and entries of their own."""
    with fake_issuers(
        "plain", "keycloak", "untyped", "strict-jwt", "renamed", "elsewhere", "french", "silent"
    ) as issuers:
        for issuer in issuers.values():
            issuer.publish("k1", new_proof_key())
        issuers["keycloak"].entry["acceptedTypes"] = ["JWT", "at+jwt"]
        issuers["untyped"].entry["acceptedTypes"] = ["none"]
        issuers["strict-jwt"].entry["acceptedTypes"] = ["JWT"]
        issuers["renamed"].entry["claims"] = RENAMED
        issuers["elsewhere"].entry |= {"audience": "kas-elsewhere", "acrLevels": {"gold": 3, "silver": 2}}
        issuers["french"].entry["countries"] = ["FRA"]
        issuers["silent"].entry |= {"countries": [], "acrLevels": {}}
        yield issuers


@pytest.fixture(scope="module")
def kit(issuers, tmp_path_factory):
    """A KAS that trusts them."""
    with trusting_kit(tmp_path_factory.mktemp("issuers"), issuers) as running:
        yield running


@pytest.mark.parametrize("name", ["plain", "keycloak", "french"])
def test_attack_t06_an_access_token_by_type_is_accepted_where_it_is_listed(kit, issuers, name):
    attempt = issuers[name].attempt(kit, "k1", countryOfAffiliation="FRA")
    admit(attempt)


@pytest.mark.parametrize(
    ("name", "typ"),
    [
        ("plain", "JWT"),
        ("plain", None),
        ("plain", "none"),
        ("keycloak", None),
        ("keycloak", "jwt"),
        ("keycloak", ["JWT"]),
        ("untyped", "JWT"),
        ("untyped", "at+jwt"),
        ("strict-jwt", "at+jwt"),
        ("strict-jwt", "application/at+jwt"),
        ("strict-jwt", None),
    ],
)
def test_attack_t06_a_type_that_the_issuer_does_not_list_is_refused(kit, issuers, name, typ):
    refuse_token(issuers[name].attempt(kit, "k1", header={"typ": typ}), "token_type_not_accepted")


@pytest.mark.parametrize(("name", "typ"), [("keycloak", "JWT"), ("strict-jwt", "JWT"), ("untyped", None)])
@pytest.mark.parametrize("claims", [{}, {"typ": "Bearer"}, {"typ": "DPoP"}], ids=str)
def test_attack_t06_an_untyped_access_token_is_accepted_where_the_entry_allows_it(kit, issuers, name, typ, claims):
    admit(issuers[name].attempt(kit, "k1", header={"typ": typ}, **claims))


@pytest.mark.parametrize(("name", "typ"), [("keycloak", "JWT"), ("untyped", None)])
@pytest.mark.parametrize(
    "mark",
    [
        {"nonce": "n"},
        {"nonce": ""},
        {"at_hash": "h"},
        {"c_hash": "h"},
        {"events": {}},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"typ": "Offline"},
        {"typ": "Logout"},
        {"typ": "bearer"},
        {"typ": ""},
        {"typ": 1},
        {"typ": ["Bearer"]},
        {"typ": {}},
    ],
    ids=str,
)
def test_attack_t06_a_token_with_the_marks_of_an_id_token_is_refused(kit, issuers, name, typ, mark):
    refuse_token(issuers[name].attempt(kit, "k1", header={"typ": typ}, **mark), "token_type_not_accepted")


def test_attack_t07_each_issuer_has_an_audience_of_its_own(kit, issuers):
    admit(issuers["elsewhere"].attempt(kit, "k1", aud="kas-elsewhere", acr="silver"))
    refuse_token(issuers["elsewhere"].attempt(kit, "k1", acr="silver"), "token_audience_mismatch")
    refuse_token(issuers["plain"].attempt(kit, "k1", aud="kas-elsewhere"), "token_audience_mismatch")


def test_attack_t08_an_issuer_cannot_sign_for_another(kit, issuers):
    for name in ("keycloak", "french"):
        attempt = issuers[name].attempt(kit, "k1", iss=issuers["plain"].issuer)
        refuse_token(attempt, "token_signature_invalid")


@pytest.mark.parametrize("iss", ["/plain/", "/PLAIN", "/plai", "/plain/jwks", "/unlisted", "", "/plain,/french"])
def test_attack_t08_an_unlisted_name_on_a_trusted_server_is_unknown_and_not_fetched(kit, issuers, iss):
    admit(issuers["plain"].attempt(kit, "k1"))
    before = len(issuers.seen)
    base = issuers["plain"].issuer.removesuffix("/plain")
    refuse_token(issuers["plain"].attempt(kit, "k1", iss=base + iss), "issuer_unknown")
    assert len(issuers.seen) == before


def test_attack_t08_the_development_provider_is_trusted_only_where_it_is_listed(kit):
    refuse_token(kit.attempt(), "issuer_unknown")


def test_attack_t08_a_known_issuer_is_fetched_once_for_many_tokens(kit, issuers):
    for _ in range(5):
        admit(issuers["plain"].attempt(kit, "k1"))
    assert issuers["plain"].fetches == 1


def test_claims_are_read_under_the_names_of_the_issuers_entry(kit, issuers):
    own = dict.fromkeys(RENAMED)
    admit(issuers["renamed"].attempt(kit, "k1", **own, **AS_RENAMED))


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("niveau", "subject_incomplete"),
        ("pays", "subject_incomplete"),
        ("groupes", "coi_not_satisfied"),
        ("org", "industry_not_releasable"),
        ("loa", "authentication_too_weak"),
    ],
)
def test_a_claim_under_its_usual_name_does_not_stand_in_for_the_issuers_own(kit, issuers, claim, code):
    """The token keeps every usual claim; the issuer's own name for one of them is missing."""
    deny(issuers["renamed"].attempt(kit, "k1", **AS_RENAMED | {claim: None}), code)


@pytest.mark.parametrize(
    ("name", "acr", "permitted"),
    [
        ("elsewhere", "gold", True),
        ("elsewhere", "silver", True),
        ("elsewhere", "aal3", False),
        ("plain", "gold", False),
        ("plain", "AAL2", False),
        ("plain", ["aal2"], False),
        ("plain", 2, False),
        ("plain", None, False),
        ("silent", "aal2", False),
    ],
)
def test_an_acr_means_what_the_issuers_entry_says(kit, issuers, name, acr, permitted):
    aud = issuers[name].entry["audience"]
    attempt = issuers[name].attempt(kit, "k1", acr=acr, aud=aud)
    if permitted:
        admit(attempt)
    else:
        deny(attempt, "authentication_too_weak")


def test_an_issuer_speaks_for_its_own_countries_alone(kit, issuers):
    admit(issuers["french"].attempt(kit, "k1", countryOfAffiliation="FRA"))
    deny(issuers["french"].attempt(kit, "k1", countryOfAffiliation="USA"), "issuer_not_for_country")


def test_an_issuer_without_countries_speaks_for_none(kit, issuers):
    attempt = issuers["silent"].attempt(kit, "k1", amr=["pwd", "otp"])
    deny(attempt, "issuer_not_for_country")


def test_the_same_subject_of_two_issuers_is_two_callers(kit, issuers):
    seen = []
    for name in ("plain", "french"):
        attempt = issuers[name].attempt(kit, "k1", countryOfAffiliation="FRA")
        answer = attempt.send()
        assert answer.status == 200
        (event,) = kit.events(answer.headers["X-Request-Id"])
        seen.append((event["issuer"], event["subject"]))
    assert seen == [(issuers["plain"].issuer, "alice"), (issuers["french"].issuer, "alice")]


def test_a_stranger_is_told_of_his_issuer_before_anything_else(kit, issuers):
    attempt = issuers["plain"].attempt(kit, "k1", iss="https://elsewhere.example", exp=1)
    attempt.request["requests"] = [{"policy": policy()}]
    refused(attempt.send(), 401, "invalid_token", "issuer_unknown")
