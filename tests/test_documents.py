"""The documents say what is true: their tables are written from the code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from kas.auth.authenticator import Authenticator
from kas.auth.issuers import load_issuers
from kas.config import Settings
from kas.errors import ProofMethodMismatch
from kas.events import KaoOutcome, checkpoint_event, kao_event, refusal_event
from kas.journal import Trace
from kas.keys.index import read_index
from kas.policy.rules import load_rules
from tests.unit.journals import journal

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {field.metadata["name"] for field in dataclasses.fields(Settings) if field.metadata}
EARLIER_NAMES = {
    "USE_GCP_KMS",
    "CACHE_BACKEND",
    "CACHE_TTL_DEK",
    "CACHE_TTL_PUBLIC_KEY",
    "ENABLE_RATE_LIMITING",
    "RATE_LIMIT_BACKEND",
    "RATE_LIMIT_WINDOW_MS",
    "RATE_LIMIT_MAX_REQUESTS",
    "USE_STATIC_FEDERATION_CONFIG",
    "FEDERATION_CONFIG_PATH",
    "GCP_PROJECT_ID",
    "GCP_KMS_LOCATION",
    "GCP_KMS_KEY_RING",
    "GCP_KMS_KEY_NAME",
    "LOG_LEVEL",
    "MAX_REQUEST_SIZE",
}


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "env.yaml", *(ROOT / "docs").rglob("*.md")]


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_tables_of_settings_and_errors_are_those_of_the_code():
    result = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_a_table_that_no_document_prints_fails_the_check(tmp_path):
    """Nobody would see when it is wrong."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "kas").symlink_to(ROOT / "kas")
    tables = (ROOT / "docs" / "tables.py").read_text("utf-8")
    (tmp_path / "docs" / "cost_tables.py").symlink_to(ROOT / "docs" / "cost_tables.py")
    (tmp_path / "docs" / "tables.py").write_text(tables.replace('"faults": faults', '"unseen": faults'), "utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        text = re.sub(r"<!-- table: faults -->", "", path.read_text("utf-8"))
        (tmp_path / "docs" / path.name).write_text(text, "utf-8")
    result = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "in no document: unseen\n")


def test_no_document_has_a_place_that_is_not_filled():
    places = {name for path in documents() for name in re.findall(r"\b[A-Z]+_TABLE\b", path.read_text("utf-8"))}
    assert places == set()


def test_every_file_that_a_document_names_exists():
    named = {
        name
        for path in documents()
        for name in re.findall(r"`((?:config|docs|kas|local|tests)/[\w./-]*)`", path.read_text("utf-8"))
    }
    assert len(named) > 20
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == {"config/issuers.json"}  # the operator's own


def test_the_steps_that_the_architecture_counts_are_those_of_the_code():
    steps = re.findall(r"^\s+(\d+)\. ", Authenticator.authenticate.__doc__ or "", re.MULTILINE)
    assert [int(step) for step in steps] == list(range(1, 9))
    assert "authenticator: who asks, in eight steps" in document("architecture.md")


def hash_of_mutated_code() -> str:
    """Of the files that `make mutants` changes, with their names."""
    settings = ConfigParser()
    settings.read(ROOT / "tests" / "mutants" / "setup.cfg", "utf-8")
    names = settings["mutmut"]["only_mutate"].split()
    return hashlib.sha256(b"".join(name.encode() + b"\0" + (ROOT / name).read_bytes() for name in names)).hexdigest()


def test_the_mutants_that_the_document_tells_of_are_those_of_this_code():
    told = re.findall(r"`([0-9a-f]{64})`", document("mutants.md"))
    assert told == [hash_of_mutated_code()], (
        "the code has changed since: run `make mutants` and write down what it says"
    )


def test_every_setting_that_a_document_names_exists():
    named = {name for path in documents() for name in re.findall(r"\bKAS_[A-Z0-9_]+", path.read_text("utf-8"))}
    assert named - SETTINGS == set()
    assert SETTINGS - named == set()


def _earlier_names() -> dict[str, tuple[str, str]]:
    table = re.search(
        r"<!-- earlier names -->\n(.*)<!-- end of earlier names -->", document("configuration.md"), re.DOTALL
    )
    assert table
    rows = [line.strip("| ").split(" | ") for line in table[1].splitlines()[2:]]
    assert all(len(row) == 3 for row in rows)
    return {earlier.strip("`"): (here, why) for earlier, here, why in rows}


def test_every_name_of_the_earlier_system_leads_to_a_setting_or_says_that_there_is_none():
    names = _earlier_names()
    assert names.keys() == EARLIER_NAMES
    for here, why in names.values():
        assert here in {"none yet", "none ever"} or set(here.replace("`", "").split(", ")) <= SETTINGS
        assert why


def _cited(text: str) -> set[str]:
    """Ids of attacks, faults and requirements in a text, ranges unfolded, as names of tests begin with them."""
    ranges = re.findall(r"\b([A-Z])(\d+)(?:–\1(\d+))?\b", text)
    attacks = {
        f"attack_{kind.lower()}{number:02}"
        for kind, first, last in ranges
        for number in range(int(first), int(last or first) + 1)
    }
    faults = {f"fault_{int(number):02}" for number in re.findall(r"\bfault (\d+)", text)}
    return attacks | faults | {f"kas_req_{number}" for number in re.findall(r"\bKAS-REQ-(\d{3})", text)}


def test_every_proof_that_the_security_model_cites_is_a_test():
    """Of a table with tests in its last column, every line cites one that is there, or says that there is none."""
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    proofs, is_proof = [], False
    for line in document("security-model.md").splitlines():
        is_proof = line.startswith("|") and (is_proof or line.endswith("| tests |"))
        if is_proof and not line.endswith(("| tests |", "| --- |")):
            proofs.append(line.rstrip("| ").rpartition(" | ")[2])
    assert len(proofs) > 30
    assert [proof for proof in proofs if not _cited(proof) and "tests/" not in proof] == ["–"]
    cited = _cited(" ".join(proofs))
    assert {name for name in cited if not re.search(rf"def test_{name}[a-z]?_", tests)} == set()


def _audit_examples() -> list[dict[str, Any]]:
    return [json.loads(line) for line in document("api.md").splitlines() if line.startswith('{"severity"')]


def test_the_example_of_an_audit_line_has_the_members_of_one():
    book = journal(trace=Trace("0" * 31 + "1", "0" * 15 + "1", is_sampled=True))
    outcome = KaoOutcome(
        dialect="acp240",
        policy_id="p",
        policy_hash="h",
        kao_id="k",
        kid=None,
        refusal=None,
        decision=None,
        key_operations=0,
        is_cache_hit=False,
    )
    start, release, due, refusal = _audit_examples()
    platform = {name for name in release if name.startswith("logging.googleapis.com/")}
    assert [*kao_event(book, outcome, now=0.0), "chain"] == [name for name in release if name not in platform]
    assert [*refusal_event(book, ProofMethodMismatch, now=0.0), "chain"] == list(refusal)
    checkpoint = checkpoint_event("due", kas="kas-usa", kid="sig-1", revision="", now=0.0)
    assert [*checkpoint, "chain"] == list(start) == list(due)
    named = {*release, *refusal, *start, *start["chain"]} - platform
    text = document("api.md")
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_the_examples_of_audit_lines_are_a_chain():
    chains = [line["chain"] for line in _audit_examples()]
    assert [chain["previous"] for chain in chains] == ["", *(chain["hash"] for chain in chains[:-1])]
    assert [chain["number"] for chain in chains] == [1, 2, 3, 4]
    assert ["signature" in chain for chain in chains] == [True, False, True, False]


def _production_settings() -> dict[str, str]:
    lines = [line for line in (ROOT / "env.yaml").read_text("utf-8").splitlines() if not line.startswith("#")]
    pairs = [re.fullmatch(r"""((?:KAS_[A-Z0-9_]+|THREADS)): (["'])([^']*)\2""", line) for line in lines]
    assert all(pairs), "every line is a name and a quoted text"
    return {pair[1]: pair[3] for pair in pairs if pair}


def test_the_settings_of_a_deployment_are_accepted_on_cloud_run_and_strict():
    asked: dict[str, str] = {}

    def read_secrets(_endpoint, versions):
        asked.update(versions)
        return dict.fromkeys(versions, b"A" * 43 + b"\n")

    settings = Settings.from_environ({**_production_settings(), "K_SERVICE": "kas"}, read_secrets)
    assert asked == {"KAS_NONCE_SECRET": "projects/my-project/secrets/kas-nonce/versions/1"}
    assert (settings.mode, settings.rewrap_dpop_nonce) == ("production", "require")
    assert all(base.startswith("https://") for base in settings.public_bases)
    assert (settings.opentdf_bearer, settings.opentdf_empty_policy, settings.metrics) == ("refuse", "refuse", "off")
    assert (settings.cors_origins, settings.trusted_proxy_hops, settings.key_budget) == (frozenset(), 0, "metered")
    assert (settings.kms_transport, settings.kms_protection_level) == ("http", "HSM")


def test_the_keys_of_a_deployment_are_in_cloud_kms_or_sealed_by_it():
    """None is in a file, and each dialect has one of its own."""
    index = read_index(_production_settings()["KAS_KEYS"], ROOT, takes_files=False)
    assert [entry.record.is_remote for entry in index.unwrap] == [True, True, False]
    assert index.unwrap[2].source is not None
    assert index.unwrap[2].source.sealed_by is not None
    assert [entry.record.hash for entry in index.unwrap[:2]] == ["SHA-256", "SHA-1"]


@pytest.mark.parametrize("name", ["issuers.example.json"])
def test_the_example_of_an_issuer_is_accepted(name):
    countries = load_rules(ROOT / "config").countries
    issuers = load_issuers(ROOT / "config" / name, countries=countries, allow_loopback_http=False)
    assert all(issuer.authorization_endpoint and issuer.token_endpoint for issuer in issuers.values())
    assert issuers
