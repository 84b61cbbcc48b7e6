"""A shell, or one command, in which gcloud meets an empty project of the stand-in; all of it is gone when that ends."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from local.ending import terminating
from local.rehearsal.checkout import copy_checkout
from local.rehearsal.stage import NoGcloud, Stage, stage
from local.rehearsal.world import LEAD, PROJECT_ID

_WELCOME: Final = """\
The project {project} is empty, {person} owns it and has logged in. What is deployed answers at its address, here.
    ./deploy.sh plan
    ./deploy.sh apply
    curl https://kas-usa-123456789012.us-central1.run.app/health
This is a copy of the checkout. Logs of what runs are in $TMPDIR/logs. exit ends it, and leaves nothing."""
_PROMPT: Final = "(rehearsal) \\$ "


def run(one: Stage, command: list[str]) -> int:
    """The status that the command, in a checkout of its own, ends with."""
    more = {"CLOUDSDK_CORE_PROJECT": PROJECT_ID, "SETTLE_SECONDS": "1", "PS1": _PROMPT, "PYTHONDONTWRITEBYTECODE": "1"}
    terminal = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
    checkout = copy_checkout(one.world.folder, one.issuer)
    return subprocess.run(command, env={**one.environment, **terminal, **more}, cwd=checkout, check=False).returncode


def tell(one: Stage) -> None:
    """What would have failed a rehearsal."""
    for line in (*one.world.journal.missing(), *one.proxy.refused):
        print(f"not stood in for: {line}", file=sys.stderr)


def rehearse(command: list[str]) -> int:
    print("Setting up a project of the stand-in …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder, stage(Path(folder)) as one:
        if not command:
            print(_WELCOME.format(project=PROJECT_ID, person=LEAD))
        status = run(one, command or ["bash", "--norc", "-i"])
        tell(one)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.rehearsal", description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="by default a shell")
    command = parser.parse_args().command
    # Ctrl-C is for what runs in the shell.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with terminating():
            return rehearse(command)
    except NoGcloud as error:
        print(f"local.rehearsal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 143


if __name__ == "__main__":
    sys.exit(main())
