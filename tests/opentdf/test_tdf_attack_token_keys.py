"""Attacks on the keys of a trusted issuer (T03, T04, T15, T16), on each route of OpenTDF, bound and unbound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.issuer_keys import (
    ISSUERS,
    MISFITS,
    NOT_FOR_SIGNATURES,
    SOUND_RSA,
    TWICE,
    UNSOUND_CURVES,
    WEAK_RSA,
    algorithm_said,
    publish_all,
)
from tests.fake_issuer import FakeIssuers, fake_issuers, trusting_kit
from tests.kit import Kit
from tests.opentdf.answers import refused_call, released
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

BOUND = pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])


@pytest.fixture(scope="module")
def issuers() -> Iterator[FakeIssuers]:
    """Issuers with one sound key ``good`` each and all the keys of the tables."""
    with fake_issuers(*ISSUERS) as issuers:
        publish_all(issuers)
        yield issuers


@pytest.fixture(scope="module")
def kit(issuers: FakeIssuers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that trusts them."""
    with trusting_kit(tmp_path_factory.mktemp("keys"), issuers) as running:
        yield running


def attempt_of(
    kit: Kit, route: Route, issuers: FakeIssuers, name: str, kid: str, *, bound: bool, **header: Any
) -> TdfAttempt:
    """A request whose token the issuer ``name`` signed with the key ``kid``."""
    attempt = TdfAttempt.good(kit, route, bound=bound)
    jkt = attempt.key.thumbprint if attempt.key else ""
    claims = {} if bound else {"cnf": None}
    attempt.token = issuers[name].token(kid, jkt, header=header, **claims)
    return attempt


def refuse(attempt: TdfAttempt, code: str) -> None:
    refused_call(attempt, 401, "invalid_token", code)


@BOUND
@pytest.mark.parametrize(("kid", "alg"), MISFITS[::4])  # some of each family: the whole table is tried on /rewrap
def test_attack_t03c_opentdf_a_key_of_another_family_or_curve_than_the_algorithm(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, alg: str, *, bound: bool
) -> None:
    refuse(attempt_of(kit, route, issuers, "algorithms", kid, bound=bound, alg=alg), "token_key_unfit")


@BOUND
@pytest.mark.parametrize("kid", NOT_FOR_SIGNATURES)
def test_attack_t03d_opentdf_a_key_for_another_use(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, *, bound: bool
) -> None:
    refuse(attempt_of(kit, route, issuers, "uses", kid, bound=bound), "token_key_unknown")


@BOUND
@pytest.mark.parametrize("kid", TWICE)
def test_attack_t04b_opentdf_a_kid_that_the_issuer_has_twice(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, *, bound: bool
) -> None:
    refuse(attempt_of(kit, route, issuers, "twice", kid, bound=bound), "token_key_unknown")


@BOUND
def test_attack_t04c_opentdf_a_kid_of_256_characters_and_one_of_257(
    kit: Kit, issuers: FakeIssuers, route: Route, *, bound: bool
) -> None:
    released(attempt_of(kit, route, issuers, "twice", "k" * 256, bound=bound))
    refuse(attempt_of(kit, route, issuers, "twice", "k" * 257, bound=bound), "token_key_unknown")


@BOUND
@pytest.mark.parametrize("kid", UNSOUND_CURVES)
def test_attack_t15_opentdf_a_key_off_its_curve_or_of_another(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, *, bound: bool
) -> None:
    alg = algorithm_said(issuers["curves"], kid)
    refuse(attempt_of(kit, route, issuers, "curves", kid, bound=bound, alg=alg), "token_key_unknown")


@BOUND
@pytest.mark.parametrize("kid", WEAK_RSA)
def test_attack_t16_opentdf_a_weak_or_odd_rsa_key(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, *, bound: bool
) -> None:
    refuse(attempt_of(kit, route, issuers, "rsa", kid, bound=bound), "token_key_unknown")


@BOUND
@pytest.mark.parametrize("kid", ["good", *SOUND_RSA])
def test_attack_t16b_opentdf_a_sound_key_beside_them_verifies(
    kit: Kit, issuers: FakeIssuers, route: Route, kid: str, *, bound: bool
) -> None:
    released(attempt_of(kit, route, issuers, "rsa", kid, bound=bound))


@BOUND
@pytest.mark.parametrize("name", ISSUERS)
def test_attack_t15b_opentdf_the_requests_of_these_tests_are_good_but_for_their_key(
    kit: Kit, issuers: FakeIssuers, route: Route, name: str, *, bound: bool
) -> None:
    released(attempt_of(kit, route, issuers, name, "good", bound=bound))
