"""The act of the demonstration that a published OpenTDF client plays: it writes a file, one reads it, another may not.

Each step tells what was seen; whoever shows it counts what did not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.otdf.client import HOME, Operation, Outcome, otdf_python, run_client

ATTRIBUTES: Final = (
    "https://kas.example/attr/classification/value/SECRET",
    "https://kas.example/attr/releasability/value/USA",
)
DENIED: Final = "PermissionDenied desc = forbidden: attribute_not_entitled"


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether an expectation held, what was seen, and the client's own words on it, which may be none."""

    held: bool
    text: str
    words: str


@dataclass(frozen=True, slots=True)
class OtdfAct:
    """Played at the KAS whose public base is ``platform``, with files in ``folder``; ``home`` is the client's."""

    platform: str
    folder: Path
    home: Path = HOME

    def play(self, plain: Path) -> Iterator[Finding]:
        """All steps in order, with the file ``plain``. Raises ClientUnavailable."""
        tdf = self.folder / "file.tdf"
        yield self.encrypts(plain, tdf, ATTRIBUTES)
        yield self.opens("usa-secret", tdf, plain.read_bytes())
        yield self.refuses("usa-unclassified", tdf)

    def encrypts(self, plain: Path, tdf: Path, attributes: tuple[str, ...]) -> Finding:
        """Expects a file in which the plain text is not to be seen."""
        outcome = self._run("encrypt", "usa-secret", plain, tdf, attributes)
        content = outcome.content or b""
        held = content != b"" and plain.read_bytes() not in content
        return Finding(held, f"a TDF of {len(content)} bytes without the plain text", _first_line(outcome))

    def opens(self, client_id: str, tdf: Path, data: bytes) -> Finding:
        """Expects ``data`` back."""
        outcome = self._run("decrypt", client_id, tdf, self.folder / "opened")
        text = f"{client_id} reads the same {len(outcome.content or b'')} bytes by otdf-python"
        return Finding(outcome.content == data, text, _first_line(outcome))

    def refuses(self, client_id: str, tdf: Path) -> Finding:
        """Expects that the client ends without a file and says that the policy denied."""
        target = self.folder / "refused"
        outcome = self._run("decrypt", client_id, tdf, target)
        held = outcome.status != 0 and not target.exists() and DENIED in outcome.error
        file = "a file" if target.exists() else "no file"
        return Finding(
            held, f"{client_id}: otdf-python ends with status {outcome.status} and {file}", _first_line(outcome)
        )

    def _run(
        self, operation: Operation, client_id: str, source: Path, target: Path, attributes: tuple[str, ...] = ()
    ) -> Outcome:
        command = otdf_python(
            operation,
            source,
            target,
            platform=self.platform,
            client_id=client_id,
            attributes=attributes,
            home=self.home,
        )
        return run_client(command, target)


def _first_line(outcome: Outcome) -> str:
    return outcome.error.partition("\n")[0]
