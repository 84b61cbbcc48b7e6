"""All key operations of one request side by side, within one deadline.

Whatever takes threads has a bound for each caller and so for each request: a bulk leaves some to others. A request
waits for none of them beyond its deadline, whatever they do: what came by then counts, the rest is unavailable, and
nothing more is begun for it (`kas.keys.flights`). Knows nothing of bindings, caches and callers.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import Any, Final

from kas.errors import KeyUnavailable
from kas.keys.flights import Arrivals, Errand, Flight, Flights, Outcome, wipe

# So many flights may end without an answer to one who follows; then he flies alone, whoever else wants the key.
MAX_FOLLOWED: Final = 2

# Called with a digest, what became of the errand, which is the receiver's own, and the operations made for it here.
Land = Callable[[bytes, Outcome, int], None]


class _Trip:
    """What one request waits for. Other threads use nothing of it but ``arrivals``."""

    def __init__(self, errands: Iterable[Errand], land: Land) -> None:
        self.errands = {errand.digest: errand for errand in errands}  # that have not landed
        self.local: deque[Errand] = deque()
        self.remote: deque[Errand] = deque()
        self.led: dict[bytes, Flight] = {}
        self.followed: dict[bytes, Flight] = {}
        self.turns: Counter[bytes] = Counter()
        self.arrivals: Arrivals = SimpleQueue()
        self.unstarted = 0
        self.faults: Counter[str] = Counter()  # by type
        self._land = land
        for errand in self.errands.values():
            self.queue(errand)

    def queue(self, errand: Errand) -> None:
        (self.remote if errand.is_remote else self.local).append(errand)

    def land(self, digest: bytes, outcome: Outcome) -> None:
        del self.errands[digest]
        flight = self.led.get(digest)
        if flight is not None and flight.fault is not None:
            self.faults[flight.fault] += 1
        self._land(digest, outcome, 0 if flight is None else flight.operations)

    def arrived(self) -> Iterator[tuple[Flight, Outcome | None]]:
        """What has come by now."""
        while not self.arrivals.empty():
            yield self.arrivals.get_nowait()


class SideBySide:
    """``deadline_seconds`` are for all key operations of one request; ``timer`` gives seconds from an arbitrary start,
    ``warn`` takes lines for the operator. Safe to use from many threads.
    """

    def __init__(
        self,
        flights: Flights,
        *,
        deadline_seconds: float,
        timer: Callable[[], float],
        warn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._flights = flights
        self._deadline_seconds = deadline_seconds
        self._timer = timer
        self._warn = warn

    def deadline(self) -> float:
        """Until when a request may wait whose key operations begin now, by the timer."""
        return self._timer() + self._deadline_seconds

    def run(self, errands: Iterable[Errand], until: float, land: Land) -> None:
        """Runs every errand and calls ``land`` for each in this thread, as they come; digests are distinct.

        What has not come ``until`` then is KeyUnavailable, and so is what an operation raises that is no refusal; what is
        no longer wanted lands nowhere. Raises what ``land`` raises: nothing more lands then. Where the time was over before,
        the operator has been told already.
        """
        trip, is_over = _Trip(errands, land), until <= self._timer()
        try:
            while trip.errands and (left := until - self._timer()) > 0 and self._advance(trip, left):
                pass
            self._leave(trip)
            self._settle(trip, is_told=is_over)
        finally:
            self._leave(trip)
            for _, outcome in trip.arrived():
                wipe(outcome)

    def _advance(self, trip: _Trip, seconds: float) -> bool:
        """Starts what may be started and takes one arrival; False when none comes in so many seconds."""
        while trip.remote and len(trip.led) < self._flights.share:
            self._start(trip, trip.remote.popleft())
        if trip.local:
            self._start(trip, trip.local.popleft())
        if not trip.led and not trip.followed:
            return True
        try:
            flight, outcome = trip.arrivals.get(timeout=0 if trip.local else seconds)
        except Empty:
            return bool(trip.local)
        self._take(trip, flight, outcome)
        return True

    def _start(self, trip: _Trip, errand: Errand) -> None:
        flight = self._flights.board(errand, trip.arrivals, alone=trip.turns[errand.digest] >= MAX_FOLLOWED)
        if flight.leader is not trip.arrivals:
            trip.followed[errand.digest] = flight
            return
        trip.led[errand.digest] = flight
        if errand.is_still_wanted():
            trip.unstarted += not self._flights.start(flight)
        else:
            self._close(trip, flight)
            del trip.errands[errand.digest]

    def _take(self, trip: _Trip, flight: Flight, outcome: Outcome | None) -> None:
        digest = flight.errand.digest
        if flight.leader is trip.arrivals:
            trip.land(digest, outcome or KeyUnavailable())
            self._close(trip, flight)
            return
        del trip.followed[digest]
        if outcome is None:
            trip.turns[digest] += 1
            trip.queue(trip.errands[digest])
        else:
            trip.land(digest, outcome)

    def _close(self, trip: _Trip, flight: Flight) -> None:
        del trip.led[flight.errand.digest]
        self._flights.close(flight)

    def _leave(self, trip: _Trip) -> None:
        """Nothing comes for this request any more, and nothing is begun for it."""
        for flight in trip.followed.values():
            self._flights.leave(flight, trip.arrivals)
        for flight in trip.led.values():
            self._flights.close(flight)

    def _settle(self, trip: _Trip, *, is_told: bool) -> None:
        """Lands what came in time, and the rest as unavailable, with as many operations as were begun."""
        for flight, outcome in trip.arrived():
            if outcome is not None:
                trip.land(flight.errand.digest, outcome)
        late = list(trip.errands)
        for digest in late:
            trip.land(digest, KeyUnavailable())
        if (late or trip.unstarted) and not is_told:
            line = {"severity": "ERROR", "event": "key_operations_unfinished"}
            self._warn({**line, "late": len(late), "unstarted": trip.unstarted})
        for name, number in trip.faults.items():  # never the text, which may hold what was sent
            self._warn({"severity": "ERROR", "event": "unexpected", "type": name, "operations": number})
