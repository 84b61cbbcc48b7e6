"""Splits of one key among the key access objects of a request (ACP-240 §2, ``allOf``): which are of use, and what they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kas.cases import Case, Work
from kas.crypto.splits import combine
from kas.crypto.wrapping import Wrap
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected
from kas.protocol.values import Mode, Released


def without_incomplete(cases: Sequence[Case]) -> list[Case]:
    """Those that can be of use: where one split of a key is refused, the others would be opened in vain."""
    present = Counter(id(case.group) for case in cases)
    useful = []
    for case in cases:
        if case.group.mode is Mode.ALL_OF and present[id(case.group)] < len(case.group.key_accesses):
            case.skip()
        else:
            useful.append(case)
    return useful


def splits_of(opened: Sequence[tuple[Case, DataKey]]) -> list[list[tuple[Case, DataKey]]]:
    """What has opened of each group of splits, in the order sent."""
    found: dict[int, list[tuple[Case, DataKey]]] = {}
    for case, data_key in opened:
        if case.group.mode is Mode.ALL_OF:
            found.setdefault(id(case.group), []).append((case, data_key))
    return list(found.values())


def combine_splits(splits: Sequence[tuple[Case, DataKey]], wrap: Wrap, work: Work) -> None:
    """All splits make one key, which stands in the first result (ACP-240 §2, ``allOf``); fewer make none."""
    cases = [case for case, _ in splits]
    if len(cases) < len(cases[0].group.key_accesses):
        for case in cases:
            case.skip()
        return
    try:
        combined = combine([data_key for _, data_key in splits])
    except KeyMaterialRejected as refusal:
        for case in cases:
            case.refuse(refusal, work.journal)
        return
    try:
        cases[0].outcome = Released(wrap(combined), cases[0].metadata, combined=True)
    finally:
        combined.wipe()
    for case in cases[1:]:
        case.outcome = Released(None, case.metadata)
