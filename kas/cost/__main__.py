"""``python -m kas.cost``: what a month costs, for people, for programs (``--json``), and as a picture (``--plot``).

It runs on the standard library alone. The exit status is 1 when a picture cannot be made, and 2 when the command is not
understood or a file cannot be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

from kas.cost.arguments import new_parser, scenario_of
from kas.cost.audit_file import AuditFileUnreadable, Usage, explained, measured, read_usage
from kas.cost.plot import PlotUnavailable, draw
from kas.cost.prices import Prices, load_prices
from kas.cost.report import as_json, as_text, new_report
from kas.cost.scenario import Scenario

_LEAST_DAYS: Final = 1 / 24


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser()
    parsed = parser.parse_args(arguments)
    prices, usage, days = load_prices(), None, 0.0
    if parsed.from_audit is not None:
        try:
            usage = read_usage(parsed.from_audit)
        except AuditFileUnreadable as error:
            parser.error(str(error))
        days = parsed.days or usage.days
        if days < _LEAST_DAYS and parsed.days is None:
            parser.error(f"{parsed.from_audit}: covers less than an hour; say with --days what it stands for")
    elif parsed.days is not None:
        parser.error("--days goes with --from-audit")
    scenario = scenario_of(parsed, {} if usage is None else measured(usage, days))
    if scenario.min_instances > scenario.instances:
        parser.error("--min-instances must not exceed --instances")
    report = new_report(scenario, prices)
    if parsed.json:
        audit = {} if usage is None else {"audit": _audit(usage, days, scenario, prices)}
        sys.stdout.write(json.dumps({**as_json(report), **audit}, indent=2) + "\n")
    else:
        sys.stdout.write(
            as_text(report) + ("" if usage is None else _audit_text(_audit(usage, days, scenario, prices)))
        )
    try:
        if parsed.plot is not None:
            draw(scenario, prices, parsed.plot)
            sys.stderr.write(f"The picture is {parsed.plot}.\n")
    except (PlotUnavailable, OSError) as error:
        sys.stderr.write(f"kas.cost: {error}\n")
        return 1
    return 0


def _audit(usage: Usage, days: float, scenario: Scenario, prices: Prices) -> dict[str, float]:
    return {
        "requests": usage.requests,
        "days": days,
        "keyAccessObjects": usage.kaos,
        "keyOperations": usage.operations,
        "cacheHits": usage.hits,
        "otherLines": usage.others,
        "linesCost": usage.micro_usd / 1e6,
        "modelCost": explained(usage, scenario, prices),
    }


def _audit_text(audit: dict[str, float]) -> str:
    return (
        f"\nThe file: {audit['requests']:,} requests in {audit['days']:,.3g} days, {audit['keyAccessObjects']:,} key access"
        f" objects, {audit['keyOperations']:,} key operations, {audit['cacheHits']:,} hits; {audit['otherLines']:,} other"
        f" lines.\nTheir costMicroUsd add up to ${audit['linesCost']:,.6f}; the same requests by the model, before free"
        f" tiers and shared time, to ${audit['modelCost']:,.6f}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
