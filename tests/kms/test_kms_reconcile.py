"""The trail of a real service against the stand-in's record of who used which key: the same, until somebody else uses a key, or
lines are cut where no checkpoint shows it.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.google_world import ACP240_VERSION, ADMIN_TOKEN, KAS_MEMBER
from local.processes import ROOT
from tests.attacks.rewrap_answers import kao_refused, released
from tests.kms.google_kit import DECRYPT, GoogleKit
from tests.wrappers import published_ec_key, seal_all

KEY = ACP240_VERSION.rpartition("/cryptoKeyVersions/")[0]
DECRYPTER = "roles/cloudkms.cryptoKeyDecrypter"
ADMIN = "user:admin@example.com"


@pytest.fixture
def lines(running: GoogleKit, tmp_path: Path) -> Iterator[list[str]]:
    """What a service leaves that had all kinds of trouble; both sides are in files of ``tmp_path``."""
    running.settle()
    before = len(running.kit.log.read_text("utf-8").splitlines())
    kit, control = running.kit, running.control
    released(kit.attempt(kaos=3))
    released(seal_all(kit.attempt(), *published_ec_key(kit)))
    control.fail("UNAVAILABLE", method=DECRYPT)  # never reaches the service
    released(kit.attempt())
    control.corrupt("response.plaintext", method=DECRYPT)  # is a decrypt, and another one follows
    released(kit.attempt())
    damaged = kit.attempt()
    damaged.kao["wrappedKey"] = base64.b64encode(bytes(256)).decode()
    damaged.resign()
    kao_refused(damaged, "key_material_rejected", 400, damaged.send())
    running.wait_for_calls()
    (tmp_path / "kms.json").write_bytes(control.data_access())
    (tmp_path / "keys.json").write_text(running.project.settings["KAS_KEYS"], "utf-8")
    (tmp_path / "jwks.json").write_bytes(kit.http("GET", f"{kit.base}/.well-known/jwks.json").body)
    written = kit.log.read_text("utf-8").splitlines()[before:]
    yield [line for line in written if '"chain"' in line]
    running.settle()


def command(folder: Path, lines: list[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit status and what is printed."""
    (folder / "audit.log").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kas.audit", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def reconcile(folder: Path, lines: list[str], *options: str) -> tuple[int, list[str]]:
    files = [str(folder / name) for name in ("audit.log", "kms.json")]
    return command(folder, lines, "reconcile", "--keys", str(folder / "keys.json"), *options, *files)


def surplus(said: list[str]) -> list[str]:
    return [line.removeprefix("surplus: ") for line in said if line.startswith("surplus: ")]


def test_both_say_the_same(lines: list[str], tmp_path: Path) -> None:
    """Of eight attempts one never arrived, one was refused, and one was repeated though it had been served."""
    status, said = reconcile(tmp_path, lines, "--account", KAS_MEMBER.partition(":")[2])
    assert status == 0, said
    (counts,) = [line for line in said if line.startswith(ACP240_VERSION)]
    assert "the audit has 8 operations begun and 5 releases by one; Google has 6 decrypts, by kas@" in counts
    assert counts.endswith("and 1 refused calls")
    assert said[-1] == "both say the same"


def test_a_cut_tail_is_seen_though_the_chain_is_whole(lines: list[str], tmp_path: Path) -> None:
    """The last release and all after it are taken away: what is left is a whole trail."""
    cut = lines[: max(place for place, line in enumerate(lines) if '"outcome":"released"' in line)]
    jwks = str(tmp_path / "jwks.json")
    assert command(tmp_path, cut, "verify", "--partial", "--jwks", jwks, str(tmp_path / "audit.log"))[0] == 0
    status, said = reconcile(tmp_path, cut)
    assert status == 1
    (decrypt,) = surplus(said)  # of its two decrypts one passes for the attempt that never arrived
    assert decrypt.startswith(f"Google has a decrypt with {ACP240_VERSION} at ")


def test_a_decrypt_by_somebody_else_is_seen(lines: list[str], running: GoogleKit, tmp_path: Path) -> None:
    """Who has a role on the key uses it past the service."""
    running.control.give(KEY, DECRYPTER, ADMIN)
    try:
        known = running.kit.attempt()
        body = json.dumps({"ciphertext": known.kao["wrappedKey"]}).encode()
        url = f"{running.google.base}/v1/{ACP240_VERSION}:asymmetricDecrypt"
        headers = [("Authorization", f"Bearer {ADMIN_TOKEN}"), ("Content-Type", "application/json")]
        for _ in range(3):
            assert running.control.http("POST", url, headers, body).status == 200
    finally:
        running.control.take(KEY, DECRYPTER, ADMIN)
    (tmp_path / "kms.json").write_bytes(running.control.data_access())
    status, said = reconcile(tmp_path, lines)
    assert status == 1
    assert len(surplus(said)) == 1  # two operations that were begun had no decrypt
    account = KAS_MEMBER.partition(":")[2]
    _, said = reconcile(tmp_path, lines, "--account", account)
    assert f"3 calls of {ACP240_VERSION} by {ADMIN.partition(':')[2]}" in surplus(said)


def test_releases_that_google_does_not_know_are_seen(lines: list[str], tmp_path: Path) -> None:
    """Lines were invented, or its record is switched off."""
    entries = json.loads((tmp_path / "kms.json").read_bytes())
    kept = [entry for entry in entries if entry["protoPayload"]["methodName"] != DECRYPT]
    (tmp_path / "kms.json").write_text(json.dumps([*kept, entries[0]]), "utf-8")
    status, said = reconcile(tmp_path, lines)
    assert status == 1
    assert len(surplus(said)) >= 4
    assert all(
        line.startswith("audit.log line ") and "and Google has no decrypt for it" in line for line in surplus(said)
    )
