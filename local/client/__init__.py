"""A client of the ACP-240 rewrap, written from the specification alone and fit to copy: it does not import ``kas``.

`Session` does everything. The modules below it are the steps: `keys` (proof and receiving keys), `proofs` (DPoP,
tokens), `rewrap` (the request), `results` (what to check in an answer), `services` (whose signature it must bear, where
several KASes answer), `splits` (of a data key), `container` (a file under a policy), `explain` (why not), `http`.
"""

from __future__ import annotations

from local.client.errors import (
    AnswerInvalid,
    ClientError,
    ContainerInvalid,
    RewrapRefused,
    TokenRefused,
    TransportFailed,
)
from local.client.explain import Check, Explanation
from local.client.http import Answer, Http
from local.client.keys import ProofKey, ReceivingKey, new_proof_key, new_receiving_key
from local.client.proofs import Credentials
from local.client.session import Session

__all__ = [
    "Answer",
    "AnswerInvalid",
    "Check",
    "ClientError",
    "ContainerInvalid",
    "Credentials",
    "Explanation",
    "Http",
    "ProofKey",
    "ReceivingKey",
    "RewrapRefused",
    "Session",
    "TokenRefused",
    "TransportFailed",
    "new_proof_key",
    "new_receiving_key",
]
