"""What clients of their own see of the stand-in: JSON over HTTP/1.1, byte by byte, and gRPC without the official client."""

from __future__ import annotations

import base64
import json
import socket

import grpc
import pytest
from google.cloud import kms_v1
from google_crc32c import value as crc32c

from local.client import Http
from tests.google.project import ADMIN, KAS, NUMBER, PROJECT, RING, SECRET, UNWRAP, fresh, key_name, version_name, wrap

PLAIN = bytes(range(32))
TOKEN = ("Authorization", f"Bearer {KAS.token}")


@pytest.fixture(scope="module")
def http():
    client = Http()
    yield client
    client.close()


@pytest.fixture
def call(cloud, http, control):
    """Calls with the service's token."""
    del control  # without faults

    def send(verb, path, body=None, token=KAS.token):
        data = None if body is None else json.dumps(body).encode()
        return http(verb, f"{cloud.base}/v1/{path}", [("Authorization", f"Bearer {token}")], data)

    return send


def decrypt_body():
    ciphertext = wrap(PLAIN)
    return {"ciphertext": base64.b64encode(ciphertext).decode(), "ciphertextCrc32c": str(crc32c(ciphertext))}


def refused(answer, status, code):
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["status"]) == (status, status, code), error
    assert error.keys() == {"code", "message", "status"}
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    return error["message"]


# ---- JSON


def test_a_decryption_in_the_json_of_google(call):
    assert call("POST", f"{UNWRAP}:asymmetricDecrypt", decrypt_body()).json() == {
        "plaintext": base64.b64encode(PLAIN).decode(),
        "plaintextCrc32c": str(crc32c(PLAIN)),
        "verifiedCiphertextCrc32c": True,
        "protectionLevel": "HSM",
    }


def test_a_number_of_64_bits_may_also_be_sent_as_a_number(call):
    body = decrypt_body()
    sent = body | {"ciphertextCrc32c": int(body["ciphertextCrc32c"])}
    assert call("POST", f"{UNWRAP}:asymmetricDecrypt", sent).json()["verifiedCiphertextCrc32c"]


def test_what_is_false_is_left_out(call):
    body = {"ciphertext": decrypt_body()["ciphertext"]}
    assert "verifiedCiphertextCrc32c" not in call("POST", f"{UNWRAP}:asymmetricDecrypt", body).json()


def test_a_public_key_in_the_json_of_google(call):
    answer = call("GET", f"{UNWRAP}/publicKey").json()
    assert answer["pemCrc32c"] == str(crc32c(answer["pem"].encode()))
    assert (answer["name"], answer["algorithm"]) == (UNWRAP, "RSA_DECRYPT_OAEP_2048_SHA256")
    assert answer.keys() == {"pem", "algorithm", "pemCrc32c", "name", "protectionLevel"}


def test_enumerations_are_numbers_where_the_caller_says_so(call):
    answer = call("GET", f"{UNWRAP}/publicKey?$alt=json;enum-encoding=int").json()
    assert (answer["algorithm"], answer["protectionLevel"]) == (8, 2)


def test_a_secret_in_the_json_of_google(call):
    assert call("GET", f"{SECRET}/versions/latest:access").json() == {
        "name": f"projects/{NUMBER}/secrets/signing/versions/2",
        "payload": {"data": "c2Vjb25k", "dataCrc32c": str(crc32c(b"second"))},
    }


def test_fields_of_the_query_reach_the_request(call):
    name = fresh("key")
    path = f"{RING}/cryptoKeys?cryptoKeyId={name}&skipInitialVersionCreation=true&alt=json"
    assert call("POST", path, {"purpose": "ENCRYPT_DECRYPT"}, ADMIN.token).json()["name"] == key_name(name)
    assert call("GET", f"{key_name(name)}/cryptoKeyVersions?pageSize=1", token=ADMIN.token).json() == {}
    path = f"{version_name('seal')}?updateMask=state"
    assert call("PATCH", path, {"state": "ENABLED"}, ADMIN.token).json()["state"] == "ENABLED"
    path = f"{RING}:getIamPolicy?options.requestedPolicyVersion=3"
    assert call("GET", path, token=ADMIN.token).json()["bindings"]


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"ciphertext": 1},
        {"ciphertext": {}},
        {"ciphertextCrc32c": "x"},
        {"ciphertextCrc32c": 1.5},
        {"ciphertextCrc32c": str(2**63)},
        [],
        1,
    ],
)
def test_json_of_another_form_is_refused(call, body):
    assert "Invalid JSON payload" in refused(call("POST", f"{UNWRAP}:asymmetricDecrypt", body), 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(cloud, http, body):
    answer = http("POST", f"{cloud.base}/v1/{UNWRAP}:asymmetricDecrypt", [TOKEN], body)
    refused(answer, 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("query", ["unknown=1", "publicKeyFormat=NO_SUCH"])
def test_a_query_that_is_not_understood_is_refused(call, query):
    refused(call("GET", f"{UNWRAP}/publicKey?{query}"), 400, "INVALID_ARGUMENT")


def test_a_body_where_there_is_none_is_refused(call):
    refused(call("GET", f"{UNWRAP}/publicKey", {"name": UNWRAP}), 400, "INVALID_ARGUMENT")


def test_a_401_carries_a_challenge(call):
    answer = call("GET", f"{UNWRAP}/publicKey", token="unknown")
    refused(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", f"{UNWRAP}:asymmetricDecrypt"),
        ("POST", f"{UNWRAP}/publicKey"),
        ("POST", f"{UNWRAP}:asymmetricSign"),
        ("GET", f"{key_name('unwrap')}/publicKey"),
        ("GET", "projects//secrets/signing"),
        ("GET", ""),
    ],
)
def test_a_path_that_there_is_not_is_a_page(call, verb, path):
    answer = call(verb, path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")


# ---- HTTP


def exchange(connection, head, body=b""):
    """Sends bytes and returns what comes back in the first segment."""
    connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return connection.recv(65536)


def test_a_connection_is_kept_and_an_answer_comes_in_one_piece(cloud):
    head = f"GET /v1/{UNWRAP}/publicKey HTTP/1.1\nHost: x\n{TOKEN[0]}: {TOKEN[1]}"
    address = cloud.base.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=20) as connection:
        for _ in range(3):
            answer = exchange(connection, head)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"}")


@pytest.mark.parametrize(
    ("header", "status"),
    [("Content-Length: 9999999", b"413"), ("Content-Length: x", b"413"), ("Transfer-Encoding: chunked", b"411")],
)
def test_a_body_without_a_length_or_too_large_is_refused(cloud, header, status):
    address = cloud.base.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=20) as connection:
        answer = exchange(connection, f"POST /v1/{UNWRAP}:asymmetricDecrypt HTTP/1.1\nHost: x\n{header}")
        assert answer.split()[1] == status


# ---- gRPC


def decrypt_over(cloud, metadata, name=UNWRAP):
    request = kms_v1.AsymmetricDecryptRequest(name=name, ciphertext=wrap(PLAIN))
    with grpc.insecure_channel(cloud.rpc_target) as channel:
        call = channel.unary_unary(
            "/google.cloud.kms.v1.KeyManagementService/AsymmetricDecrypt",
            kms_v1.AsymmetricDecryptRequest.serialize,
            kms_v1.AsymmetricDecryptResponse.deserialize,
        )
        return call(request, metadata=metadata, timeout=20)


@pytest.mark.usefixtures("control")
def test_a_call_over_grpc_says_its_region_in_a_header(cloud):
    token = ("authorization", f"Bearer {KAS.token}")
    assert decrypt_over(cloud, [token, ("x-goog-request-params", f"name={UNWRAP}")]).plaintext == PLAIN
    for wrong in ([], [("x-goog-request-params", "name=projects/other")]):
        with pytest.raises(grpc.RpcError) as caught:
            decrypt_over(cloud, [token, *wrong])
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert "misrouted" in caught.value.details()


def test_a_call_over_grpc_that_there_is_not_is_unimplemented(cloud):
    with grpc.insecure_channel(cloud.rpc_target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/google.cloud.kms.v1.KeyManagementService/AsymmetricSign")(b"", timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_name_of_another_form_is_refused_over_grpc(cloud):
    with pytest.raises(grpc.RpcError) as caught:
        decrypt_over(cloud, [("authorization", f"Bearer {KAS.token}")], f"{PROJECT}/anything")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
