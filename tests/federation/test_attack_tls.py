"""F7: a peer whose address has https is spoken to over TLS that was verified, or not at all. A real KAS asks."""

from __future__ import annotations

import pytest

from tests.federation.among_fakes import AmongFakes


def asked(world: AmongFakes, holder: str) -> tuple[str | None, str]:
    """The code of what ``holder`` has, and who signed it; what the US holds is released."""
    attempt = world.nations.attempt(at="usa", holders=("usa", holder))
    results = world.nations.results(attempt, attempt.send())
    assert results["kao-usa-0"]["status"] == "success"
    result = results[f"kao-{holder}-1"]
    return result.get("code"), result["signature"]["kas"]


def test_attack_f07_a_certificate_of_a_known_authority_is_taken(among_fakes: AmongFakes) -> None:
    """That of ``SSL_CERT_FILE``, so that the refusals below are about the certificate."""
    assert asked(among_fakes, "bel") == (None, "kas-bel")


@pytest.mark.parametrize("holder", ["nld", "pol"])
def test_attack_f07_another_certificate_or_none_gets_no_request(among_fakes: AmongFakes, holder: str) -> None:
    """It is connected to, and hears neither token nor proof."""
    fake = among_fakes.fakes[holder]
    before = fake.heard
    assert asked(among_fakes, holder) == ("peer_unavailable", "kas-usa")
    assert fake.heard > before
    assert fake.asked == []
