"""A shell, or one command, in which gcloud meets an empty project of the stand-in; all of it is gone when that ends."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from local.rehearsal.stage import NoGcloud, Stage, stage
from local.rehearsal.world import LEAD, PROJECT_ID

_WELCOME: Final = """\
The project {project} is empty, {person} owns it and has logged in. What is deployed answers at its address, here.
    cp "$REHEARSAL_ISSUERS" config/issuers.json    # the issuer whose tokens the smoke test brings
    ./deploy.sh plan
    ./deploy.sh apply
    curl https://kas-usa-123456789012.us-central1.run.app/health
Logs of what runs are in $TMPDIR/logs. exit ends it, and leaves nothing."""


def run(one: Stage, command: list[str]) -> int:
    """The status that the command ends with."""
    issuers = one.world.folder / "issuers.json"
    issuers.write_text(one.issuer.document(), "utf-8")
    more = {"CLOUDSDK_CORE_PROJECT": PROJECT_ID, "REHEARSAL_ISSUERS": str(issuers), "SETTLE_SECONDS": "1"}
    terminal = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
    return subprocess.run(command, env={**one.environment, **terminal, **more}, check=False).returncode


def tell(one: Stage) -> None:
    """What would have failed a rehearsal."""
    for line in (*one.world.journal.missing(), *one.proxy.refused):
        print(f"not stood in for: {line}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.rehearsal", description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="by default a shell")
    command = parser.parse_args().command
    # Ctrl-C is for what runs in the shell.
    signal.signal(signal.SIGINT, lambda *_: None)
    with contextlib.ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
        try:
            one = ending.enter_context(stage(folder))
        except NoGcloud as error:
            print(f"local.rehearsal: {error}", file=sys.stderr)
            return 1
        if not command:
            print(_WELCOME.format(project=PROJECT_ID, person=LEAD))
        status = run(one, command or ["bash", "--norc", "-i"])
        tell(one)
    return status


if __name__ == "__main__":
    sys.exit(main())
