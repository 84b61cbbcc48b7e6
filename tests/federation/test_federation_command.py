"""The command that checks a registry: what it prints, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kas.admin.federation import main
from kas.federation.registry_file import load_federation
from kas.jose import parse_public_jwk
from local.processes import ROOT
from tests.federation.registry_documents import CONFIG, GOOD, RULES, changed, write

EXAMPLE = CONFIG / "federation.example.json"
TRUSTED = "this partner is trusted with the keys: it may put in a client key of its own"


def rows(text):
    """The cells of each line of the table."""
    table = [line for line in text.splitlines() if " signs with " not in line]
    return [[cell.strip() for cell in line.split("  ") if cell] for line in table]


def check(capsys, path, *arguments):
    status = main(["check", str(path), *arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_it_prints_what_each_agreement_of_a_service_allows(capsys, tmp_path):
    status, out, err = check(capsys, write(tmp_path, GOOD), "--id", "kas-usa")
    assert (status, err) == (0, "")
    head, *lines = rows(out)
    assert head == [
        "kas",
        "partner",
        "status",
        "up to",
        "communities",
        "countries",
        "depth",
        "audience",
        "time-out",
        "clientKeyHash",
    ]
    assert lines == [
        ["kas-usa", "kas-fra (FRA)", "active", "SECRET", "NATO", "FRA, USA", "2", "kas-federation", "3 s", "demanded"],
        ["kas-usa", "kas-gbr (GBR)", "active", "no agreement: nothing passes"],
    ]


def test_without_an_id_it_prints_every_service_with_every_other(capsys, tmp_path):
    _, out, _ = check(capsys, write(tmp_path, GOOD))
    ids = [entry["id"] for entry in GOOD["kases"]]
    pairs = [(line[0], line[1].split()[0]) for line in rows(out)[1:] if line[0] in ids]
    assert pairs == [(one, other) for one in ids for other in ids if one != other]


def test_it_says_plainly_who_is_trusted_with_the_keys(capsys, tmp_path):
    path = write(tmp_path, GOOD)
    _, out, _ = check(capsys, path, "--id", "kas-fra")
    assert [line for line in out.splitlines() if TRUSTED in line] == [f"kas-fra, of kas-gbr: {TRUSTED}"]
    assert out.count("NOT DEMANDED") == 1
    _, out, _ = check(capsys, path, "--id", "kas-usa")
    assert TRUSTED not in out


@pytest.mark.parametrize("suspended", [0, 1])
def test_nothing_passes_where_one_of_two_is_suspended(capsys, tmp_path, suspended):
    _, out, _ = check(capsys, write(tmp_path, changed(f"kases.{suspended}.status", "suspended")), "--id", "kas-usa")
    (line,) = (line for line in rows(out) if line[1].startswith("kas-fra"))
    assert line[2:] == ["suspended" if suspended else "active", "nothing passes while one of them is suspended"]


def test_lists_that_allow_nothing_say_so(capsys, tmp_path):
    document = changed("agreements.0.allowedCOIs", [])
    document["agreements"][0]["allowedCountries"] = []
    _, out, _ = check(capsys, write(tmp_path, document), "--id", "kas-usa")
    assert rows(out)[1][4:6] == ["none", "none"]


def test_a_bad_file_is_refused_with_its_place(capsys, tmp_path):
    status, out, err = check(capsys, write(tmp_path, changed("kases.1.country", "XXX")))
    assert (status, out) == (1, "")
    assert err == "federation: federation.json.kases[1].country: is not a country of countries.json\n"


def test_an_id_that_is_not_in_the_file_is_refused(capsys, tmp_path):
    status, out, err = check(capsys, write(tmp_path, GOOD), "--id", "kas-uas")
    assert (status, out) == (1, "")
    assert err == "federation: federation.json.kases: has no entry with the id 'kas-uas'\n"


def test_plain_http_on_loopback_is_taken_for_local_mode(capsys, tmp_path):
    document = json.loads(json.dumps(GOOD).replace("https://kas.usa.example", "http://127.0.0.1:8080"))
    path = write(tmp_path, document)
    assert check(capsys, path, "--local")[0] == 0
    status, _, err = check(capsys, path)
    assert (status, err.partition(": must be https")[0]) == (1, "federation: federation.json.kases[0].origin")


def test_the_folder_of_the_rules_can_be_another(capsys, tmp_path):
    path = write(tmp_path, GOOD)
    assert check(capsys, path, "--policy-dir", str(CONFIG))[0] == 0
    status, _, err = check(capsys, path, "--policy-dir", str(tmp_path))
    assert (status, "countries.json" in err) == (1, True)


def test_as_a_process_it_accepts_the_example(tmp_path):
    command = [sys.executable, "-m", "kas.admin.federation", "check", str(EXAMPLE), "--id", "kas-usa"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[1] for line in rows(done.stdout)[1:]] == ["kas-fra (FRA)", "kas-gbr (GBR)"]
    assert TRUSTED not in done.stdout
    done = subprocess.run([*command[:4], str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    done = subprocess.run(command[:3], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_example_is_a_registry_of_three_services_for_each_of_them():
    for entry in json.loads(EXAMPLE.read_text("utf-8"))["kases"]:
        registry = load_federation(
            EXAMPLE,
            kas_id=entry["id"],
            public_bases=(entry["origin"], *entry.get("aliases", ())),
            countries=RULES.countries,
            levels=RULES.levels,
            allow_loopback_http=False,
        )
        assert len(registry.peers) == 2
        assert all(peer.agreement and peer.agreement.require_client_key_hash for peer in registry.peers.values())


def test_it_prints_the_thumbprints_of_every_services_keys(capsys, tmp_path):
    """Two registries that differ in a key alone print differently."""
    _, out, _ = check(capsys, write(tmp_path, GOOD), "--id", "kas-usa")
    said = {line.partition(" signs with ")[0]: line.partition(" signs with ")[2] for line in out.splitlines()}
    for entry in GOOD["kases"]:
        keys = entry.get("jwks", {}).get("keys", [])
        expected = sorted(entry.get("thumbprints", [parse_public_jwk(key).thumbprint for key in keys]))
        assert said[entry["id"]] == ", ".join(expected)
