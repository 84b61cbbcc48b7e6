"""Figures that Google keeps anyway, from Cloud Monitoring: sums over a time, and how long instances took to start.

``python3 -m deploy.timeseries PROJECT SERVICE`` prints how many starts there were in a week and their mean in milliseconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from deploy.google_api import CallFailed, call, token

_STARTS: Final = 'metric.type="run.googleapis.com/container/startup_latencies" AND resource.labels.service_name="{}"'
_WEEK_SECONDS: Final = 7 * 86_400


def values(project: str, bearer: str, filter_: str, since: float, now: float, aligner: str) -> list[Mapping[str, Any]]:
    """The values of all series that the filter finds, summed into one point. Raises CallFailed."""
    query = {
        "filter": filter_,
        "interval.startTime": _timestamp(since),
        "interval.endTime": _timestamp(now),
        "aggregation.alignmentPeriod": f"{max(60, int(now - since))}s",
        "aggregation.perSeriesAligner": aligner,
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
    }
    found = call("monitoring", f"v3/projects/{project}/timeSeries", bearer, query=query)
    return [point["value"] for series in found.get("timeSeries", []) for point in series.get("points", [])]


def total(project: str, bearer: str, filter_: str, since: float, now: float, aligner: str = "ALIGN_SUM") -> float:
    """Their sum, 0 where there is nothing. Raises CallFailed."""
    numbers = values(project, bearer, filter_, since, now, aligner)
    return sum(float(value.get("doubleValue", value.get("int64Value", 0))) for value in numbers)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(arguments: Sequence[str]) -> int:
    project, service = arguments
    now = time.time()
    try:
        found = values(project, token(), _STARTS.format(service), now - _WEEK_SECONDS, now, "ALIGN_DELTA")
    except CallFailed as failure:
        sys.stderr.write(f"ERROR: {failure}\n")
        return 1
    distributions = [value.get("distributionValue", {}) for value in found]
    count = sum(int(one.get("count", 0)) for one in distributions)
    sums = sum(int(one.get("count", 0)) * float(one.get("mean", 0)) for one in distributions)
    print(count, f"{sums / count:.0f}" if count else 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
