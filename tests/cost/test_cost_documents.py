"""Amounts in the documents are those of the model, and their commands are understood."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from kas.cost.__main__ import main
from kas.cost.architectures import monthly, named, one_instance_ends, shared_cache_pays
from kas.cost.compute import DAYS, MONTH_SECONDS
from kas.cost.lines import total
from kas.cost.marginal import Tariff, new_tariff
from kas.cost.prices import load_prices
from kas.cost.scenario import Scenario
from kas.cost.services import HOURS, kms_lines
from tests.cost.test_cost_audit_file import half_a_day, key
from tests.test_documents import document

PRICES = load_prices()
PILOT = Scenario()
REPEATING = replace(PILOT, hit_rate=0.8)
COST = document("COST-OPTIMIZATION.md")
SETUP = document("GCP-KMS-SETUP.md")


def a_month(**changes):
    return monthly(replace(PILOT, **changes), PRICES)


def on(name, **changes):
    return monthly(named(name).applied(replace(REPEATING, **changes)), PRICES)


def difference(change, traffic):
    """What a change of the pilot does to its bill."""
    return abs(a_month(requests_per_day=traffic, **change) - a_month(requests_per_day=traffic))


# Words of the document before an amount -> the amount.
AMOUNTS = {
    "an RSA-2048 key in an HSM costs": a_month(dialects=("acp240",), sealed_ec=False),
    "both dialects": a_month(sealed_ec=False),
    "with the sealed EC key": a_month(),
    "alert conditions excepted:": PRICES["monitoring.conditions"],
    "So a pilot's budget of": 20.0,
    "At 80 % it takes": difference({"hit_rate": 0.8}, 1e6),
    "five times the price of an operation,": difference({"key": "rsa-4096"}, 1e3),
    "more for the pilot and": difference({"key": "rsa-4096"}, 1e5),
    "one small VM with the container costs less:": on("vm", requests_per_day=1e6),
    "in place of": on("pilot", requests_per_day=1e6),
    "then Valkey nano, at": HOURS * PRICES["valkey.nano"],
    "Redis Basic is": HOURS * PRICES["redis.basic"],
    "Cloud KMS opens at a start,": PRICES.version("aes", "software"),
    "*A minimum instance* is": MONTH_SECONDS * (PRICES["run.idle.cpu"] + PRICES["run.idle.memory"] * 640 / 1024),
    "20,000 by default, is": 20_000 * PRICES.operation("rsa-2048", "hsm"),
    "at most with RSA-2048,": 20_000 * PRICES.operation("rsa-4096", "hsm"),
    "Redis: 730 ·": PRICES["redis.basic"],
    "(Redis: 730 · $0.049 =": HOURS * PRICES["redis.basic"],
    "a load balancer's rule: 730 ·": PRICES["balancer.rule"],
    "730 · $0.025 =": HOURS * PRICES["balancer.rule"],
    "(a minimum instance: 2,592,000 s ·": PRICES["run.idle.cpu"] + PRICES["run.idle.memory"] * 640 / 1024,
    "2,592,000 s · $0.0000040625 =": MONTH_SECONDS * (PRICES["run.idle.cpu"] + PRICES["run.idle.memory"] * 640 / 1024),
}
# The same for traffic, in requests a day, to three figures or as round as the words say.
TRAFFIC = {
    "*Below": (PRICES["run.cpu.free"] / (DAYS * PILOT.billed_seconds), 0.001),
    "budget of $20 lasts to about": (100_000, 0.001),
    "*Up to": (160_718, 0.01),
    "*One instance is too few* above": (one_instance_ends(PILOT), 0.005),
    "busiest moment has four times the mean,": (one_instance_ends(replace(PILOT, peak=20)), 0.005),
    "the cheapest up to": (299_000, 0.005),
    "cost less than it saves from": (shared_cache_pays(REPEATING, PRICES, "redis"), 0.005),
    "a day on with RSA-2048 and": (shared_cache_pays(replace(REPEATING, key="rsa-4096"), PRICES, "redis"), 0.005),
}


def prose(text):
    """The document without its tables and its blocks of code, on one line."""
    text = re.sub(r"<!-- table.*?<!-- end -->|```.*?```", "", text, flags=re.DOTALL)
    return " ".join(text.split())


@pytest.mark.parametrize("words", AMOUNTS)
def test_an_amount_in_the_document_is_that_of_the_model(words):
    (found,) = re.findall(re.escape(words) + r" \$([0-9.,]*[0-9])", prose(COST))
    decimals = len(found.partition(".")[2])
    assert float(found.replace(",", "")) == pytest.approx(AMOUNTS[words], abs=0.501 * 10**-decimals)


def test_every_amount_in_the_document_is_among_them():
    """A new one needs its line above."""
    assert len(re.findall(r"\$[0-9]", prose(COST))) == len(AMOUNTS)


@pytest.mark.parametrize("words", TRAFFIC)
def test_traffic_in_the_document_is_that_of_the_model(words):
    traffic, tolerance = TRAFFIC[words]
    (found,) = re.findall(re.escape(words) + r" ([0-9,]*[0-9])", prose(COST))
    assert float(found.replace(",", "")) == pytest.approx(traffic, rel=tolerance)


def test_the_budget_lasts_to_about_there():
    """A little above is a little too much, a little below is below."""
    assert a_month(requests_per_day=95_000) < 20 < a_month(requests_per_day=105_000)


def test_the_cost_of_the_request_that_the_document_shows():
    tariff = new_tariff([key()], protection_level="HSM", vcpu=1, memory_mib=512)
    assert isinstance(tariff, Tariff)
    assert tariff.cost(0.069, {"k-1": 1}) == 5.925
    assert "is 5.925: the operation 3, the request 0.4, 100 ms of the instance 2.525." in prose(COST)


def commands():
    """Those of the blocks marked ``sh``, each with its continued lines."""
    blocks = re.findall(r"```sh\n(.*?)```", COST, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("python3")])
def test_commands_of_the_document_are_understood(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.json").write_text(half_a_day().text(), "utf-8")
    python, m, module, *arguments = shlex.split(line, comments=True)
    assert (python, m, module) == ("python3", "-m", "kas.cost")
    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_the_commands_that_are_run_are_all_but_one():
    assert [line.split()[0] for line in commands()].count("python3") == 5
    assert [line.split()[0] for line in commands() if not line.startswith("python3")] == ["gcloud"]


def rows_of(text, first):
    """The cells of the table whose head begins with ``first``."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first}"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def kms(**changes):
    return total(kms_lines(Scenario(**changes), PRICES))


SET_UP = {
    "one dialect, RSA-2048 in an HSM": {"dialects": ("acp240",), "sealed_ec": False},
    "one dialect, RSA-4096 in an HSM": {"dialects": ("acp240",), "sealed_ec": False, "key": "rsa-4096"},
    "one dialect, RSA-2048 in software": {"dialects": ("acp240",), "sealed_ec": False, "protection": "software"},
    "both dialects, two RSA-2048 in an HSM": {"sealed_ec": False},
    "the same, and a sealed EC key": {},
}


def test_what_keys_cost_in_the_other_document_is_what_the_model_says():
    """`docs/GCP-KMS-SETUP.md`, table by table."""
    rows = rows_of(SETUP, "what you set up")
    assert {row[0] for row in rows} == set(SET_UP)
    for name, *cells in rows:
        costs = [kms(requests_per_day=traffic, **SET_UP[name]) for traffic in (1_000, 10_000, 100_000)]
        assert [float(cell) for cell in cells] == [round(cost, 2) for cost in costs]


def test_prices_of_keys_in_the_other_document_are_those_of_the_list():
    cells = [row[2:] for row in rows_of(SETUP, "held in")]
    priced = [("rsa-2048", "hsm"), ("rsa-4096", "hsm"), ("rsa-4096", "software")]
    expected = [[PRICES.version(*one), 1e4 * PRICES.operation(*one)] for one in priced]
    assert [[float(cell) for cell in row] for row in cells] == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        (r"symmetric key at software level, ([0-9.]+)\.", PRICES.version("aes", "software")),
        (r"each further one ([0-9.]+) a location", PRICES["secrets.versions"]),
        (r"rotation of an RSA key in an HSM adds ([0-9.]+) a month", PRICES.version("rsa-2048", "hsm")),
        (r"20,000 a day, its default, are ([0-9.]+) a day", 20_000 * PRICES.operation("rsa-2048", "hsm")),
        (r"wrapped to it: ([0-9.]+) a month", PRICES.version("rsa-2048", "hsm")),
        (r"It saves ([0-9.]+) a month for each RSA key", PRICES.version("rsa-2048", "hsm")),
        (r"\(`seal` is ([0-9.]+) whatever it seals\)", PRICES.version("aes", "software")),
    ],
)
def test_prices_in_the_words_of_the_other_document_are_those_of_the_list(words, amount):
    (found,) = re.findall(words, prose(SETUP))
    assert float(found) == pytest.approx(amount)
