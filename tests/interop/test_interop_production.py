"""The Go SDK against the settings of ``env.yaml``: bound tokens only, over TLS, with nonces as they are set there, and the
key that it wraps to in Cloud KMS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.google_world import OPENTDF_VERSION
from tests.interop.clients import decrypt, encrypt
from tests.interop.conftest import SECRET_TO_USA, TEXT
from tests.interop.production import Production, deployed_settings, running_production
from tests.interop.tdf import changed_copy, flip_binding, flip_wrapped_key, lower_classification
from tests.kit import refused

REWRAP = "/kas.AccessService/Rewrap"


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with running_production(tmp_path_factory.mktemp("production")) as running:
        yield running


@pytest.fixture(scope="module")
def tdf(production, tmp_path_factory) -> Path:
    """A file that usa-secret may open."""
    folder = tmp_path_factory.mktemp("tdf")
    (folder / "plain").write_bytes(TEXT)
    return encrypt("go", folder / "plain", folder / "tdf", production.place, *SECRET_TO_USA)


def test_the_settings_are_those_that_are_deployed():
    """Nothing below means anything in local mode, or where a token may be bound to nothing."""
    settings = deployed_settings()
    assert settings["KAS_MODE"] == "production"
    assert settings.get("KAS_OPENTDF_BEARER", "refuse") == "refuse"


def test_the_go_sdk_opens_its_file_with_a_bound_token(production, tdf):
    before = len(production.front.of(REWRAP))
    outcome = decrypt("go", tdf, production.place)
    assert outcome.content == TEXT, outcome.error
    asked = production.front.of(REWRAP)[before:]
    assert asked[-1].status == 200
    assert all(one.request_headers["authorization"].startswith("DPoP ") for one in asked)
    assert all(one.request_headers["dpop"] for one in asked)
    assert {row["resource"] for row in production.google.control.operations("AsymmetricDecrypt")} == {OPENTDF_VERSION}


@pytest.mark.parametrize("reader", ["fra-secret", "usa-unclassified"])
def test_the_go_sdk_is_denied_what_the_attributes_deny(production, tdf, reader):
    outcome = decrypt("go", tdf, production.place.as_(reader))
    assert outcome.content is None
    assert "tdf: rewrap request 403" in outcome.error


@pytest.mark.parametrize("change", [lower_classification, flip_binding, flip_wrapped_key])
def test_the_go_sdk_is_told_of_tampering(production, tdf, tmp_path, change):
    outcome = decrypt("go", changed_copy(tdf, tmp_path / "tdf", change), production.place)
    assert outcome.content is None
    assert "[tamper detected] tdf: rewrap request 400" in outcome.error


def test_a_policy_that_demands_nothing_is_refused(production, tmp_path):
    """A file without attributes and recipients is for nobody here."""
    (tmp_path / "plain").write_bytes(TEXT)
    outcome = decrypt("go", encrypt("go", tmp_path / "plain", tmp_path / "tdf", production.place), production.place)
    assert outcome.content is None
    assert "tdf: rewrap request 403" in outcome.error


def test_the_npm_client_can_encrypt_and_no_more(production, tmp_path):
    """Its token is bound to nothing, which opens nothing here."""
    (tmp_path / "plain").write_bytes(TEXT)
    tdf = encrypt("npm", tmp_path / "plain", tmp_path / "tdf", production.place, *SECRET_TO_USA)
    outcome = decrypt("npm", tdf, production.place)
    assert outcome.content is None
    assert "Request failed with status code 401" in outcome.error
    assert b'"token_unbound"' in production.front.of("/kas/v2/rewrap")[-1].answer


def test_the_go_sdk_answers_the_challenge_where_nonces_are_required(tmp_path):
    """Its first proof has no nonce and is refused; the second, made at once, opens the file."""
    with running_production(tmp_path, KAS_OPENTDF_DPOP_NONCE="require") as production:
        (tmp_path / "plain").write_bytes(TEXT)
        tdf = encrypt("go", tmp_path / "plain", tmp_path / "tdf", production.place, *SECRET_TO_USA)
        outcome = decrypt("go", tdf, production.place)
        assert outcome.content == TEXT, outcome.error
        assert [one.status for one in production.front.of(REWRAP)] == [401, 200]


def test_a_client_that_does_not_know_the_authority_sends_nothing(production, tdf):
    """The control of all above: TLS is really verified."""
    before = len(production.front.seen)
    outcome = decrypt("go", tdf, replace(production.place, trust=None))
    assert outcome.content is None
    assert "certificate signed by unknown authority" in outcome.error
    assert len(production.front.seen) == before


def test_nobody_is_answered_who_comes_past_the_front(production):
    """So what the tests above saw did come over TLS."""
    refused(production.kit.http("GET", production.kit.base + "/health"), 403, "forbidden", "https_required")
