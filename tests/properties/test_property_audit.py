"""The trail: whatever is done to it between its checkpoints is said, and whatever says the same is not."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kas.audit.chain import hash_of, hash_of_lifted
from kas.audit.keys import CheckpointKeys
from kas.audit.pairs import unpaired
from kas.audit.read import read_log
from kas.audit.verify import Verdict, Verification
from kas.jose import parse_public_jwk, to_jwk
from kas.journal import Trace
from tests.trails import SIGNER, as_struct, audit_log, exported, frugal, rewrap

KEYS = CheckpointKeys({SIGNER.kid: parse_public_jwk(to_jwk(SIGNER.private_key.public_key()))})
TRACE = Trace("a" * 32, "b" * 16, is_sampled=True)


def trail_of(name: str) -> list[bytes]:
    """A process with events of each kind of member, and an orderly end: eleven lines, four checkpoints."""
    lines: list[bytes] = []
    now = [0.0]
    log = frugal(
        audit_log(
            lambda line: lines.append(line) or len(line),  # type: ignore[func-returns-value]
            draw=lambda: name * 22,
            timer=lambda: now[0],
            project="p",
        )
    )
    log.record([rewrap(0)])
    log.record([rewrap(1, kaoId='x"\\\n\u2028\U0001f600'), rewrap(2, checks=None, outcome="refused", code="x")], TRACE)
    now[0] += 1
    log.record([rewrap(3, latencyMs={"sign": 0.001, "read": 1e-5})], TRACE)
    log.record([rewrap(4), rewrap(5), rewrap(6)])
    log.close()
    return lines


LINES = [*trail_of("a"), *trail_of("b")]
TRAIL = b"".join(LINES)


def verdict_of(data: bytes) -> Verdict:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        verification = Verification(KEYS)
        verification.add(read_log(Path(file.name)))
        return verification.verdict(is_part=False)


def said(data: bytes) -> set[str]:
    """What the lines say, whatever their order and form; a member that is null is as good as none."""
    found = set()
    for line in data.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            found.add(line.decode("latin-1"))
            continue
        if isinstance(value, dict):
            value = {name: member for name, member in value.items() if member is not None}
        found.add(json.dumps(value, sort_keys=True))
    return found - {""}


def test_the_trail_is_whole() -> None:
    """Else the rest shows nothing."""
    verdict = verdict_of(TRAIL)
    assert (verdict.faults, verdict.lines) == ((), len(LINES))
    assert len(verdict.processes) == 2


@st.composite
def edits(draw: st.DrawFn) -> bytes:
    """One byte replaced, deleted or inserted, or two exchanged."""
    data = bytearray(TRAIL)
    place = draw(st.integers(0, len(data) - 2))
    kind = draw(st.sampled_from(["replace", "delete", "insert", "swap"]))
    byte = draw(st.integers(0, 255) | st.sampled_from(b'"{}[],:\\\n 0aA'))
    if kind == "replace":
        data[place] = byte
    elif kind == "delete":
        del data[place]
    elif kind == "insert":
        data.insert(place, byte)
    else:
        other = draw(st.integers(0, len(data) - 1))
        data[place], data[other] = data[other], data[place]
    return bytes(data)


@given(edits())
@example(TRAIL.replace(b'"severity":"INFO"', b'"severity":"INF0"', 1))
@example(TRAIL.replace(b'"chain"', b'"chair"', 1))
@example(TRAIL[::-1].replace(b'"niahc"', b'"niahd"', 1)[::-1])
@example(TRAIL.replace(b'"trace_sampled":true', b'"trace_sampled":frue', 1))
@settings(max_examples=80, deadline=None)
def test_a_byte_that_is_not_what_was_written_is_said(edited: bytes) -> None:
    """In any line of the file, the first and the last included."""
    assert bool(verdict_of(edited).faults) == (said(edited) != said(TRAIL))


@given(st.sets(st.integers(0, len(LINES) - 1), min_size=1), st.randoms())
@settings(deadline=None)
def test_lines_that_are_missing_are_said_but_for_a_tail(missing: set[int], rng: random.Random) -> None:
    """Exactly where a later line of the same process is there; the order says nothing."""
    kept = [(place, line) for place, line in enumerate(LINES) if place not in missing]
    half = len(LINES) // 2
    last = [max((place for place, _ in kept if place // half == process), default=-1) for process in range(2)]
    is_seen = any(place < last[place // half] for place in missing)
    rng.shuffle(kept)
    assert bool(verdict_of(b"".join(line for _, line in kept)).faults) == is_seen


@given(st.lists(st.integers(0, len(LINES) - 1), max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_order_and_repetition_say_nothing(repeated: list[int], rng: random.Random) -> None:
    """As lines, and as entries of an export."""
    lines = [*LINES, *(LINES[place] for place in repeated)]
    rng.shuffle(lines)
    assert verdict_of(b"".join(lines)).faults == ()
    assert verdict_of(json.dumps(exported(lines)).encode()).faults == ()


def rechained(lines: Iterable[dict[str, Any]]) -> bytes:
    """All hashes made anew, from the first line on: what somebody can do who has no key."""
    made, previous = [], ""
    for line in lines:
        line["chain"] |= {"previous": previous, "lifted": hash_of_lifted(line)}
        previous = line["chain"]["hash"] = hash_of(line)
        made.append(json.dumps(line).encode())
    return b"\n".join(made)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)


@given(st.integers(0, len(LINES) // 2 - 1), st.data(), VALUES)
@settings(deadline=None)
def test_who_knows_the_form_but_not_the_key_changes_nothing_unseen(
    place: int, data: st.DataObject, value: object
) -> None:
    """Any member of any line, all hashes made anew."""
    lines = [json.loads(line) for line in LINES[: len(LINES) // 2]]
    before = rechained(json.loads(json.dumps(lines)))
    name = data.draw(st.sampled_from([*lines[place].keys() - {"chain"}, "more"]))
    lines[place][name] = value
    after = rechained(lines)
    assert bool(verdict_of(after).faults) == (said(after) != said(before))


@given(st.integers(0, len(LINES) - 1), st.data(), VALUES)
@settings(deadline=None)
def test_no_member_of_a_place_can_be_changed_or_taken_away_unseen(
    place: int, data: st.DataObject, value: object
) -> None:
    """In an export, where nothing is left of what ``lifted`` covers."""
    entries = exported(LINES)
    chain = entries[place]["jsonPayload"]["chain"]
    name = data.draw(st.sampled_from([*chain, "lost"]))
    before = json.dumps(chain)
    if value is None:
        chain.pop(name, None)
    else:
        chain[name] = value
    is_same = json.dumps(as_struct(chain)) == before
    assert bool(verdict_of(json.dumps(entries).encode()).faults) != is_same


TIMES = st.lists(st.integers(0, 40).map(float), max_size=8).map(sorted)


@given(TIMES, TIMES, st.integers(0, 6))
@settings(deadline=None)
def test_as_many_as_possible_are_paired(times: list[float], others: list[float], within: int) -> None:
    """As many as the best of all pairings, by trying them all."""

    def best(left: tuple[float, ...], free: tuple[float, ...]) -> int:
        if not left or not free:
            return 0
        head, *rest = left
        fits = {other for other in free if abs(other - head) <= within}
        without = best(tuple(rest), free)
        return max([without, *(1 + best(tuple(rest), _without(free, other)) for other in fits)])

    times, others = times[:5], others[:5]
    assert len(times) - len(unpaired(times, others, within)) == best(tuple(times), tuple(others))


def _without(free: tuple[float, ...], one: float) -> tuple[float, ...]:
    place = free.index(one)
    return free[:place] + free[place + 1 :]
