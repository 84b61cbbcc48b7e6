"""What fuzzing found, each mended; and the fuzzer's own targets on the inputs that it starts from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kas.auth import dpop
from kas.encoding import canonical_json
from kas.errors import InvalidStructure, ProofKeyInvalid
from kas.google.kms_http import HttpKmsTransport
from kas.jose import CompactJws
from kas.keys.kms_answers import KeyUnfit, read_public_key
from local.client import new_proof_key
from tests.fuzz import at_start
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import GOOGLE_ANSWERS
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
CHANGES = 8


def nested(levels: int) -> Any:
    """Deeper than any interpreter's own parser goes on Python before 3.13, so it is built by hand."""
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


def shortened(data: bytes, max_size: int) -> bytes:
    """Stands in for the change of bytes that libFuzzer would make."""
    return data[: max_size // 2]


@pytest.mark.parametrize("target", TARGETS)
def test_target_takes_its_seeds_and_changes_of_them(target: str) -> None:
    """Nothing is raised but what the function under test says it raises: `make fuzz` searches from here."""
    for seed in TARGETS[target].seeds[:40]:
        TARGETS[target].run(seed)
        for number in range(CHANGES):
            TARGETS[target].run(mutate(seed, 16384, number, shortened))


@pytest.mark.parametrize("member", ["algorithm", "protectionLevel"])
def test_what_google_says_of_a_key_is_told_in_one_line(member: str) -> None:
    """Whatever it calls algorithm or level: at a start the text goes to standard error as it is."""
    answer = json.loads(GOOGLE_ANSWERS[1]) | {member: "HSM\x1b[2J\nforged"}
    transport = HttpKmsTransport(at_start.Answers(200, json.dumps(answer).encode()))  # type: ignore[arg-type]
    with pytest.raises(KeyUnfit) as refused:
        read_public_key(transport.get_public_key(at_start.VERSION, timeout_seconds=1.0), at_start.RECORD, "HSM")
    assert "HSM [2J forged" in str(refused.value)


def test_the_document_tells_of_every_target_and_of_no_other() -> None:
    """A run is recorded for each."""
    rows = [line for line in (ROOT / "docs" / "fuzzing.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)` \| [0-9,]+ \|", "\n".join(rows))) == sorted(TARGETS)


def test_nesting_without_a_canonical_form_is_a_refusal() -> None:
    """From Python 3.13 on JSON is parsed that cannot be put into canonical form: once a RecursionError."""
    with pytest.raises(InvalidStructure) as refused:
        canonical_json(nested(20_000))
    assert [fault.code for fault in refused.value.faults] == ["too_deep"]


def test_proof_key_with_a_member_nested_too_deeply_is_refused() -> None:
    """In a member of ``jwk`` that nobody reads: once a 500 on Python 3.13."""
    header = {"jwk": new_proof_key().jwk | {"x5c": nested(20_000)}}
    with pytest.raises(ProofKeyInvalid):
        dpop._embedded_key(CompactJws(header, {}, b"", b""), "ES256")
