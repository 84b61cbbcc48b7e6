"""Faults of earlier systems (numbers as in docs/ACP-240-ALIGNMENT.md): none of them comes back through the rewrap."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import secrets
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from kas.config import Settings
from kas.fetch import FetchError, HttpFetcher
from kas.jose import is_valid_signature, parse_public_jwk, to_jwk
from local.client.encoding import b64
from local.ports import free_port
from local.processes import StartFailed, environment_without_settings
from tests.attacks.rewrap_answers import kao_refused, rebuild, released
from tests.kit import policy
from tests.requirements.production import production_kas, write_issuers
from tests.unit.good_rewrap import CountingKeys, World, codes, results

ROOT = Path(__file__).resolve().parents[2]


def new_attempt(kit, client="usa-secret", **options):
    good = kit.attempt(client, **options)
    good.nonce = None
    return good


def test_fault_06_identity_in_the_body_is_not_the_caller_s(kit_without_nonces):
    """The caller names himself in every place there is, and stays who the token says."""
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    claims = {"sub": "usa-secret", "uniqueID": "usa-secret", "clearance": "TOP_SECRET", "acpCOI": ["NATO"]}
    attempt.request |= claims
    attempt.request["requests"][0].update(claims)
    attempt.kao.update(claims)
    attempt.resign()
    answer = attempt.send()
    kao_refused(attempt, "clearance_insufficient", 403, answer)
    (event,) = kit_without_nonces.events(answer.headers["X-Request-Id"])
    assert event["subject"] == "usa-unclassified"


def test_fault_06_the_classification_is_that_of_the_bound_policy(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    for holder in (attempt.request, attempt.request["requests"][0], attempt.kao):
        holder.update({"classification": "UNCLASSIFIED", "dissem": {"classification": "UNCLASSIFIED"}})
    attempt.resign()
    kao_refused(attempt, "clearance_insufficient", 403)


@pytest.mark.parametrize("coi", [None, [], "", "[]", {}, ["nato"], "NATO"])
def test_fault_07_a_subject_without_community_passes_no_check_for_one(kit_without_nonces, coi):
    attempt = new_attempt(kit_without_nonces, override={"claims": {"acpCOI": coi}})
    kao_refused(attempt, "coi_not_satisfied", 403)


def test_fault_09_no_answer_has_the_data_key_in_any_form(kit_without_nonces):
    data_key = b"canary-canary-canary-canary-0123"
    attempt = new_attempt(kit_without_nonces, data_key=data_key)
    answer = released(attempt)
    log = kit_without_nonces.log.read_bytes()
    for form in (data_key, data_key.hex().encode(), b64(data_key).encode(), b"canary"):
        assert form not in answer.body
        assert form not in log


def test_fault_09_a_key_is_unwrapped_and_never_made(kit_without_nonces):
    """Two KAOs alike in all but what they wrap give two keys; one that wraps nothing gives none."""
    label = policy()
    first, second = (new_attempt(kit_without_nonces, policies=[label]) for _ in range(2))
    assert first.open(released(first)) != second.open(released(second))
    third = new_attempt(kit_without_nonces, policies=[label])
    third.kao["wrappedKey"] = b64(secrets.token_bytes(256))
    third.resign()
    kao_refused(third, "key_material_rejected")


def test_fault_10_a_kao_signature_is_verified(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.kao["signature"]["sig"] = b64(secrets.token_bytes(64))
    kao_refused(attempt, "kao_signature_invalid")


def nested():
    return {"er": {"est": [{"leaf": 1}]}}


def change_deep(holder):
    holder["deep"]["er"]["est"][0]["leaf"] = 2


def test_fault_11_what_is_nested_is_signed_and_bound(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[{**policy(), "deep": nested()}])
    change_deep(attempt.policy)
    kao_refused(attempt, "key_material_rejected")
    attempt = new_attempt(kit_without_nonces)
    attempt.kao["deep"] = nested()
    attempt.resign()
    change_deep(attempt.kao)
    kao_refused(attempt, "kao_signature_invalid")


def test_fault_11_there_is_one_canonicaliser():
    sources = {path.relative_to(ROOT): path.read_text("utf-8") for path in (ROOT / "kas").rglob("*.py")}
    assert [str(path) for path, text in sources.items() if "rfc8785" in text] == ["kas/encoding.py"]
    assert [str(path) for path, text in sources.items() if "orjson" in text] == ["kas/encoding.py"]
    assert [str(path) for path, text in sources.items() if "sort_keys" in text] == []


def test_fault_12_ps256_is_pss_and_es256_is_raw():
    """Both ways: what the standard library of cryptography makes is taken, the other form is not."""
    message, sha256 = b"message", hashes.SHA256()
    key = rsa.generate_private_key(65537, 2048)
    jwk = parse_public_jwk(to_jwk(key.public_key()))
    pss = key.sign(message, padding.PSS(padding.MGF1(sha256), sha256.digest_size), sha256)
    pkcs1 = key.sign(message, padding.PKCS1v15(), sha256)
    assert is_valid_signature("PS256", jwk, message, pss)
    assert not is_valid_signature("PS256", jwk, message, pkcs1)
    assert is_valid_signature("RS256", jwk, message, pkcs1)
    assert not is_valid_signature("RS256", jwk, message, pss)
    curve_key = ec.generate_private_key(ec.SECP256R1())
    curve_jwk = parse_public_jwk(to_jwk(curve_key.public_key()))
    assert not is_valid_signature("ES256", curve_jwk, message, curve_key.sign(message, ec.ECDSA(sha256)))


def test_fault_13_unwrap_and_signing_keys_are_two(kit_without_nonces):
    kit = kit_without_nonces
    keys = kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]
    assert [(key["use"], key["kty"]) for key in keys] == [("enc", "RSA"), ("enc", "RSA"), ("enc", "EC"), ("sig", "EC")]
    material = [key.get("n") or (key["x"], key["y"]) for key in keys]
    assert len(set(material)) == len(keys)


@pytest.mark.parametrize("client", ["usa-secret", "usa-unclassified"])
def test_fault_13_success_and_error_are_signed_over_policy_question_and_time(kit_without_nonces, client):
    """`Attempt.result` verifies the signature with each of them."""
    attempt = new_attempt(kit_without_nonces, client)
    signature = attempt.result(attempt.send())["signature"]
    assert {"policyId", "proof", "iat", "kas", "kid"} <= signature.keys()


def test_fault_14_without_key_folder_production_does_not_start(tmp_path):
    with pytest.raises(StartFailed), production_kas(tmp_path, keys=False):
        pass
    assert not (tmp_path / "keys").exists()


def test_fault_14_the_reason_is_named(tmp_path):
    """And no keys are made in the place of those that are missing."""
    issuers = write_issuers(tmp_path / "issuers.json")
    env = {"KAS_ID": "kas-usa", "KAS_PUBLIC_BASES": "https://kas.example", "KAS_ISSUERS_PATH": str(issuers)}
    ended = subprocess.run(
        [sys.executable, "-c", "import main"],
        cwd=ROOT,
        env={**environment_without_settings(), **env, "KAS_KEYS_DIR": str(tmp_path / "keys")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "keys.json: cannot be read" in ended.stderr
    assert not (tmp_path / "keys").exists()


def test_fault_14_a_key_that_the_service_lacks_is_unavailable():
    world = World(keys=CountingKeys({}))
    answer = world.answer(world.request())
    assert (answer.status, codes(answer)) == (503, ["key_unavailable"])
    assert "kasWrappedKey" not in results(answer)[0]


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "tls.pem"
    path.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return path


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"keys":[]}')

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def tls_server(tmp_path):
    """An HTTPS server on loopback whose certificate nobody vouches for; gives the port and the certificate."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Quiet)
    server.handle_error = lambda *_arguments: None
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], certificate
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("allow_loopback_http", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_fault_20_a_certificate_is_always_verified(tls_server, allow_loopback_http, host):
    """In local mode too, where plain HTTP would do."""
    fetch = HttpFetcher(time.perf_counter, allow_loopback_http=allow_loopback_http)
    with pytest.raises(FetchError, match="SSLCertVerificationError"):
        fetch(f"https://{host}:{tls_server[0]}/jwks.json")


def test_fault_20_a_certificate_that_is_vouched_for_is_taken(tls_server, monkeypatch):
    """So the refusal above is the certificate's, not the server's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server[1]))
    assert (
        HttpFetcher(time.perf_counter, allow_loopback_http=False)(f"https://localhost:{tls_server[0]}/jwks.json")
        == b'{"keys":[]}'
    )


def test_fault_20_no_setting_speaks_of_tls():
    """But for the only authority that is believed about a shared store: without it the system's are."""
    names = {name.upper() for name in Settings.__dataclass_fields__} - {"REDIS_CA_PATH"}
    assert not [name for name in names for word in ("TLS", "SSL", "VERIFY", "CERT", "INSECURE", "CA_") if word in name]


def test_fault_25_the_decision_comes_before_the_unwrap():
    world = World()
    world.claims["clearance"] = "UNCLASSIFIED"
    request = world.request()
    assert codes(world.answer(request)) == ["clearance_insufficient"]
    assert world.keys.unwrapped == []


def test_fault_25_the_answer_to_an_unentitled_caller_does_not_depend_on_the_wrap(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    rebuild(attempt, bytes(17))
    kao_refused(attempt, "clearance_insufficient", 403)
