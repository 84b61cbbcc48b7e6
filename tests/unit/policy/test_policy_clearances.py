"""Clearance terms: one normal form, and a lookup under the subject's own country."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.policy.clearances import MAX_TERM_CHARS, Clearances, clearance_level, normalise

TABLE = Clearances(
    english={"SECRET": 3, "CONFIDENTIAL": 2},
    nations={"ROU": {"SECRET": 2, "STRICT SECRET": 3}, "ESP": {"SECRETO": 4}, "PRT": {"SECRETO": 3}},
    authorities={"NATO": {"NATO SECRET": 3}},
)


@pytest.mark.parametrize(
    ("term", "normal"),
    [
        (" top-secret", "TOP SECRET"),
        ("TOP_SECRET", "TOP SECRET"),
        ("Top \u2010 _- Secret ", "TOP SECRET"),
        ("TOP\u00a0SECRET", "TOP SECRET"),
        ("TOP\u2011SECRET", "TOP SECRET"),
        ("\uff33\uff25\uff23\uff32\uff25\uff34", "SECRET"),
        ("très secret", "TRES SECRET"),
        ("TRE\u0300S SECRET", "TRES SECRET"),
        ("Ściśle tajne", "SCISLE TAJNE"),
        ("zastrzeżone, ł", "ZASTRZEZONE, L"),
        ("Đđ Ðð", "DD DD"),
        ("Ææ Øø", "AEAE OO"),
        ("ß ẞ", "SS SS"),
        ("Þjónustuskjal", "THJONUSTUSKJAL"),
        ("VS-NUR FÜR DEN DIENSTGEBRAUCH", "VS NUR FUR DEN DIENSTGEBRAUCH"),
        ("Stg. Zeer Geheim", "STG ZEER GEHEIM"),
        ("¡SECRETO!", "¡SECRETO"),
        ("\"Secret\" 'Lux' «x» “y” „z‟ ‘a’ ‹b›", "SECRET LUX X Y Z A B"),
        ('" SECRET "', "SECRET"),
        ("TASNİF DIŞI", "TASNIF DISI"),
        ("άκρως απόρρητο", "ΑΚΡΩΣ ΑΠΟΡΡΗΤΟ"),
        ("περιορισμένης χρήσης", "ΠΕΡΙΟΡΙΣΜΕΝΗΣ ΧΡΗΣΗΣ"),
        ("строго-секретно", "СТРОГО СЕКРЕТНО"),
        ("За служебно ползване", "ЗА СЛУЖЕБНО ПОЛЗВАНЕ"),
        ("CEКРЕТНО", "CEКРЕТНО"),
        ("TOP\tSECRET", "TOP\tSECRET"),
        ("TOP/SECRET", "TOP/SECRET"),
        ("", ""),
        (" -_!.", ""),
    ],
)
def test_terms_have_one_normal_form(term, normal):
    assert normalise(term) == normal


def test_a_term_of_the_greatest_length_is_read_and_a_longer_one_is_nothing():
    assert normalise("A" * MAX_TERM_CHARS) == "A" * MAX_TERM_CHARS
    assert normalise("A" * (MAX_TERM_CHARS + 1)) == ""
    assert normalise("SECRET".center(MAX_TERM_CHARS + 1)) == ""


@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing(term):
    assert normalise(normalise(term)) == normalise(term)


@given(st.text())
def test_a_normal_form_is_bounded(term):
    assert len(normalise(term)) <= MAX_TERM_CHARS * 18


@pytest.mark.parametrize(
    ("term", "country", "level"),
    [
        ("secret", "USA", 3),
        ("secret", "ROU", 2),
        ("strict-secret", "ROU", 3),
        ("strict-secret", "USA", None),
        ("confidential", "ROU", 2),
        ("secreto", "ESP", 4),
        ("secreto", "PRT", 3),
        ("secreto", "FRA", None),
        ("nato-secret", "NATO", 3),
        ("nato-secret", "USA", None),
        ("secret", "NATO", 3),
        ("", "USA", None),
        ("!", "USA", None),
        ("SECRETS", "USA", None),
    ],
)
def test_a_nations_own_terms_come_first_and_stay_its_own(term, country, level):
    assert clearance_level(term, country, TABLE) == level
