"""A KAS that forwards without looking, and not always what it got: what a partner must withstand (`make demo-federation`).

It has the signing key of a real one, so that its assertion is genuine. Everything else it has from a client who asked that
one in good faith: the token, the proof, the request.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from kas.crypto.signatures import ResultSigner
from kas.federation.assertion import make_assertion
from local.client import Answer, Http
from local.client.encoding import sha256_b64url
from local.client.rewrap import Json, post_rewrap
from local.nations import Place, signing_key


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client sends to the KAS that he trusts to forward it. ``jkt`` is the thumbprint of his key."""

    request: Json
    token: str
    proof: str
    jkt: str


@dataclass(frozen=True, slots=True)
class Forwarder:
    """In the name and with the key of the KAS at ``place``."""

    http: Http
    place: Place

    def forward(self, asked: Asked, receiver: Place, request: Json | None = None) -> Answer:
        """Sends the client's request, or ``request`` in its place, to another KAS, under the client's own credentials."""
        body = json.dumps(asked.request if request is None else request).encode()
        key = signing_key(self.place)
        assertion = make_assertion(
            ResultSigner(self.place.kas_id, key.kid, key.private),
            receiver=receiver.kas_id,
            body=body,
            token_hash=sha256_b64url(asked.token.encode("ascii")),
            jkt=asked.jkt,
            via=[self.place.kas_id],
            now=time.time(),
        )
        return post_rewrap(
            self.http,
            f"{receiver.base}/rewrap",
            body,
            token=asked.token,
            proof=asked.proof,
            scheme="DPoP",
            headers=[("Forwarded-KAS", assertion)],
        )
