"""Resource names: their patterns, the resources above them, and projects that have an id and a number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from local.google.status import GoogleError, invalid

PROJECT: Final = "projects/*"
LOCATION: Final = "projects/*/locations/*"
KEY_RING: Final = f"{LOCATION}/keyRings/*"
KEY: Final = f"{KEY_RING}/cryptoKeys/*"
KEY_VERSION: Final = f"{KEY}/cryptoKeyVersions/*"
SECRET: Final = "projects/*/secrets/*"
SECRET_VERSION: Final = f"{SECRET}/versions/*"

KMS_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,63}")
SECRET_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_LOCATED: Final = re.compile(r"projects/[^/]+/locations/([^/]+)(?:/.*)?")


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", r"[^/\s]+"))


def matches(name: str, *patterns: str) -> bool:
    """Whether the name has one of the forms."""
    return any(_regex(pattern).fullmatch(name) for pattern in patterns)


def parent_of(name: str) -> str:
    """The resource that holds this one: ``projects/p`` of ``projects/p/secrets/s``."""
    return name.rsplit("/", 2)[0]


def last_of(name: str) -> str:
    """The id of a resource within its parent."""
    return name.rpartition("/")[2]


def with_ancestors(name: str) -> list[str]:
    """The resource and everything above it, itself first."""
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 1, -2)]


def number_of(name: str) -> int:
    """The number of a version. Raises GoogleError: a version is named by a positive number without leading zeros."""
    text = last_of(name)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise invalid(f"Invalid version in resource name [{name}].")
    return int(text)


@dataclass(frozen=True, slots=True)
class Places:
    """The projects (id and number) and the locations that exist."""

    projects: Mapping[str, int]
    locations: frozenset[str]
    _ids: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {str(number): name for name, number in self.projects.items()})

    def by_id(self, name: str) -> str:
        """The name with the project's id, which is how everything is kept."""
        head, _, rest = name.partition("/")
        project, slash, rest = rest.partition("/")
        return f"{head}/{self._ids.get(project, project)}{slash}{rest}"

    def by_number(self, name: str) -> str:
        """The name with the project's number, which is how Secret Manager answers."""
        head, project, *rest = name.split("/")
        return "/".join([head, str(self.projects.get(project, project)), *rest])

    def check_location(self, name: str) -> None:
        """Raises GoogleError (NOT_FOUND) when the name says a location that there is not."""
        located = _LOCATED.fullmatch(name)
        if located and located[1] not in self.locations:
            raise misrouted(located[1])


def location_of(name: str) -> str | None:
    """The location in a name, if it says one."""
    located = _LOCATED.fullmatch(name)
    return located[1] if located else None


def misrouted(location: str) -> GoogleError:
    """What a request gets that reaches a place which does not serve its location."""
    return GoogleError(
        "NOT_FOUND",
        f"The request concerns location '{location}' but was sent to location 'global'. Either Cloud KMS is not "
        f"available in '{location}' or the request was misrouted. gRPC clients must ensure that "
        "'x-goog-request-params' is specified in request metadata.",
    )
