"""Good inputs, from the vectors where they have them: where the fuzzer starts."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas.encoding import b64_encode
from kas.google.checksums import crc32c
from kas.protocol.connect import encode_message
from local.client.encoding import sha256_b64url
from local.client.keys import new_receiving_key
from tests.fuzz import at_start
from tests.opentdf.pieces import bind, pem, policy_text, wrap
from tests.unit.good_rewrap import CLAIMS, NOW, URL
from tests.unit.policy import good_policy
from tests.unit.policy.good_attributes import GOOD
from tests.unit.policy.good_policy import CONFIG, DISSEM

VECTORS = Path(__file__).parents[1] / "vectors" / "acp240"
EXCHANGES = json.loads((VECTORS / "exchanges.TEST.json").read_text("utf-8"))
SETTING = json.loads((VECTORS / "setting.TEST.json").read_text("utf-8"))


def _json(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def _in_a_file(kid: str, algorithm: str) -> dict[str, Any]:
    return {"kid": kid, "algorithm": algorithm, "status": "disabled", "dialects": ["acp240"], "file": f"{kid}.pem"}


BODIES = [exchange["body"].encode("utf-8", "surrogatepass") for exchange in EXCHANGES]
NOT_JSON = [
    *(b"", b"\xef\xbb\xbf{}", b'"\\ud800"', b'"\\ud83d\\ude00"', b'{"a":1,"a":2}', b"NaN", b"-0", b"1e400", b"0.1e-7"),
    *(b"9007199254740992", b"[" * 990 + b"]" * 990, b"[" * 3000, '{"\u20ac":"\u00e9"}'.encode()),
]
TOKENS = [SETTING[name].encode() for name in ("accessToken", "dpopProof")] + [b"e30.e30.", b"..", b""]
TOKEN_PARTS = _json(
    {"header": {"alg": "Ed25519", "typ": "at+jwt", "kid": "k"}, "claims": CLAIMS | {"cnf": {"jkt": "A" * 43}}},
    {
        "header": {"alg": "EdDSA", "typ": "JWT", "kid": "k", "crit": ["b64"]},
        "claims": CLAIMS | {"aud": ["kas"], "nbf": NOW, "typ": "Bearer", "nonce": "n"},
    },
)
PROOF_PARTS = _json(
    {
        "header": {"alg": "Ed25519", "typ": "dpop+jwt", "jwk": {"kty": "OKP", "use": "sig", "key_ops": ["verify"]}},
        "claims": {
            "jti": "j",
            "htm": "POST",
            "htu": URL,
            "iat": NOW,
            "nonce": "n",
            "ath": sha256_b64url(b"token"),
        },
    },
)
CLIENT_KEYS = _json(*(new_receiving_key(kind).jwk for kind in ("P-256", "P-384", "P-521", "RSA")))
CLIENT_KEYS += [pem(new_receiving_key(kind).private).encode() for kind in ("P-256", "P-521", "RSA")]
CLIENT_KEYS += _json(new_receiving_key().jwk | {"use": "enc", "key_ops": ["deriveKey"], "alg": "ECDH-ES"})
KEY_SETS = _json(SETTING["kas"]["jwks"], SETTING["issuer"]["jwks"], {"keys": []})
CONNECT_JSON = _json({"algorithm": "rsa:2048"}, {"fqns": GOOD}, {"signedRequestToken": SETTING["accessToken"]}, {})
# Every message that a procedure takes.
CONNECT_MESSAGES: dict[str, dict[str, Any]] = {
    "PublicKeyRequest": {"algorithm": "ec:secp256r1", "fmt": "pkcs8", "v": "2"},
    "RewrapRequest": {"signedRequestToken": "e30.e30."},
    "GetAttributeValuesByFqnsRequest": {"fqns": GOOD},
    "HealthCheckRequest": {"service": "kas"},
    "LegacyPublicKeyRequest": {"algorithm": "rsa:2048"},
    "GetKeyMappingsByFqnsRequest": {"fqns": [*GOOD, ""]},
    "GetWellKnownConfigurationRequest": {},
    "ListKeyAccessServersRequest": {},
}
_PROTO = [encode_message("proto", name, value) for name, value in CONNECT_MESSAGES.items()]
# Fields that no message has, one of each wire type, groups among them; and a name in what is no UTF-8.
_PROTO += [_PROTO[0] + b"\x50\x01\x59" + b"\0" * 8 + b"\x62\x00\x6b\x70\x01\x6c\x7d\0\0\0\0", b"\x0a\x02\xc3\x28"]
CONNECT_PROTO = [bytes([number]) + data for number, data in enumerate(_PROTO)]
CONNECT_PROTO += [bytes([128 + number]) + gzip.compress(data, mtime=0) for number, data in enumerate(_PROTO)]
CONNECT_GET = [
    b"connect=v1&encoding=json&message=%7B%22algorithm%22%3A%22rsa%3A2048%22%7D",
    b"connect=v1&encoding=proto&base64=1&message=Cghyc2E6MjA0OA",
    b"encoding=proto&base64=1&compression=gzip&message=H4sIAAAAAAAA_wMAAAAAAAAAAAA=",
]
NETWORKS = [
    *(b"203.0.113.7", b"198.51.100.1, 203.0.113.7,10.0.0.1", b"2001:db8:1:2:3::4, ::ffff:203.0.113.7", b"fe80::1%eth0"),
    *(b"203.0.113.7:80", b"[::1]", b", , ,", b"1" * 600 + b",203.0.113.7", b"", b"::", b"0x7f.1", b"127.1"),
]
_TRACE, _SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
TRACES = [
    b"00-" + _TRACE + b"-" + _SPAN + b"-01",
    b"\n" + _TRACE + b"/67667974448284343;o=1",
    b"\n" + _TRACE + b"/18446744073709551616",
]
LABELS = _json(
    {"claims": good_policy.CLAIMS, "dissem": DISSEM},
    {
        "claims": {"acpCOI": '["NATO"]', "clearanceAuthority": "NATO", "amr": ["pwd", "otp"]},
        "dissem": {"coiOperator": "ANY", "caveats": ["NOFORN"], "creationDate": "2016-12-31T23:59:60.5+00:00"},
    },
)
ATTRIBUTES = _json(
    {"claims": good_policy.CLAIMS, "fqns": GOOD, "dissem": []},
    {
        "claims": good_policy.CLAIMS
        | {"email": "a@corp.example", "email_verified": True, "derived": {"country": "USA"}},
        "fqns": [*GOOD, "https://kas.example/attr/coi/value/fvey"],
        "dissem": ["a@corp.example", "https://idp.example#7f3c"],
    },
)
INDEX = json.loads(re.findall(r"^KAS_KEYS: '(.*)'$", (CONFIG.parent / "env.yaml").read_text("utf-8"), re.MULTILINE)[0])
KEY_INDEXES = _json(
    INDEX,
    {
        "unwrapKeys": [INDEX["unwrapKeys"][2] | {"status": "decrypt-only"}, _in_a_file("rsa", "RSA-3072")],
        "signingKeys": [{"kid": "b", "status": "previous", "file": "b.pem"}, *INDEX["signingKeys"]],
    },
)
_PEM = new_receiving_key("RSA").private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
GOOGLE_ANSWERS = _json(
    {
        "plaintext": b64_encode(b"k" * 32),
        "plaintextCrc32c": str(crc32c(b"k" * 32)),
        "verifiedCiphertextCrc32c": True,
        "protectionLevel": "HSM",
    },
    {
        "name": at_start.VERSION,
        "algorithm": "RSA_DECRYPT_OAEP_2048_SHA256",
        "protectionLevel": "HSM",
        "pem": _PEM.decode("ascii"),
        "pemCrc32c": str(crc32c(_PEM)),
    },
    {"name": at_start.SECRET, "payload": {"data": "dmFsdWU=", "dataCrc32c": str(crc32c(b"value"))}},
    *(
        {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": f"Bad: {text}."}}
        for text in ("crc32c", at_start.CANARY, at_start.SENT, "x" * 190 + at_start.SENT)
    ),
)
GOOGLE_ANSWERS += [b"", b"<html>502 Bad Gateway</html>"]
SETTINGS = _json(
    {"KAS_MODE": "local", "HOST": "127.0.0.1", "PORT": "8080"},
    {"KAS_KEYS": json.dumps(INDEX), "KAS_NONCE_SECRET": f"sm://{at_start.SECRET}", "K_SERVICE": "kas"},
    {"KAS_KMS_ENDPOINT": "http://[::1]:8090", "KAS_CORS_ORIGINS": "https://a.example,http://[2001:db8::1]:8443"},
    {"KAS_REWRAP_SCHEMES": "DPoP", "KAS_MAX_KAOS": "10000", "KAS_PUBLIC_BASES": "https://a.example:8443/kas"},
    {"GRPC_VERBOSITY": "none", "WORKERS": "1", "GCE_METADATA_HOST": "127.0.0.1:80", "KAS_ID": "file:/dev/null"},
)
SETTINGS += [b"https://a.example/kas", b"http://127.0.0.1:8080", b"A" * 43 + b"," + b"B" * 43, b"my-project", b"500"]
REFERENCES = [
    f"sm://{at_start.SECRET}\nvalue".encode(),
    b"sm://projects/123456789012/secrets/s/versions/latest\nvalue\r\n",
    *(b"file:/dev/null\n", b"file:/etc/hostname\n", b"file:relative\n", b"file://host/path\n", b"file:/\0\n"),
    b"sm://\n\xff",
]
CONFIG_FILES = [path.read_bytes() for path in sorted(CONFIG.glob("*.json"))]


def opentdf_bodies() -> list[bytes]:
    """Versions 1 and 2, for an EC and an RSA client."""
    share, kas_key = b"k" * 32, ec.generate_private_key(ec.SECP256R1()).public_key()
    policy = policy_text(GOOD, ["a@corp.example"])
    kao = {**wrap(share, kas_key), "url": URL, "kid": "k", "protocol": "kas", "policyBinding": bind(share, policy)}
    one = {"clientPublicKey": pem(new_receiving_key().private), "policy": policy, "keyAccess": kao}
    entry = {"keyAccessObjectId": "kao-0", "keyAccessObject": kao | {"policyBinding": bind(share, policy, "text-raw")}}
    group = {"policy": {"id": "p", "body": policy}, "keyAccessObjects": [entry]}
    two = {"client_public_key": pem(new_receiving_key("RSA").private), "requests": [group]}
    return _json(one, two, {"signedRequestToken": SETTING["accessToken"]})
