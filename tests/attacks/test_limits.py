"""L1 to L5: who is counted, before and after it is known who asks, and whether what he is told of it is true."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.client import Answer
from tests.attacks.limit_requests import Caller, Front, front, kit_with_default_limits, limited, limits_of
from tests.attacks.proof_requests import worker_of
from tests.kit import Kit

QUOTA = 20
NETWORK, ELSEWHERE, HEALTH_NETWORK = "203.0.113.9", "198.51.100.7", "192.0.2.60"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Twenty requests a minute of one network; each test has networks of its own."""
    settings = {"KAS_RATE_NETWORK_PER_MINUTE": str(QUOTA), "KAS_RATE_GLOBAL_PER_MINUTE": "1000000"}
    with front(tmp_path_factory.mktemp("edge"), **settings) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def spent(edge: Front) -> Spent:
    """Used up at the beginning, so that most of the window is over when the test that needs it comes."""
    return Spent.by(edge)


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A KAS with the limits that it has by itself."""
    with front(tmp_path_factory.mktemp("defaults")) as running:
        yield running


@pytest.fixture(scope="module")
def default_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The same, with a provider."""
    with kit_with_default_limits(tmp_path_factory.mktemp("default-kit")) as running:
        yield running


# ---- L1 and L3: which network it is


def test_attack_l01_whatever_the_caller_writes_himself_frees_him_of_nothing(edge: Front) -> None:
    """The front end appends his address; what stood before it, and every other header of the kind, is his own word."""
    inventions = [
        lambda n: (f"10.0.0.{n}, {NETWORK}", ()),
        lambda n: (f"2001:db8:{n}::1,{ELSEWHERE} , {NETWORK}", ()),
        lambda n: ("x" * 6000 + f"{n},{NETWORK}", ()),
        lambda n: (NETWORK, [("X-Real-IP", f"10.0.1.{n}"), ("Forwarded", f"for=10.0.1.{n}")]),
    ]
    for number in range(QUOTA):
        address, headers = inventions[number % len(inventions)](number)
        assert limits_of(edge.ask(address, headers=headers))["network"]["r"] == QUOTA - 1 - number
    for invent in inventions:
        address, headers = invent(QUOTA)
        limited(edge.ask(address, headers=headers), "network_limit", "network")
    assert edge.left("192.0.2.77") == QUOTA - 1


def test_attack_l01_nobody_uses_up_another_network_s_requests(edge: Front) -> None:
    """A flood that names a victim at the left counts where it comes from."""
    for _ in range(QUOTA + 5):
        edge.ask("192.0.2.1, 192.0.2.2")
    assert edge.left("192.0.2.1") == QUOTA - 1


@pytest.mark.parametrize(
    ("first", "same", "other"),
    [
        ("2001:db8:1:1::1", ["2001:db8:1:1::2", "2001:DB8:1:1:ffff:ffff:ffff:ffff"], "2001:db8:1:2::1"),
        ("192.0.2.10", ["::ffff:192.0.2.10", "::FFFF:c000:20a"], "192.0.2.11"),
        ("unknown", ["", "_hidden", "192.0.2.12:443", "[2001:db8:1:3::1]", "fe80::1%eth0"], "192.0.2.12"),
    ],
    ids=["IPv6", "IPv4 in IPv6", "no address"],
)
def test_attack_l03_who_has_many_addresses_has_one_limit(edge: Front, first: str, same: list[str], other: str) -> None:
    """An IPv6 subscriber has a /64, an IPv4 address has two spellings, and all that is no address is one."""
    assert [edge.left(address) for address in [first, *same]] == [QUOTA - 1 - n for n in range(len(same) + 1)]
    assert edge.left(other) == QUOTA - 1


def test_attack_l02_a_flood_of_networks_leaves_little_in_memory(edge: Front) -> None:
    """What is kept of a network is as long for any: 1,000 of them under 7 KB of text each do not cost 7 MB."""
    for number in range(200):
        edge.ask(f"2001:db8:2:{number:x}::1")
    before = peak_kibibytes(edge)
    for number in range(1000):
        assert edge.ask("x" * 7000 + f",2001:db8:3:{number:x}::1").status == 204
    assert peak_kibibytes(edge) - before < 3 * 1024
    assert edge.left("2001:db8:3:0::2") == QUOTA - 2  # the first of the flood is not forgotten


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Each of its limits remembers four requests, of which one network may send two."""
    settings = {
        "KAS_RATE_MEMORY_REQUESTS": "4",
        "KAS_RATE_NETWORK_PER_MINUTE": "2",
        "KAS_RATE_HEALTH_PER_10_SECONDS": "2",
        "KAS_RATE_GLOBAL_PER_MINUTE": "1000000",
    }
    with front(tmp_path_factory.mktemp("forgetful"), **settings) as running:
        yield running


def test_attack_l02_a_full_memory_lets_no_other_network_in(forgetful: Front) -> None:
    """Whoever comes is refused until the oldest of those remembered is a minute old."""
    sent = time.monotonic()
    assert [forgetful.left(address) for address in (NETWORK, ELSEWHERE, ELSEWHERE, HEALTH_NETWORK)] == [1, 1, 0, 0]
    for number in range(20):
        refusal = limited(forgetful.ask(f"2001:db8:{number:x}::1"), "network_limit", "network")
        assert 60 >= int(refusal.headers["Retry-After"]) >= 60 - (time.monotonic() - sent)
    limited(forgetful.ask(NETWORK), "network_limit", "network")


def test_attack_l02_a_full_memory_forgets_nobody_and_says_when_there_is_room(forgetful: Front) -> None:
    """Two requests age while the flood is refused; at the time that was told there is room for two, and the network
    whose later request is still remembered has one less.
    """

    def ask(address: str) -> Answer:
        return forgetful.ask(address, "/health", "GET")

    first = [ask(address).status for address in (NETWORK, HEALTH_NETWORK)]
    time.sleep(2)
    assert first + [ask(address).status for address in (NETWORK, ELSEWHERE)] == [200] * 4
    for number in range(20):
        refusal = limited(ask(f"2001:db8:{number:x}::1"), "health_limit", "health")
    answered = time.monotonic()
    assert int(refusal.headers["Retry-After"]) <= 8
    time.sleep(max(0.0, answered + int(refusal.headers["Retry-After"]) - time.monotonic()))
    assert limits_of(ask("2001:db8:1::1"))["health"]["r"] == 1
    assert limits_of(ask(NETWORK))["health"]["r"] == 0
    limited(ask("2001:db8:2::1"), "health_limit", "health")


def peak_kibibytes(running: Front) -> int:
    """The most memory that the worker has had."""
    status = Path(f"/proc/{worker_of(running.service)}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


# ---- L5: what is told is true


@dataclass(frozen=True)
class Spent:
    """A network whose health requests are used up: when the first was sent and answered, when the refused one was
    sent and answered, and what that was told.
    """

    first_sent: float
    first_answered: float
    refused_sent: float
    refused_answered: float
    retry_after: int

    @classmethod
    def by(cls, edge: Front) -> Spent:
        first_sent = time.monotonic()
        assert edge.ask(HEALTH_NETWORK, "/health", "GET").status == 200
        first_answered = refused_sent = time.monotonic()
        while (answer := edge.ask(HEALTH_NETWORK, "/health", "GET")).status == 200:
            refused_sent = time.monotonic()
        retry_after = int(limited(answer, "health_limit", "health").headers["Retry-After"])
        return cls(first_sent, first_answered, refused_sent, time.monotonic(), retry_after)


def test_attack_l05_after_retry_after_the_next_passes_and_before_it_does_not(edge: Front, spent: Spent) -> None:
    """Ten seconds from the first of so many health requests, by the very number that was told, which is no second more."""
    assert spent.retry_after < spent.first_answered + 10 - spent.refused_sent + 1
    time.sleep(max(0.0, spent.first_sent + 9 - time.monotonic()))
    early = edge.ask(HEALTH_NETWORK, "/health", "GET")
    assert early.status == 429 or time.monotonic() >= spent.first_sent + 10
    time.sleep(max(0.0, spent.refused_answered + spent.retry_after - time.monotonic()))
    assert edge.ask(HEALTH_NETWORK, "/health", "GET").status == 200


def test_attack_l05_what_is_left_and_when_is_told_on_every_answer(edge: Front) -> None:
    """Down to nothing, and then a refusal; the time is that of the oldest request and no longer than the window."""
    sent = time.monotonic()
    answers = [edge.ask("192.0.2.50") for _ in range(QUOTA)]
    told = [limits_of(answer)["network"] for answer in answers]
    assert [limit["r"] for limit in told] == list(reversed(range(QUOTA)))
    assert {(limit["q"], limit["w"]) for limit in told} == {(QUOTA, 60)}
    refusal = limited(edge.ask("192.0.2.50"), "network_limit", "network")
    assert int(refusal.headers["Retry-After"]) >= 60 - (time.monotonic() - sent)
    assert "Retry-After" not in answers[-1].headers


# ---- L4: before and after it is known who asks; the default numbers


def test_attack_l04_the_limits_of_the_edge_have_the_numbers_that_are_documented(defaults: Front) -> None:
    """600 requests of a network, 1,000 of all together, and apart from them 50 on health in ten seconds."""
    statuses = {defaults.ask(NETWORK).status for _ in range(600)}
    assert statuses == {204}
    limited(defaults.ask(NETWORK), "network_limit", "network")
    assert limits_of(defaults.ask(ELSEWHERE))["global"] | {"t": 60} == {"q": 1000, "w": 60, "r": 399, "t": 60}
    statuses = {defaults.ask(f"10.1.{number}.1, 10.2.{number % 200}.1").status for number in range(399)}
    assert statuses == {204}
    limited(defaults.ask("10.3.0.1"), "global_limit", "global")
    limited(defaults.ask(NETWORK), "network_limit", "network")  # asked first, so it counts for nobody else


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_attack_l04_health_has_a_limit_of_its_own(defaults: Front, path: str) -> None:
    """The 51st in ten seconds is refused, of that network alone; what else it has sent does not matter."""
    network = f"10.4.0.{len(path)}"
    statuses = [defaults.ask(network, path, "GET").status for _ in range(50)]
    assert 429 not in statuses
    limited(defaults.ask(network, path, "GET"), "health_limit", "health")
    assert defaults.ask(ELSEWHERE, "/health", "GET").status == 200


def test_attack_l04_the_101st_rewrap_of_a_caller_in_a_minute_is_refused_on_every_route(default_kit: Kit) -> None:
    """ACP-240 and OpenTDF, REST and Connect, bound token or not and whatever key: they count together."""
    caller, other = Caller(default_kit, "busy"), Caller(default_kit, "idle")
    assert caller.ask(100) == [400] * 100
    caller.is_limited_everywhere()
    assert other.ask(4) == [400] * 4
    other.rewrap.proof = None
    assert limits_of(other.rewrap.send())["rewrap"] | {"t": 60} == {"q": 100, "w": 60, "r": 95, "t": 60}


def test_attack_l04_a_caller_over_his_limit_burns_no_proof(default_kit: Kit) -> None:
    """The memory of proofs is not his to fill: the id of a refused proof is still unused, as another subject's shows."""
    caller = Caller(default_kit, "over")
    assert caller.ask(100) == [400] * 100
    caller.rewrap.proof, caller.rewrap.proof_claims = None, {"jti": "the-one"}
    limited(caller.rewrap.send(), "rewrap_limit", "rewrap")
    other = default_kit.attempt(key=caller.rewrap.key)
    other.proof_claims = {"jti": "the-one"}
    assert other.send().status == 200


def test_attack_l04_a_network_over_its_limit_is_refused_before_anybody_is_asked_who_he_is(default_kit: Kit) -> None:
    """Its unknown callers used it up, so its known ones wait as well, and are not even looked at."""
    attempt = default_kit.attempt()
    attempt.proof = attempt.make_proof()
    answers = (default_kit.http("POST", default_kit.url) for _ in range(601))
    first_refused = next(answer for answer in answers if answer.status != 401)
    limited(first_refused, "network_limit", "network")
    answer = limited(attempt.send(), "network_limit", "network")
    (event,) = default_kit.events(answer.headers["X-Request-Id"])
    assert (event["code"], event["subject"]) == ("network_limit", None)
