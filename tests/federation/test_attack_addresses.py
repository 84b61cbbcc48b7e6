"""F1, F4: whatever ``url`` a key access object names, nobody but registered services is contacted. A real KAS is asked."""

from __future__ import annotations

import pytest

from tests.federation.among_fakes import AmongFakes
from tests.federation.hostile_peer import hostile_peer, silent
from tests.kit import refused

# {peer} is where the French KAS is registered to be, {other} where somebody listens whom nobody registered.
NOBODYS = (
    "https://169.254.169.254/rewrap",
    "https://169.254.169.254:80/computeMetadata/v1/",
    "https://metadata.google.internal/rewrap",
    "https://metadata/rewrap",
    "https://[::ffff:169.254.169.254]/rewrap",
    "https://[::ffff:a9fe:a9fe]/rewrap",
    "https://[fe80::1]/rewrap",
    "https://[fd00:ec2::254]/rewrap",
    "https://100.100.100.200/rewrap",
    "https://2852039166/rewrap",
    "https://0.0.0.0/rewrap",
    "https://kas.example/rewrap",
    "https://{other}/rewrap",
    "http://{other}/rewrap",
    "http://{other}",
    "http://{other}/",
    "http://{other}/rewrap?{peer}",
    "http://{other}/{peer}/rewrap",
    "http://localhost:{other_port}/rewrap",
    "https://localhost:{other_port}/rewrap",
    "http://user@{other}/rewrap",
    "http://{peer}@{other}/rewrap",
    "http://{other}@{peer}/rewrap",
    "https://user:word@{other}/rewrap",
    "https://{peer}@169.254.169.254/rewrap",
    "https://{other}:0/rewrap",
    "https://{other}/ rewrap",
    "https://{other}\\@{peer}/rewrap",
    "https://127.0.0.1:1/rewrap",
    "https://127.0.0.1:65535/rewrap",
)
# By prefix, substring or another reading of it.
NEARLY_PEERS = (
    "http://{peer}/other",
    "http://{peer}/rewrap/",
    "http://{peer}/rewrap/x",
    "http://{peer}/rewrap?x",
    "http://{peer}/rewrap?",
    "http://{peer}//rewrap",
    "http://{peer}/./rewrap",
    "http://{peer}/x/../rewrap",
    "http://{peer}/REWRAP",
    "http://{peer}/%2e/rewrap",
    "http://{peer}/federation/status",
    "https://{peer}/rewrap",
    "https://{peer}.evil.example/rewrap",
    "http://127.0.0.2:{peer_port}/rewrap",
    "http://[::1]:{peer_port}/rewrap",
    "http://127.0.0.1/rewrap",
    "http://127.0.0.1:{peer_prefix}/rewrap",
)
# Not even an address: the request as a whole is refused.
MALFORMED = (
    "http://169.254.169.254/rewrap",
    "http://metadata.google.internal/rewrap",
    "http://[::ffff:169.254.169.254]/rewrap",
    "http://kas.example/rewrap",
    "//{other}/rewrap",
    "file:///etc/passwd",
    "ftp://{other}/rewrap",
    "gopher://{other}/x",
    "https:///rewrap",
    "",
)


def asked(world: AmongFakes, form: str) -> tuple[bool, dict[str, str | None]]:
    """A good request, but that one key access object names such a ``url``, signed by the client: whether it was refused
    as a whole, and the codes. Nobody was called for it.
    """
    peer = world.fakes["fra"]
    before = peer.heard
    with hostile_peer(silent) as other:
        host, port = other.address.split(":")
        assert host == "127.0.0.1"
        authority = peer.peer.address
        url = form.format(
            other=other.address,
            other_port=port,
            peer=authority,
            peer_port=authority.partition(":")[2],
            peer_prefix=authority.partition(":")[2][:-1],
        )
        attempt = world.nations.attempt(at="usa", holders=("usa", "fra", "gbr"))
        attempt.request["requests"][0]["keyAccessObjects"][1]["url"] = url
        attempt.resign()
        answer = attempt.send()
        assert (other.accepted, peer.heard) == (0, before)
    if answer.status == 400:
        body = refused(answer, 400, "invalid_request", "invalid_structure")
        assert [fault["field"] for fault in body["validationErrors"]] == ["requests[0].keyAccessObjects[1].url"]
        return True, {}
    results = world.nations.results(attempt, answer)
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-usa"
    return False, {kao_id: result.get("code") for kao_id, result in results.items()}


UNKNOWN = {"kao-usa-0": None, "kao-fra-1": "unknown_kas", "kao-gbr-2": None}


@pytest.mark.parametrize("form", NOBODYS)
def test_attack_f01_an_address_of_nobodys_is_not_contacted(among_fakes: AmongFakes, form: str) -> None:
    """Metadata services in whatever notation, user information, odd ports, whoever listens beside us."""
    assert asked(among_fakes, form) == (False, UNKNOWN)


@pytest.mark.parametrize("form", NEARLY_PEERS)
def test_attack_f04_what_looks_like_a_peers_address_is_not_contacted(among_fakes: AmongFakes, form: str) -> None:
    assert asked(among_fakes, form) == (False, UNKNOWN)


@pytest.mark.parametrize("form", MALFORMED)
def test_attack_f01_what_is_no_address_is_refused(among_fakes: AmongFakes, form: str) -> None:
    """Without a host, not https."""
    assert asked(among_fakes, form) == (True, {})


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-By", "X-Original-URL"])
def test_attack_f01_no_header_says_where_to_go(among_fakes: AmongFakes, name: str) -> None:
    """What the client writes around the request leads nowhere."""
    with hostile_peer(silent) as other:
        attempt = among_fakes.nations.attempt(at="usa", holders=("usa", "fra"))
        value = f"host={other.address}" if name == "Forwarded" else other.address
        attempt.headers.append((name, value))
        results = among_fakes.nations.results(attempt, attempt.send())
        assert other.accepted == 0
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-fra"
