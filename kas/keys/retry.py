"""Trying a call to Cloud KMS again: seldom, after a random wait, and never past a deadline.

The waits are random over their whole length ("full jitter"), so that requests that failed together do not come back
together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from kas.dataclass import dataclass
from kas.google.status import GoogleError
from kas.keys.kms_answers import TRANSIENT, AnswerDamaged

MAX_ATTEMPTS: Final = 3
BASE_SECONDS: Final = 0.05  # the longest first wait; each further one may be twice as long
CAP_SECONDS: Final = 0.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """``timeout_seconds`` is for one attempt; ``timer`` gives seconds from an arbitrary start, ``random`` numbers from 0
    up to 1.
    """

    timeout_seconds: float
    timer: Callable[[], float]
    sleep: Callable[[float], object]
    random: Callable[[], float]

    def run(self, attempt: Callable[[float], T], *, deadline: float, attempts: int = MAX_ATTEMPTS) -> T:
        """Calls ``attempt`` with the seconds that it may take, until it has an answer.

        ``deadline`` is a time of ``timer``, for attempts and waits together. Raises what the last attempt raised;
        DEADLINE_EXCEEDED where there is no time for one.
        """
        number = 0
        while True:
            left = deadline - self.timer()
            if left <= 0:
                raise GoogleError("DEADLINE_EXCEEDED", "no time is left for an attempt")
            try:
                return attempt(min(self.timeout_seconds, left))
            except (GoogleError, AnswerDamaged) as error:
                wait = self.random() * min(CAP_SECONDS, BASE_SECONDS * 2**number)
                number += 1
                if not _may_pass(error) or number >= attempts or self.timer() + wait >= deadline:
                    raise
            self.sleep(wait)


def _may_pass(error: GoogleError | AnswerDamaged) -> bool:
    return isinstance(error, AnswerDamaged) or error.status in TRANSIENT
