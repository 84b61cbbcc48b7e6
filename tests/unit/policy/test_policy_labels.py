"""Reading of labels: what is refused as a whole, and RFC 3339 to the letter."""

import time
from datetime import datetime

import pytest

from kas.errors import LabelInvalid
from kas.policy.labels import Label, parse_date_time, parse_label
from tests.unit.policy.good_policy import ABSENT, DISSEM, RULES, changed


def parse(**changes):
    return parse_label({"dissem": changed(DISSEM, changes)}, RULES)


def test_all_members_are_read():
    assert parse(coiOperator="ANY", caveats=["NOFORN"]) == Label(
        level=3,
        releasability=frozenset({"USA", "FRA"}),
        coi=frozenset({"NATO"}),
        coi_operator="ANY",
        creation_date="2026-01-01T00:00:00Z",
        releasable_to_industry=True,
        caveats=frozenset({"NOFORN"}),
    )


def test_optional_members_have_the_strict_default():
    label = parse(COI=ABSENT, creationDate=ABSENT, releasableToIndustry=ABSENT)
    assert (label.coi, label.coi_operator, label.caveats) == (frozenset(), "ALL", frozenset())
    assert label.creation_date is None
    assert label.releasable_to_industry is False


def test_a_label_may_name_every_country():
    assert parse(releasabilityTo=sorted(RULES.countries)).releasability == RULES.countries


@pytest.mark.parametrize("policy", [{}, *({"dissem": odd} for odd in (None, [], "SECRET", 1, True, [["a", 1]]))])
def test_a_label_is_an_object(policy):
    with pytest.raises(LabelInvalid, match=r"^dissem$"):
        parse_label(policy, RULES)


def test_an_empty_label_is_incomplete():
    with pytest.raises(LabelInvalid):
        parse_label({"dissem": {}}, RULES)


WRONG = {
    "classification": [ABSENT, None, "", "secret", "TOP SECRET", "SECRET ", "COSMIC", 3, True, ["SECRET"], {}],
    "releasabilityTo": [ABSENT, None, [], "USA", {"USA": 1}, 1, True, ["XXX"], ["usa"], ["USA "], [""], ["USA", None]],
    "COI": [None, "NATO", {"NATO": 1}, 0, False, [""], ["NATO", ""], ["NATO", 1], [["NATO"]], [None]],
    "coiOperator": [None, 0, False, ["ANY"], {}],
    "creationDate": [None, 0, 1_790_000_000, True, ["2026-01-01T00:00:00Z"], {}],
    "releasableToIndustry": [None, "true", "false", 1, 0, []],
    "caveats": [None, "NOFORN", {"NOFORN": 1}, [""], [None], [["NOFORN"]], ["noforn"], ["UNHEARD"]],
}


@pytest.mark.parametrize(("member", "value"), [(member, value) for member in WRONG for value in WRONG[member]])
def test_a_member_that_is_missing_unknown_or_of_the_wrong_type_makes_the_label_invalid(member, value):
    with pytest.raises(LabelInvalid, match=rf"^{member}$"):
        parse(**{member: value})


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.250000+00:00"),
        ("2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+05:30", "2025-12-31T18:30:00+00:00"),
        ("2026-01-01T00:00:00-23:59", "2026-01-01T23:59:00+00:00"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T18:59:60-05:00", "2017-01-01T00:00:00+00:00"),
        ("2017-01-01T08:59:60.5+09:00", "2017-01-01T00:00:00.500000+00:00"),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
    ],
)
def test_rfc_3339_date_times_are_read(text, iso):
    seconds = parse_date_time(text)
    if iso is not None:
        assert seconds == datetime.fromisoformat(iso).timestamp()


@pytest.fixture
def far_east(monkeypatch):
    """A machine whose own time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_leap_second_is_in_utc_wherever_the_machine_stands(far_east):
    assert parse_date_time("2016-12-31T23:59:60Z") == 1_483_228_800.0
    with pytest.raises(ValueError, match="not the last second of a month"):
        parse_date_time("2016-12-31T23:59:60+09:00")


def test_a_fraction_of_any_length_is_read_and_never_counts_as_earlier():
    assert parse_date_time(f"1970-01-01T00:00:00.{'9' * 5_000}Z") == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01T00Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-1-1T00:00:00Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+01:00:00",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+05:60",
        "2026-01-01T00:00:00 Z",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00Z\n",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "٢٠٢٦-01-01T00:00:00Z",
        "2016-12-31T23:58:60Z",
        "2016-12-31T22:59:60Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2017-01-01T00:00:60Z",
        "9999-12-31T23:59:60Z",
        "tomorrow",
        "",
    ],
)
def test_anything_else_is_no_date_time(text):
    with pytest.raises((ValueError, OverflowError), match=r".+"):
        parse_date_time(text)
