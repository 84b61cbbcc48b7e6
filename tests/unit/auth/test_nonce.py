"""Nonces: their life by an injected clock, every byte of them, and the process that made them."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.auth.nonce import LIFETIME_SECONDS, NonceSource, _mac, draw_value
from kas.encoding import b64url_decode, b64url_encode
from kas.errors import NonceInvalid


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def refused(source: NonceSource, nonce: object) -> bool:
    try:
        source.verify(nonce)
    except NonceInvalid:
        return True
    return False


def test_nonce_is_75_characters_of_base64url_and_never_the_same() -> None:
    """RFC 9449 §8: unguessable; and short enough for any header."""
    source = NonceSource(Time())
    nonces = [source.issue() for _ in range(100)]
    assert {len(nonce) for nonce in nonces} == {75}
    assert len(set(nonces)) == 100
    assert all(b64url_encode(b64url_decode(nonce)) == nonce for nonce in nonces)


@pytest.mark.parametrize("age", [0, 1, LIFETIME_SECONDS - 1, LIFETIME_SECONDS])
def test_attack_p14_nonce_lives_five_minutes(age: float) -> None:
    """As often as it is used."""
    clock = Time()
    source = NonceSource(clock)
    nonce = source.issue()
    clock.now += age
    assert not refused(source, nonce)
    assert not refused(source, nonce)


@pytest.mark.parametrize("age", [LIFETIME_SECONDS + 0.5, LIFETIME_SECONDS + 1, 86_400, -1, -0.5, -86_400])
def test_attack_p14_expired_nonce_is_refused(age: float) -> None:
    """And one from a time that has not come, after the clock was set back."""
    clock = Time()
    source = NonceSource(clock)
    nonce = source.issue()
    clock.now += age
    assert refused(source, nonce)


@pytest.mark.parametrize("place", range(56))
def test_attack_p14_nonce_with_one_byte_changed_is_refused(place: int) -> None:
    """Time, random part and MAC alike."""
    source = NonceSource(Time())
    data = bytearray(b64url_decode(source.issue()))
    data[place] ^= 1
    assert refused(source, b64url_encode(bytes(data)))


@pytest.mark.parametrize("nonce", [None, 1, True, 1.5, b"x" * 75, [], {}, "", "x", "é" * 75, "=" * 76, "A" * 75])
def test_attack_p14_what_is_no_nonce_is_refused(nonce: object) -> None:
    """By type, by encoding, by length, by MAC."""
    assert refused(NonceSource(Time()), nonce)


@given(st.binary(max_size=120))
def test_attack_p14_no_bytes_are_a_nonce(data: bytes) -> None:
    """Shorter and longer ones too."""
    assert refused(NonceSource(Time()), b64url_encode(data))


@pytest.mark.parametrize("length", [0, 31, 32, 33, 55, 57, 112])
def test_attack_p14_nonce_of_another_length_is_refused(length: int) -> None:
    """Even under a MAC that fits and with the right time, as far as it goes."""
    clock = Time()
    source = NonceSource(clock)
    body = (int(clock.now).to_bytes(8, "big") + bytes(80))[: max(0, length - 32)]
    assert refused(source, b64url_encode((body + _mac(source._own_keys()[0], body))[:length]))


def test_attack_p14_nonce_of_another_source_is_refused() -> None:
    """Two sources of the same moment have nothing in common."""
    ours, theirs = NonceSource(Time()), NonceSource(Time())
    assert refused(ours, theirs.issue())
    assert not refused(ours, ours.issue())


def _child(source: NonceSource, end: Connection) -> None:
    end.send(source.issue())
    end.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_attack_p10_sources_forked_from_one_parent_do_not_know_each_others_nonces() -> None:
    """The key is drawn at first use, so a parent that never used it hands none down."""
    fork, source, nonces = multiprocessing.get_context("fork"), NonceSource(Time()), []
    for _ in range(2):
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_child, args=(source, theirs))
        process.start()
        nonces.append(ours.recv())
        process.join()
    assert source._keys == ()
    assert all(refused(source, nonce) for nonce in nonces)
    assert nonces[0] != nonces[1]


def test_nonces_of_threads_that_start_at_once_are_all_of_one_key() -> None:
    """The first use draws the key once."""
    for _ in range(20):
        source, together = NonceSource(Time()), threading.Barrier(20)

        def issue(_number: int, source: NonceSource = source, together: threading.Barrier = together) -> str:
            together.wait(timeout=20)
            return source.issue()

        with ThreadPoolExecutor(20) as pool:
            nonces = list(pool.map(issue, range(20)))
        assert not any(refused(source, nonce) for nonce in nonces)


# ---- the configured secret

CURRENT, PREVIOUS, OTHER = (bytes([number]) * 32 for number in range(3))
VALUE = b"a value that two processes have in common, as instances of one service will"


def sharing(*shared: bytes, value: bytes = VALUE) -> NonceSource:
    return NonceSource(Time(), shared, lambda: value)


def test_a_nonce_of_the_previous_secret_is_taken_and_one_of_another_is_not() -> None:
    """So that it can be changed: the old one is named second for as long as nonces live, then left out."""
    before, between, after = sharing(PREVIOUS), sharing(CURRENT, PREVIOUS), sharing(CURRENT)
    assert not refused(between, before.issue())
    assert not refused(before, before.issue())
    assert refused(after, before.issue())
    assert refused(sharing(OTHER), before.issue())


def test_a_nonce_is_made_under_the_current_secret() -> None:
    """One that only the previous secret knows is refused."""
    between = sharing(CURRENT, PREVIOUS)
    assert not refused(sharing(CURRENT), between.issue())
    assert refused(sharing(PREVIOUS), between.issue())


def test_attack_p14_a_secret_that_is_known_makes_no_nonce_of_another_process() -> None:
    """The value of the process is in the key too, so the secret alone forges nothing and outlives nothing."""
    ours = NonceSource(Time(), (CURRENT,))
    assert refused(ours, NonceSource(Time(), (CURRENT,)).issue())
    assert refused(ours, sharing(CURRENT, value=b"").issue())
    assert refused(ours, sharing(CURRENT, value=CURRENT).issue())


def test_a_process_with_a_secret_and_one_without_have_different_keys() -> None:
    """And both draw 32 bytes."""
    assert refused(sharing(), sharing(CURRENT).issue())
    assert refused(sharing(CURRENT), sharing().issue())
    assert [len(draw_value()), len({draw_value(), draw_value()})] == [32, 2]


def test_the_value_of_the_process_is_drawn_once() -> None:
    """At the first use and not before: the parent of a worker must have none."""
    drawn: list[bytes] = []

    def draw() -> bytes:
        drawn.append(draw_value())
        return drawn[-1]

    source = NonceSource(Time(), (CURRENT, PREVIOUS), draw)
    assert drawn == []
    nonce = source.issue()
    source.issue()
    assert not refused(source, nonce)
    assert len(drawn) == 1
