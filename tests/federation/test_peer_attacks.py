"""What a hostile peer, or somebody in its place, can do to a call: nothing but make it unavailable, in bounded time and size."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kas.federation.addresses import is_forbidden_address
from kas.federation.peer_client import MAX_ANSWER_BYTES, PeerClient
from kas.net.answer import TooLarge, Unreadable
from kas.net.connection import AddressRefused
from tests.federation.hostile_peer import (
    BROKEN,
    HUGE,
    SLOW,
    UNREADABLE,
    answering,
    hostile_peer,
    read_request,
    reply,
)
from tests.federation.peer_calls import SECONDS, SHORT, calling, post, unavailable
from tests.interop.tls_front import make_certificates
from tests.unit.test_fetch_tls import certificate

# ---- F5: slow, large, malformed


def cases(table):
    return pytest.mark.parametrize("talk", table.values(), ids=table.keys())


@cases(SLOW)
def test_attack_f05_a_peer_that_is_slow_is_left_at_the_deadline(talk):
    """Each byte comes in good time; the whole never would."""
    with hostile_peer(talk) as peer, calling(peer.url) as client:
        said, cause = unavailable(post, client, seconds=SHORT)
        assert said == "no answer in time"
        assert isinstance(cause, TimeoutError)
        assert peer.accepted == 1


@pytest.mark.parametrize("is_tls", [False, True])
def test_attack_f05_a_peer_that_takes_the_request_slowly_is_left_at_the_deadline(is_tls, certificates, trusted):
    """Over TLS too, where each record would have a time-out of its own. It is left before it has taken all."""
    body = bytes(32 * 2**20)
    taken = []

    def talk(connection, peer):
        while data := connection.recv(16_384):
            taken.append(len(data))
            peer.released.wait(0.001)

    with hostile_peer(talk, certificate=certificates[1] if is_tls else None) as peer, calling(peer.url) as client:
        assert unavailable(post, client, seconds=SHORT, body=body)[0] == "no answer in time"
        assert sum(taken) < len(body) / 2


def test_attack_f05_no_handshake_begins_when_the_time_is_over():
    """As where the system took it all to connect."""
    now, heard = [0.0], []

    def late_context():
        now[0] += SECONDS
        return ssl.create_default_context()

    def talk(connection, peer):
        heard.append(connection.recv(65536))

    with hostile_peer(talk) as peer:
        with calling(peer.url.replace("http:", "https:"), timer=lambda: now[0], tls=late_context) as client:
            assert unavailable(post, client)[0] == "no answer in time"
        assert peer.accepted == 1
    assert heard == [b""]


@cases(HUGE)
def test_attack_f05_an_answer_beyond_the_bound_is_not_read(talk):
    with hostile_peer(talk) as peer, calling(peer.url) as client:
        said, cause = unavailable(post, client)
        assert said == "the answer has more than 4194304 bytes"
        assert isinstance(cause, TooLarge)


def test_attack_f05_an_answer_up_to_the_bound_is_read_and_after_a_larger_one_the_connection_is_not_used():
    small, large = reply(bytes(MAX_ANSWER_BYTES - 100)), reply(bytes(MAX_ANSWER_BYTES - 10))
    with hostile_peer(answering(small, large, small)) as peer, calling(peer.url) as client:
        assert len(post(client)[1]) == MAX_ANSWER_BYTES - 100
        unavailable(post, client)
        assert len(post(client)[1]) == MAX_ANSWER_BYTES - 100
        assert peer.accepted == 2


@cases(UNREADABLE)
def test_attack_f05_an_answer_whose_length_cannot_be_is_refused_and_not_waited_for(talk):
    with hostile_peer(talk) as peer, calling(peer.url) as client:
        said, cause = unavailable(post, client)
        assert said.startswith(("the answer cannot be read: ", "no answer: "))
        assert isinstance(cause, Unreadable | http.client.HTTPException)
        assert len(peer.requests) == 1


@cases(BROKEN)
def test_attack_f05_what_is_no_http_or_ends_too_soon_is_unavailable_and_not_asked_again(talk):
    """And nothing of its text is repeated."""
    with hostile_peer(talk) as peer, calling(peer.url) as client:
        said, cause = unavailable(post, client)
        assert said == f"no answer: {type(cause).__name__}"
        assert (peer.accepted, len(peer.requests)) == (1, 1)


def test_attack_f05_word_that_an_answer_will_follow_is_no_answer_to_the_next_call():
    def talk(connection, peer):
        read_request(connection, peer)
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" if peer.accepted == 1 else reply())
        peer.released.wait()

    with hostile_peer(talk) as peer, calling(peer.url) as client:
        assert post(client)[0] == 103
        assert post(client)[0] == 200
        assert peer.accepted == 2


# ---- F1: elsewhere


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_f01_a_redirect_is_an_answer_and_is_not_followed(status):
    with hostile_peer(answering(reply())) as other:
        away = reply(b"", f"{status} Moved", f"Location: {other.url}\r\n")
        with hostile_peer(answering(away)) as peer, calling(peer.url) as client:
            assert post(client) == (status, b"")
        assert other.accepted == 0


FORBIDDEN = (
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fe80::1%eth0",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "::a9fe:a9fe",
    "metadata.google.internal",
    "",
)
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "2002:7f00:1::")
ALLOWED = ("8.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "2001:4860:4860::8888", "fd12:3456::1", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", FORBIDDEN)
def test_attack_f01_no_peer_is_a_metadata_server_or_on_the_link(address):
    assert is_forbidden_address(address, allow_loopback=True)
    assert is_forbidden_address(address, allow_loopback=False)


@pytest.mark.parametrize("address", LOOPBACK)
def test_attack_f01_a_peer_is_on_this_machine_only_where_that_is_allowed(address):
    assert not is_forbidden_address(address, allow_loopback=True)
    assert is_forbidden_address(address, allow_loopback=False)


@pytest.mark.parametrize("address", ALLOWED)
def test_a_peer_is_anywhere_else(address):
    assert not is_forbidden_address(address, allow_loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_attack_f01_a_name_that_leads_to_this_machine_is_not_connected_to(host, certificates, trusted):
    with hostile_peer(answering(reply()), certificate=certificates[1]) as peer:
        url = peer.url.replace("127.0.0.1", host)
        with calling(url, local=False) as client:
            said, cause = unavailable(post, client)
        assert isinstance(cause, AddressRefused)
        assert said == "no answer: AddressRefused"
        assert peer.accepted == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]"])
def test_attack_f01_a_metadata_server_is_not_connected_to(host):
    with calling(f"https://{host}/rewrap") as client:
        assert isinstance(unavailable(post, client)[1], AddressRefused)


def test_attack_f01_a_name_that_leads_elsewhere_the_second_time_is_not_followed_there(monkeypatch):
    """Rebinding: the address that was asked about is the one that is used, and each time anew."""
    with hostile_peer(answering(reply(headers="Connection: close\r\n"))) as peer:
        port = int(peer.address.rpartition(":")[2])
        asked, connected = [], []
        real = socket.socket.connect

        def resolve(host, _port, **_options):
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        def spy(sock, address):
            connected.append(address[0])
            return real(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", spy)
        with calling(f"http://localhost:{port}/rewrap") as client:
            assert post(client)[0] == 200
            assert (asked, connected) == (["localhost"], ["127.0.0.1"])
            assert isinstance(unavailable(post, client)[1], AddressRefused)
            assert connected == ["127.0.0.1"]


def test_attack_f01_of_several_addresses_only_those_that_are_allowed_are_tried(monkeypatch):
    with hostile_peer(answering(reply())) as peer:
        port = int(peer.address.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("169.254.1.1", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with calling(f"http://localhost:{port}/rewrap") as client:
            assert post(client)[0] == 200


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_attack_f01_no_proxy_of_the_environment_is_used(name, monkeypatch):
    with hostile_peer(answering(reply())) as other, hostile_peer(answering(reply())) as peer:
        monkeypatch.setenv(name, other.base)
        with calling(peer.url) as client:
            assert post(client)[0] == 200
        assert (other.accepted, peer.accepted) == (0, 1)


BAD_URLS = (
    "http://kas.fra.example/rewrap",
    "http://169.254.169.254/rewrap",
    "https://user@kas.fra.example/rewrap",
    "https://user:secret@kas.fra.example/rewrap",
    "https://kas.fra.example@evil.example/rewrap",
    "https://kas.fra.example/rewrap#x",
    "https://kas.fra.example:0/rewrap",
    "https://kas.fra.example:99999/rewrap",
    "https://kas.fra.example/a b",
    "https://kas.fra.example/a\r\nX: y",
    "https:///rewrap",
    "ftp://kas.fra.example/rewrap",
    "file:///etc/passwd",
    "kas.fra.example/rewrap",
    "https://2130706433/rewrap",
    "https://0x7f.1/rewrap",
    "https://-a.example/rewrap",
    "",
)


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("url", BAD_URLS)
def test_attack_f01_what_is_no_address_of_a_peer_makes_no_client(url, local):
    with pytest.raises(ValueError):
        PeerClient(url, time.monotonic, allow_loopback_http=local)


def test_attack_f07_plain_http_is_for_this_machine_and_where_it_is_allowed():
    PeerClient("http://127.0.0.1:1/rewrap", time.monotonic, allow_loopback_http=True)
    with pytest.raises(ValueError, match="not an address of a peer"):
        PeerClient("http://127.0.0.1:1/rewrap", time.monotonic, allow_loopback_http=False)


# ---- F7: somebody in its place


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority and a certificate of it for the loopback address."""
    return make_certificates(tmp_path_factory.mktemp("peer"))


@pytest.fixture
def trusted(certificates, monkeypatch):
    """The authority is the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[0]))


def issued(folder, *hosts, days=1, authority=None):
    """A certificate with its key in one file; of itself, unless an authority and its key are given."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate("peer", key, *(authority or (None, None)), days=days, hosts=hosts)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "peer.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return folder / "peer.pem"


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """One that signs what a test wants; it is the system's."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = certificate("authority", key)
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return own, key


HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def refused_in_the_handshake(peer):
    with calling(peer.url) as client:
        _, cause = unavailable(post, client)
    assert isinstance(cause, ssl.SSLCertVerificationError)
    assert peer.requests == []


def test_a_peer_with_a_good_certificate_of_a_known_authority_is_spoken_to(tmp_path, authority):
    """So what follows is refused for what is said there."""
    with hostile_peer(answering(reply()), certificate=issued(tmp_path, HERE, authority=authority)) as peer:
        with calling(peer.url) as client:
            assert post(client)[0] == 200
        assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "options",
    [{"hosts": (x509.DNSName("kas.fra.example"),)}, {"hosts": ()}, {"hosts": (HERE,), "days": -1}],
    ids=["another host", "no host", "expired"],
)
def test_attack_f07_a_certificate_of_another_host_or_time_is_refused(tmp_path, authority, options):
    options = dict(options)
    made = issued(tmp_path, *options.pop("hosts"), authority=authority, **options)
    with hostile_peer(answering(reply()), certificate=made) as peer:
        refused_in_the_handshake(peer)


@pytest.mark.usefixtures("authority")
def test_attack_f07_a_certificate_of_its_own_is_refused(tmp_path):
    with hostile_peer(answering(reply()), certificate=issued(tmp_path, HERE)) as peer:
        refused_in_the_handshake(peer)


@pytest.mark.parametrize("is_configured", [False, True])
def test_fault_20_a_certificate_of_an_unknown_authority_is_refused_whatever_is_configured(
    is_configured, certificates, tmp_path, monkeypatch
):
    if is_configured:
        monkeypatch.setenv("SSL_CERT_FILE", str(make_certificates(tmp_path)[0]))
    else:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with hostile_peer(answering(reply()), certificate=certificates[1]) as peer:
        refused_in_the_handshake(peer)


def test_attack_f07_an_https_peer_that_answers_in_plain_http_gets_nothing():
    def talk(connection, peer):
        connection.settimeout(SECONDS)
        peer.heard = connection.recv(65536)
        connection.sendall(reply())
        peer.released.wait()

    with hostile_peer(talk) as peer, calling(peer.url.replace("http:", "https:")) as client:
        _, cause = unavailable(post, client)
        assert isinstance(cause, ssl.SSLError)
        assert b"POST" not in peer.heard
        assert b"d.e.f" not in peer.heard
