"""T3, T4, T15, T16: which of the keys that a trusted issuer publishes verify a token, and for which algorithm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.client.keys import ProofKey
from tests.attacks.issuer_keys import (
    ISSUERS,
    MISFITS,
    NOT_FOR_SIGNATURES,
    OWN_ALGORITHM,
    SOUND,
    SOUND_RSA,
    TWICE,
    UNSOUND_CURVES,
    WEAK_RSA,
    algorithm_said,
    publish_all,
)
from tests.attacks.token_refusals import admit, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, trusting_kit


@pytest.fixture(scope="module")
def issuers() -> Iterator[FakeIssuers]:
    """Issuers with one sound key ``good`` each and all the keys of the tables."""
    with fake_issuers(*ISSUERS) as issuers:
        publish_all(issuers)
        yield issuers


@pytest.fixture(scope="module")
def kit(issuers, tmp_path_factory):
    """A KAS that trusts them."""
    with trusting_kit(tmp_path_factory.mktemp("keys"), issuers) as running:
        yield running


@pytest.mark.parametrize("alg", OWN_ALGORITHM)
def test_attack_t03_every_algorithm_of_the_list_works_with_a_key_of_its_own(kit, issuers, alg):
    admit(issuers["algorithms"].attempt(kit, alg))
    admit(issuers["algorithms"].attempt(kit, f"any-{alg}"))


@pytest.mark.parametrize(("kid", "alg"), MISFITS)
def test_attack_t03_a_key_serves_no_other_family_or_curve(kit, issuers, kid, alg):
    refuse_token(issuers["algorithms"].attempt(kit, kid, header={"alg": alg}), "token_key_unfit")


@pytest.mark.parametrize(
    ("kid", "alg"),
    [("RS256", "PS256"), ("RS256", "RS512"), ("PS256", "RS256"), ("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")],
)
def test_attack_t03_a_key_with_alg_serves_that_algorithm_alone(kit, issuers, kid, alg):
    issuer, signer = issuers["algorithms"], issuers["algorithms"].signers[kid]
    issuer.signers["other"] = ProofKey(alg, signer.private)
    refuse_token(issuer.attempt(kit, "other", header={"kid": kid}), "token_key_unfit")


@pytest.mark.parametrize(
    ("said", "done"), [("PS256", "RS256"), ("RS256", "PS256"), ("RS256", "RS512"), ("PS512", "PS256")]
)
def test_attack_t03_padding_and_hash_are_those_that_the_header_says(kit, issuers, said, done):
    issuer = issuers["algorithms"]
    issuer.signers["other"] = ProofKey(done, issuer.signers["any-RS256"].private)
    header = {"kid": "any-RS256", "alg": said}
    refuse_token(issuer.attempt(kit, "other", header=header), "token_signature_invalid")
    admit(issuer.attempt(kit, "other", header={"kid": "any-RS256"}))


@pytest.mark.parametrize("kid", TWICE)
def test_attack_t04_a_kid_that_the_issuer_has_twice_names_no_key(kit, issuers, kid):
    refuse_token(issuers["twice"].attempt(kit, kid), "token_key_unknown")


def test_attack_t04_a_kid_may_have_256_characters_and_no_more(kit, issuers):
    admit(issuers["twice"].attempt(kit, "k" * 256))
    refuse_token(issuers["twice"].attempt(kit, "k" * 257), "token_key_unknown")


def test_attack_t04_a_kid_of_another_issuer_names_nothing(kit, issuers):
    attempt = issuers["algorithms"].attempt(kit, "ES256", iss=issuers["twice"].issuer)
    refuse_token(attempt, "token_key_unknown")


@pytest.mark.parametrize("kid", UNSOUND_CURVES)
def test_attack_t15_an_unsound_key_of_the_issuer_verifies_nothing(kit, issuers, kid):
    alg = algorithm_said(issuers["curves"], kid)
    refuse_token(issuers["curves"].attempt(kit, kid, header={"alg": alg}), "token_key_unknown")


@pytest.mark.parametrize("kid", WEAK_RSA)
def test_attack_t16_a_weak_or_odd_rsa_key_verifies_nothing(kit, issuers, kid):
    refuse_token(issuers["rsa"].attempt(kit, kid), "token_key_unknown")


@pytest.mark.parametrize("kid", SOUND_RSA)
def test_attack_t16_a_sound_rsa_key_verifies(kit, issuers, kid):
    admit(issuers["rsa"].attempt(kit, kid))


@pytest.mark.parametrize("name", ISSUERS)
def test_attack_t16_bad_keys_beside_it_do_not_spoil_a_good_one(kit, issuers, name):
    admit(issuers[name].attempt(kit, "good"))


@pytest.mark.parametrize("kid", NOT_FOR_SIGNATURES)
def test_attack_t03_a_key_for_another_use_verifies_nothing(kit, issuers, kid):
    refuse_token(issuers["uses"].attempt(kit, kid), "token_key_unknown")


@pytest.mark.parametrize("kid", SOUND)
def test_attack_t03_what_a_key_need_not_say_does_not_matter(kit, issuers, kid):
    admit(issuers["uses"].attempt(kit, kid))
