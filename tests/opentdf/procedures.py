"""The public procedures of the stand-in, asked by each codec and verb that Connect has."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from local.client import Answer
from tests.kit import Kit
from tests.opentdf import wire

FQN = "https://kas.example/attr/classification/value/secret"


@dataclass(frozen=True)
class Procedure:
    """A path, and one good request as JSON and as protobuf."""

    path: str
    asked: dict[str, Any]
    fields: tuple[tuple[int, wire.Value], ...] = ()

    @property
    def json(self) -> bytes:
        return json.dumps(self.asked).encode()

    @property
    def proto(self) -> bytes:
        return wire.message(*self.fields)


PUBLIC_KEY = Procedure("/kas.AccessService/PublicKey", {"algorithm": "ec:secp256r1"}, ((1, "ec:secp256r1"),))
LEGACY = Procedure("/kas.AccessService/LegacyPublicKey", {"algorithm": "rsa:2048"}, ((1, "rsa:2048"),))
WELL_KNOWN = Procedure("/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration", {})
SERVERS = Procedure("/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers", {})
MAPPINGS = Procedure("/policy.attributes.AttributesService/GetKeyMappingsByFqns", {"fqns": [FQN]}, ((1, FQN),))
VALUES = Procedure("/policy.attributes.AttributesService/GetAttributeValuesByFqns", {"fqns": [FQN]}, ((1, FQN),))
HEALTH = Procedure("/grpc.health.v1.Health/Check", {"service": ""})
PROCEDURES = (PUBLIC_KEY, LEGACY, WELL_KNOWN, SERVERS, MAPPINGS, VALUES, HEALTH)
NAMES = [procedure.path.rpartition("/")[2] for procedure in PROCEDURES]


def post(kit: Kit, path: str, codec: str, data: bytes, *headers: tuple[str, str]) -> Answer:
    return kit.http("POST", kit.base + path, [("Content-Type", f"application/{codec}"), *headers], data)


def get(kit: Kit, path: str, codec: str, data: bytes, *, base64_: bool = True, compression: str = "") -> Answer:
    """Connect's GET, of a message in base64 without padding, or as it is."""
    if compression == "gzip":
        data = gzip.compress(data)
    message = base64.urlsafe_b64encode(data).decode().rstrip("=") if base64_ else quote(data, safe="")
    query = f"connect=v1&encoding={codec}&message={message}"
    query += ("&base64=1" if base64_ else "") + (f"&compression={compression}" if compression else "")
    return kit.http("GET", f"{kit.base}{path}?{query}")


def success(answer: Answer, codec: str) -> bytes:
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == f"application/{codec}"
    return answer.body
