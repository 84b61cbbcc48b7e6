"""``python -m deploy.preview OUT.png``: the dashboard over a simulated day."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.preview.day import simulated_day
from deploy.preview.definitions import dashboard
from deploy.preview.draw import draw
from deploy.preview.platform import stored


def main() -> int:
    if len(sys.argv) != 2:  # noqa: PLR2004 - the file
        sys.stderr.write("usage: python -m deploy.preview OUT.png\n")
        return 2
    out = Path(sys.argv[1])
    sys.stderr.write("Simulating a day and drawing it takes a minute …\n")
    day = simulated_day()
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(dashboard(), stored(day), day, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
