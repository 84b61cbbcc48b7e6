"""The world of the vectors: keys, one caller, one good request, and how a request is signed and sent."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

from tests.vectors import primitives as p

KAS_ID = "kas-usa"
BASE = "https://kas.example"
URL = f"{BASE}/rewrap"
ISSUER = "https://idp.example"
AUDIENCE = "kas"
NOW = 1_790_000_000  # 2026-09-21T13:33:20Z
UNWRAP_KID = "usa-rsa-2026-1"
SIGNING_KID = "usa-sig-1"
ISSUER_KID = "idp-2026-1"
PROOF_ID = "proof-of-the-vectors"
POLICY: dict[str, Any] = {
    "policyId": "p-1",
    "body": {},
    "dissem": {
        "classification": "SECRET",
        "releasabilityTo": ["USA", "FRA"],
        "COI": ["NATO"],
        "creationDate": "2026-01-01T00:00:00Z",
    },
}
SUBJECT: dict[str, Any] = {
    "sub": "alice",
    "client_id": "vectors",
    "uniqueID": "alice@example",
    "clearance": "SECRET",
    "countryOfAffiliation": "USA",
    "acpCOI": ["NATO"],
    "organizationType": "GOV",
    "acr": "aal2",
    "amr": ["pwd", "otp"],
}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything follows from ``keys``, the content of keys.TEST.json."""

    keys: Json

    def jwk(self, name: str) -> p.Jwk:
        return dict(self.keys["keys"][name])

    def random(self, name: str) -> bytes:
        """A stored random value."""
        return bytes.fromhex(self.keys["random"][name])

    @property
    def token(self) -> str:
        """The access token: RFC 9068, bound to the proof key."""
        times = {"iat": NOW - 10, "exp": NOW + 290, "jti": "token-of-the-vectors"}
        claims = {"iss": ISSUER, "aud": AUDIENCE, **times, **SUBJECT, "cnf": {"jkt": p.thumbprint(self.jwk("proof"))}}
        return p.compact_jws(self.jwk("issuer"), {"typ": "at+jwt", "alg": "ES256", "kid": ISSUER_KID}, claims)

    @property
    def proof(self) -> str:
        """The DPoP proof, made at NOW."""
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.public(self.jwk("proof"))}
        ath = p.hash_url(self.token.encode())
        return p.compact_jws(
            self.jwk("proof"), header, {"jti": PROOF_ID, "htm": "POST", "htu": URL, "iat": NOW, "ath": ath}
        )

    def wrapped(self, material: bytes) -> str:
        return p.b64(p.oaep_sha256(self.jwk("unwrap"), material, self.random("wrapSeed")))

    def kao(
        self, policy: Json, *, kao_id: str = "kao-1", sid: str | None = "s-1", material: bytes | None = None
    ) -> Json:
        """A key access object for the data key, without hash and signature."""
        material = self.random("dataKey") if material is None else material
        members = {
            "keyAccessObjectId": kao_id,
            "type": "wrapped",
            "protocol": "kas",
            "url": URL,
            "kid": UNWRAP_KID,
            "wrappedKey": self.wrapped(material),
            "policyBinding": p.bind(material, policy),
        }
        return members if sid is None else {**members, "sid": sid}

    def signed(self, kao: Json, client_key: Any, signer: str = "proof") -> Json:
        """With ``clientKeyHash`` and ``signature``."""
        unsigned = {name: value for name, value in kao.items() if name != "signature"}
        unsigned.setdefault("clientKeyHash", p.hash_url(p.canonical(client_key)))
        sig = p.b64(p.es256(self.jwk(signer), p.canonical(unsigned)))
        return {**unsigned, "signature": {"alg": "ES256", "sig": sig}}

    def request(self, receiving: str = "receivingEc", policies: tuple[Json, ...] = (POLICY,), kaos: int = 1) -> Json:
        """A good body: ``kaos`` key access objects under each policy."""
        key = p.public(self.jwk(receiving))
        groups = []
        for group, policy in enumerate(policies):
            ids = [f"kao-{1 + group * kaos + index}" for index in range(kaos)]
            signed = [self.signed(self.kao(policy, kao_id=kao_id, sid=f"s-{kao_id[4:]}"), key) for kao_id in ids]
            groups.append({"policy": copy.deepcopy(policy), "keyAccessObjects": signed})
        return {"clientPublicKey": key, "requests": groups}

    def response(self, request: Json) -> Json:
        """The answer to a good request of one KAO, with the stored ephemeral key, seed and nonce."""
        (group,) = request["requests"]
        (kao,) = group["keyAccessObjects"]
        wrapped = self._wrap(request["clientPublicKey"])
        result = {"keyAccessObjectId": kao["keyAccessObjectId"], "status": "success", **wrapped, "sid": kao["sid"]}
        signature = {
            "alg": "ES256",
            "kid": SIGNING_KID,
            "kas": KAS_ID,
            "policyId": group["policy"]["policyId"],
            "iat": NOW,
            "proof": p.hash_url(self.proof.encode()),
        }
        sig = p.b64(p.es256(self.jwk("signing"), p.canonical({**result, "signature": signature})))
        signed = {**result, "signature": {**signature, "sig": sig}}
        return {"responses": [{"policyId": signature["policyId"], "results": [signed]}]}

    def _wrap(self, client_key: Json) -> Json:
        material = self.random("dataKey")
        if client_key["kty"] == "RSA":
            sealed = p.oaep_sha256(client_key, material, self.random("rewrapSeed"))
            return {"kasWrappedKey": p.b64(sealed), "wrapAlg": "RSA-OAEP-256"}
        ephemeral = self.jwk("ephemeral")
        steps = p.ecdh_steps(ephemeral, self.jwk("receivingEc"), self.random("rewrapNonce"), material)
        return {
            "kasWrappedKey": steps["kasWrappedKey"],
            "wrapAlg": "ECDH-HKDF-A256GCM",
            "ephemeralPublicKey": p.public(ephemeral),
        }


def text(value: Any) -> str:
    """A body as sent: readable, so that whoever signs the bytes instead of the canonical form is found out."""
    return json.dumps(value, indent=1, ensure_ascii=False)


def changed_policy(**dissem: Any) -> Json:
    """The policy with members of its label replaced; None removes one."""
    members = {name: value for name, value in (POLICY["dissem"] | dissem).items() if value is not None}
    return {**POLICY, "dissem": members}


def exchange(name: str, done: str, body: Json | str, status: int, **expected: Any) -> Json:
    """One exchange: what was done to a good request, the body as sent, what must come back."""
    sent = body if isinstance(body, str) else text(body)
    return {"name": name, "done": done, "body": sent, "expected": {"status": status, **expected}}
