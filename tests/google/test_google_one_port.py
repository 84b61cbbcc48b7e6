"""REST and gRPC at one address, as at Google."""

from __future__ import annotations

import socket
from dataclasses import replace

from google.cloud import kms_v1, secretmanager_v1

from tests.google.project import KAS, SECRET, UNWRAP, wrap
from tests.google.transports import clients_over


def test_grpc_is_answered_on_the_port_of_rest(cloud, control):
    """One client over each transport, at the same address, in turn."""
    at_one = replace(cloud, rpc_target=cloud.base.removeprefix("http://"))
    with clients_over("grpc", at_one, KAS.token) as rpc, clients_over("rest", at_one, KAS.token) as rest:
        for number, clients in enumerate((rpc, rest, rpc)):
            key = bytes([number]) * 32
            request = kms_v1.AsymmetricDecryptRequest(name=UNWRAP, ciphertext=wrap(key))
            assert clients.kms.asymmetric_decrypt(request=request).plaintext == key
        secret = secretmanager_v1.AccessSecretVersionRequest(name=f"{SECRET}/versions/2")
        assert rpc.secrets.access_secret_version(request=secret).payload.data == b"second"
    assert control.count("AsymmetricDecrypt") == 3
    assert [control.count("AsymmetricDecrypt", wire=wire) for wire in ("grpc", "http")] == [2, 1]


def test_what_is_neither_is_refused(cloud):
    with socket.create_connection(("127.0.0.1", int(cloud.base.rpartition(":")[2])), timeout=10) as line:
        line.sendall(b"PRX * HTTP/2.0\r\n\r\n")
        assert b"505" in line.recv(4096)
