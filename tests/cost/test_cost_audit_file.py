"""From audit lines to a bill: what the service writes, and what Cloud Logging makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from kas.cost import audit_file
from kas.cost.__main__ import main
from kas.cost.audit_file import AuditFileUnreadable, explained, measured, read_usage
from kas.cost.marginal import new_tariff
from kas.cost.prices import load_prices
from kas.cost.scenario import Scenario
from kas.errors import CredentialsMissing
from kas.events import EVENTS, KaoOutcome, kao_event, public_key_event, refusal_event
from kas.journal import Journal
from kas.keys.registry import KeyRecord
from tests.trails import audit_log

START = 1_790_000_000.0
HALF_A_DAY = 43_200.0
VERSION = "projects/my-project/locations/{}/keyRings/kas/cryptoKeys/acp240/cryptoKeyVersions/1"


def key(algorithm="RSA-2048", location="us-central1"):
    return KeyRecord("k-1", algorithm, "active", frozenset({"acp240"}), kms_version=VERSION.format(location))


def kao(operations, hit):
    return KaoOutcome(
        dialect="acp240",
        policy_id="p",
        policy_hash="h",
        kao_id="k",
        kid="k-1",
        refusal=None,
        decision=None,
        key_operations=operations,
        is_cache_hit=hit,
    )


class Recording:
    """Lines of requests, each of which takes the time that its one stage does."""

    def __init__(self, record=None):
        self.lines: list[bytes] = []
        self.log = audit_log(self.write)
        self.tariff = new_tariff([record or key()], protection_level="HSM", vcpu=1, memory_mib=640)
        self.number = 0

    def write(self, line):
        self.lines.append(line)
        return len(line)

    def journal(self, seconds, operations=0):
        self.number += 1
        return Journal(
            request_id=f"request-{self.number}",
            method="POST",
            path="/rewrap",
            timer=lambda: seconds,
            tariff=self.tariff,
            seconds={"unwrap": seconds},
            operations={"k-1": operations},
        )

    def rewrap(self, seconds, *kaos, after=0.0):
        """One request; of each key access object its operations and whether it was a hit."""
        journal = self.journal(seconds, sum(operations for operations, _ in kaos))
        self.log.record([kao_event(journal, kao(operations, hit), now=START + after) for operations, hit in kaos])

    def refusal(self, seconds, after=0.0):
        self.log.record([refusal_event(self.journal(seconds), CredentialsMissing, now=START + after)])

    def public_key(self, after=0.0):
        self.log.record([public_key_event(self.journal(0.0), now=START + after)])

    def text(self):
        return b"".join(self.lines).decode()


def half_a_day(record=None):
    """Four requests: three key access objects in one, one kept; a refusal, and a public key."""
    recording = Recording(record)
    recording.rewrap(0.069, (1, False), (0, True), (0, False))
    recording.rewrap(0.250, (1, False), after=100)
    recording.refusal(0.001, after=200)
    recording.public_key(after=HALF_A_DAY)
    return recording


def exported(text):
    """As ``gcloud logging read --format=json`` has it, with what others write between."""
    entries = [
        {
            "insertId": str(number),
            "logName": "projects/p/logs/run.googleapis.com%2Fstdout",
            "jsonPayload": json.loads(line),
        }
        for number, line in enumerate(text.splitlines())
    ]
    others = [
        {"insertId": "x", "textPayload": "starting"},
        {"insertId": "y", "jsonPayload": {"event": "kms_unavailable", "severity": "ERROR"}},
        {"insertId": "z", "httpRequest": {"status": 200}},
    ]
    return json.dumps([*others, *entries], indent=2)


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "audit"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize("form", ["lines", "lines of others between", "export", "export, a line each"])
def test_traffic_keys_hits_and_time_are_read_from_the_lines(file, form):
    text = half_a_day().text()
    between = text.count("\n")
    if form == "lines of others between":
        text = "[2026-11-29] Starting\n\n" + text.replace("\n", '\n{"severity":"INFO","event":"start"}\n') + "7\n"
    elif form.startswith("export"):
        text = exported(text)
        text = text if form == "export" else "\n".join(json.dumps(entry) for entry in json.loads(text))
    usage = read_usage(file(text))
    assert (usage.requests, usage.kaos, usage.operations, usage.hits) == (4, 4, 2, 1)
    assert usage.days == pytest.approx(0.5)
    assert usage.others == {"lines": 0, "lines of others between": between + 2}.get(form, 3)
    found = measured(usage, usage.days)
    assert found["requests_per_day"] == pytest.approx(8)
    assert found["kaos"] == pytest.approx(1)
    assert found["hit_rate"] == pytest.approx(0.5)  # of four key access objects two needed no operation
    assert found["billed_seconds"] == pytest.approx((0.1 + 0.3 + 0.1 + 0.1) / 4)
    assert Scenario(**found).requests_per_day == pytest.approx(8)


@pytest.mark.parametrize(
    ("record", "scenario"),
    [
        (key(), Scenario()),
        (key("RSA-4096"), Scenario(key="rsa-4096")),
        (key(location="europe-west2"), Scenario(nations=("gbr",))),
        (KeyRecord("k-1", "RSA-2048", "active", frozenset({"acp240"})), Scenario(key="sealed")),
    ],
)
def test_what_the_lines_add_up_to_is_what_the_model_makes_of_the_requests(file, record, scenario):
    """Each request once, whatever it is and however many lines it has; to a thousandth of a millionth a line."""
    usage = read_usage(file(half_a_day(record).text()))
    prices = load_prices()
    assert usage.micro_usd / 1e6 == pytest.approx(explained(usage, scenario, prices), abs=1e-8)
    second = (1.4 if scenario.nations == ("gbr",) else 1.0) * 25.5625
    operation = {"rsa-2048": 3.0, "rsa-4096": 15.0, "sealed": 0.0}[scenario.key]
    assert usage.micro_usd == pytest.approx(4 * 0.4 + 0.6 * second + 2 * operation, abs=0.01)


def test_the_command_prints_the_month_that_the_file_stands_for(file, capsys):
    path = file(half_a_day().text())
    assert main(["--from-audit", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scenario"]["requests_per_day"] == pytest.approx(8)
    assert document["audit"]["linesCost"] == pytest.approx(document["audit"]["modelCost"], abs=1e-8)
    assert main(["--from-audit", str(path)]) == 0
    text = capsys.readouterr().out
    assert "8 requests a day" in text
    assert "The file: 4 requests in 0.5 days, 4 key access objects, 2 key operations, 1 hits; 0 other lines." in text


def test_what_is_given_wins_over_the_file(file, capsys):
    path = file(half_a_day().text())
    arguments = ["--from-audit", str(path), "--days", "0.25", "--hit-rate", "0.9", "--latency-ms", "500", "--json"]
    assert main(arguments) == 0
    scenario = json.loads(capsys.readouterr().out)["scenario"]
    assert scenario["requests_per_day"] == pytest.approx(16)
    assert (scenario["hit_rate"], scenario["billed_seconds"]) == (0.9, 0.5)


def test_a_file_of_minutes_stands_for_nothing_until_it_is_said_for_what(file, capsys):
    recording = Recording()
    for after in (0, 600):
        recording.rewrap(0.069, (1, False), after=after)
    path = file(recording.text())
    with pytest.raises(SystemExit) as end:
        main(["--from-audit", str(path)])
    assert end.value.code == 2
    assert "covers less than an hour; say with --days" in capsys.readouterr().err
    assert main(["--from-audit", str(path), "--days", "1"]) == 0


def test_a_line_that_cloud_logging_delivers_twice_counts_once(file):
    once = half_a_day().text()
    twice = read_usage(file(once + once))
    assert (twice.operations, twice.kaos, twice.micro_usd) == (2, 4, read_usage(file(once)).micro_usd)
    assert twice.log_bytes == read_usage(file(once)).log_bytes


LINE = json.loads(half_a_day().lines[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing\n",
        "[]",
        "[",
        '{"event": "rewrap"}',
        json.dumps(LINE | {"time": "yesterday"}),
        json.dumps(LINE | {"keyOperations": None}),
        json.dumps(LINE | {"latencyMs": [1]}),
        json.dumps(LINE | {"costMicroUsd": "much"}),
        "[" * 200_000,
        '{"event":"rewrap","a":' + "[" * 200_000,
    ],
)
def test_what_is_no_audit_file_is_refused_and_named(file, text):
    path = file(text)
    with pytest.raises(AuditFileUnreadable, match=f"^{path}: "):
        read_usage(path)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "-1", "9" * 4000, str(2**53 + 1), "true", '"1"'])
@pytest.mark.parametrize(
    "member",
    [
        {"keyOperations": "N"},
        {"costMicroUsd": "N"},
        {"latencyMs": {"sign": "N"}},
        {"chain": {"process": "a", "number": "N"}},
    ],
)
@pytest.mark.parametrize("form", ["%s", "[%s]"])
def test_a_number_that_no_line_has_is_refused_and_named(file, capsys, form, member, number):
    """By the command, as a file that cannot be read."""
    event = {"event": "rewrap", "requestId": "r", "cacheHit": False, "keyOperations": 1}
    line = form % json.dumps(LINE | event | member)
    assert read_usage(file(line.replace('"N"', "1"))).requests == 1
    path = file(line.replace('"N"', number))
    with pytest.raises(SystemExit) as end:
        main(["--from-audit", str(path), "--days", "1"])
    assert end.value.code == 2
    assert f"{path}: a line lacks what an audit line has (a number out of range)" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(AuditFileUnreadable, match="No such file"):
        read_usage(tmp_path / "audit")


def test_a_line_of_the_example_in_the_document_is_read(file):
    """`docs/api.md` shows lines as they are written."""
    from tests.test_documents import document

    lines = [line for line in document("api.md").splitlines() if line.startswith('{"severity"')]
    usage = read_usage(file("\n".join(lines)))
    assert (usage.requests, usage.micro_usd) == (2, pytest.approx(5.85))
    assert datetime.fromtimestamp(min(usage.times), UTC).year == 2026


def test_every_event_that_the_audit_has_is_known():
    assert set(EVENTS) == audit_file._EVENTS
