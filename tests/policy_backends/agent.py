"""An Open Policy Agent as a process, with the policy of `config/opa` and the files that it is to be given."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.client import Http, TransportFailed
from local.ports import HOST, free_port
from local.processes import ROOT

OPA = ROOT / ".local" / "policy_backends" / "opa"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Agent:
    """A running one; ``stop`` may be called again."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running_agent(config: Path, attributes: Path, *, has_policy: bool = True) -> Iterator[Agent]:
    """One on a free port, as `docs/opa.md` starts it; stopped at the end."""
    port = free_port()
    files = (f"labels:{config}/labels.json", f"countries:{config}/countries.json", f"attributes:{attributes}")
    command = [OPA, "run", "--server", "--addr", f"{HOST}:{port}", "--log-level", "error", "--skip-version-check"]
    process = subprocess.Popen([*command, *([config / "opa" / "kas.rego"] if has_policy else []), *files])
    agent = Agent(f"http://{HOST}:{port}", process)
    try:
        _wait_for(agent)
        yield agent
    finally:
        agent.stop()


def _wait_for(agent: Agent) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(TransportFailed), contextlib.closing(Http(timeout_seconds=2)) as http:
            http("GET", f"{agent.url}/health")
            return
        assert agent.process.poll() is None, "opa ended while starting; its own words are above"
        assert time.monotonic() < deadline, "opa does not answer"
        time.sleep(0.05)
