"""What the attacks on limits share: a KAS behind a front end, answers' headers on limits, a caller of all routes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local.client import Answer, Http
from local.processes import Service, world
from tests.canaries import Overheard
from tests.kit import Attempt, Kit, refused
from tests.opentdf.answers import refused_call
from tests.opentdf.tdf_client import TdfAttempt
from tests.requirements.production import production_kas

# What RFC 9651 makes of a list of strings with whole numbers as parameters; nothing else is sent.
_ITEM = re.compile(r'"([ !#-\[\]-~]*)"((?:; *[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})+)')
_SEPARATOR = re.compile(r"[ \t]*,[ \t]*")

Left = dict[str, dict[str, int]]


def parse_list(text: str) -> Left:
    """A structured-field list, as name -> parameters."""
    found: Left = {}
    place = 0
    while True:
        item = _ITEM.match(text, place)
        assert item is not None, text[place:]
        pairs = (pair.strip().split("=") for pair in item[2].split(";")[1:])
        assert item[1] not in found
        found[item[1]] = {name: int(number) for name, number in pairs}
        if item.end() == len(text):
            return found
        separator = _SEPARATOR.match(text, item.end())
        assert separator is not None, text[item.end() :]
        place = separator.end()


def limits_of(answer: Answer) -> Left:
    """What the answer says of each limit: ``r`` left, ``t`` seconds, and of the policy ``q`` in ``w`` seconds."""
    left, policies = (parse_list(answer.headers[name]) for name in ("RateLimit", "RateLimit-Policy"))
    assert list(left) == list(policies)
    for name, one in left.items():
        assert set(one) == {"r", "t"}
        assert set(policies[name]) == {"q", "w"}
        assert 0 <= one["r"] < policies[name]["q"]
        assert 0 < one["t"] <= policies[name]["w"]
    return {name: one | policies[name] for name, one in left.items()}


def limited(answer: Answer, code: str, name: str) -> Answer:
    """Asserts a refusal by the limit ``name``, and that all three headers say the same of it."""
    refused(answer, 429, "too_many_requests", code)
    return told(answer, name)


def told(answer: Answer, name: str) -> Answer:
    """Asserts that a refusal names its limit as used up, and when to come again."""
    limit = limits_of(answer)[name]
    assert (limit["r"], str(limit["t"])) == (0, answer.headers["Retry-After"])
    return answer


@dataclass
class Front:
    """A KAS in production mode and, in place of the platform's front end, us."""

    service: Service
    log: Path
    http: Http = field(default_factory=lambda: Http(timeout_seconds=20))

    def ask(
        self,
        forwarded_for: str,
        path: str = "/rewrap",
        method: str = "OPTIONS",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Answer:
        """One request that costs nothing but its place, unless method and headers say otherwise."""
        own = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", forwarded_for)]
        return self.http(method, self.service.base + path, [*own, *headers])

    def left(self, forwarded_for: str, name: str = "network") -> int:
        """Asks, and returns how much is left after that."""
        answer = self.ask(forwarded_for)
        assert answer.status == 204, answer.body
        return limits_of(answer)[name]["r"]


@contextlib.contextmanager
def front(folder: Path, **settings: str) -> Iterator[Front]:
    with production_kas(folder, **settings) as service:
        running = Front(service, folder / "log")
        running.http = Overheard(running.http, service.base, folder / "answers")
        yield running
        running.http.close()


@contextlib.contextmanager
def kit_with_default_limits(folder: Path) -> Iterator[Kit]:
    """A pair without any setting, the limits included."""
    log = folder / "log"
    with log.open("wb") as file, world(folder, {}, file) as pair:
        kit = Kit(pair, log)
        yield kit
        kit.http.close()


class Caller:
    """One subject on all rewrap routes; his requests end after he is known, since their bodies hold nothing."""

    def __init__(self, kit: Kit, subject: str) -> None:
        override = {"claims": {"sub": subject}}
        self.rewrap: Attempt = kit.attempt(override=override)
        self.rewrap.body, self.rewrap.nonce = b"{}", kit.fresh_nonce()
        self.tdf = [
            TdfAttempt.good(kit, "rest", override=override),
            TdfAttempt.good(kit, "connect-json", override=override),
            TdfAttempt.good(kit, "connect-proto", override=override, bound=False),
        ]
        for attempt in self.tdf:
            attempt.body = b"{}"

    def ask(self, times: int) -> list[int]:
        """So many requests, the routes in turn; the status of each."""
        routes = [self.rewrap, *self.tdf]
        statuses = []
        for number in range(times):
            attempt = routes[number % len(routes)]
            attempt.proof = None
            statuses.append(attempt.send().status)
        return statuses

    def is_limited_everywhere(self) -> None:
        """Asserts a refusal on each route, in its form, after which nothing was read or opened."""
        self.rewrap.proof = None
        answer = limited(self.rewrap.send(), "rewrap_limit", "rewrap")
        events = self.rewrap.kit.events(answer.headers["X-Request-Id"])
        assert [(event["event"], event["code"]) for event in events] == [("refusal", "rewrap_limit")]
        for attempt in self.tdf:
            attempt.proof = None
            told(refused_call(attempt, 429, "too_many_requests", "rewrap_limit"), "rewrap")
