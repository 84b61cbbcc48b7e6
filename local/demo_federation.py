"""`make demo-federation`: three nations' KASes answer one request together, and none can do in another's name what it likes.

A document that two nations hold together is opened through one of them; a service that is down is done without; what
is above an agreement is refused by whoever should forward it and by whoever receives it; a forwarder that alters what
it forwards, or puts in its own key, gets nothing. Everything is real: processes, HTTP, keys, signatures. The exit status
is 0 only when every expectation held.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kas.federation.breaker import FAILURES
from local.client import AnswerInvalid, ClientError, RewrapRefused, new_receiving_key
from local.client.proofs import make_proof
from local.client.results import open_any, open_result, policy_id_of, verify_result
from local.client.rewrap import Json, build_request, client_key_hash
from local.client.splits import combine
from local.demo import FILE, Stage
from local.ending import terminating
from local.forwarder import Asked, Forwarder
from local.nation_clients import Clients, Document, running_clients
from local.processes import StartFailed, stop

NATIONS: Final = ("usa", "fra", "gbr")
_BOLD: Final = "1"


def policy_of(name: str, classification: str, *countries: str) -> Json:
    dissem = {"classification": classification, "releasabilityTo": list(countries), "COI": ["NATO"]}
    return {"policyId": f"demo-{name}", "body": {}, "dissem": dissem}


@dataclass(frozen=True, slots=True)
class Demo:
    """The acts, and where they tell of themselves."""

    stage: Stage
    clients: Clients

    def play(self) -> None:
        """All acts in order; the last one stops a KAS."""
        self.held_together()
        self.above_the_agreement()
        self.dishonest_forwarder()
        self.one_is_down()

    def held_together(self) -> None:
        """Two nations hold a split of the key each; the client sees whose consent he has."""
        self.stage.say(f"\n{FILE.name} for USA and FRA, SECRET: one split of its key in each country", _BOLD)
        policy, data = policy_of("1", "SECRET", "USA", "FRA"), FILE.read_bytes()
        document = self.clients.document(data, policy, ("usa", "fra"), in_splits=True)
        receiving = new_receiving_key()
        session = self.clients.session("fra-secret", "usa")
        results, _ = session.results([(document.policy, document.kaos)], receiving)
        self.released("usa", results["usa"], by="kas-usa")
        self.released("fra", results["fra"], by="kas-fra")
        opened = document.read(combine([open_result(result, receiving) for result in results.values()]))
        self.stage.expect(opened == data, f"fra-secret asked the US KAS alone and reads the same {len(opened)} bytes")
        refused, _ = self.clients.session("gbr-topsecret", "usa").results(
            [(document.policy, document.kaos)], new_receiving_key()
        )
        self.refused("gbr-topsecret, US split", refused["usa"], "country_not_releasable", by="kas-usa")
        self.refused("gbr-topsecret, French split", refused["fra"], "country_not_releasable", by="kas-usa")

    def above_the_agreement(self) -> None:
        """The policy admits him at either KAS; what the two have agreed on does not carry it from one to the other."""
        self.stage.say("\nTOP SECRET for all three; USA and FRA have agreed on no more than SECRET", _BOLD)
        policy = policy_of("2", "TOP_SECRET", *(name.upper() for name in NATIONS))
        document = self.clients.document(b"top secret", policy, ("usa", "fra"))
        results = self.ask("gbr-topsecret", "usa", document)
        self.released("usa", results["usa"], by="kas-usa")
        self.refused("the US KAS does not forward it", results["fra"], "agreement_exceeded", by="kas-usa")
        result = self.forwarded(self.asked("gbr-topsecret", document))
        self.refused("a US KAS forwards it unchecked", result, "agreement_exceeded", by="kas-fra")
        direct = self.ask("gbr-topsecret", "fra", self.clients.document(b"top secret", policy, ("fra",)))
        self.released("fra, asked directly", direct["fra"], by="kas-fra")
        self.stage.say("\nSECRET; FRA and GBR have agreed on no more than CONFIDENTIAL", _BOLD)
        secret = self.clients.document(b"secret", policy_of("3", "SECRET", "FRA", "GBR"), ("gbr",))
        results = self.ask("fra-secret", "fra", secret)
        self.refused("the French KAS does not forward it", results["gbr"], "agreement_exceeded", by="kas-fra")

    def dishonest_forwarder(self) -> None:
        """Someone with the US KAS's signing key: what a client asks, the client has signed."""
        self.stage.say("\nA US KAS that forwards what it likes to the French one", _BOLD)
        document = self.clients.document(b"secret", policy_of("4", "SECRET", "USA", "FRA"), ("fra",))
        self.released("fra, forwarded as it came", self.forwarded(self.asked("fra-secret", document)), by="kas-fra")

        asked = self.asked("fra-secret", document)
        altered = _with_kao(asked.request, sid="another")
        result = self.forwarded(asked, altered)
        self.refused("a key access object is altered", result, "kao_signature_invalid", by="kas-fra")

        asked = self.asked("fra-secret", document)
        own_key = new_receiving_key().jwk
        swapped = {**asked.request, "clientPublicKey": own_key}
        result = self.forwarded(asked, swapped)
        self.refused("its own key instead of the client's", result, "client_key_unbound", by="kas-fra")

        asked = self.asked("fra-secret", document)
        covered = {
            **_with_kao(asked.request, clientKeyHash=client_key_hash(own_key)),
            "clientPublicKey": own_key,
        }
        result = self.forwarded(asked, covered)
        self.refused("its own key, and the hash of it", result, "kao_signature_invalid", by="kas-fra")

    def one_is_down(self) -> None:
        """The same key is held by two; the British KAS is asked first."""
        self.stage.say("\nAny of GBR and FRA, asked through the US KAS", _BOLD)
        policy = policy_of("5", "SECRET", *(name.upper() for name in NATIONS))
        document = self.clients.document(b"in either", policy, ("gbr", "fra"))
        self.any_of(document, served="gbr", other="not_attempted")
        self.stage.say("\nThe British KAS is stopped (the US KAS warns its operator, on standard error)", _BOLD)
        stop(self.clients.nations["gbr"].world.kas)
        for _ in range(FAILURES):
            self.any_of(document, served="fra", other="peer_unavailable")
        before = self.breaker("kas-gbr")
        self.stage.expect(
            (before["state"], before["failures"]) == ("open", FAILURES),
            f"/federation/status: the breaker to kas-gbr is {before['state']} after {before['failures']} failures",
        )
        self.any_of(document, served="fra", other="peer_unavailable")
        after = self.breaker("kas-gbr")
        self.stage.expect(
            (after["failures"], after["refusals"]) == (before["failures"], before["refusals"] + 1),
            f"it was not asked again: {after['failures']} failures, {after['refusals']} left alone",
        )
        french = self.breaker("kas-fra")
        self.stage.expect(french["state"] == "closed", f"the breaker to kas-fra is {french['state']}")

    def any_of(self, document: Document, *, served: str, other: str) -> None:
        """Expects one alternative released and another answered with the code ``other``."""
        receiving = new_receiving_key()
        session = self.clients.session("usa-secret", "usa")
        results, status = session.results([(document.policy, document.kaos)], receiving, "anyOf")
        opened = document.read(open_any(results.values(), receiving, status))
        codes = {name: result.get("code") for name, result in results.items()}
        signer = results[served]["signature"]["kas"]
        held = opened == b"in either" and codes[served] is None and signer == f"kas-{served}"
        (rest,) = codes.keys() - {served}
        self.stage.expect(held and codes[rest] == other, f"{rest}: {codes[rest]}; opened with the key of {signer}")

    def ask(self, client_id: str, at: str, document: Document) -> dict[str, Json]:
        """The verified results at the KAS of ``at``."""
        session = self.clients.session(client_id, at)
        results, _ = session.results([(document.policy, document.kaos)], new_receiving_key())
        return results

    def asked(self, client_id: str, document: Document) -> Asked:
        """What a client sends to the US KAS for a document's key access object in France."""
        session = self.clients.session(client_id, "usa")
        kaos = [kao for kao in document.kaos if kao["keyAccessObjectId"] == "fra"]
        request = build_request(new_receiving_key().jwk, [(document.policy, kaos)], session.key)
        proof = make_proof(session.key, "POST", session.url, time.time(), token=session.token())
        return Asked(request, session.token(), proof, session.key.thumbprint)

    def forwarded(self, asked: Asked, request: Json | None = None) -> Json:
        """The French KAS's one result for what a forwarder sends it, its signature verified."""
        clients = self.clients
        forwarder = Forwarder(clients.http, clients.nations["usa"].place)
        answer = forwarder.forward(asked, clients.nations["fra"].place, request)
        members = answer.json()
        if "responses" not in members:
            raise RewrapRefused(answer.status, str(members.get("code")), str(members.get("message")))
        result: Json = members["responses"][0]["results"][0]
        policy_id = policy_id_of(asked.request["requests"][0]["policy"])
        verify_result(result, policy_id, asked.proof, clients.known["fra"].keys.signing, time.time())
        return result

    def breaker(self, kas_id: str) -> dict[str, Any]:
        """What the US KAS says of its line to another, to anybody who may ask it for keys."""
        status = self.clients.session("usa-secret", "usa").get("/federation/status")
        return next(dict(peer["breaker"]) for peer in status["peers"] if peer["kas"] == kas_id)

    def released(self, what: str, result: Json, *, by: str) -> None:
        """Expects a key, under the signature of ``by``."""
        signer, code = result["signature"]["kas"], result.get("code")
        held = result.get("status") == "success" and "kasWrappedKey" in result and signer == by
        self.stage.expect(held, f"{what}: {'released' if code is None else code}, signed by {signer}")

    def refused(self, what: str, result: Json, code: str, *, by: str) -> None:
        """Expects a refusal with ``code`` and without a key, under the signature of ``by``."""
        signer = result["signature"]["kas"]
        held = (result.get("code"), signer) == (code, by) and "kasWrappedKey" not in result
        self.stage.expect(held, f"{what}: {result.get('code')}, signed by {signer}")


def _with_kao(request: Json, **members: str) -> Json:
    """The request with these members of its one key access object replaced, and the signature as it was."""
    (group,) = request["requests"]
    (kao,) = group["keyAccessObjects"]
    return {**request, "requests": [{**group, "keyAccessObjects": [{**kao, **members}]}]}


def main() -> int:
    stage = Stage(colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        with terminating(), tempfile.TemporaryDirectory() as folder:
            stage.say("Starting a Key Access Service and an identity provider of USA, FRA and GBR on free ports …")
            with running_clients(Path(folder), NATIONS) as clients:
                Demo(stage, clients).play()
    except (StartFailed, ClientError) as error:
        kind = "the answer cannot be trusted: " if isinstance(error, AnswerInvalid) else ""
        stage.expect(held=False, text=f"{kind}{error}")
    except KeyboardInterrupt:
        stage.say("\nInterrupted; everything is stopped.")
        return 130
    stage.say(f"\n{stage.failures} of the expectations failed." if stage.failures else "\nAll as expected.", _BOLD)
    return 1 if stage.failures else 0


if __name__ == "__main__":
    sys.exit(main())
