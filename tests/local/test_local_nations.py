"""Several nations: their files, and `make run NATIONS=…` as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from kas.federation.registry_file import load_federation
from kas.policy.rules import load_rules
from local.nations import free_places, set_up, signing_key
from local.processes import ROOT, environment_without_settings
from tests.local.running import SECONDS, answers, get

RUN = [sys.executable, "-m", "local.run", "--nations", "usa,fra", "--folder", "{folder}", "--port"]


@pytest.fixture
def made(tmp_path):
    places = free_places(tmp_path, ["usa", "fra", "gbr"])
    return places, set_up(places, tmp_path)


def load(place, setup):
    rules = load_rules(ROOT / "config")
    return load_federation(
        setup.registry_path,
        kas_id=place.kas_id,
        public_bases=[place.base, f"http://localhost:{place.kas_port}"],
        countries=rules.countries,
        levels=rules.levels,
        allow_loopback_http=True,
    )


def test_each_issuer_speaks_for_its_own_country_alone(made):
    places, setup = made
    entries = json.loads(setup.issuers_path.read_text("utf-8"))["issuers"]
    assert [entry["countries"] for entry in entries] == [["USA"], ["FRA"], ["GBR"]]
    assert len({entry["issuer"] for entry in entries}) == 3
    assert [place.country for place in places] == ["USA", "FRA", "GBR"]


def test_every_pair_has_an_agreement(made):
    places, setup = made
    highest = {
        place.nation: {peer.country: peer.agreement.max_classification for peer in load(place, setup).peers.values()}
        for place in places
    }
    assert highest == {
        "usa": {"FRA": "SECRET", "GBR": "SECRET"},
        "fra": {"USA": "SECRET", "GBR": "CONFIDENTIAL"},
        "gbr": {"USA": "SECRET", "FRA": "CONFIDENTIAL"},
    }


def test_the_keys_are_private_their_own_and_stay_the_same(made, tmp_path):
    places, _ = made
    keys = [signing_key(place) for place in places]
    assert len({key.kid for key in keys}) == 3
    set_up(places, tmp_path)
    assert [signing_key(place).kid for place in places] == [key.kid for key in keys]
    for place in places:
        assert place.keys_dir.stat().st_mode & 0o077 == 0


def four_ports():
    """The first of four in a row that are free."""
    for first in range(20000, 60000, 4):
        with ExitStack() as held:
            try:
                for port in range(first, first + 4):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no ports")


@pytest.fixture
def running(start):
    first = four_ports()
    running = start([*RUN, str(first)], KAS_ID="not valid!", KAS_KEYS_DIR="/nowhere")
    running.wait_until_ready()
    return running, first


def pids(output):
    lines = [line for line in output.splitlines() if line.startswith("kas-")]
    return [int(line.partition("process ")[2].split()[0]) for line in lines]


def test_it_shows_where_each_answers_and_one_that_ends_leaves_the_others(running):
    """The settings that are each nation's own are not those of the shell."""
    running, first = running
    for port in (first, first + 2):
        assert f"http://127.0.0.1:{port} " in running.output()
        assert get(f"http://127.0.0.1:{port}/health").status == 200
    os.kill(pids(running.output())[1], signal.SIGTERM)
    deadline = time.monotonic() + SECONDS
    while "the KAS of FRA ended; the others go on" not in running.output():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert get(f"http://127.0.0.1:{first}/health").status == 200
    os.kill(running.process.pid, signal.SIGINT)
    assert running.end() == 0
    assert not any(answers(port) for port in range(first, first + 4))


def test_the_status_command_that_it_prints_works(running):
    running, _ = running
    text = running.output().partition("-c '")[2].partition("'\n")[0]
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, env=environment_without_settings(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (peer,) = json.loads(done.stdout)["peers"]
    assert (peer["kas"], peer["breaker"]["state"]) == ("kas-fra", "closed")


def test_a_taken_port_is_named(start):
    first = four_ports()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", first + 2))
        holder.listen()
        running = start([*RUN, str(first)])
        assert running.end() == 1
    assert f"the KAS of FRA cannot listen on 127.0.0.1:{first + 2}" in running.output()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nations", "usa,usa"], "three small letters"),
        (["--nations", "../usa"], "three small letters"),
        (["--nations", ""], "three small letters"),
        (["--nations", "usa,fra", "--keys", "kms"], "software keys"),
    ],
)
def test_what_is_no_list_of_nations_is_refused(arguments, words):
    done = subprocess.run([sys.executable, "-m", "local.run", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr
