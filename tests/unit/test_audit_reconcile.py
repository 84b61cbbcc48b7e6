"""Two counts against Google's record, one field of it changed at a time."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kas.audit.__main__ import main
from kas.audit.pairs import unpaired
from kas.audit.times import Period, seconds_of, text_of
from tests.trails import NOW, TIME, exported, rewrap, written
from tests.unit.test_audit_chain import Pen, refused

RING = "projects/my-project/locations/us-central1/keyRings/kas/cryptoKeys"
VERSION = f"{RING}/acp240/cryptoKeyVersions/1"
LEGACY = f"{RING}/opentdf/cryptoKeyVersions/1"
SEAL = f"{RING}/seal"
SERVICE = "kas@my-project.iam.gserviceaccount.com"


def unwrap_key(kid: str, dialect: str, **where: Any) -> dict[str, Any]:
    return {"kid": kid, "algorithm": "RSA-2048", "status": "active", "dialects": [dialect], **where}


INDEX = {
    "unwrapKeys": [
        unwrap_key("rsa-1", "acp240", kms=VERSION),
        unwrap_key("tdf-1", "opentdf", kms=LEGACY, legacy=True),
        unwrap_key("old-1", "opentdf", file="old.pem", legacy=True),
        unwrap_key("own-1", "acp240", file="own.pem"),
    ],
    "signingKeys": [{"kid": "sig-1", "status": "current", "secret": "sm://projects/p/secrets/s/versions/1"}],
}


def decrypt(second: float = 0.0, *, version: str = VERSION, **payload: Any) -> dict[str, Any]:
    """An entry as Google makes it, so many seconds after `NOW`."""
    return {
        "insertId": f"id-{second}",
        "logName": "projects/my-project/logs/cloudaudit.googleapis.com%2Fdata_access",
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": SERVICE},
            "methodName": "AsymmetricDecrypt",
            "resourceName": version,
            "serviceName": "cloudkms.googleapis.com",
            "status": {},
            **payload,
        },
        "resource": {"labels": {"project_id": "my-project"}, "type": "cloudkms_cryptokeyversion"},
        "timestamp": text_of(NOW + second)[:-1] + "123456Z",
    }


@dataclass
class Sides:
    """Two releases by an operation each, and their decrypts; a test changes one side."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    events: list[dict[str, Any]] = field(default_factory=lambda: [rewrap(1), rewrap(2)])
    entries: list[dict[str, Any]] = field(default_factory=lambda: [decrypt(0.5), decrypt(1.0)])
    keys: str = json.dumps(INDEX)
    audit: bytes = b""
    said: list[str] = field(default_factory=list)
    error: str = ""

    def run(self, *options: str) -> int:
        files = {
            "audit.log": self.audit or b"".join(written(self.events)),
            "kms.json": json.dumps(self.entries).encode(),
            "keys": self.keys.encode(),
        }
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        audit, log, keys = (str(self.folder / name) for name in files)
        try:
            status = main(["reconcile", "--keys", keys, *options, audit, log])
        except SystemExit as end:
            status = int(str(end.code))
        out, self.error = self.capsys.readouterr()
        self.said = out.splitlines()
        return status

    def surplus(self, *options: str) -> list[str]:
        """What one side has too much."""
        status = self.run(*options)
        found = [line.removeprefix("surplus: ") for line in self.said if line.startswith("surplus: ")]
        assert status == bool(found), self.error
        return found

    def says(self, text: str) -> bool:
        return any(text in line for line in self.said)


@pytest.fixture
def sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sides:
    return Sides(tmp_path, capsys)


def at(second: float, **changes: Any) -> dict[str, Any]:
    return rewrap(1, time=text_of(NOW + second), **changes)


# ---- The same


def test_a_decrypt_for_each_release_is_the_same(sides: Sides) -> None:
    assert sides.surplus() == []
    by_service = f"Google has 2 decrypts, by {SERVICE} (2), and 0 refused calls"
    by_nobody = "Google has 0 decrypts, by nobody, and 0 refused calls"
    assert sides.said == [
        f"the audit: {TIME} to {TIME}; Cloud KMS: 2026-09-21T14:13:20.500Z to 2026-09-21T14:13:21.000Z",
        f"{VERSION} (rsa-1): the audit has 2 operations begun and 2 releases by one; {by_service}",
        f"{LEGACY} (tdf-1): the audit has 0 operations begun and 0 releases by one; {by_nobody}",
        "both say the same",
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"keyOperations": 0},  # opened for another that asked at the same time
        {"keyOperations": 0, "cacheHit": True},
        {"keyOperations": 1, "outcome": "refused"},  # the binding did not hold
        {"keyOperations": 3, "outcome": "refused"},  # Google was away
        {"keyOperations": 1, "cacheHit": True},  # of two keys that were tried, one was kept
        {"forwardedTo": "kas-fra", "keyOperations": 0},
        {"event": "refusal"},
    ],
)
def test_a_line_that_is_no_release_by_an_operation_needs_no_decrypt(sides: Sides, event: dict[str, Any]) -> None:
    sides.events.append(rewrap(3, **event))
    assert sides.surplus() == []


@pytest.mark.parametrize(("operations", "decrypts"), [(2, 2), (3, 1), (3, 3)])
def test_an_operation_that_was_repeated_may_have_been_served_each_time(
    sides: Sides, operations: int, decrypts: int
) -> None:
    sides.events = [rewrap(1, keyOperations=operations)]
    sides.entries = [decrypt(number / 10) for number in range(decrypts)]
    assert sides.surplus() == []


def test_lines_and_entries_that_came_twice_count_once(sides: Sides) -> None:
    """In an export of both."""
    entries = exported(written(sides.events))
    sides.audit = json.dumps([*entries, *entries]).encode()
    sides.entries *= 2
    assert sides.surplus() == []


def test_entries_of_a_version_named_by_its_projects_number_are_its(sides: Sides) -> None:
    """And calls by their full names are calls."""
    sides.entries[0]["protoPayload"] |= {
        "resourceName": VERSION.replace("my-project", "123456789012"),
        "methodName": "google.cloud.kms.v1.KeyManagementService.AsymmetricDecrypt",
    }
    assert sides.surplus() == []


def test_refused_calls_are_told_and_not_compared(sides: Sides) -> None:
    """With their codes, or with a message alone."""
    sides.entries += [decrypt(3, status={"code": 3, "message": "x"}), decrypt(4, status={"message": "x"})]
    assert sides.surplus() == []
    assert sides.says("and 2 refused calls")


def test_other_calls_and_other_services_are_passed_over(sides: Sides) -> None:
    sides.entries += [decrypt(3, methodName="GetPublicKey"), decrypt(4, serviceName="secretmanager.googleapis.com")]
    sides.entries.append({"insertId": "x", "textPayload": "y"})
    assert sides.surplus() == []


# ---- What is not compared is said


def test_starts_of_the_service_open_sealed_keys(sides: Sides) -> None:
    sides.entries.append(decrypt(3, methodName="Decrypt", version=SEAL))
    assert sides.surplus() == []
    assert sides.says(f"not compared: 1 calls of Decrypt of {SEAL}")


def test_keys_of_the_process_are_left_out(sides: Sides) -> None:
    """And kids that the key index does not have: it may be of today, and the lines of last year."""
    sides.events += [rewrap(3, kid="own-1"), rewrap(4, kid="gone\x1b[31m")]
    assert sides.surplus() == []
    assert sides.says("not compared: 1 operations with own-1, which Cloud KMS does not hold")
    assert sides.says("not compared: 1 operations with 'gone\\x1b[31m', which the key index does not have")


def test_keys_that_the_index_does_not_have_are_told(sides: Sides) -> None:
    """By whom they were used as well; what a log brought in colours no terminal."""
    other = f"{RING}/acp240/cryptoKeyVersions/7"
    sides.entries.append(decrypt(3, version=other, authenticationInfo={"principalSubject": "user:\x1b[31meve"}))
    sides.entries.append(decrypt(4, version=other, authenticationInfo=None))
    assert sides.surplus() == []
    assert sides.says(
        f"not compared: calls of {other}, which the key index does not have: somebody unnamed (1), user:\\x1b[31meve (1)"
    )


def test_what_cannot_be_read_is_counted(sides: Sides) -> None:
    lines = written(sides.events)
    bare = json.dumps(rewrap(3)).encode() + b"\n"
    sides.audit = b"".join([*lines, bare, lines[1][:90] + b"\n", lines[1].replace(b'"number":2', b'"number":"2"')])
    sides.entries += [decrypt(3) | {"timestamp": "soon"}, decrypt(4) | {"timestamp": "2026-09-21T14:13:20"}]
    sides.entries += [decrypt(5, resourceName=None), {**decrypt(6), "timestamp": None}]
    assert sides.surplus() == []
    assert sides.says("not read: 3 lines of the audit, 4 entries of Cloud KMS")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_of_all_years_cannot_be_read(sides: Sides, time: str) -> None:
    """Neither an entry's, nor one that is asked for."""
    sides.entries.append(decrypt(3) | {"timestamp": time})
    assert sides.surplus() == []
    assert sides.says("not read: 0 lines of the audit, 1 entries of Cloud KMS")
    assert sides.run("--from", time) == 2
    assert "must be a time such as 2026-11-23T22:55:10Z" in sides.error


# ---- Surplus at Google


def test_a_decrypt_that_no_line_has_is_surplus(sides: Sides) -> None:
    """With what is needed to find it."""
    sides.entries.append(decrypt(2, authenticationInfo={"principalEmail": "eve@example.com"}))
    (line,) = sides.surplus()
    assert line.startswith(
        f"Google has a decrypt with {VERSION} at 2026-09-21T14:13:22.000Z by eve@example.com (insertId id-2), "
    )


def test_a_line_that_is_cut_leaves_its_decrypt(sides: Sides) -> None:
    sides.events.pop()
    assert len(sides.surplus()) == 1


def test_an_operation_with_another_key_is_none(sides: Sides) -> None:
    sides.entries.append(decrypt(2, version=LEGACY))
    sides.events.append(rewrap(3, kid="own-1"))
    assert [VERSION in line for line in sides.surplus()] == [False]


def test_an_operation_at_another_time_is_none(sides: Sides) -> None:
    """Beyond the window, whose width may be given."""
    sides.events, sides.entries = [at(0), at(100)], [decrypt(0), decrypt(159)]
    assert sides.surplus() == []
    assert len(sides.surplus("--window", "59")) == 2
    sides.entries[1] = decrypt(161)
    decrypts, releases = sides.surplus()
    assert decrypts.startswith("Google has a decrypt")
    assert releases.startswith("audit.log line ")
    sides.entries[1] = decrypt(39)
    assert len(sides.surplus()) == 2


def test_lines_that_could_not_be_written_are_said_with_what_they_may_stand_for(sides: Sides) -> None:
    """The decrypt is surplus all the same."""
    pen = Pen(fails={4: None})
    log = pen.log()
    log.record([rewrap(1)])
    refused(log, 2)
    log.record([rewrap(3)])
    sides.audit = pen.paper
    sides.entries.append(decrypt(2))
    assert len(sides.surplus()) == 1
    assert sides.says("1 lines could not be written: up to 3 operations of theirs are in no line")


def test_calls_by_others_are_said_one_by_one(sides: Sides) -> None:
    """Refused ones as well; whether or not the numbers agree."""
    sides.entries[0]["protoPayload"]["authenticationInfo"] = {"principalEmail": "eve@example.com"}
    sides.entries.append(decrypt(2, authenticationInfo={"principalEmail": "mallory@example.com"}, status={"code": 7}))
    assert sides.surplus() == []
    assert sides.surplus("--account", SERVICE) == [
        f"1 calls of {VERSION} by eve@example.com",
        f"1 calls of {VERSION} by mallory@example.com",
    ]


# ---- Surplus in the audit


def test_a_release_that_google_does_not_know_is_surplus(sides: Sides) -> None:
    sides.entries.pop()
    (line,) = sides.surplus()
    assert line == f"audit.log line 4 is a release by {VERSION} at {TIME}, and Google has no decrypt for it"


def test_a_refused_call_releases_nothing(sides: Sides) -> None:
    sides.entries[1]["protoPayload"]["status"] = {"code": 9, "message": "disabled"}
    assert len(sides.surplus()) == 1


def test_many_are_counted(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kas.audit.reconcile.MAX_TOLD", 3)
    sides.entries += [decrypt(number) for number in range(2, 9)]
    assert sides.surplus()[3:] == [f"4 more decrypts with {VERSION}"]


# ---- Keys that are tried


def test_a_line_without_kid_counts_at_the_key_that_is_tried_for_it(sides: Sides) -> None:
    """It opened nothing, so how many of its operations were there is not known: as many as it says, or fewer."""
    tried = rewrap(3, kid=None, dialect="opentdf", keyOperations=2, outcome="refused")
    sides.events.append(tried)
    for decrypts in range(3):
        sides.entries = [
            decrypt(0.5),
            decrypt(1.0),
            *(decrypt(2 + number, version=LEGACY) for number in range(decrypts)),
        ]
        assert sides.surplus() == []
    sides.entries.append(decrypt(5, version=LEGACY))
    assert len(sides.surplus()) == 1


def test_a_line_of_a_key_of_the_process_may_have_tried_the_other_first(sides: Sides) -> None:
    sides.events.append(rewrap(3, kid="old-1", dialect="opentdf", keyOperations=2))
    sides.entries.append(decrypt(2, version=LEGACY, status={"code": 3}))
    assert sides.surplus() == []
    sides.entries.append(decrypt(3, version=LEGACY))
    assert sides.surplus() == []


def test_a_release_by_the_key_that_was_tried_needs_its_decrypt(sides: Sides) -> None:
    sides.events.append(rewrap(3, kid="tdf-1", dialect="opentdf"))
    assert len(sides.surplus()) == 1
    sides.entries.append(decrypt(2, version=LEGACY))
    assert sides.surplus() == []


@pytest.mark.parametrize("operations", [True, "1", None, -1, 0.5])
def test_a_count_that_is_none_counts_nothing(sides: Sides, operations: Any) -> None:
    """And is told."""
    sides.events.append(rewrap(3, keyOperations=operations))
    assert sides.surplus() == []
    assert sides.says("not read: 1 lines of the audit, 0 entries")


def test_a_count_that_no_line_has_takes_no_memory(sides: Sides) -> None:
    sides.events = [rewrap(1, keyOperations=2**53 - 1)]
    assert sides.surplus() == []
    assert sides.says("the audit has 1000 operations begun and 1 releases")


# ---- Periods


def test_only_a_period_is_compared(sides: Sides) -> None:
    """At its ends either side may have its partner outside."""
    sides.events = [at(0), at(1000), at(2000)]
    sides.entries = [decrypt(1000.5), decrypt(5000)]
    assert len(sides.surplus()) == 3
    start, end = text_of(NOW + 500), text_of(NOW + 1500)
    assert sides.surplus("--from", start, "--to", end) == []
    assert sides.surplus("--from", text_of(NOW + 1000.2), "--to", end) == []
    assert sides.surplus("--from", start, "--to", text_of(NOW + 1000.2)) == []
    assert len(sides.surplus("--from", start)) == 2
    assert len(sides.surplus("--to", end)) == 1
    sides.events, sides.entries = [at(470), at(1000)], [decrypt(1000.5), decrypt(1530)]
    assert len(sides.surplus()) == 2
    assert sides.surplus("--from", start, "--to", end) == []


@pytest.mark.parametrize("time", ["now", "2026-09-21", "2026-09-21T14:13:20", ""])
def test_a_time_needs_its_offset(sides: Sides, time: str) -> None:
    assert sides.run("--from", time) == 2
    assert "must be a time such as 2026-11-23T22:55:10Z" in sides.error


@pytest.mark.parametrize("window", ["0", "3601", "x", "-1", "²"])
def test_a_window_is_of_some_seconds(sides: Sides, window: str) -> None:
    assert sides.run(f"--window={window}") == 2
    assert "must be 1 to 3600" in sides.error


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
def test_each_time_has_a_text(time: str) -> None:
    assert seconds_of(text_of(seconds_of(time))) == pytest.approx(seconds_of(time), abs=0.002)
    with pytest.raises(ValueError, match="outside"):
        seconds_of("9999-12-31T23:59:59.999999Z")  # a double has no room for it


def test_times_have_up_to_nine_digits() -> None:
    assert seconds_of("2026-09-21T14:13:20.123456789Z") == pytest.approx(NOW + 0.123456)
    assert seconds_of("2026-09-21T16:13:20+02:00") == NOW
    assert 5.0 in Period()
    assert 5.0 not in Period(6.0, 7.0)
    assert 5.0 in Period(6.0, 7.0).wider(1)


def test_pairs_are_not_taken_from_those_who_need_them() -> None:
    """The first could have either, the second only one."""
    assert unpaired([1.0, 2.0], [0.0, 1.5], 1.0) == []
    assert unpaired([1.0, 9.0], [1.5, 1.6], 1.0) == [1]
    assert unpaired([], [1.0], 1.0) == []


# ---- Keys and files


@pytest.mark.parametrize(
    "keys",
    [
        json.dumps(INDEX, indent=2),
        f'KAS_MODE: "production"\nKAS_KEYS: \'{json.dumps(INDEX)}\'\nKAS_ID: "kas"\n',
        f"KAS_KEYS: {json.dumps(json.dumps(INDEX))}\n",
    ],
    ids=["index", "single quotes", "double quotes"],
)
def test_the_index_may_stand_in_the_settings(sides: Sides, keys: str) -> None:
    sides.keys = keys
    assert sides.surplus() == []


def test_a_quote_in_the_settings_is_two(sides: Sides) -> None:
    index = copy.deepcopy(INDEX)
    index["unwrapKeys"][0]["kid"] = "it's"
    sides.keys = "KAS_KEYS: '" + json.dumps(index).replace("'", "''") + "'\n"
    sides.events = [rewrap(1, kid="it's"), rewrap(2, kid="it's")]
    assert sides.surplus() == []


@pytest.mark.parametrize("keys", ["", "KAS_KEYS: ''\n", 'KAS_KEYS: "\\x"\n', "KAS_ID: 'x'\n", "[]", "{}"])
def test_without_an_index_nothing_is_compared(sides: Sides, keys: str) -> None:
    sides.keys = keys
    assert sides.run() == 2
    assert sides.error.startswith("audit: ")


def test_a_log_without_entries_of_cloud_kms_is_not_the_same(sides: Sides) -> None:
    """It may not be switched on, or be another file."""
    sides.entries = [{"insertId": "x"}]
    assert sides.run() == 2
    assert sides.error.endswith("kms.json: there is no entry of Cloud KMS\n")


def test_files_that_are_not_there_cannot_be_read(sides: Sides, tmp_path: Path) -> None:
    sides.run()
    good = {"audit": str(tmp_path / "audit.log"), "log": str(tmp_path / "kms.json"), "keys": str(tmp_path / "keys")}
    for name in good:
        one = good | {name: "nowhere"}
        assert main(["reconcile", "--keys", one["keys"], one["audit"], one["log"]]) == 2
        assert "nowhere: cannot be read" in sides.capsys.readouterr().err
