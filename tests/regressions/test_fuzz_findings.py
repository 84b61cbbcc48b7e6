"""What fuzzing found, each mended; and the fuzzer's own targets on the inputs that it starts from."""

from __future__ import annotations

from typing import Any

import pytest

from kas.auth import dpop
from kas.encoding import canonical_json
from kas.errors import InvalidStructure, ProofKeyInvalid
from kas.jose import CompactJws
from local.client import new_proof_key
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import TARGETS

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
