"""Labels: the ``dissem`` of an ACP-240 policy, read as a whole or refused as a whole.

Guarantees that a `Label` is complete and of known words (`policy.md` §1 of the specification): one of the levels, a
non-empty list of real countries, only caveats that the rules know. Members that the specification does not name are
ignored. Does not check that the creation date is one, which is the embargo's, nor that the label agrees with itself,
nor its size: the wire bounds a policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from kas.dataclass import dataclass
from kas.errors import LabelInvalid
from kas.policy.rules import Rules

# RFC 3339 §5.6. The ranges are here too: datetime takes an offset of +05:99, and newer versions the hour 24.
_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


@dataclass(frozen=True, slots=True)
class Label:
    """``level`` is a rank of `Rules.levels`; operator and creation date are as they were sent."""

    level: int
    releasability: frozenset[str]
    coi: frozenset[str]
    coi_operator: str
    creation_date: str | None
    releasable_to_industry: bool
    caveats: frozenset[str]


def parse_label(policy: Mapping[str, object], rules: Rules) -> Label:
    """The label of ``policy``. Raises LabelInvalid, whose argument names the member."""
    dissem = policy.get("dissem")
    if not isinstance(dissem, Mapping):
        raise LabelInvalid("dissem")
    return Label(
        level=_level(dissem, rules),
        releasability=_releasability(dissem, rules),
        coi=_texts(dissem, "COI"),
        coi_operator=_operator(dissem),
        creation_date=_creation_date(dissem),
        releasable_to_industry=_releasable_to_industry(dissem),
        caveats=_caveats(dissem, rules),
    )


def _level(dissem: Mapping[str, object], rules: Rules) -> int:
    classification = dissem.get("classification")
    if not isinstance(classification, str) or classification not in rules.levels:
        raise LabelInvalid("classification")
    return rules.levels.index(classification)


def _releasability(dissem: Mapping[str, object], rules: Rules) -> frozenset[str]:
    countries = _texts(dissem, "releasabilityTo")
    if not countries or not countries <= rules.countries:
        raise LabelInvalid("releasabilityTo")
    return countries


def _texts(dissem: Mapping[str, object], member: str) -> frozenset[str]:
    """A list of non-empty texts as a set, repetition being harmless; absent is empty, null is not a list."""
    items = dissem.get(member, [])
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise LabelInvalid(member)
    return frozenset(items)


def _operator(dissem: Mapping[str, object]) -> str:
    operator = dissem.get("coiOperator", "ALL")
    if not isinstance(operator, str):
        raise LabelInvalid("coiOperator")
    return operator


def _creation_date(dissem: Mapping[str, object]) -> str | None:
    if "creationDate" not in dissem:
        return None
    date = dissem["creationDate"]
    if not isinstance(date, str):
        raise LabelInvalid("creationDate")
    return date


def parse_date_time(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 date-time with offset. Raises ValueError or OverflowError.

    A leap second is taken where one can be, in the last second of a month in UTC, and is the second that follows.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time")
    date, minute, second, fraction, offset = match.groups()
    is_leap = second == "60"
    moment = datetime.fromisoformat(f"{date}T{minute}:{'59' if is_leap else second}{offset.upper()}")
    if is_leap:
        moment = moment.astimezone(UTC) + timedelta(seconds=1)
        if (moment.day, moment.hour, moment.minute) != (1, 0, 0):
            raise ValueError("not the last second of a month")
    return moment.timestamp() + float(fraction or 0)


def _releasable_to_industry(dissem: Mapping[str, object]) -> bool:
    releasable = dissem.get("releasableToIndustry", False)
    if not isinstance(releasable, bool):
        raise LabelInvalid("releasableToIndustry")
    return releasable


def _caveats(dissem: Mapping[str, object], rules: Rules) -> frozenset[str]:
    caveats = _texts(dissem, "caveats")
    # A caveat is a restriction: one that nobody here knows cannot be kept.
    if not caveats <= rules.coherence.caveats.keys():
        raise LabelInvalid("caveats")
    return caveats
