"""Slots for bodies that are waited for: bounded in all and for each holder, given back, and held by the network as the
edge sees it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.journal import Caller, Journal
from kas.web.replies import Reply, Route, Routes, json_reply
from kas.web.slots import Slots
from tests.unit.good_edge import good_edge
from tests.unit.journals import journal


def test_attack_z03_one_network_holds_its_share_and_others_have_the_rest() -> None:
    slots = Slots(total=8, share=4)
    assert [slots.take("a") for _ in range(6)] == [True] * 4 + [False] * 2
    assert [slots.take("b") for _ in range(6)] == [True] * 4 + [False] * 2
    assert not slots.take("c")


def test_a_place_that_is_given_back_is_free_again() -> None:
    slots = Slots(total=2, share=1)
    for _ in range(5):
        assert slots.take("a")
        assert not slots.take("a")
        slots.give_back("a")


def test_nobody_is_remembered_who_holds_nothing() -> None:
    """Refused holders are not either: a flood of networks costs no memory."""
    slots = Slots(total=1, share=1)
    assert slots.take("a")
    assert not any(slots.take(f"network-{number}") for number in range(100))
    slots.give_back("a")
    assert not slots._held


def test_many_threads_take_no_more_than_there_is() -> None:
    slots = Slots(total=10, share=10)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: slots.take("a"), range(200))) == 10


@pytest.mark.parametrize(
    ("forwarded_for", "network"),
    [("192.0.2.1, 198.51.100.7", "198.51.100.7"), ("2001:db8:1:2::5", "2001:db8:1:2::/64")],
)
def test_attack_l01_slots_of_strangers_are_held_by_the_network_that_the_front_end_saw(
    forwarded_for: str, network: str
) -> None:
    """Not by what the caller wrote before it."""
    holders = []

    def answer(_request: flask.Request, journal: Journal) -> Reply:
        holders.append(journal.holder)
        return json_reply(200, {})

    headers = {"X-Forwarded-For": forwarded_for, "X-Forwarded-Proto": "https"}
    request = flask.Request(EnvironBuilder("/x", method="POST", headers=headers).get_environ())
    good_edge(len, local=False).handle(request, Routes({"/x": Route(("POST",), answer)}))
    assert holders == [network]


def test_attack_z03_slots_of_a_caller_are_held_by_issuer_and_subject() -> None:
    """From wherever he comes; two issuers' subjects of one name are two."""
    one, other = (journal(caller=Caller(issuer, "s", None), network="n") for issuer in ("https://a", "https://b"))
    assert (one.holder, other.holder) == ("https://a s", "https://b s")
