"""The client's keys, proofs and encodings against published values and the libraries' own verification."""

from __future__ import annotations

import http.server
import threading
import time

import jwt
import pytest

from local.client import AnswerInvalid, Credentials, Http, TokenRefused, TransportFailed
from local.client.encoding import from_b64, parse_json, sha256_b64url
from local.client.keys import new_proof_key, thumbprint
from local.client.proofs import fetch_token, make_proof
from local.client.rewrap import bind_policy, build_request, client_key_hash, sign_kao

# RFC 7638 §3.1
RSA_JWK = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
    "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
    "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
    "JzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def test_thumbprint_of_rfc_7638():
    assert thumbprint(RSA_JWK) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "EdDSA", "RS256", "PS384"])
def test_a_proof_verifies_under_its_own_key_and_names_the_request(alg):
    key = new_proof_key(alg)
    proof = make_proof(key, "POST", "https://kas.example/rewrap", 1790000000.9, token="token", nonce="n-1")
    header = jwt.get_unverified_header(proof)
    assert (header["typ"], header["alg"]) == ("dpop+jwt", alg)
    assert thumbprint(header["jwk"]) == key.thumbprint
    assert "d" not in header["jwk"]
    claims = jwt.decode(proof, jwt.PyJWK(header["jwk"], alg), algorithms=[alg], options={"verify_iat": False})
    assert claims.pop("jti")
    assert claims == {
        "htm": "POST",
        "htu": "https://kas.example/rewrap",
        "iat": 1790000000,
        "ath": sha256_b64url(b"token"),
        "nonce": "n-1",
    }


def test_no_two_proofs_have_one_id():
    key = new_proof_key()
    proofs = [make_proof(key, "GET", "https://kas.example/", time.time()) for _ in range(2)]
    assert len({jwt.decode(proof, options={"verify_signature": False})["jti"] for proof in proofs}) == 2


def test_a_key_does_not_show_itself():
    key = new_proof_key()
    assert "private" not in repr(key)


@pytest.mark.parametrize("text", ["AA", "AB==", "AA==\n", "A A=", "AA-_", None, 5])
def test_only_canonical_base64_is_read(text):
    assert from_b64("AA==") == b"\0"
    with pytest.raises(ValueError):
        from_b64(text)


@pytest.mark.parametrize("data", [b'{"a":1,"a":2}', b"{", b"\xff", b"[" * 100_000])
def test_only_plain_json_is_read(data):
    with pytest.raises(ValueError):
        parse_json(data)


def test_the_binding_does_not_depend_on_the_order_of_members():
    one = bind_policy(b"k" * 32, {"a": 1, "b": 2})
    assert one == bind_policy(b"k" * 32, {"b": 2, "a": 1.0})
    assert one != bind_policy(b"k" * 32, {"b": 2, "a": 2})
    assert len(from_b64(one)) == 32


def test_a_signature_is_replaced_not_signed():
    key = new_proof_key("EdDSA")
    assert sign_kao({"a": 1, "signature": {"alg": "x"}}, key) == sign_kao({"a": 1}, key)


def test_a_request_binds_the_receiving_key_in_each_object():
    client_key = {"kty": "EC"}
    request = build_request(client_key, [({"policyId": "p"}, [{"keyAccessObjectId": "1"}])], new_proof_key())
    (kao,) = request["requests"][0]["keyAccessObjects"]
    assert kao["clientKeyHash"] == client_key_hash(client_key) == sha256_b64url(b'{"kty":"EC"}')


# ---- a token endpoint with a will of its own


@pytest.fixture
def endpoint():
    """A server that gives the answers put into ``answers``, one after the other, and keeps what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append(self.headers["DPoP"])
            status, headers, body = server.answers.pop(0)
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(endpoint, *answers):
    endpoint.answers = list(answers)
    client = Http()
    try:
        return fetch_token(client, Credentials(endpoint.url, "usa-secret", "dev"), new_proof_key(), 1000.0)
    finally:
        client.close()


BOUND = (200, (), b'{"access_token":"t","token_type":"DPoP","expires_in":60}')
CHALLENGE = (400, (("DPoP-Nonce", "n-1"),), b'{"error":"use_dpop_nonce"}')


def test_a_nonce_challenge_is_answered_once(endpoint):
    token = fetch(endpoint, CHALLENGE, BOUND)
    assert (token.text, token.expires_at) == ("t", 1060.0)
    nonces = [jwt.decode(proof, options={"verify_signature": False}).get("nonce") for proof in endpoint.asked]
    assert nonces == [None, "n-1"]


def test_a_second_challenge_is_a_refusal(endpoint):
    with pytest.raises(TokenRefused) as refused:
        fetch(endpoint, CHALLENGE, CHALLENGE)
    assert (refused.value.status, refused.value.code) == (400, "use_dpop_nonce")


@pytest.mark.parametrize("kind", [b'"Bearer"', b"null"])
def test_a_token_that_is_not_bound_is_not_used(endpoint, kind):
    with pytest.raises(AnswerInvalid):
        fetch(endpoint, (200, (), BOUND[2].replace(b'"DPoP"', kind)))


def test_an_answer_that_is_no_json_is_not_believed(endpoint):
    with pytest.raises(AnswerInvalid):
        fetch(endpoint, (200, (), b"<html>"))


def test_a_redirect_is_not_followed(endpoint):
    with pytest.raises(TokenRefused):
        fetch(endpoint, (307, (("Location", endpoint.url),), b"{}"), BOUND)
    assert len(endpoint.asked) == 1


def test_an_answer_without_end_is_not_read(endpoint):
    with pytest.raises(TransportFailed):
        fetch(endpoint, (200, (), b" " * (4 * 2**20 + 1)))
