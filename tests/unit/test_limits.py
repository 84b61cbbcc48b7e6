"""The edge's limits: who is asked in which order, and what answers say of it."""

from __future__ import annotations

import pytest

from kas.errors import GlobalLimit, HealthLimit, NetworkLimit
from kas.ratelimit import Limit, Quota
from kas.web.limits import edge_limits, limit_headers, retry_headers
from tests.unit.windows import own_windows


class Edge:
    """Limits of two requests a network, three of all, one of health, and a clock."""

    def __init__(self, network=2, everybody=3, health=1, memory=100):
        self.now = 100.0
        self.limits = edge_limits(
            network=network, everybody=everybody, health=health, memory=memory, new_window=own_windows(lambda: self.now)
        )

    def ask(self, network="a", *, is_health=False):
        """The class of the refusal, None for an admitted request; and what was noted, as (name, remaining)."""
        noted = []
        try:
            self.limits.admit(network, is_health=is_health, note=noted.append)
        except (NetworkLimit, GlobalLimit, HealthLimit) as refusal:
            return type(refusal), [(quota.limit.name, quota.remaining) for quota in noted]
        return None, [(quota.limit.name, quota.remaining) for quota in noted]


def test_request_counts_against_its_network_and_everybody():
    """Both are told of."""
    assert Edge().ask() == (None, [("network", 1), ("global", 2)])


def test_network_beyond_its_limit_uses_up_nobody_elses():
    """It is refused before it counts for everybody."""
    edge = Edge()
    ends = [edge.ask() for _ in range(5)]
    assert ends[2:] == [(NetworkLimit, [("network", 0)])] * 3
    assert edge.ask("b") == (None, [("network", 1), ("global", 0)])


def test_everybody_together_is_limited():
    """However many networks they come from."""
    edge = Edge()
    ends = [edge.ask(network)[0] for network in "abcd"]
    assert ends == [None, None, None, GlobalLimit]


def test_health_counts_by_itself():
    """Probes do not use up requests, nor a flood of requests the probes."""
    edge = Edge()
    assert edge.ask(is_health=True) == (None, [("health", 0)])
    assert edge.ask(is_health=True) == (HealthLimit, [("health", 0)])
    assert edge.ask("b", is_health=True)[0] is None
    assert [edge.ask()[0] for _ in range(3)] == [None, None, NetworkLimit]


def test_windows_are_as_long_as_they_are_called():
    """A minute, and ten seconds for health."""
    edge = Edge(network=1, everybody=1)
    edge.ask()
    edge.ask(is_health=True)
    edge.now += 9.5
    assert edge.ask(is_health=True)[0] is HealthLimit
    edge.now += 0.5
    assert edge.ask(is_health=True)[0] is None
    edge.now += 49.5
    assert (edge.ask()[0], edge.ask("b")[0]) == (NetworkLimit, GlobalLimit)
    edge.now += 0.5
    assert edge.ask()[0] is None


def test_large_quotas_can_be_used_up():
    """The memory is never smaller than what one network may send."""
    edge = Edge(network=7, everybody=9, health=7, memory=5)
    for is_health in (False, True):
        ends = [edge.ask(is_health=is_health)[0] for _ in range(8)]
        assert ends == [None] * 7 + [HealthLimit if is_health else NetworkLimit]


def test_memory_is_shared_by_all_networks():
    """Of each window: while it is full, newcomers are refused."""
    edge = Edge(network=2, everybody=9, health=2, memory=3)
    for is_health, refusal in ((False, NetworkLimit), (True, HealthLimit)):
        assert [edge.ask(name, is_health=is_health)[0] for name in "aabc"] == [None, None, None, refusal]


def test_headers_list_each_limit():
    """Structured-field lists of strings with integers."""
    quotas = [Quota(Limit("rewrap", 100, 60.0), 37, 11.2), Quota(Limit("global", 1000, 60.0), 0, 60.0)]
    assert limit_headers(quotas) == {
        "RateLimit": '"rewrap";r=37;t=12, "global";r=0;t=60',
        "RateLimit-Policy": '"rewrap";q=100;w=60, "global";q=1000;w=60',
    }


def test_no_limit_asked_no_header():
    """An empty list is not a structured field."""
    assert limit_headers([]) == {}


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (11.001, "12"), (59.0, "59")])
def test_attack_l05_retry_after_is_never_too_early(seconds, text):
    """Whole seconds, rounded up, at least one; the reset beside it names the same moment."""
    assert retry_headers(seconds, []) == {"Retry-After": text}
    assert limit_headers([Quota(Limit("a", 1, 60.0), 0, seconds)])["RateLimit"] == f'"a";r=0;t={text}'


def test_refusal_without_a_time_names_none():
    """Nobody can say when a missing key will be there, whatever else is at its end."""
    assert retry_headers(None, [Quota(Limit("a", 1, 60.0), 0, 9.0)]) == {}


@pytest.mark.parametrize(
    ("left", "text"),
    [((0, 0), "31"), ((0, 1), "31"), ((1, 0), "2"), ((1, 1), "1")],
    ids=["both", "network", "global", "neither"],
)
def test_attack_l05_retry_after_waits_for_every_window_that_is_at_its_end(left, text):
    """The network's last place may have gone to the request that everybody's window refused."""
    windows = zip((Limit("network", 600, 60.0), Limit("global", 1000, 60.0)), left, (30.5, 1.5), strict=True)
    assert retry_headers(0.5, [Quota(*window) for window in windows]) == {"Retry-After": text}
