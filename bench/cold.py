"""`make bench-cold`: from the start of a process to its first answer, beside a function that does nothing; and where each
millisecond goes.

The service runs with env.yaml, Cloud KMS and Secret Manager are the stand-in without latency. Bytecode is made before,
every answer is checked, and each figure is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from bench.deployment import Deployment, deployed
from bench.host import BenchFailed, Check, Connection, Start, compile_all, first_answer
from bench.report import add_transport, machine, report_name, write_report
from bench.rounds import MIN_ROUNDS, Beside, beside, interleaved, spread
from bench.stages import STAGES, stages_of
from local.client import Answer
from local.processes import ROOT

_EMPTY: Final = "empty function"
# What is asked first -> the figure.
_FIGURES: Final = {
    "GET /health": "health_ratio",
    "POST /rewrap, refused": "unauthorized_ratio",
    "POST /rewrap": "first_rewrap_kms_ratio",
}

Results = Mapping[str, Sequence[Beside[Start]]]


def ask_nothing(connection: Connection) -> Check:
    """The empty function's one answer."""
    answer = connection("GET", "/")
    return partial(_demand, answer, HTTPStatus.OK, answer.body == b"ok")


def ask_health(connection: Connection) -> Check:
    answer = connection("GET", "/health")
    return lambda: _demand(answer, HTTPStatus.OK, answer.json() == {"status": "ok"})


def ask_without_token(connection: Connection) -> Check:
    answer = connection("POST", "/rewrap", [("Content-Type", "application/json")], b"{}")
    return lambda: _demand(answer, HTTPStatus.UNAUTHORIZED, answer.json().get("code") == "credentials_missing")


def _demand(answer: Answer, status: HTTPStatus, is_right: bool) -> None:  # noqa: FBT001 - the last words of a sentence
    if answer.status != status or not is_right:
        raise BenchFailed(f"{answer.status}: {answer.body[:300]!r}")


def starts(deployment: Deployment, rounds: int) -> Results:
    """Every start of every round."""
    cases: dict[str, Callable[[], Start]] = {
        "GET /health": partial(first_answer, deployment.kas, ask_health),
        "POST /rewrap, refused": partial(first_answer, deployment.kas, ask_without_token),
        "POST /rewrap": partial(first_answer, deployment.kas, deployment.client.rewrap),
    }
    return beside(partial(first_answer, deployment.empty, ask_nothing), cases, rounds)


def stages(deployment: Deployment, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each stage, the median of the rounds."""
    cases: dict[str, Callable[[], dict[str, float]]] = {
        _EMPTY: partial(stages_of, deployment.empty, ask_nothing),
        "GET /health": partial(stages_of, deployment.kas, ask_health),
        "POST /rewrap": partial(stages_of, deployment.kas, deployment.client.rewrap),
    }
    found = interleaved(cases, rounds)
    return {
        name: {stage: statistics.median(one[stage] for one in results) for stage in STAGES}
        for name, results in found.items()
    }


def empty_starts(results: Results) -> list[Start]:
    """Those of the empty function, each once."""
    around = {start.began: start for of in results.values() for one in of for start in (one.before, one.after)}
    return [around[began] for began in sorted(around)]


def print_starts(results: Results) -> dict[str, float]:
    """Prints the table and gives the figures."""
    figures = {}
    print("median (quartiles, extremes): milliseconds of wall time, and of all processors by all processes;")
    print("× those of the empty function right before and after")
    for name, found in {_EMPTY: empty_starts(results), **{name: _own(of) for name, of in results.items()}}.items():
        print(
            f"{name:<22}   {spread([one.wall for one in found]):4.0f}   CPU {spread([one.cpu for one in found]):4.0f}"
        )
        if name in results:
            walls = spread([one.ratio(_wall) for one in results[name]])
            print(f"{'':<22} × {walls:4.2f} × CPU {spread([one.ratio(_cpu) for one in results[name]]):4.2f}")
            figures[_FIGURES[name]] = walls.median
    return figures


def _own(results: Sequence[Beside[Start]]) -> list[Start]:
    return [one.result for one in results]


def _wall(start: Start) -> float:
    return start.wall


def _cpu(start: Start) -> float:
    return start.cpu


def print_stages(found: Mapping[str, Mapping[str, float]]) -> None:
    print("\nwhere each millisecond goes (starts of their own, slower for being watched)")
    print(f"{'':<38}" + "".join(f"{name:>16}" for name in found))
    for stage, words in STAGES.items():
        print(f"{words:<38}" + "".join(f"{of[stage]:>16.1f}" for of in found.values()))
    print(f"{'sum of the medians':<38}" + "".join(f"{sum(of.values()):>16.1f}" for of in found.values()))


def context(results: Results, found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What a reader needs to judge the figures: every start, and the stages."""
    every = {_EMPTY: empty_starts(results), **{name: _own(of) for name, of in results.items()}}
    return {
        "rounds": len(next(iter(results.values()))),
        "wallMs": {name: [round(start.wall, 1) for start in of] for name, of in every.items()},
        "cpuMs": {name: [round(start.cpu, 1) for start in of] for name, of in every.items()},
        "wallRatios": {name: [round(one.ratio(_wall), 3) for one in of] for name, of in results.items()},
        "stagesMs": {name: {stage: round(ms, 1) for stage, ms in of.items()} for name, of in found.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help=f"{MIN_ROUNDS} or more")
    parser.add_argument("--stage-rounds", type=int, default=9, help="of starts that are watched")
    add_transport(parser)
    asked = parser.parse_args()
    if asked.rounds < MIN_ROUNDS:
        parser.error(f"--rounds: {MIN_ROUNDS} or more")
    before = machine()
    with deployed(KAS_KMS_TRANSPORT=asked.transport) as deployment:
        compile_all(ROOT / "main.py", ROOT / "kas", deployment.empty.folder)
        results = starts(deployment, asked.rounds)
        figures = print_starts(results)
        found = stages(deployment, asked.stage_rounds)
    print_stages(found)
    print()
    for name, value in figures.items():
        print(f"  {name:<28} {value:8.3f}")
    raw = {**before, "transport": asked.transport, **context(results, found)}
    print(write_report(report_name("bench-cold", asked.transport), figures, raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
