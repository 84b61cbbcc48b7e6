"""What `make audit` says is what the tools found, and silence is not taken for a good answer."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path

import pytest

from tests.audit.verdict import Verdict, judge_advisories, judge_code, judge_parts, main, pins, status_of, told

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = (
    "flask==3.1.3 \\\n    --hash=sha256:aa\npyasn1-modules==0.4.2 ; python_version > '3' \\\n    --hash=sha256:bb\n"
)
PINNED = {"flask": "3.1.3", "pyasn1-modules": "0.4.2"}
FINDING = {
    "test_id": "B104",
    "filename": "kas/x.py",
    "line_number": 7,
    "issue_text": "Possible binding",
    "code": '6 pass\n7 host = "0.0.0.0"\n',
}
CODE = {"results": [FINDING], "errors": [], "metrics": {"_totals": {"loc": 100}}}
ACCEPTED = [{"test": "B104", "path": "kas/x.py", "code": "host =", "reason": "refused"}]
ADVISORIES = {"dependencies": [{"name": name, "version": version, "vulns": []} for name, version in PINNED.items()]}
HASHED = [{"hashes": [{"alg": "SHA-256", "content": "aa"}]}]
PARTS = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [
        {"name": name, "version": version, "externalReferences": HASHED} for name, version in PINNED.items()
    ],
}


def test_the_pins_of_the_requirements_are_read_whole():
    assert pins(REQUIREMENTS) == PINNED
    real = (ROOT / "requirements.txt").read_text("utf-8")
    assert len(pins(real)) == len([line for line in real.splitlines() if not line.startswith(" ")])


def test_what_is_accepted_with_a_reason_is_nothing_to_do():
    verdict = judge_code(CODE, ACCEPTED)
    assert (verdict.to_do, verdict.unasked) == ([], [])
    assert told(verdict) == "code: 100 lines, 1 findings, each with a reason to stay (tests/audit/accepted.toml)"


@pytest.mark.parametrize(
    "changed", [{"test": "B105"}, {"path": "kas/y.py"}, {"path": "kas/x"}, {"path": "local/"}, {"code": "port ="}]
)
def test_a_finding_that_no_entry_is_about_is_to_do_and_so_is_the_entry(changed):
    verdict = judge_code(CODE, [{**ACCEPTED[0], **changed}])
    assert verdict.to_do[0] == "B104 kas/x.py:7: Possible binding"
    assert verdict.to_do[1].startswith("accepted, and not found any more")
    assert status_of([verdict]) == 1


def test_a_folder_is_accepted_by_its_name_with_a_slash():
    assert judge_code(CODE, [{**ACCEPTED[0], "path": "kas/"}]).to_do == []


@pytest.mark.parametrize("reason", ["", " "])
def test_an_entry_without_a_reason_is_to_do(reason):
    assert judge_code(CODE, [{**ACCEPTED[0], "reason": reason}]).to_do == ["accepted without a reason: kas/x.py"]


def test_a_file_that_was_not_read_is_not_known():
    verdict = judge_code({**CODE, "errors": [{"filename": "kas/z.py", "reason": "syntax"}]}, ACCEPTED)
    assert (verdict.unasked, status_of([verdict])) == (["not read: kas/z.py"], 2)


def test_an_advisory_is_to_do():
    report = copy.deepcopy(ADVISORIES)
    report["dependencies"][0]["vulns"] = [{"id": "PYSEC-1"}]
    verdict = judge_advisories([None, report], PINNED)
    assert (verdict.to_do, status_of([verdict])) == (["flask 3.1.3: PYSEC-1"], 1)


def test_all_answered_and_none_known_is_good():
    verdict = judge_advisories([ADVISORIES, None], PINNED)
    assert (told(verdict), status_of([verdict])) == ("advisories: no advisory is known for any of 2 requirements", 0)


def test_what_a_service_does_not_know_is_not_known_even_where_the_tool_ends_well():
    """A mirror of the index without advisories: pip-audit skips each, says that it found none, and exits with 0."""
    skipped = {"dependencies": [{"name": name, "skip_reason": "not found"} for name in PINNED]}
    verdict = judge_advisories([skipped, None], PINNED)
    assert status_of([verdict]) == 2
    assert "NOT KNOWN" in told(verdict)
    assert "no advisory is known" not in told(verdict)


@pytest.mark.parametrize("report", [None, {}, {"dependencies": []}])
def test_a_service_that_says_nothing_has_not_said_that_all_is_well(report):
    assert status_of([judge_advisories([report], PINNED)]) == 2


def test_one_service_answers_what_another_does_not_know():
    first, second = ({"dependencies": [one]} for one in ADVISORIES["dependencies"])
    assert judge_advisories([first], PINNED).unasked == ["pyasn1-modules 0.4.2"]
    assert judge_advisories([first, second], PINNED).unasked == []


def test_an_answer_for_another_version_is_none():
    report = {"dependencies": [{**one, "version": "0"} for one in ADVISORIES["dependencies"]]}
    assert status_of([judge_advisories([report], PINNED)]) == 2


def test_the_bill_lists_what_is_installed():
    assert told(judge_parts(PARTS, PINNED)) == "parts: CycloneDX 1.6, 2 components with hashes"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "3.1.4"}, "not listed as it is installed: flask"),
        ({"externalReferences": []}, "listed without a hash: flask"),
        ({"name": "other"}, "listed and not installed: other"),
    ],
)
def test_a_bill_of_other_parts_is_to_do(changed, said):
    bill = copy.deepcopy(PARTS)
    bill["components"][0] |= changed
    verdict = judge_parts(bill, PINNED)
    assert said in verdict.to_do
    assert status_of([verdict]) == 1


def test_what_is_to_do_weighs_more_than_what_is_not_known():
    unknown, wrong = Verdict("a", unasked=["x"]), Verdict("b", to_do=["y"])
    assert [status_of(one) for one in ([], [Verdict("c")], [unknown], [wrong, unknown])] == [0, 0, 2, 1]


def test_it_is_written_down_with_its_date(tmp_path, capsys):
    """A tool that wrote nothing, or something unreadable, is not known."""
    requirements, accepted = tmp_path / "requirements.txt", tmp_path / "accepted.toml"
    requirements.write_text(REQUIREMENTS, "utf-8")
    accepted.write_text('[[accepted]]\ntest = "B104"\npath = "kas/x.py"\nreason = "refused"\n', "utf-8")
    for name, content in {"bandit": CODE, "advisories-osv": ADVISORIES, "sbom": PARTS}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    arguments = [str(one) for one in (tmp_path, requirements, accepted)]
    assert main(arguments) == 0
    result = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert result["status"] == 0
    assert [one["about"] for one in result["verdicts"]] == ["code", "advisories", "parts"]
    assert result["verdicts"][1]["said"] == "advisories: no advisory is known for any of 2 requirements"
    assert capsys.readouterr().out.startswith(f"{result['date']}, requirements {result['requirements']}\ncode: ")
    for name in ("bandit", "advisories-osv", "sbom"):
        good = (tmp_path / f"{name}.json").read_text("utf-8")
        (tmp_path / f"{name}.json").write_text("{", "utf-8")
        assert main(arguments) == 2
        assert "NOT KNOWN" in capsys.readouterr().out
        (tmp_path / f"{name}.json").write_text(good, "utf-8")


def test_every_accepted_finding_names_a_place_that_is_there():
    entries = tomllib.loads((ROOT / "tests/audit/accepted.toml").read_text("utf-8"))["accepted"]
    assert entries
    for entry in entries:
        assert entry["reason"]
        assert (ROOT / entry["path"]).exists()
        assert entry["path"].endswith("/") or entry.get("code", "") in (ROOT / entry["path"]).read_text("utf-8")
