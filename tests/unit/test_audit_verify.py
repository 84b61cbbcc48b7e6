"""What verification says: nothing of a whole trail, in whatever form and order it comes, and of any other what is wrong where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kas.audit.__main__ import main
from kas.audit.chain import hash_of, hash_of_lifted
from kas.audit.checkpoint import sign
from kas.audit.keys import CheckpointKeys
from kas.audit.log import EVERY_LINES
from kas.audit.read import read_log
from kas.audit.verify import Verification
from kas.crypto.signatures import ResultSigner
from tests.trails import SIGNER, exported, jwks_file, rewrap, written
from tests.unit.test_audit_chain import Pen, record, refused

STRANGER = ResultSigner("kas-usa", "sig-1", ec.generate_private_key(ec.SECP256R1()))
NAMES = {letter: letter * 22 for letter in "ab"}
EVENTS = [rewrap(number) for number in range(6)]


def process(letter: str = "a", **changes: Any) -> list[bytes]:
    """Nine lines: start, rewrap 0, due, rewraps 1 to 5, end."""
    return written(EVENTS, draw=lambda: NAMES[letter], **changes)


class Verifier:
    """The command on files of a folder; `said` is what it printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.said: list[str] = []
        self.error = ""
        self.jwks = jwks_file(folder)

    def run(self, *arguments: str | Path) -> int:
        try:
            status = main(["verify", *map(str, arguments)])
        except SystemExit as end:
            status = int(str(end.code))
        out, self.error = self.capsys.readouterr()
        self.said = out.splitlines()
        return status

    def file(self, content: bytes, name: str = "log") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def lines(self, lines: Iterable[bytes], *options: str) -> int:
        return self.run("--jwks", self.jwks, *options, self.file(b"".join(lines)))

    def faults(self, lines: Iterable[bytes], *options: str) -> list[str]:
        """Of a trail that is not whole."""
        status = self.lines(lines, *options)
        found = [line.removeprefix("fault: ") for line in self.said if line.startswith("fault: ")]
        assert status == bool(found)
        return found


@pytest.fixture
def verifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verifier:
    return Verifier(tmp_path, capsys)


def changed(line: bytes, **members: Any) -> bytes:
    """With other members, and the hash of before."""
    return json.dumps({**json.loads(line), **members}).encode() + b"\n"


def rechained(lines: Sequence[bytes], signer: ResultSigner | None = None) -> list[bytes]:
    """What somebody makes of lines who knows the form: all hashes are right, and signatures too if he has a key."""
    made, previous = [], ""
    for number, data in enumerate(lines, start=1):
        line = json.loads(data)
        line["chain"] |= {"number": number, "previous": previous, "lifted": hash_of_lifted(line)}
        previous = line["chain"]["hash"] = hash_of(line)
        if signer is not None and "signature" in line["chain"]:
            line["chain"]["signature"] = sign(signer, previous)
        made.append(json.dumps(line).encode() + b"\n")
    return made


# ---- Whole


def test_a_whole_trail_has_no_faults(verifier: Verifier) -> None:
    """Each process with what is known of it."""
    assert verifier.lines([*process("a", revision="kas-usa-00001-abc"), *process("b", closes=False)]) == 0
    a, b, verdict = verifier.said
    times = "2026-09-21T14:13:20.000Z to 2026-09-21T14:13:20.000Z"
    assert (
        a == f"process {'a' * 22} of kas-usa, kas-usa-00001-abc: 9 lines, {times}, 3 checkpoints held, ended in order"
    )
    assert b == (
        f"process {'b' * 22} of kas-usa: 8 lines, {times}, 2 checkpoints held, covered by none from line 4 on, "
        "what may have followed is not known"
    )
    assert verdict == ("17 lines of the trail, 0 of others: nothing was changed or cut that a checkpoint covers")


@pytest.mark.parametrize("order", [list, reversed, sorted], ids=["written", "newest first", "sorted"])
def test_the_order_of_lines_says_nothing(verifier: Verifier, order: Callable[[Any], Iterable[bytes]]) -> None:
    assert verifier.lines(order([*process("a"), *process("b")])) == 0


def test_lines_of_others_are_passed_over(verifier: Verifier) -> None:
    """Of the host, of the operator's lines, of whatever else went to the same place; empty ones too."""
    others = [
        b"[2026-11-23 22:55:10 +0000] [5] [INFO] Starting gunicorn\n",
        b'{"severity": "WARNING", "event": "unavailable", "code": "x", "requestId": "y"}\n',
        b"\n",
        b"Traceback (most recent call last):\n",
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b"null\n",
        b"x" * (2**20 + 10) + b"\n",
    ]
    lines = process()
    assert verifier.lines([*others, *lines[:4], *others, *lines[4:], *others]) == 0
    assert "9 lines of the trail, 21 of others" in verifier.said[-1]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("is_gcloud", [True, False], ids=["array", "entry a line"])
def test_what_cloud_logging_exports_is_as_good(verifier: Verifier, indent: int | None, is_gcloud: bool) -> None:  # noqa: FBT001 - a parameter
    """An array as gcloud prints it, or an entry on each line as in a bucket; other entries in between, some twice."""
    entries = exported([*process("a"), *process("b")])
    request = {
        "insertId": "r",
        "httpRequest": {"status": 200},
        "logName": "projects/p/logs/run.googleapis.com%2Frequests",
    }
    entries = [request, *entries[:5], entries[3], request, *entries[5:], entries[7]]
    text = json.dumps(entries, indent=indent) if is_gcloud else "\n".join(map(json.dumps, entries))
    assert verifier.lines([text.encode()]) == 0
    assert "18 lines of the trail, 2 of others" in verifier.said[-1]
    assert sum("2 lines repeated" in line for line in verifier.said) == 1


def test_several_files_are_one_trail(verifier: Verifier) -> None:
    """A process may have its lines in two of them, and a line may be in both."""
    lines = process()
    first, second = verifier.file(b"".join(lines[:5]), "1"), verifier.file(json.dumps(exported(lines)).encode(), "2")
    assert verifier.run("--jwks", verifier.jwks, first, second) == 0
    assert "5 lines repeated" in verifier.said[0]
    assert verifier.run("--jwks", verifier.jwks, first) == 0


def test_payloads_without_their_entries_are_read(verifier: Verifier) -> None:
    """As jq would take them out: what Cloud Logging has lifted is not there."""
    assert verifier.lines(json.dumps(entry["jsonPayload"]).encode() + b"\n" for entry in exported(process())) == 0


def test_lines_that_could_not_be_written_are_told_and_no_fault(verifier: Verifier) -> None:
    """With what is left of them, wherever it is."""
    pen = Pen(fails={4: 40, 5: None})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    refused(log, 3)
    record(log, 4)
    assert verifier.lines([pen.paper]) == 0
    summary, note, _ = verifier.said
    assert "2 lines could not be written" in summary
    assert note == "log line 4: the rest of a line"


def test_a_trail_whose_first_line_was_lost_is_whole(verifier: Verifier) -> None:
    pen = Pen(fails={1: None})
    log = pen.log()
    refused(log, 1)
    record(log, 2)
    assert verifier.lines([pen.paper]) == 0


# ---- Changed


@pytest.mark.parametrize(
    "change", [{"outcome": "refused"}, {"extra": 1}, {"time": "2026-09-21T14:13:21.000Z"}, {"via": []}]
)
def test_a_changed_line_is_named(verifier: Verifier, change: dict[str, Any]) -> None:
    """Once, with its place in the file and in the chain."""
    lines = process()
    lines[3] = changed(lines[3], **change)
    assert verifier.faults(lines) == [
        f"log line 4, line 4 of process {'a' * 22}: it was changed, its hash is another line's"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"time": "1999-01-01T00:00:00.000Z"},
        {"time": json.loads(process()[3])["time"]},
        {"logging.googleapis.com/trace": "another"},
        {"logging.googleapis.com/labels": {}},
        {"httpRequest": {"status": 200}},
        {"timestamp": "1999-01-01T00:00:00Z"},
    ],
)
def test_what_is_lifted_out_is_all_there_or_nothing_of_it(verifier: Verifier, more: dict[str, Any]) -> None:
    """Whoever takes ``severity`` out cannot change the rest of it unseen."""
    lines = [json.loads(line) for line in process()]
    stripped = [{name: value for name, value in line.items() if name not in {"severity", "time"}} for line in lines]
    assert verifier.faults(json.dumps(line).encode() + b"\n" for line in stripped) == []
    faults = verifier.faults(json.dumps(line | more).encode() + b"\n" for line in stripped)
    assert sum("it was changed" in fault for fault in faults) == len(lines)


@pytest.mark.parametrize(
    "more",
    [{"time": "1999-01-01T00:00:00.000Z"}, {"httpRequest": {"status": 200}}, {"timestamp": "1999-01-01T00:00:00Z"}],
)
def test_nothing_is_put_into_a_payload_that_would_have_been_lifted_out(
    verifier: Verifier, more: dict[str, Any]
) -> None:
    """Another time than that of the chain, or what the service never writes."""
    entries = exported(process())
    entries[2]["jsonPayload"] |= {"time": entries[2]["timestamp"]}
    assert verifier.faults([json.dumps(entries).encode()]) == []
    entries[2]["jsonPayload"] |= more
    assert verifier.faults([json.dumps(entries).encode()]) == [
        f"log entry 3, line 7 of process {'a' * 22}: it was changed, its hash is another line's"
    ]


def test_a_changed_checkpoint_holds_no_more(verifier: Verifier) -> None:
    """Though its signature is one over the hash that it claims; nothing it says is believed."""
    lines = process()
    faults = verifier.faults([changed(lines[0], kas="kas-eve"), *lines[1:8], changed(lines[8], reason="due")])
    assert [fault.rpartition(": ")[2] for fault in faults] == [
        *["it was changed, its hash is another line's"] * 2,
        "it is the first, and no checkpoint that holds",
    ]
    assert "of kas-usa" in verifier.said[0]
    assert "1 checkpoint held, covered by none from line 4 on" in verifier.said[0]


def test_a_changed_line_of_an_export_is_named(verifier: Verifier) -> None:
    entries = exported(process())
    entries[2]["jsonPayload"]["kaoId"] = "another"
    assert verifier.faults([json.dumps(entries).encode()]) == [
        f"log entry 3, line 7 of process {'a' * 22}: it was changed, its hash is another line's"
    ]


def test_a_changed_line_with_the_right_hash_does_not_fit_between_its_neighbours(verifier: Verifier) -> None:
    lines = process()
    line = json.loads(changed(lines[3], outcome="refused"))
    line["chain"]["hash"] = hash_of(line)
    lines[3] = json.dumps(line).encode() + b"\n"
    (fault,) = verifier.faults(lines)
    assert fault.startswith(f"log line 5, line 5 of process {'a' * 22}: it does not follow line 4, log line 4")


def test_whoever_makes_the_whole_chain_anew_cannot_sign_it(verifier: Verifier) -> None:
    """He keeps the signatures, which are of other lines then."""
    lines = process()
    forged = rechained([*lines[:3], changed(lines[3], outcome="refused"), *lines[4:]])
    assert [fault.partition(": ")[0] for fault in verifier.faults(forged)] == ["log line 9"]
    assert "a forged checkpoint" in verifier.said[1]
    dropped = rechained([*lines[:2], *lines[3:]])
    assert len(verifier.faults(dropped)) == 1


def test_the_holder_of_the_signing_key_can_make_a_chain_anew(verifier: Verifier) -> None:
    """As the security model says: who has that key makes what is believed."""
    lines = process()
    assert verifier.faults(rechained([*lines[:3], *lines[4:]], SIGNER)) == []


def test_an_invented_line_beside_a_genuine_one_is_said(verifier: Verifier) -> None:
    """The genuine one stays in its place, whichever comes first."""
    lines = process()
    invented = json.loads(changed(lines[4], outcome="refused"))
    invented["chain"]["hash"] = hash_of(invented)
    data = json.dumps(invented).encode() + b"\n"
    (after,) = verifier.faults([*lines, data])
    assert "there is another line with this number, log line 5" in after
    assert len(verifier.faults([data, *lines])) == 2  # whose place is whose, only the next line shows
    unsound = json.loads(changed(lines[4], outcome="refused"))
    unsound["chain"]["hash"] = "x" * 43
    assert len(verifier.faults([json.dumps(unsound).encode() + b"\n", *lines])) == 2
    assert not any("does not follow" in line for line in verifier.said)


def test_a_line_where_one_was_lost_is_an_invented_one(verifier: Verifier) -> None:
    pen = Pen(fails={4: None})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    record(log, 3)
    invented = json.loads(pen.lines[1])
    invented["chain"] |= {"number": 4, "previous": json.loads(pen.lines[2])["chain"]["hash"]}
    invented["chain"]["hash"] = hash_of(invented)
    (fault,) = verifier.faults([*pen.lines, json.dumps(invented).encode()])
    assert fault.endswith("it is there, and line 5 says that it was never written whole")


# ---- Cut


@pytest.mark.parametrize(
    ("first", "last", "said"), [(4, 4, "line 4 is"), (4, 6, "lines 4 to 6 are"), (3, 8, "lines 3 to 8 are")]
)
def test_missing_lines_are_numbered(verifier: Verifier, first: int, last: int, said: str) -> None:
    lines = process()
    (fault,) = verifier.faults([*lines[: first - 1], *lines[last:]])
    assert fault.startswith(
        f"{said} missing, between log line {first - 1} and log line {first}, line {last + 1} of process aaa"
    )


def test_a_missing_beginning_is_said_unless_the_file_is_a_part(verifier: Verifier) -> None:
    """What is there is checked all the same."""
    lines = process()
    (fault,) = verifier.faults(lines[2:])
    assert fault == f"lines 1 to 2 are missing, before log line 1, line 3 of process {'a' * 22}"
    assert verifier.faults(lines[2:], "--partial") == []
    assert len(verifier.faults([*lines[2:4], *lines[5:]], "--partial")) == 1


def test_a_tail_is_missing_as_far_as_a_checkpoint_shows(verifier: Verifier) -> None:
    """Of what came after the last one nobody knows, and that is said."""
    lines = process()
    assert verifier.faults([*lines[:7], lines[8]]) == [
        f"line 8 is missing, between log line 7 and log line 8, line 9 of process {'a' * 22}"
    ]
    assert verifier.faults(lines[:6]) == []
    assert "covered by none from line 4 on, what may have followed is not known" in verifier.said[0]


@pytest.mark.parametrize("number", [1, 6, 9])
def test_a_line_that_was_made_unreadable_is_missing_and_said(verifier: Verifier, number: int) -> None:
    """The last one as well, of which no other line knows."""
    lines = process()
    lines[number - 1] = lines[number - 1][:50] + b"\n"
    faults = verifier.faults(lines)
    assert f"log line {number}: it looks like a line of the trail, and cannot be read" in faults
    assert len(faults) == (1 if number == 9 else 2)


@pytest.mark.parametrize("place", [0, 1, -2])
def test_a_last_line_that_has_lost_a_byte_is_said(verifier: Verifier, place: int) -> None:
    """No other line knows of it, but it still looks like one."""
    *others, last = process()
    broken = bytearray(last)
    del broken[place]
    assert verifier.faults([*others, bytes(broken)]) == [
        "log line 9: it looks like a line of the trail, and cannot be read"
    ]


def test_an_unreadable_line_is_no_excuse_where_none_was_lost(verifier: Verifier) -> None:
    """Nor are two of them where one was."""
    pen = Pen(fails={4: 40})
    log = pen.log()
    record(log, 1)
    refused(log, 2)
    record(log, 3)
    assert verifier.faults([pen.paper]) == []
    assert len(verifier.faults([pen.paper, pen.lines[1][:60]])) == 2


# ---- Vouched for by nobody


def test_a_process_of_a_stranger_is_said(verifier: Verifier) -> None:
    """Its checkpoints are signed with a key of his, under our name."""
    faults = verifier.faults([*process("a"), *process("b", signer=STRANGER)])
    assert [fault.partition(": ")[2].partition(",")[0] for fault in faults] == [
        *["it is a forged checkpoint"] * 3,
        "it is the first",
        "no checkpoint of it holds: nobody vouches for its 9 lines",
    ]
    assert all("line 1" in fault or "bbb" in fault for fault in faults)


def test_a_process_without_checkpoints_is_said(verifier: Verifier) -> None:
    lines = [line for line in process("b") if b'"checkpoint"' not in line]
    faults = verifier.faults([*process("a"), *rechained(lines)])
    assert faults[-1] == f"process {'b' * 22}: no checkpoint of it holds: nobody vouches for its 6 lines"


def test_a_key_that_was_not_given_is_named(verifier: Verifier, tmp_path: Path) -> None:
    """A set of today does not have the key of last year; that one can be given as well, in either form."""
    older = ResultSigner("kas-usa", "sig-0", STRANGER.private_key)
    lines = process(signer=older)
    assert "by the key 'sig-0', which is not among those given" in verifier.faults(lines)[0]
    (tmp_path / "older").mkdir()
    assert verifier.lines(lines, "--jwks", str(jwks_file(tmp_path / "older", older))) == 0
    pem = older.private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert verifier.lines(lines, "--key", str(verifier.file(pem, "older.pem"))) == 0
    assert verifier.run("--key", verifier.file(pem, "older.pem"), verifier.folder / "log") == 0
    assert verifier.run("--key", verifier.file(pem, "older.pem"), verifier.file(b"".join(process()))) == 1


def test_lines_after_the_end_are_invented(verifier: Verifier) -> None:
    lines = process()
    appended = rechained([*lines, lines[1], lines[3]])[9:]
    (fault,) = verifier.faults([*lines, *appended])
    assert fault == f"log line 10, line 10 of process {'a' * 22}: it comes after the end of its process, the first of 2"


def test_more_lines_than_the_service_leaves_without_a_checkpoint_are_invented(verifier: Verifier) -> None:
    """So many can be appended to a process that has not ended, and no more."""
    lines = process(closes=False)
    for more, faults in ((EVERY_LINES - 5, 0), (EVERY_LINES - 4, 1)):
        appended = rechained([*lines, *[lines[1]] * more])[len(lines) :]
        assert len(verifier.faults([*lines, *appended])) == faults


@pytest.mark.parametrize("lost", [1, 2**40])
def test_lines_that_say_that_others_were_lost_are_counted_as_well(verifier: Verifier, lost: int) -> None:
    """They are invented as easily, and what they say excuses no more than a few unreadable lines."""
    lines = process(closes=False)
    appended, last = [], json.loads(lines[-1])
    for _ in range(EVERY_LINES - 4):
        line = json.loads(lines[-1])
        line["chain"] |= {"number": last["chain"]["number"] + lost + 1, "previous": last["chain"]["hash"], "lost": lost}
        line["chain"]["hash"] = hash_of(line)
        appended.append(json.dumps(line).encode() + b"\n")
        last = line
    rest = [lines[1][:60] + b"\n"] * (EVERY_LINES - 5)
    assert verifier.faults([*lines, *appended[:-1], *rest]) == []
    (fault,) = verifier.faults([*lines, *appended])
    assert fault.startswith(f"process {'a' * 22}: {EVERY_LINES + 1} lines follow its last checkpoint")
    rests = [lines[1][:60] + b"\n"] * (EVERY_LINES + 1)
    assert len(verifier.faults([*lines, *appended[:-1], *rests])) == len(rests)


def test_lines_without_a_chain_are_said(verifier: Verifier) -> None:
    """Each, whatever else is in the file."""
    bare = json.dumps(rewrap(1)).encode() + b"\n"
    assert verifier.faults([bare, *process()]) == ["log line 1: it is an audit line without a place in any chain"]


@pytest.mark.parametrize(
    "chain",
    [
        None,
        [],
        {},
        {"process": "a" * 21},
        {"process": 1},
        {"number": 0},
        {"number": -1},
        {"number": 1.5},
        {"number": True},
        {"number": "1"},
        {"number": 2.0**60},
        {"lost": -1},
        {"previous": "x"},
        {"previous": None},
        {"time": "now"},
        {"lifted": ""},
        {"hash": "é" * 43},
        {"signature": 1},
    ],
)
def test_a_place_in_the_chain_is_of_one_form(verifier: Verifier, chain: Any) -> None:
    lines = process()
    good = json.loads(lines[3])["chain"]
    bad = changed(lines[3], chain={**good, **chain} if chain else chain)
    faults = verifier.faults([*lines, bad])
    assert len(faults) == 1
    assert faults[0].startswith("log line 10: its place in the chain cannot be read")


def test_half_a_checkpoint_is_none(verifier: Verifier) -> None:
    """A signature on a line of another kind, or a checkpoint without."""
    lines = process()
    signature = json.loads(lines[0])["chain"]["signature"]
    with_one = json.loads(lines[3])
    with_one["chain"]["signature"] = signature
    without = json.loads(lines[2])
    del without["chain"]["signature"]
    faults = verifier.faults(
        [*lines[:2], json.dumps(without).encode() + b"\n", json.dumps(with_one).encode() + b"\n", *lines[4:]]
    )
    assert faults == [f"log line {number}: it is half a checkpoint" for number in (3, 4)]
    nameless = changed(lines[2], kid=7)
    assert "by the key 7, which is not among those given" in verifier.faults([*lines[:2], nameless, *lines[3:]])[0]


def test_a_first_line_that_says_two_things_is_said(verifier: Verifier) -> None:
    """It has number 1 and one before it, or a later number and none."""
    lines = [json.loads(line) for line in process()]
    lines[0]["chain"]["previous"] = "x" * 43
    lines[8]["chain"] |= {"previous": "", "process": "b" * 22}
    said = [
        json.dumps({**line, "chain": {**line["chain"], "hash": hash_of(line)}}).encode()
        for line in (lines[0], lines[8])
    ]
    faults = verifier.faults(line + b"\n" for line in said)
    assert sum("it says both that it is the first and that it is not" in fault for fault in faults) == 2


def test_faults_beyond_many_are_counted(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kas.audit.verify.MAX_FAULTS", 3)
    bare = json.dumps(rewrap(1)).encode() + b"\n"
    assert verifier.faults([bare] * 10)[-1] == "7 more are not told"
    assert verifier.said[-1].endswith("10 faults")


def test_of_unreadable_lines_beyond_many_no_place_is_kept(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted, whether lines that were lost explain them or not."""
    monkeypatch.setattr("kas.audit.verify.MAX_FAULTS", 3)
    verification = Verification(CheckpointKeys({}))
    verification.add(read_log(verifier.file(b"{\n" * 100)))
    assert (len(verification.suspects), verification.suspected) == (3, 100)
    assert verifier.faults([*process(), *[b"{\n"] * 10])[-1] == "7 more are not told"
    assert verifier.said[-1].endswith("10 faults")
    pen = Pen(fails={4: 40, 5: 40, 6: 40, 7: 40, 8: 40})
    log = pen.log()
    record(log, 1)
    for number in range(2, 7):
        refused(log, number)
    record(log, 7)
    assert verifier.faults([pen.paper]) == []
    assert "2 more rests of lines are not told" in verifier.said


def test_what_is_no_object_is_not_parsed(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or half a million brackets take a minute."""
    monkeypatch.delattr("kas.audit.read.parse_json")
    others = [b"{\n", b"x}\n", b'{"chain"\n', b"[1]\n", b"\xff\n", b"1\n"]
    found = list(read_log(verifier.file(b"".join(others))))
    assert [one.is_suspect for one in found] == [True, False, True, False, False, False]


def test_what_a_log_brought_in_colours_no_terminal(verifier: Verifier) -> None:
    """It may be anybody's."""
    lines = process()
    verifier.faults([changed(lines[0], kid="\x1b[31m\u202e\nfault")])
    assert any("'\\x1b[31m\\u202e\\nfault'" in line for line in verifier.said)
    assert all(line.isprintable() for line in verifier.said)


# ---- Unreadable


def test_a_file_without_a_trail_is_not_whole(verifier: Verifier) -> None:
    assert verifier.lines([b"nothing\n"]) == 2
    assert verifier.error == f"audit: {verifier.folder / 'log'}: there is no line of a trail\n"


def test_without_a_key_nothing_is_verified(verifier: Verifier) -> None:
    assert verifier.run(verifier.file(b"".join(process()))) == 2
    assert "without the service's keys a trail proves nothing" in verifier.error


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'[{"insertId": "1"},', "beyond entry 1"),
        (b'[{"insertId": "1"}, {"insertId', "beyond entry 1"),
        (b'[{"insertId": "1"} x]', "beyond entry 1"),
        (b'[{"a": "\xff"}]', "beyond entry 0"),
        (b"[" + b'{"a":' * 100_000, "beyond entry 0"),
        (b'[{"insertId": "1"}, {"a": "' + b"x" * (2**21) + b'"}]', "beyond entry 1"),
    ],
)
def test_an_array_that_is_no_array_to_its_end_cannot_be_read(verifier: Verifier, content: bytes, why: str) -> None:
    """It was cut on its way, and whatever was in the rest is not known."""
    assert verifier.lines([content]) == 2
    assert f"cannot be read {why}" in verifier.error


@pytest.mark.parametrize(
    "more", [b"[]", b"{}", b"\n[{}]", b" " * 2**17 + b"x", b",", b"]", b"\xc3", b" " * (2**16 - 3) + b"\xc3"]
)
@pytest.mark.parametrize("array", [b"[]", b"[{}]"])
def test_what_comes_after_an_array_is_not_passed_over(verifier: Verifier, array: bytes, more: bytes) -> None:
    """Two exports in one file, say: the second may be the one with the trail."""
    assert verifier.lines([array, more]) == 2
    assert "cannot be read beyond entry" in verifier.error


def test_white_space_after_an_array_is_nothing(verifier: Verifier) -> None:
    assert verifier.lines([json.dumps(exported(process())).encode(), b"\r\n\t " * 2**16]) == 0


def test_files_that_are_not_there_cannot_be_read(verifier: Verifier) -> None:
    log = verifier.file(b"".join(process()))
    for arguments in (("--jwks", verifier.jwks, "nowhere"), ("--jwks", "nowhere", log), ("--key", "nowhere", log)):
        assert verifier.run(*arguments) == 2
        assert "nowhere: cannot be read (No such file or directory)" in verifier.error


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keys": []}', b'{"keys": {}}', b'{"keys": [{"use": "enc"}, 1]}'])
def test_a_key_set_without_signing_keys_is_refused(verifier: Verifier, content: bytes) -> None:
    assert verifier.run("--jwks", verifier.file(content, "set.json"), verifier.file(b"".join(process()))) == 2
    assert "set.json" in verifier.error


def test_an_unsound_key_is_refused(verifier: Verifier) -> None:
    """In a set, and in PEM: of another curve, or no key."""
    log = verifier.file(b"".join(process()))
    keys = json.loads(verifier.jwks.read_bytes())
    keys["keys"][0]["x"] = "AAAA"
    assert verifier.run("--jwks", verifier.file(json.dumps(keys).encode(), "set.json"), log) == 2
    assert "key 'sig-1': is no sound public key" in verifier.error
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for content, why in ((pem, "holds no P-256 key"), (b"-----BEGIN", "holds no public key in PEM")):
        assert verifier.run("--key", verifier.file(content, "key.pem"), log) == 2
        assert why in verifier.error
