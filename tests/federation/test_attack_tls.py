"""F7: a peer whose address has https is spoken to over TLS that was verified, or not at all. A real KAS asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE
from tests.federation.hostile_peer import reply


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
    """One of an authority that nobody knows; an answer in plain HTTP. Neither token nor proof is heard."""
    fake, heard = among_fakes.fakes[holder], []

    def say_yes(connection: Any, peer: Any) -> None:
        connection.sendall(reply(headers=CLOSE))
        while data := connection.recv(65536):
            heard.append(data)

    before = fake.heard
    with fake.talking(say_yes):
        assert asked(among_fakes, holder) == ("peer_unavailable", "kas-usa")
    assert fake.heard > before
    assert not any(b"POST" in data or b"DPoP" in data for data in heard)
