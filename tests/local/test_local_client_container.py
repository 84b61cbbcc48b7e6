"""Containers: a file comes back byte by byte, or not at all."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import time
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from local.client import ClientError, ContainerInvalid, Credentials, RewrapRefused, Session, TransportFailed
from local.client.container import Container, decrypt, read_container, seal, write_container
from local.client.encoding import from_b64
from local.client.keys import OAEP_SHA256
from local.client.rewrap import KasKeys
from local.ports import free_port

POLICY = {"policyId": "p-1", "dissem": {"classification": "SECRET", "releasabilityTo": ["USA", "FRA"], "COI": ["NATO"]}}
KAS_KEY = rsa.generate_private_key(65537, 2048)
KEYS = KasKeys("k-1", KAS_KEY.public_key(), {})
URL = "https://kas.example/rewrap"


def sealed(data=b"the file"):
    return seal(data, POLICY, KEYS, URL)


def data_key_of(container):
    return KAS_KEY.decrypt(from_b64(read_container(container).key_access["wrappedKey"]), OAEP_SHA256)


def session(pair, http, client_id, **options):
    credentials = Credentials(f"{pair.provider.base}/token", client_id, "dev")
    return Session(http, pair.kas.base, credentials, time.time, **options)


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_a_file_of_any_size_goes_through_the_kas_and_back(pair, http, size, kind):
    data = random.Random(size).randbytes(size)
    container = session(pair, http, "usa-secret").encrypt(data, POLICY)
    assert session(pair, http, "fra-secret", receiving_kind=kind).open(container) == data


def test_one_session_opens_many_files(pair, http):
    reader = session(pair, http, "usa-secret")
    containers = [reader.encrypt(bytes([number]), POLICY) for number in range(3)]
    assert [reader.open(container) for container in containers] == [b"\0", b"\1", b"\2"]


def test_who_may_not_read_gets_the_reason_and_no_file(pair, http):
    container = session(pair, http, "usa-secret").encrypt(b"the file", POLICY)
    with pytest.raises(RewrapRefused) as refused:
        session(pair, http, "usa-unclassified").open(container)
    assert (refused.value.status, refused.value.code) == (403, "clearance_insufficient")


def test_a_rewritten_policy_is_refused_by_the_kas(pair, http):
    opened = read_container(session(pair, http, "usa-secret").encrypt(b"the file", POLICY))
    mild = {"policyId": "p-1", "dissem": {"classification": "UNCLASSIFIED", "releasabilityTo": ["USA"]}}
    with pytest.raises(RewrapRefused) as refused:
        session(pair, http, "usa-unclassified").open(write_container(dataclasses.replace(opened, policy=mild)))
    assert (refused.value.status, refused.value.code) == (400, "key_material_rejected")


def test_token_and_proof_do_not_follow_the_address_in_a_container(pair, http):
    reader = session(pair, http, "usa-secret")
    elsewhere = seal(b"the file", POLICY, reader.kas_keys(), "https://attacker.example/rewrap")
    with pytest.raises(RewrapRefused) as refused:
        reader.open(elsewhere)
    assert refused.value.code == "unknown_kas"


@given(st.binary(max_size=300))
def test_any_file_comes_back(data):
    container = sealed(data)
    assert decrypt(read_container(container), data_key_of(container)) == data


def test_two_containers_share_nothing():
    one, two = sealed(), sealed()
    assert data_key_of(one) != data_key_of(two)
    assert read_container(one).payload[:12] != read_container(two).payload[:12]


@pytest.mark.parametrize("place", [0, 5, 12, 15, -1])
def test_a_payload_with_one_bit_flipped_does_not_decrypt(place):
    container = sealed()
    opened = read_container(container)
    payload = bytearray(opened.payload)
    payload[place] ^= 1
    with pytest.raises(ContainerInvalid):
        decrypt(dataclasses.replace(opened, payload=bytes(payload)), data_key_of(container))


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_a_payload_cut_short_does_not_decrypt(length):
    container = sealed()
    opened = read_container(container)
    with pytest.raises(ContainerInvalid):
        decrypt(dataclasses.replace(opened, payload=opened.payload[:length]), data_key_of(container))


def test_a_payload_does_not_decrypt_under_another_policy():
    container = sealed()
    moved = dataclasses.replace(read_container(container), policy={**POLICY, "policyId": "p-2"})
    with pytest.raises(ContainerInvalid):
        decrypt(moved, data_key_of(container))


def archive(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, data in members:
            made.writestr(name, data)
    return buffer.getvalue()


GOOD = json.dumps({"version": 1, "policy": {}, "keyAccess": {}})
BAD_ARCHIVES = {
    "empty": b"",
    "no archive": b"PK\x03\x04" + b"\0" * 100,
    "no payload": archive([("manifest.json", GOOD)]),
    "one more": archive([("manifest.json", GOOD), ("payload", b""), ("x", b"")]),
    "other names": archive([("manifest.json", GOOD), ("../payload", b"")]),
    "compressed": archive([("manifest.json", GOOD), ("payload", b"\0" * 10**6)], zipfile.ZIP_DEFLATED),
    "huge manifest": archive([("manifest.json", GOOD + " " * 300_000), ("payload", b"")]),
    "no json": archive([("manifest.json", "{"), ("payload", b"")]),
    "duplicate member": archive([("manifest.json", GOOD[:-1] + ', "policy": {}}'), ("payload", b"")]),
    "no object": archive([("manifest.json", "[]"), ("payload", b"")]),
    "deep": archive([("manifest.json", "[" * 100_000), ("payload", b"")]),
    "other version": archive([("manifest.json", GOOD.replace("1", "2")), ("payload", b"")]),
    "policy no object": archive([("manifest.json", GOOD.replace('"policy": {}', '"policy": 1')), ("payload", b"")]),
}


@pytest.mark.parametrize("fault", BAD_ARCHIVES)
def test_what_is_not_a_container_is_refused(fault):
    assert read_container(archive([("manifest.json", GOOD), ("payload", b"")])) == Container({}, {}, b"")
    with pytest.raises(ContainerInvalid):
        read_container(BAD_ARCHIVES[fault])


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_garbage_in_a_container_never_raises_anything_else(place, noise):
    container = bytearray(sealed())
    place %= len(container)
    container[place : place + len(noise)] = noise
    try:
        read_container(bytes(container))
    except ClientError as error:
        assert isinstance(error, ContainerInvalid)  # noqa: PT017 - it may as well be readable still


@pytest.mark.parametrize(
    "url", ["http://kas.example/", "ftp://127.0.0.1/", "http://127.0.0.1.evil.example/", "//127.0.0.1/"]
)
def test_plain_http_stays_on_this_machine(http, url):
    with pytest.raises(TransportFailed, match="only https"):
        http("GET", url)


def test_a_service_that_is_not_there_is_a_failure_of_transport(http):
    with pytest.raises(TransportFailed, match="GET http://127"):
        http("GET", f"http://127.0.0.1:{free_port()}/")
