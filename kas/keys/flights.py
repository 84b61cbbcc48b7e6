"""One key operation for all who want the same key at once.

Whoever wants a key first leads its flight: he pays, and its operations are counted for him. Whoever wants the same key
meanwhile follows, and has a copy of what comes, be it a refusal; nothing is remembered afterwards. What is the leader's
own trouble, a budget that is used up or a time that is over, is no answer to those who follow: they are told nothing,
and may lead themselves.

Operations with keys that are elsewhere wait on the network and have threads of their own, made when the first is needed
and so never before the host forks. One caller has a share of them, over all his requests; what he wants beyond it waits
for his own, so that a key that stalls under his hands leaves threads for others with other keys. Keys of this process
are used in the leader's thread. Once the leader waits no longer no operation is begun: what `Flight.operations` says by
then is all that is ever done. At exit the interpreter waits for threads that still work, as long as their transport's
time-out lets them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from functools import partial
from queue import SimpleQueue
from typing import Final

from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.errors import KaoRefusal, KeyUnavailable

# Operations given to threads and not done, over all requests: more than the host's threads ever ask for at once.
MAX_OUTSTANDING: Final = 2_000
# Threads that one caller may have, and of each eight at most seven.
MAX_AT_ONCE: Final = 50
_OF_EIGHT: Final = 7

Pay = Callable[[], None]
Outcome = DataKey | KaoRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A key that ``caller`` wants. ``digest`` is the same for what is the same, whoever asks.

    ``is_still_wanted`` is asked in the request's thread, by whoever is about to lead. ``unwrap`` calls its argument, and
    that ``spend``, before each key operation; both raise KaoRefusal.
    """

    digest: bytes
    caller: str
    is_remote: bool
    is_still_wanted: Callable[[], bool]
    spend: Callable[[], None]
    unwrap: Callable[[Pay], DataKey]


@dataclass(slots=True, eq=False)
class Flight:
    """One errand under way; the lock of `Flights` guards what more than one thread changes.

    ``leader`` and ``followers`` are where those who wait get what comes; ``fault`` is the type of what nobody expected.
    """

    errand: Errand
    leader: Arrivals
    followers: list[Arrivals] = field(default_factory=list)
    operations: int = 0
    is_unpaid: bool = False  # `spend` refused the last time, or came too late
    is_over: bool = False  # it has come, or the leader waits no longer
    is_held: bool = False  # until one of the caller's own is done
    key: DataKey | None = None  # what came, until the leader is done with it
    fault: str | None = None


@dataclass(slots=True)
class _Share:
    """One caller's operations: how many have threads or are about to, and those that wait for one of them to end."""

    flying: int = 0
    held: deque[Flight] = field(default_factory=deque)


# What comes to one request: its own to wipe, and None where that is no answer for it.
Arrivals = SimpleQueue[tuple[Flight, Outcome | None]]


class Flights:
    """``threads`` are for operations with keys that are elsewhere, over all requests. Safe to use from many threads."""

    def __init__(self, threads: int) -> None:
        self.share = max(1, min(MAX_AT_ONCE, threads * _OF_EIGHT // 8))  # of one caller
        self._threads = threads
        self._lock = threading.Lock()
        self._flights: dict[bytes, Flight] = {}  # that others may follow
        self._outstanding = 0
        self._shares: dict[str, _Share] = {}  # of callers who have any
        self._pool: ThreadPoolExecutor | None = None

    def board(self, errand: Errand, arrivals: Arrivals, *, alone: bool = False) -> Flight:
        """The flight of somebody else who wants the same, to be followed, or a new one to be led, and started or closed.

        With ``alone`` it is a new one in any case. Nobody follows one that waits for another caller's share: he has his
        own.
        """
        with self._lock:
            flight = self._flights.get(errand.digest)
            if flight is not None and flight.is_held and flight.errand.caller != errand.caller:
                self._forget(flight)
                flight = None
            if flight is None or alone:
                mine = Flight(errand, arrivals)
                self._flights.setdefault(errand.digest, mine)
                return mine
            if flight.key is None:
                flight.followers.append(arrivals)
            else:
                arrivals.put((flight, flight.key.copy()))
            return flight

    def start(self, flight: Flight) -> bool:
        """Sends a flight that we lead on its way; False where no thread is to be had for it, which is KeyUnavailable."""
        if not flight.errand.is_remote:
            self._fly(flight)
            return True
        with self._lock:
            has_room = self._outstanding < MAX_OUTSTANDING
            is_held = has_room and self._is_held(flight)
        if not has_room:
            self._arrive(flight, KeyUnavailable())
            return False
        return is_held or self._submit(flight)

    def close(self, flight: Flight) -> None:
        """The leader waits no longer, or is done with what came; no operation is begun from now on.

        Followers wait on where one is being made: it is paid, and theirs as well.
        """
        with self._lock:
            flight.is_over = True
            self._forget(flight)
            if not flight.operations:
                _tell(flight.followers, flight, None)
            wipe(flight.key)

    def leave(self, flight: Flight, arrivals: Arrivals) -> None:
        """A follower waits no longer."""
        with self._lock:
            if arrivals in flight.followers:
                flight.followers.remove(arrivals)

    def _is_held(self, flight: Flight) -> bool:
        """Counts one more operation; whether it waits for another of the same caller."""
        self._outstanding += 1
        share = self._shares.setdefault(flight.errand.caller, _Share())
        flight.is_held = share.flying >= self.share
        if flight.is_held:
            share.held.append(flight)
            _tell(flight.followers, flight, None)
        else:
            share.flying += 1
        return flight.is_held

    def _submit(self, flight: Flight) -> bool:
        """Whether there is a thread for it."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "key-operation")
        try:
            self._pool.submit(self._fly_remote, flight)
        except RuntimeError:  # It may be queued all the same, and is over when its turn comes.
            self._arrive(flight, KeyUnavailable())
            return False
        return True

    def _fly_remote(self, flight: Flight) -> None:
        try:
            self._fly(flight)
        finally:
            self._end(flight.errand.caller)

    def _end(self, caller: str) -> None:
        """One of the caller's is done, and another begins, behind those that wait for a thread already."""
        with self._lock:
            self._outstanding -= 1
            share = self._shares[caller]
            next_flight = share.held.popleft() if share.held else None
            if next_flight is None:
                share.flying -= 1
                if not share.flying:
                    del self._shares[caller]
                return
            next_flight.is_held = False
        self._submit(next_flight)

    def _fly(self, flight: Flight) -> None:
        outcome: Outcome | None = None  # stays so where it is over
        try:
            if not flight.is_over:
                outcome = flight.errand.unwrap(partial(self._pay, flight))
        except KaoRefusal as refusal:
            outcome = refusal
        except Exception as error:  # noqa: BLE001 - the others of this request keep what they have and have paid
            flight.fault = type(error).__name__
            outcome = KeyUnavailable()
        finally:
            self._arrive(flight, outcome)

    def _pay(self, flight: Flight) -> None:
        """Before each operation: it is counted only while its leader waits, and begun only when it is counted."""
        flight.is_unpaid = True
        if not flight.is_over:
            flight.errand.spend()  # not under the lock: it may have to tell the operator
        with self._lock:
            if flight.is_over:
                raise KeyUnavailable
            flight.operations += 1
            flight.is_unpaid = False

    def _arrive(self, flight: Flight, outcome: Outcome | None) -> None:
        """Hands a copy to each who waits. A key stays until the leader is done with it, for those who come meanwhile:
        whoever comes later finds it where the leader keeps it.
        """
        with self._lock:
            if not flight.is_over:
                flight.is_over = True
                flight.key = outcome if isinstance(outcome, DataKey) else None
                _tell([flight.leader], flight, outcome)
            _tell(flight.followers, flight, None if flight.is_unpaid or flight.fault else outcome)
            if flight.key is None:
                self._forget(flight)
                wipe(outcome)

    def _forget(self, flight: Flight) -> None:
        if self._flights.get(flight.errand.digest) is flight:
            del self._flights[flight.errand.digest]


def _tell(waiting: list[Arrivals], flight: Flight, outcome: Outcome | None) -> None:
    for arrivals in waiting:
        arrivals.put((flight, outcome.copy() if isinstance(outcome, DataKey) else outcome))
    waiting.clear()


def wipe(outcome: Outcome | None) -> None:
    """Overwrites what came, if it is a key."""
    if isinstance(outcome, DataKey):
        outcome.wipe()
