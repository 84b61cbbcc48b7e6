"""The shipped tables of national clearances: every cell, and that no table answers for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.policy.clearances import clearance_level
from tests.unit.policy.good_policy import RULES

LEVELS = ("TOP_SECRET", "SECRET", "CONFIDENTIAL", "RESTRICTED", "UNCLASSIFIED")
# One row for each authority, its terms for each of `LEVELS`.
TABLE = """
ALB | TEPER SEKRET | SEKRET | KONFIDENCIAL | I KUFIZUAR | JOSEKRET
BEL | TRES SECRET, ZEER GEHEIM | SECRET, GEHEIM | CONFIDENTIEL, VERTROUWELIJK | DIFFUSION RESTREINTE, BEPERKTE VERSPREIDING | NON CLASSIFIE, NIET GERUBRICEERD
BGR | СТРОГО СЕКРЕТНО, STROGO SEKRETNO | СЕКРЕТНО, SEKRETNO | ПОВЕРИТЕЛНО, POVERITELNO | ЗА СЛУЖЕБНО ПОЛЗВАНЕ, ZA SLUZHEBNO POLZVANE | НЕСЕКРЕТНО, NESEKRETNO
CAN | TS | S | C | PROTECTED A | U
CZE | PRISNE TAJNE | TAJNE | DUVERNE | VYHRAZENE | NEUTAJOVANE
DEU | STRENG GEHEIM | GEHEIM | VS VERTRAULICH | VS NUR FUR DEN DIENSTGEBRAUCH, VS NUR FUER DEN DIENSTGEBRAUCH, VS NFD | OFFEN
DNK | YDERST HEMMELIGT | HEMMELIGT | FORTROLIGT | TIL TJENESTEBRUG | OFFENTLIG
ESP | SECRETO | RESERVADO | CONFIDENCIAL | DIFUSION LIMITADA | SIN CLASIFICAR, NO CLASIFICADO
EST | TAIESTI SALAJANE | SALAJANE | KONFIDENTSIAALNE | PIIRATUD | AVALIK
FIN | ERITTAIN SALAINEN | SALAINEN | LUOTTAMUKSELLINEN | KAYTTO RAJOITETTU | JULKINEN
FRA | TRES SECRET, TRES SECRET DEFENSE | SECRET DEFENSE | CONFIDENTIEL DEFENSE | DIFFUSION RESTREINTE | NON PROTEGE, NON CLASSIFIE
GBR | TS | S | - | OFFICIAL SENSITIVE | OFFICIAL
GRC | ΑΚΡΩΣ ΑΠΟΡΡΗΤΟ | ΑΠΟΡΡΗΤΟ | ΕΜΠΙΣΤΕΥΤΙΚΟ | ΠΕΡΙΟΡΙΣΜΕΝΗΣ ΧΡΗΣΗΣ | ΑΔΙΑΒΑΘΜΗΤΟ
HRV | VRLO TAJNO | TAJNO | POVJERLJIVO | OGRANICENO | NEKLASIFICIRANO
HUN | SZIGORUAN TITKOS | TITKOS | BIZALMAS | KORLATOZOTT TERJESZTESU | NYILT
ISL | ALGERT LEYNDARMAL | LEYNDARMAL | TRUNADARMAL | THJONUSTUSKJAL | -
ITA | SEGRETISSIMO | SEGRETO | RISERVATISSIMO | RISERVATO | NON CLASSIFICATO
LTU | VISISKAI SLAPTAI | SLAPTAI | KONFIDENCIALIAI | RIBOTO NAUDOJIMO | NESLAPTAI
LUX | TRES SECRET LUX | SECRET LUX | CONFIDENTIEL LUX | RESTREINT LUX | NON CLASSIFIE
LVA | SEVISKI SLEPENI | SLEPENI | KONFIDENCIALI | DIENESTA VAJADZIBAM | NESLEPENI
MKD | DRZAVNA TAJNA | STROGO DOVERLIVO | DOVERLIVO | INTERNO | -
MNE | STROGO TAJNO | TAJNO | POVJERLJIVO | INTERNO | -
NATO | COSMIC TOP SECRET | NATO SECRET | NATO CONFIDENTIAL | NATO RESTRICTED | NATO UNCLASSIFIED
NLD | STG ZEER GEHEIM, ZEER GEHEIM | STG GEHEIM, GEHEIM | STG CONFIDENTIEEL | DEPARTEMENTAAL VERTROUWELIJK, DEP VERTROUWELIJK | ONGERUBRICEERD
NOR | STRENGT HEMMELIG | HEMMELIG | KONFIDENSIELT | BEGRENSET | UGRADERT
NZL | TS | S | C | IN CONFIDENCE | -
POL | SCISLE TAJNE | TAJNE | POUFNE | ZASTRZEZONE | JAWNE
PRT | MUITO SECRETO | SECRETO | CONFIDENCIAL | RESERVADO | NAO CLASSIFICADO
ROU | STRICT SECRET DE IMPORTANTA DEOSEBITA | STRICT SECRET | SECRET | SECRET DE SERVICIU | NESECRET
SVK | PRISNE TAJNE | TAJNE | DOVERNE | VYHRADENE | NEKLASIFIKOVANE
SVN | STROGO TAJNO | TAJNO | ZAUPNO | INTERNO | -
SWE | KVALIFICERAT HEMLIG | HEMLIG | KONFIDENTIELL | BEGRANSAT HEMLIG | OPPEN
TUR | COK GIZLI | GIZLI | OZEL | HIZMETE OZEL | TASNIF DISI
USA | TS | S | C | FOUO, CUI | U
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
CELLS = [
    (authority, term.strip(), level)
    for authority, *cells in ROWS
    for level, cell in zip(LEVELS, cells, strict=True)
    for term in cell.split(",")
    if cell != "-"
]
ENGLISH = ["TOP SECRET", "SECRET", "CONFIDENTIAL", "RESTRICTED", "UNCLASSIFIED"]


def level_of(term, authority):
    rank = clearance_level(term, authority, RULES.clearances)
    return None if rank is None else RULES.levels[rank]


def test_the_table_has_33_nations_and_nato():
    assert len(ROWS) == 34
    assert RULES.clearances.nations.keys() | RULES.clearances.authorities.keys() == {row[0] for row in ROWS}
    assert RULES.clearances.authorities.keys() == {"NATO"}


@pytest.mark.parametrize(("authority", "term", "level"), CELLS)
def test_every_cell_means_its_level(authority, term, level):
    assert level_of(term, authority) == level
    assert level_of(f" {term.lower().replace(' ', '-')}!", authority) == level


def test_the_shipped_file_has_no_term_that_the_table_has_not():
    shipped = RULES.clearances.nations | RULES.clearances.authorities
    terms = {(authority, term) for authority, table in shipped.items() for term in table}
    assert terms == {(authority, term) for authority, term, _ in CELLS}


@pytest.mark.parametrize(
    ("authority", "term", "level"),
    [
        pytest.param("ESP", "Secreto", "TOP_SECRET", id="Spanish SECRETO is TOP SECRET"),
        pytest.param("ESP", "Reservado", "SECRET", id="Spanish RESERVADO is SECRET"),
        pytest.param("ITA", "Riservato", "RESTRICTED", id="Italian RISERVATO is RESTRICTED"),
        pytest.param("NLD", "Stg. Geheim", "SECRET", id="Dutch STG GEHEIM is SECRET"),
        pytest.param("POL", "Zastrzeżone", "RESTRICTED", id="Polish ZASTRZEZONE is RESTRICTED"),
        pytest.param("ROU", "Secret", "CONFIDENTIAL", id="Romanian SECRET is CONFIDENTIAL"),
    ],
)
def test_terms_that_other_systems_read_at_another_level(authority, term, level):
    assert level_of(term, authority) == level


@pytest.mark.parametrize(
    ("authority", "term", "level"),
    [
        ("BEL", "Très Secret", "TOP_SECRET"),
        ("BGR", "Поверително", "CONFIDENTIAL"),
        ("BGR", "за служебно ползване", "RESTRICTED"),
        ("CZE", "Přísně tajné", "TOP_SECRET"),
        ("DEU", "VS-Nur für den Dienstgebrauch", "RESTRICTED"),
        ("DEU", "VS-NfD", "RESTRICTED"),
        ("EST", "Täiesti salajane", "TOP_SECRET"),
        ("FIN", "Käyttö rajoitettu", "RESTRICTED"),
        ("FRA", "Très Secret-Défense", "TOP_SECRET"),
        ("GRC", "Άκρως Απόρρητο", "TOP_SECRET"),
        ("GRC", "Περιορισμένης Χρήσης", "RESTRICTED"),
        ("HUN", "Korlátozott terjesztésű!", "RESTRICTED"),
        ("ISL", "Trúnaðarmál", "CONFIDENTIAL"),
        ("ISL", "Þjónustuskjal", "RESTRICTED"),
        ("LTU", "Visiškai slaptai", "TOP_SECRET"),
        ("MKD", "Državna tajna", "TOP_SECRET"),
        ("POL", "Ściśle tajne", "TOP_SECRET"),
        ("PRT", "Não classificado", "UNCLASSIFIED"),
        ("ROU", "Strict secret de importanță deosebită", "TOP_SECRET"),
        ("SWE", "Öppen", "UNCLASSIFIED"),
        ("TUR", "Çok Gizli", "TOP_SECRET"),
        ("TUR", "TASNİF DIŞI", "UNCLASSIFIED"),
    ],
)
def test_terms_are_understood_as_their_nation_writes_them(authority, term, level):
    assert level_of(term, authority) == level


@given(cell=st.sampled_from(CELLS), authority=st.sampled_from([row[0] for row in ROWS] + ["AUS", "XXX", ""]))
def test_no_term_of_one_table_is_looked_up_in_another(cell, authority):
    term = cell[1]
    own = {term: level for name, term, level in CELLS if name == authority}
    english = {name: name.replace(" ", "_") for name in ENGLISH}
    assert level_of(term, authority) == (english | own).get(term)


@pytest.mark.parametrize("term", ENGLISH)
@pytest.mark.parametrize("authority", [row[0] for row in ROWS])
def test_the_english_terms_are_understood_everywhere_but_where_they_mean_something_else(authority, term):
    expected = "CONFIDENTIAL" if (authority, term) == ("ROU", "SECRET") else term.replace(" ", "_")
    assert level_of(term, authority) == expected
