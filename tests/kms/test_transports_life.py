"""How a transport begins and ends: nothing before its first call, many first calls at once, a fork, TLS, an end."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kas.google import official_clients
from kas.google.cloud import Cloud
from kas.google.official_clients import grpc_target
from kas.google.status import GoogleError
from kas.net.connection import origin_of
from local.ports import free_port
from local.processes import ROOT, environment_without_settings
from tests.google.project import UNWRAP
from tests.interop.tls_front import hashed_folder, make_certificates, tls_front
from tests.kms.servers import fake_kms, grpc_front, scripted
from tests.kms.test_transports import DECRYPT, GOOD, PLAIN, decrypt, public_key, refused, unseal
from tests.kms.transports import SECONDS, endpoint_of, trusting

MANY = 32


def probe(what, kind, cloud):
    """What a process of its own says."""
    command = [sys.executable, "-m", "tests.kms.probe", what, kind, endpoint_of(kind, cloud)]
    ended = subprocess.run(
        [*command, cloud.base.removeprefix("http://")],
        cwd=ROOT,
        env=environment_without_settings(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def connections_to(endpoint):
    """The connections of this process to a port of this machine."""
    own = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            own.add(link.readlink().name)
    rows = [line.split() for name in ("tcp", "tcp6") for line in open_rows(name)]
    port = f":{int(endpoint.rpartition(':')[2]):04X}"
    return {row[9] for row in rows if row[2].endswith(port)} & {name[8:-1] for name in own}


def open_rows(name):
    return Path(f"/proc/self/net/{name}").read_text("ascii").splitlines()[1:]


@pytest.mark.usefixtures("control")
def test_nothing_is_opened_or_loaded_before_the_first_call(kind, cloud):
    seen = probe("quiet", kind, cloud)
    assert seen["made"] == seen["before"]
    assert seen["made"] == {"sockets": 0, "threads": 1, "loaded": []}
    assert seen["used"]["sockets"] > 0  # so it would have been seen
    assert bool(seen["used"]["loaded"]) == (kind != "http")


@pytest.mark.usefixtures("control")
def test_a_transport_that_was_made_before_a_fork_works_after_it(kind, cloud):
    """In two children, many threads in each; the thin one also where the parent has used and closed it."""
    assert probe("fork", kind, cloud) == ([True] * 5 if kind == "http" else [True] * 2)


def test_many_first_calls_at_once_use_one_token_and_few_connections(over, kind, cloud, control):
    control.latency(100, method=DECRYPT)
    transport = over(kind, cloud, size=8)
    endpoint = endpoint_of(kind, cloud)
    others = connections_to(endpoint)
    start, seen = threading.Barrier(MANY), []

    def first_call(_):
        start.wait(SECONDS)
        answer = decrypt(transport)
        seen.append(len(connections_to(endpoint) - others))
        return answer

    with ThreadPoolExecutor(MANY) as pool:
        assert list(pool.map(first_call, range(MANY))) == [GOOD] * MANY
    assert control.count("GetAccessToken") == 1
    assert control.count(DECRYPT) == MANY
    assert 0 < max(seen) <= (1 if kind == "grpc" else 8)


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_many_first_calls_at_once_make_one_client(over, kind, cloud, monkeypatch):
    """Each would have connections of its own."""
    made, make = [], getattr(official_clients, f"{kind}_client")

    def slowly(*arguments):
        threading.Event().wait(0.1)
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(official_clients, f"{kind}_client", slowly)
    transport = over(kind, cloud)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: decrypt(transport), range(8))) == [GOOD] * 8
    assert len(made) == 1


def test_who_waits_for_a_connection_waits_no_longer_than_his_time(over, kind):
    """And what he wanted is never sent."""
    with fake_kms(kind) as (fake, endpoint), ThreadPoolExecutor(1) as pool:
        transport = over.at(kind, endpoint, size=1)
        held = pool.submit(decrypt, transport)
        assert fake.arrived.wait(SECONDS)
        refused("DEADLINE_EXCEEDED", transport.get_public_key, UNWRAP, timeout_seconds=0.3)
        fake.released.set()
        assert held.result().plaintext == b"plain"
        assert public_key(transport).name == UNWRAP
        assert fake.seen == ["AsymmetricDecrypt", "GetPublicKey"]


def test_calls_that_fail_leave_room_for_others(over, kind, cloud, control):
    transport = over(kind, cloud, size=1)
    for fault in ("error", "drop", "page"):
        control.fail("UNAVAILABLE", kind=fault, method=DECRYPT)
        refused("UNAVAILABLE", decrypt, transport)
    control.fail("UNAVAILABLE", method="GetAccessToken")
    control.advance(600)
    refused("UNAUTHENTICATED", decrypt, transport)
    refused("UNAVAILABLE", decrypt, transport)
    assert decrypt(transport) == GOOD


@pytest.mark.usefixtures("control")
def test_a_closed_transport_has_nothing_open_and_can_be_used_again(over, kind, cloud):
    transport = over(kind, cloud)
    endpoint = endpoint_of(kind, cloud)
    others = connections_to(endpoint)
    transport.close()  # before there is anything
    for _ in range(2):
        assert decrypt(transport) == GOOD
        own = connections_to(endpoint) - others
        assert len(own) == 1
        held = getattr(transport, "_client", None)  # so that not being needed is not what ends it
        transport.close()
        transport.close()
        until(lambda own=own: not connections_to(endpoint) & own)
        del held


def until(is_so):
    """Returns when it is so."""
    pause = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        pause.wait(0.01)
    pytest.fail("it never was so")


def test_a_service_that_is_away_is_unavailable_and_found_when_it_is_back(over, kind):
    port = free_port()
    transport = over.at(kind, f"http://127.0.0.1:{port}")
    refused("UNAVAILABLE", public_key, transport)
    for _ in range(2):  # the second time while connections to the first were kept
        with fake_kms(kind, port):
            until(lambda: is_answered(transport))
        refused("UNAVAILABLE", decrypt, transport)


def test_grpc_looks_for_a_service_that_is_away_at_least_every_two_seconds(over):
    """So it is found so soon after it is back; by itself gRPC would wait longer each time, for up to two minutes."""
    tries = []
    with scripted(lambda _connection, _server: tries.append(time.monotonic())) as server:
        transport = over.at("grpc", server.base)
        end = time.monotonic() + 9
        while time.monotonic() < end:
            refused("UNAVAILABLE", public_key, transport)
    pauses = [later - earlier for earlier, later in itertools.pairwise([*tries, end])]
    assert max(pauses) < 2, pauses


def is_answered(transport):
    try:
        return public_key(transport).name == UNWRAP
    except GoogleError:
        return False


# ---- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The authority, and a certificate of it for 127.0.0.1 with its key."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_endpoint(kind, cloud, certificates, control):
    """The stand-in behind TLS."""
    del control
    if kind == "grpc":
        with grpc_front(cloud.rpc_target, certificates[1]) as base:
            yield base
    else:
        with tls_front(certificates[1], free_port(), cloud.base) as front:
            yield front.base


def test_a_call_over_tls_is_answered_by_whom_the_authority_vouches_for(over, kind, tls_endpoint, certificates):
    transport = over.at(kind, tls_endpoint, tls=trusting(certificates[0]))
    assert decrypt(transport) == GOOD
    assert public_key(transport).name == UNWRAP
    assert unseal(transport).plaintext == PLAIN
    refused("INVALID_ARGUMENT", decrypt, transport, ciphertext=b"x")


def test_whom_no_authority_vouches_for_is_not_talked_to(over, kind, tls_endpoint, control, tmp_path):
    stranger, _ = make_certificates(tmp_path)
    refused("UNAVAILABLE", decrypt, over.at(kind, tls_endpoint, tls=trusting(stranger)))
    assert control.count(DECRYPT) == 0


def test_a_certificate_for_another_name_is_refused(over, kind, tls_endpoint, certificates, control):
    elsewhere = tls_endpoint.replace("127.0.0.1", "localhost")
    refused("UNAVAILABLE", decrypt, over.at(kind, elsewhere, tls=trusting(certificates[0])))
    assert control.count(DECRYPT) == 0


def test_the_authorities_of_the_environment_are_used(over, kind, tls_endpoint, certificates, monkeypatch):
    """As the service is configured: ``SSL_CERT_FILE``, read when the first connection is opened."""
    transport = over.at(kind, tls_endpoint)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[0]))
    assert decrypt(transport) == GOOD


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_service_takes_the_authorities_of_its_environment(
    kind, cloud, tls_endpoint, certificates, tmp_path, monkeypatch, name
):
    """A file, or a folder in which all but gRPC look up whom they need."""
    trust = {"SSL_CERT_FILE": certificates[0], "SSL_CERT_DIR": hashed_folder(tmp_path / "hashed", certificates[0])}
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(name, str(trust[name]))
    with contextlib.closing(Cloud(cloud.metadata_environment(), time.time, time.monotonic)) as own:
        transport = own.kms_for_workers(kind, tls_endpoint, 4)
        with contextlib.closing(transport):
            assert decrypt(transport) == GOOD


def test_the_authorities_are_read_once_and_stay_as_they_are(over, kind, tls_endpoint, certificates):
    made = []

    def read():
        made.append(trusting(certificates[0])())
        return made[-1]

    transport = over.at(kind, tls_endpoint, tls=read)
    assert made == []
    for _ in range(2):
        assert decrypt(transport) == GOOD
        transport.close()
    assert len(made) == 1
    assert len(made[0].get_ca_certs()) == 1  # and no other is added


def test_grpc_has_its_own_authorities_where_python_looks_them_up_as_it_needs_them(certificates):
    assert official_clients._authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) is None
    assert official_clients._authorities(trusting(certificates[0])()).split() == certificates[0].read_bytes().split()


def test_what_does_not_speak_tls_is_unavailable(over, kind, cloud):
    endpoint = endpoint_of(kind, cloud).replace("http://", "https://")
    refused("UNAVAILABLE", decrypt, over.at(kind, endpoint))


@pytest.mark.usefixtures("control")
def test_a_proxy_of_the_environment_is_not_used(over, kind, cloud, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert decrypt(over(kind, cloud)) == GOOD
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://cloudkms.googleapis.com",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://",
        "",
        "https://u@h",
        "https://a..b",
        f"https://{'a' * 64}.example",
        "https://h:0",
        "https://h:99999",
    ],
)
def test_an_endpoint_is_https_or_on_loopback(over, kind, endpoint):
    with pytest.raises(ValueError):
        over.at(kind, endpoint)


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("http://127.0.0.1:90", "127.0.0.1:90"),
        ("https://cloudkms.googleapis.com", "cloudkms.googleapis.com:443"),
        ("http://[::1]:90", "[::1]:90"),
        ("https://[2001:db8::1]", "[2001:db8::1]:443"),
    ],
)
def test_grpc_is_told_an_address_as_it_reads_one(endpoint, target):
    """Without brackets the last part of an address would be a port."""
    assert grpc_target(origin_of(endpoint)) == target
