"""What `smoke --measure` found, beside the targets: ``python3 -m deploy.measured SEEN AUDIT STARTS``

SEEN is what was seen from here, AUDIT the service's own lines on the same requests (as `gcloud logging read --format=json`
gives them, or one a line), by which the way there and back is told from the service's own time, and a kept key from
an opened one. STARTS has how many starts there were in a week and their mean, as Google measured them. What is not known is
said to be so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Json = Mapping[str, Any]

_ROW: Final = "{:<34}{:>12}{:>16}   {}"


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


def audited(text: str) -> dict[str, Json]:
    """Audit lines by request."""
    lines = json.loads(text) if text.lstrip().startswith("[") else [json.loads(one) for one in text.splitlines() if one]
    own = (line.get("jsonPayload", line) for line in lines)
    return {line["requestId"]: line for line in own if line.get("event") == "rewrap"}


def table(seen: Sequence[Json], lines: Mapping[str, Json], starts: int, mean: str) -> Iterator[str]:
    """Rows for people; ``mean`` is that of the starts."""
    yield _ROW.format("milliseconds", "seen here", "in the service", "target")
    first = next(one["ms"] for one in seen if one["kind"] == "first")
    yield _ROW.format("first request", f"{first:.0f}", "", "< 3000 where an instance has to start")
    yield _ROW.format(f"mean of {starts} starts in a week", "", mean if starts else "not known", "< 3000")
    yield _ROW.format("/health, the way there and back", f"{_of(seen, 'alive', 0.5):.0f}", "", "")
    for kind, target in (("warm", "< 100"), ("cached", "< 10")):
        for share in (0.5, 0.95, 0.99):
            inside = _inside(seen, lines, kind)
            own = f"{percentile(inside, share):.0f}" if inside else "not known"
            yield _ROW.format(f"{kind}, p{100 * share:.0f}", f"{_of(seen, kind, share):.0f}", own, target)
    yield _ROW.format("hit rate, repeats", "", _hit_rate(seen, lines), "> 80 %")
    yield _ROW.format("failed", "0 %", "", f"none of {len(seen)}: a failed request ends the run")


def _of(seen: Sequence[Json], kind: str, share: float) -> float:
    return percentile([one["ms"] for one in seen if one["kind"] == kind], share)


def _inside(seen: Sequence[Json], lines: Mapping[str, Json], kind: str) -> list[float]:
    own = [lines[one["id"]] for one in seen if one["kind"] == kind and one["id"] in lines]
    return [sum(line["latencyMs"].values()) for line in own]


def _hit_rate(seen: Sequence[Json], lines: Mapping[str, Json]) -> str:
    own = [lines[one["id"]] for one in seen if one["kind"] == "cached" and one["id"] in lines]
    return f"{100 * sum(line['cacheHit'] for line in own) / len(own):.0f} %" if own else "not known"


def main(arguments: Sequence[str]) -> int:
    seen = [json.loads(line) for line in Path(arguments[0]).read_text("utf-8").splitlines()]
    starts, mean = Path(arguments[2]).read_text("utf-8").split()
    print(*table(seen, audited(Path(arguments[1]).read_text("utf-8")), int(starts), mean), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
