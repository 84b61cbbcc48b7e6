"""Fuzzes one target: ``python -m tests.fuzz.fuzz <target> [options of libFuzzer]``, with atheris (`setup.sh`).

The corpus grows in ``.local/fuzz/corpus``; an input that raises, takes over 25 seconds or 2 GB goes to
``.local/fuzz/findings`` and ends the run.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

from tests.fuzz.mutate import mutate

with atheris.instrument_imports(include=["kas", "rfc8785"]):
    from tests.fuzz.targets import TARGETS

HOME = Path(__file__).parents[2] / ".local" / "fuzz"


def main() -> None:
    name, options = sys.argv[1], sys.argv[2:]
    target = TARGETS[name]
    corpus, findings = HOME / "corpus" / name, HOME / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    bounds = ["-timeout=25", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"]
    arguments = [sys.argv[0], *bounds, f"-artifact_prefix={findings}/{name}-", *options, str(corpus)]
    atheris.Setup(
        arguments,
        target.run,
        custom_mutator=lambda data, max_size, seed: mutate(data, max_size, seed, atheris.Mutate),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
