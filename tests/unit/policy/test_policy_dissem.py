"""Recipients: a caller stands in the list only under a name that its token's issuer may give."""

import pytest

from kas.policy.dissem import MAX_RECIPIENTS, caller_names, is_recipient

ISSUER = "https://idp.example/realms/pilot"
CLAIMS = {"sub": "7f3c", "email": "Alice@Corp.Example", "email_verified": True}


def names(issuer=ISSUER, subject="7f3c", domains=("corp.example",), **changes):
    return caller_names(CLAIMS | changes, issuer=issuer, subject=subject, email_domains=frozenset(domains))


SUBJECT_ALONE = {f"{ISSUER}#7f3c"}


def test_a_caller_is_its_subject_at_its_issuer_and_its_verified_address():
    assert names() == SUBJECT_ALONE | {"Alice@corp.example"}


@pytest.mark.parametrize("verified", [False, None, "true", 1, [True], {}])
def test_an_address_that_is_not_verified_names_nobody(verified):
    assert names(email_verified=verified) == SUBJECT_ALONE


def test_an_address_without_a_word_on_verification_names_nobody():
    claims = {"email": "alice@corp.example"}
    domains = frozenset({"corp.example"})
    assert caller_names(claims, issuer=ISSUER, subject="7f3c", email_domains=domains) == SUBJECT_ALONE


@pytest.mark.parametrize("domains", [(), ("other.example",), ("example",), ("sub.corp.example",), ("Corp.Example",)])
def test_an_address_of_a_domain_that_is_not_the_issuers_names_nobody(domains):
    assert names(domains=domains) == SUBJECT_ALONE


@pytest.mark.parametrize(
    "email",
    [
        "",
        "corp.example",
        "@corp.example",
        "alice@",
        "alice@evil.example@corp.example",
        "alice@corp.example ",
        "alice@corp.example\n",
        "alice@notcorp.example",
        "a#b@corp.example",
        f"{ISSUER}#bob@corp.example",
        "al ice@corp.example",
        '"alice"@corp.example',
        "älice@corp.example",
        "alice@corp.example\u200b",
        "alice@\uff43orp.example",
        "x" * 65 + "@corp.example",
        None,
        7,
        ["alice@corp.example"],
    ],
)
def test_an_odd_address_names_nobody(email):
    assert names(email=email) == SUBJECT_ALONE


def test_an_overlong_address_names_nobody():
    domain = ".".join(["a" * 60] * 4)
    longest = f"alice.ofco@{domain}"
    assert len(longest) == 254
    assert names(email=longest, domains=(domain,)) == SUBJECT_ALONE | {longest}
    assert names(email=f"x{longest}", domains=(domain,)) == SUBJECT_ALONE


def test_a_kelvin_sign_is_no_k():
    assert names(email="alice@\u212aas.example", domains=("kas.example",)) == SUBJECT_ALONE


@pytest.mark.parametrize(("issuer", "subject"), [("https://a#b", "c"), ("", "c"), ("https://a", "")])
def test_an_ambiguous_or_missing_subject_names_nobody(issuer, subject):
    assert names(issuer=issuer, subject=subject, email=None) == frozenset()


def test_a_subject_may_have_any_character():
    name = f"{ISSUER}#auth0|a#b@Corp.Example"
    assert is_recipient([name], names(subject="auth0|a#b@Corp.Example", email=None))


@pytest.mark.parametrize(
    ("dissem", "expected"),
    [
        (["Alice@corp.example"], True),
        (["Alice@CORP.example"], True),
        (["bob@corp.example", "Alice@corp.example"], True),
        ([f"{ISSUER}#7f3c"], True),
        (["alice@corp.example"], False),
        (["bob@corp.example"], False),
        (["7f3c"], False),
        (["#7f3c"], False),
        ([f"{ISSUER}/#7f3c"], False),
        ([f"{ISSUER}#7F3C"], False),
        (["https://evil.example#7f3c"], False),
        ([ISSUER], False),
        (["*"], False),
        ([""], False),
        ([], False),
    ],
)
def test_the_list_names_a_caller_or_does_not(dissem, expected):
    assert is_recipient(dissem, names()) is expected


def test_an_overlong_list_names_nobody():
    assert is_recipient(["x"] * (MAX_RECIPIENTS - 1) + ["Alice@corp.example"], names())
    assert not is_recipient(["x"] * MAX_RECIPIENTS + ["Alice@corp.example"], names())


def test_nobody_is_in_a_list_without_having_a_name():
    assert not is_recipient([""], frozenset())
