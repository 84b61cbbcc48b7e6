"""Configuration of the decision: the shipped files, and what stops the start."""

import copy
import json
import shutil

import pytest

from kas.errors import ConfigError
from kas.policy.rules import AuthenticationRule, CaveatRule, CoherenceRule, IndustryRule, load_rules
from tests.unit.policy.good_policy import ABSENT, CONFIG, RULES


@pytest.fixture
def load_changed(tmp_path):
    """Loads a copy of the shipped configuration in which the member at ``path`` of ``file`` is ``value``."""

    def load(file, path, value):
        folder = shutil.copytree(CONFIG, tmp_path / "config")
        document = json.loads((folder / file).read_text("utf-8"))
        changed = copy.deepcopy(document)
        *parents, last = path
        place = changed
        for parent in parents:
            place = place[parent]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
        assert changed != document
        (folder / file).write_text(json.dumps(changed), "utf-8")
        return load_rules(folder)

    return load


def test_shipped_levels_rise_from_unclassified_to_top_secret():
    assert RULES.levels == ("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP_SECRET")


def test_shipped_countries_are_the_249_of_the_standard():
    assert len(RULES.countries) == 249
    assert {"USA", "GBR", "FRA", "DEU", "XKX", "EUR", "ROM", "ZAR", "SCG"} & RULES.countries == {
        "USA",
        "GBR",
        "FRA",
        "DEU",
    }
    assert {"ALA", "BES", "CUW", "MKD", "MNE", "PSE", "ROU", "SSD", "SXM", "TWN", "UMI", "VAT"} <= RULES.countries


def test_shipped_english_terms_are_the_five():
    assert RULES.clearances.english == {
        "UNCLASSIFIED": 0,
        "RESTRICTED": 1,
        "CONFIDENTIAL": 2,
        "SECRET": 3,
        "TOP SECRET": 4,
    }


def test_shipped_rules_are_read_as_they_stand():
    """Every member of the file, anew."""
    rules = load_rules(CONFIG)
    assert (rules.levels, rules.countries, rules.clearances) == (RULES.levels, RULES.countries, RULES.clearances)
    kinds = {"know": "pwd pin kba", "have": "hwk swk otp sms tel sc pop", "are": "fpt face iris retina vbm"}
    assert rules.authentication == AuthenticationRule(
        classes={method: kind for kind, methods in kinds.items() for method in methods.split()},
        count_as_two=frozenset({"mfa"}),
        two_classes_from=1,
        aal3_from=4,
    )
    assert rules.industry == IndustryRule(frozenset({"GOV", "MIL"}), {"USA": 3, "GBR": 3}, 2)
    assert rules.coherence == CoherenceRule(
        exclusive=frozenset({"US-ONLY"}),
        never_together=(frozenset({"EU-RESTRICTED", "NATO-COSMIC"}), frozenset({"EU-RESTRICTED", "US-ONLY"})),
        not_together_with_any=tuple(
            frozenset(pair)
            for pair in (("CAN-US", "FVEY"), ("GBR-US", "FVEY"), ("AUKUS", "FVEY"), ("NATO-COSMIC", "NATO"))
        ),
        caveats={"NOFORN": CaveatRule(frozenset({"US-ONLY"}), frozenset({"USA"}))},
    )


def test_nations_terms_are_read_in_their_normal_form(load_changed):
    rules = load_changed("clearances.json", ["nations"], {"ROU": {"CONFIDENTIAL": ["secret"]}})
    assert rules.clearances.nations == {"ROU": {"SECRET": 2}}


def test_two_nations_may_mean_different_levels_by_one_term(load_changed):
    nations = {"ESP": {"TOP_SECRET": ["SECRETO"]}, "PRT": {"SECRET": ["SECRETO"]}}
    assert load_changed("clearances.json", ["nations"], nations).clearances.nations["PRT"] == {"SECRETO": 3}


def test_two_spellings_of_one_term_at_one_level_are_one_term(load_changed):
    nations = {"DEU": {"RESTRICTED": ["VS-NfD", "VS NFD"]}}
    assert load_changed("clearances.json", ["nations"], nations).clearances.nations == {"DEU": {"VS NFD": 1}}


def test_a_caveat_may_be_known_without_demands(load_changed):
    caveats = load_changed("labels.json", ["coherence", "caveats", "ORCON"], {}).coherence.caveats
    assert caveats["ORCON"].coi is None
    assert caveats["ORCON"].releasability is None


def test_every_level_that_wants_two_classes_may_want_aal3(load_changed):
    authentication = load_changed("labels.json", ["authentication", "aal3From"], "RESTRICTED").authentication
    assert authentication.aal3_from == authentication.two_classes_from == 1


TWO_LEVELS = {"DEU": {"SECRET": ["VS-NFD"], "RESTRICTED": ["VS NfD"]}}
NO_COUNTRY = "is not a country of countries.json"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["countries"], ABSENT, "countries.json: countries is missing"),
        (["countries"], "USA", "countries.json.countries: must be a list"),
        (["countries", 3], "afg", "countries.json.countries[3]: must be three capital letters"),
        (["countries", 3], "USA ", "countries.json.countries[3]: must be three capital letters"),
        (["countries", 3], "", "countries.json.countries[3]: must be non-empty text"),
        (["countries", 3], "USA", "countries.json.countries: must not repeat an item"),
        (["regions"], [], "countries.json: unknown member 'regions'"),
    ],
)
def test_a_bad_list_of_countries_stops_the_start(load_changed, path, value, problem):
    with pytest.raises(ConfigError) as caught:
        load_changed("countries.json", path, value)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["english"], ABSENT, ": english is missing"),
        (["nations"], ABSENT, ": nations is missing"),
        (["authorities"], ABSENT, ": authorities is missing"),
        (["authorities"], {"DEU": {}}, ".authorities.DEU: is a country: its terms stand under nations"),
        (["authorities", "NATO", "COSMIC"], ["X"], ".authorities.NATO.COSMIC: is not a level of labels.json"),
        (
            ["authorities", "NATO", "RESTRICTED"],
            ["nato-secret"],
            ".authorities.NATO.RESTRICTED[0]: NATO SECRET stands for two levels",
        ),
        (["nations", "NATO"], {}, f".nations.NATO: {NO_COUNTRY}"),
        (
            ["nations", "ROU", "SECRET"],
            ["STRICT SECRET", "Secret!"],
            ".nations.ROU.CONFIDENTIAL[0]: SECRET stands for two levels",
        ),
        (["natoins"], {}, ": unknown member 'natoins'"),
        (["english", "COSMIC"], ["X"], ".english.COSMIC: is not a level of labels.json"),
        (["english", "SECRET"], "SECRET", ".english.SECRET: must be a list"),
        (["english", "SECRET"], [3], ".english.SECRET[0]: must be non-empty text"),
        (["english", "SECRET"], ["!-"], ".english.SECRET[0]: has no letters or is too long"),
        (["english", "SECRET"], ["S" * 129], ".english.SECRET[0]: has no letters or is too long"),
        (["english", "SECRET"], ["top-secret"], ".english.TOP_SECRET[0]: TOP SECRET stands for two levels"),
        (["nations"], TWO_LEVELS, ".nations.DEU.RESTRICTED[0]: VS NFD stands for two levels"),
        (["nations"], {"XXX": {}}, f".nations.XXX: {NO_COUNTRY}"),
        (["nations"], {"DEU": []}, ".nations.DEU: must be an object"),
        (["nations"], [], ".nations: must be an object"),
    ],
)
def test_bad_clearances_stop_the_start(load_changed, path, value, problem):
    with pytest.raises(ConfigError) as caught:
        load_changed("clearances.json", path, value)
    assert str(caught.value) == f"clearances.json{problem}"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["levels"], ABSENT, ": levels is missing"),
        (["levels", 1], "SECRET", ".levels: must not repeat an item"),
        (["release"], {}, ": unknown member 'release'"),
        (["authentication", "extra"], 1, ".authentication: unknown member 'extra'"),
        (["authentication", "aal3From"], ABSENT, ".authentication: aal3From is missing"),
        (["authentication", "aal3From"], "UNCLASSIFIED", ".authentication.aal3From: must not be below twoClassesFrom"),
        (["authentication", "countAsTwo"], ["pwd"], ".authentication.countAsTwo: must not repeat a method of classes"),
        (["authentication", "classes", "are"], ["fpt", "pwd"], ".authentication.classes.are[1]: is in two classes"),
        (["authentication", "classes"], [], ".authentication.classes: must be an object"),
        (["industry", "extra"], 1, ".industry: unknown member 'extra'"),
        (["industry", "defaultCap"], ABSENT, ".industry: defaultCap is missing"),
        (["industry", "caps", "XXX"], "SECRET", f".industry.caps.XXX: XXX {NO_COUNTRY}"),
        (["industry", "governmentTypes"], "GOV", ".industry.governmentTypes: must be a list"),
        (["coherence", "extra"], 1, ".coherence: unknown member 'extra'"),
        (["coherence", "exclusive"], ABSENT, ".coherence: exclusive is missing"),
        (["coherence", "neverTogether", 0], ["A"], ".coherence.neverTogether[0]: must be a pair"),
        (["coherence", "neverTogether", 0], ["A", "A"], ".coherence.neverTogether[0]: must not repeat an item"),
        (["coherence", "notTogetherWithAny", 1], ["A", "B", "C"], ".coherence.notTogetherWithAny[1]: must be a pair"),
        (["coherence", "caveats", "NOFORN", "coi"], [], ".coherence.caveats.NOFORN: unknown member 'coi'"),
        (
            ["coherence", "caveats", "NOFORN", "releasabilityTo"],
            ["USA", "XXX"],
            f".coherence.caveats.NOFORN.releasabilityTo[1]: XXX {NO_COUNTRY}",
        ),
    ],
)
def test_bad_label_rules_stop_the_start(load_changed, path, value, problem):
    with pytest.raises(ConfigError) as caught:
        load_changed("labels.json", path, value)
    assert str(caught.value) == f"labels.json{problem}"


@pytest.mark.parametrize("path", [["industry", "caps", "USA"], ["industry", "defaultCap"]])
def test_a_cap_is_one_of_the_levels(load_changed, path):
    with pytest.raises(ConfigError, match="must be one of UNCLASSIFIED"):
        load_changed("labels.json", path, "COSMIC")


@pytest.mark.parametrize("file", ["labels.json", "clearances.json", "countries.json"])
def test_a_file_that_is_missing_or_not_json_stops_the_start(tmp_path, file):
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    (folder / file).write_text("{", "utf-8")
    with pytest.raises(ConfigError, match=rf"/{file}: cannot be read"):
        load_rules(folder)
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=rf"/{file}: cannot be read"):
        load_rules(folder)
