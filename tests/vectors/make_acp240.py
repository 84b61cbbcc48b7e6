"""Writes the vectors of ACP-240 in ``acp240/``.

    python -m tests.vectors.make_acp240             rewrites them from the stored keys
    python -m tests.vectors.make_acp240 --check     exit status 1 when one is out of date

Keys and random values are drawn once and kept in keys.TEST.json; everything else follows from them byte by byte. They
are published and protect nothing.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.vectors import primitives as p
from tests.vectors.exchanges import exchanges
from tests.vectors.scenario import (
    AUDIENCE,
    BASE,
    ISSUER,
    ISSUER_KID,
    KAS_ID,
    NOW,
    POLICY,
    PROOF_ID,
    SIGNING_KID,
    UNWRAP_KID,
    URL,
    Json,
    Scenario,
    text,
)

FOLDER = Path(__file__).resolve().parent / "acp240"
KEYS = FOLDER / "keys.TEST.json"
WARNING = "Test keys, published with their private halves: never use them for anything."
EC_KEYS = ("signing", "proof", "stranger", "receivingEc", "ephemeral", "issuer")
RSA_KEYS = ("unwrap", "receivingRsa")
RANDOM_BYTES = {"dataKey": 32, "otherKey": 32, "wrapSeed": 32, "rewrapSeed": 32, "rewrapNonce": 12}


def new_keys() -> Json:
    """Fresh keys and random values, for a folder that has none."""
    keys = {name: p.ec_jwk(ec.generate_private_key(ec.SECP256R1())) for name in EC_KEYS}
    keys |= {name: p.rsa_jwk(rsa.generate_private_key(65537, 2048)) for name in RSA_KEYS}
    return {
        "warning": WARNING,
        "keys": keys,
        "random": {name: secrets.token_hex(n) for name, n in RANDOM_BYTES.items()},
    }


def files(keys: Json) -> dict[str, Any]:
    """Everything that follows from the keys, by file name."""
    scenario = Scenario(keys)
    return {
        "keys.TEST.json": keys,
        "setting.TEST.json": _setting(scenario),
        "steps.TEST.json": {"ec": _steps(scenario, "receivingEc"), "rsa": _steps(scenario, "receivingRsa")},
        "exchanges.TEST.json": exchanges(scenario),
    }


def _setting(scenario: Scenario) -> Json:
    """Who is who, and the credentials that every exchange is sent with."""
    jwks = [
        {**p.public(scenario.jwk("unwrap")), "kid": UNWRAP_KID, "use": "enc", "alg": "RSA-OAEP-256"},
        {**p.public(scenario.jwk("signing")), "kid": SIGNING_KID, "use": "sig", "alg": "ES256"},
    ]
    issuer_key = {**p.public(scenario.jwk("issuer")), "kid": ISSUER_KID, "use": "sig", "alg": "ES256"}
    return {
        "warning": WARNING,
        "now": NOW,
        "kas": {"id": KAS_ID, "base": BASE, "jwks": {"keys": jwks}},
        "issuer": {"iss": ISSUER, "aud": AUDIENCE, "acrLevels": {"aal2": 2}, "jwks": {"keys": [issuer_key]}},
        "accessToken": scenario.token,
        "dpopProof": scenario.proof,
        "jti": PROOF_ID,
        "jkt": p.thumbprint(scenario.jwk("proof")),
        "ath": p.hash_url(scenario.token.encode()),
        "headers": {
            "Authorization": f"Bearer {scenario.token}",
            "DPoP": scenario.proof,
            "Content-Type": "application/json",
        },
        "method": "POST",
        "url": URL,
    }


def _steps(scenario: Scenario, receiving: str) -> Json:
    """One good request, taken apart, and one answer to it, taken apart."""
    request = scenario.request(receiving)
    kao = request["requests"][0]["keyAccessObjects"][0]
    unsigned = {name: value for name, value in kao.items() if name != "signature"}
    response = scenario.response(request)
    result = response["responses"][0]["results"][0]
    covered = {**result, "signature": {name: value for name, value in result["signature"].items() if name != "sig"}}
    unnamed = {name: value for name, value in POLICY.items() if name != "policyId"}
    steps = {
        "body": text(request),
        "dataKey": scenario.random("dataKey").hex(),
        "wrappedKey": {"seed": scenario.random("wrapSeed").hex(), "base64": kao["wrappedKey"]},
        "policy": _canonical(request["requests"][0]["policy"]),
        "policyBinding": kao["policyBinding"],
        "policyWithoutId": {**_canonical(unnamed), "policyId": p.hash_url(p.canonical(unnamed))},
        "clientPublicKey": {**_canonical(request["clientPublicKey"]), "clientKeyHash": kao["clientKeyHash"]},
        "kaoWithoutSignature": {**_canonical(unsigned), "sig": kao["signature"]["sig"]},
        "response": response,
        "resultWithoutSig": {**_canonical(covered), "sig": result["signature"]["sig"]},
    }
    if receiving == "receivingEc":
        nonce, material = scenario.random("rewrapNonce"), scenario.random("dataKey")
        steps["wrapping"] = p.ecdh_steps(scenario.jwk("ephemeral"), scenario.jwk(receiving), nonce, material)
    else:
        steps["wrapping"] = {"seed": scenario.random("rewrapSeed").hex(), "kasWrappedKey": result["kasWrappedKey"]}
    return steps


def _canonical(value: Any) -> Json:
    data = p.canonical(value)
    return {"text": data.decode(), "hex": data.hex(), "sha256": p.hash_url(data)}


def main(arguments: list[str]) -> int:
    keys = json.loads(KEYS.read_text("utf-8")) if KEYS.exists() else new_keys()
    texts = {name: json.dumps(value, indent=1) + "\n" for name, value in files(keys).items()}
    if arguments == ["--check"]:
        stale = [name for name, content in texts.items() if not _is(FOLDER / name, content)]
        print("\n".join(f"{name} is out of date" for name in stale), end="")  # noqa: T201 - it is a command
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, content in texts.items():
        (FOLDER / name).write_text(content, "utf-8")
    return 0


def _is(path: Path, content: str) -> bool:
    return path.exists() and path.read_text("utf-8") == content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
