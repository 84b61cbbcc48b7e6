"""`make demo`: a file encrypted under a policy, opened by two people, refused to two others, and three attacks refused.

Then the same with a published OpenTDF client, which knows nothing of this project: opened by one, refused to another.
With ``--keys kms`` the keys are in a stand-in for Cloud KMS, which says how often they were used. Everything is real:
processes, HTTP, keys, signatures. The exit status is 0 only when every expectation held.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.client import Answer, AnswerInvalid, ClientError, Credentials, Http, RewrapRefused, Session, new_proof_key
from local.client.container import read_container, write_container
from local.client.keys import new_receiving_key
from local.client.proofs import make_proof
from local.client.rewrap import build_request, post_rewrap
from local.ending import terminating
from local.google.remote import Control
from local.google_world import google_world
from local.otdf.act import OtdfAct
from local.otdf.client import HOME, ClientUnavailable
from local.processes import ROOT, StartFailed, World, world

FILE: Final = ROOT / "README.md"
POLICY: Final[dict[str, Any]] = {
    "policyId": "demo-1",
    "body": {},
    "dissem": {"classification": "SECRET", "releasabilityTo": ["USA", "FRA"], "COI": ["NATO"]},
}
_GREEN, _RED, _BOLD, _PLAIN = "32", "31", "1", ""


@dataclass(slots=True)
class Stage:
    """Prints what happens and counts what did not go as expected; colours only for a terminal."""

    colour: bool
    failures: int = field(default=0)

    def say(self, text: str, style: str = _PLAIN) -> None:
        print(f"\033[{style}m{text}\033[0m" if self.colour and style else text, flush=True)

    def expect(self, held: bool, text: str) -> None:  # noqa: FBT001 - the condition, as of an assertion
        self.failures += not held
        self.say(f"  {'ok  ' if held else 'FAIL'}  {text}", _GREEN if held else _RED)


@dataclass(frozen=True, slots=True)
class Demo:
    """The pair it plays on, and where it tells of it; ``otdf_home`` is where otdf-python is installed."""

    stage: Stage
    world: World
    http: Http
    otdf_home: Path = HOME

    def session(self, client_id: str) -> Session:
        """A client's session at the KAS."""
        credentials = Credentials(f"{self.world.provider.base}/token", client_id, "dev")
        return Session(self.http, self.world.kas.base, credentials, time.time)

    def play(self) -> None:
        """All acts in order."""
        self.own_client()
        self.published_client()

    def own_client(self) -> None:
        """The acts of this project's client."""
        data = FILE.read_bytes()
        self.stage.say(f"\nEncrypt {FILE.name}, {len(data)} bytes, as SECRET, COI NATO, releasable to USA, FRA", _BOLD)
        container = self.session("usa-secret").encrypt(data, POLICY)
        self.stage.expect(data not in container, f"a container of {len(container)} bytes without the plain text")
        self.stage.say("\nWho may, opens it", _BOLD)
        self.opens("usa-secret", container, data)
        self.opens("fra-secret", container, data)
        self.stage.say("\nWho may not, learns why", _BOLD)
        self.refuses(
            "clearance_insufficient", "usa-unclassified", lambda: self.session("usa-unclassified").open(container)
        )
        self.refuses("country_not_releasable", "gbr-topsecret", lambda: self.session("gbr-topsecret").open(container))
        self.explains("country_not_releasable", "gbr-topsecret")
        self.stage.say("\nAttacks", _BOLD)
        self.tampered_policy(container)
        self.stolen_token(container)
        self.replayed_proof(container)

    def opens(self, client_id: str, container: bytes, data: bytes) -> None:
        """Expects the same bytes back, with the KAS's signature verified by the client."""
        opened = self.session(client_id).open(container)
        self.stage.expect(opened == data, f"{client_id} reads the same {len(opened)} bytes")

    def refuses(self, code: str, who: str, act: Callable[[], object]) -> None:
        """Expects a refusal with ``code``, and shows its sentence."""
        try:
            act()
        except RewrapRefused as refusal:
            self.stage.expect(refusal.code == code, f"{who}: {refusal.status} {refusal.code}")
            self.stage.say(f"        “{refusal.sentence}”")
        else:
            self.stage.expect(held=False, text=f"{who}: not refused")

    def explains(self, code: str, client_id: str) -> None:
        """Expects the same reason where no key is asked for, and shows what the checks that fail needed and found."""
        (explanation,) = self.session(client_id).explain(POLICY)
        words = "; ".join(f"{one.name} needs {one.needed}, there is {one.found}" for one in explanation.failed)
        self.stage.expect(explanation.code == code, f"{client_id} asks for an explanation: {words}")

    def tampered_policy(self, container: bytes) -> None:
        """A policy that is changed to admit the reader no longer matches its binding."""
        opened = read_container(container)
        mild = {**POLICY, "dissem": {"classification": "UNCLASSIFIED", "releasabilityTo": ["USA"]}}
        tampered = write_container(dataclasses.replace(opened, policy=mild))
        who = "usa-unclassified with the policy rewritten to UNCLASSIFIED"
        self.refuses("key_material_rejected", who, lambda: self.session("usa-unclassified").open(tampered))

    def stolen_token(self, container: bytes) -> None:
        """A token without its key: the thief proves possession of another."""
        victim, thief = self.session("usa-secret"), new_proof_key()
        opened, receiving = read_container(container), new_receiving_key()
        request = build_request(receiving.jwk, [(opened.policy, [opened.key_access])], thief)
        token = victim.token()
        proof = make_proof(thief, "POST", victim.url, time.time(), token=token)
        body = json.dumps(request).encode()
        answer = post_rewrap(self.http, victim.url, body, token=token, proof=proof)
        self.expect_401("proof_key_mismatch", "a stolen token with the thief's own key", answer)

    def replayed_proof(self, container: bytes) -> None:
        """A proof that was recorded on the way and is sent again, byte by byte."""
        session, opened = self.session("usa-secret"), read_container(container)
        request = build_request(new_receiving_key().jwk, [(opened.policy, [opened.key_access])], session.key)
        body = json.dumps(request).encode()
        answer, proof = session.post(body)
        self.stage.expect(answer.status == 200, "an honest request, recorded")  # noqa: PLR2004 - HTTP
        again = post_rewrap(self.http, session.url, body, token=session.token(), proof=proof)
        self.expect_401("proof_replayed", "the same request again", again)

    def expect_401(self, code: str, who: str, answer: Answer) -> None:
        """Expects the whole request refused with ``code``."""
        members = answer.json()
        held = (answer.status, members.get("code")) == (401, code)
        self.stage.expect(held, f"{who}: {answer.status} {members.get('code')}")
        self.stage.say(f"        “{members.get('message')}”")

    def published_client(self) -> None:
        """A file of otdf-python, for SECRET and USA, in its own format and opened by itself."""
        self.stage.say("\nA published OpenTDF client, unmodified: the command line of otdf-python", _BOLD)
        with tempfile.TemporaryDirectory() as folder:
            for finding in OtdfAct(self.world.kas.base, Path(folder), self.otdf_home).play(FILE):
                self.stage.expect(finding.held, finding.text)
                if finding.words:
                    self.stage.say(f"        “{finding.words}”")


def show(stage: Stage, folder: Path, keys: str, otdf_home: Path) -> None:
    """Starts what there is to see, plays, and stops it. Raises StartFailed, ClientError, ClientUnavailable."""
    with (folder / "audit.log").open("wb") as log, closing(Http()) as http:
        if keys == "software":
            stage.say("Starting a Key Access Service and an identity provider on free ports …")
            with world(folder, log=log) as pair:
                Demo(stage, pair, http, otdf_home).play()
            return
        stage.say("Starting a Key Access Service, an identity provider and a stand-in for Google Cloud on free ports …")
        with google_world(folder, log=log) as running:
            Demo(stage, running.pair, http, otdf_home).play()
            count_operations(stage, running.google.control)


def count_operations(stage: Stage, control: Control) -> None:
    """Expects that the keys were used where they are kept, and that nobody asked in vain."""
    stage.say("\nWhat Cloud KMS was asked for", _BOLD)
    opened, refused = (control.count("AsymmetricDecrypt", outcome=outcome) for outcome in ("OK", "PERMISSION_DENIED"))
    stage.expect(opened > 0 and not refused, f"{opened} key operations, each by the role that the KAS has on that key")


def main(otdf_home: Path = HOME, keys: str = "software") -> int:
    stage = Stage(colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        with terminating(), tempfile.TemporaryDirectory() as folder:
            show(stage, Path(folder), keys, otdf_home)
    except (StartFailed, ClientError, ClientUnavailable) as error:
        kind = "the answer cannot be trusted: " if isinstance(error, AnswerInvalid) else ""
        stage.expect(held=False, text=f"{kind}{error}")
    except KeyboardInterrupt:
        stage.say("\nInterrupted; everything is stopped.")
        return 130
    stage.say(f"\n{stage.failures} of the expectations failed." if stage.failures else "\nAll as expected.", _BOLD)
    return 1 if stage.failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--keys", choices=("software", "kms"), default="software", help="where the KAS has its keys")
    sys.exit(main(keys=parser.parse_args().keys))
