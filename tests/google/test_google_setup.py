"""The setup file, and the process: what it refuses to start with, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import grpc
import pytest
from google.cloud import kms_v1, secretmanager_v1

from kas.errors import ConfigError
from local.google import kinds
from local.google.remote import google
from local.google.setup import load_cloud
from local.ports import free_port
from local.processes import ROOT

KEY = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
AES = {"name": KEY, "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}
SECRET = {"name": "projects/p/secrets/s", "versions": [{"text": "x"}]}
GOOD = {"projects": {"p": 1}, "keys": [AES], "secrets": [SECRET]}


def load(tmp_path, value):
    path = tmp_path / "setup.json"
    path.write_text(json.dumps(value), "utf-8")
    return load_cloud(path, time.time)


def test_a_small_setup_is_taken(tmp_path):
    cloud = load(tmp_path, GOOD)
    assert list(cloud.keys.keys) == [KEY]
    assert cloud.secrets.secrets["projects/p/secrets/s"].versions[1].data == b"x"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"projects": {}}, "setup.json: projects"),
        ({"projects": {"p": "1"}}, "projects.p"),
        ({"unknown": 1}, "unknown member 'unknown'"),
        ({"tokens": {"t": ""}}, "tokens.t"),
        ({"quotas": {"cloudkms.other": 1}}, "quotas"),
        ({"metadata": {}}, "metadata: member"),
        ({"keys": [AES, AES]}, "keys[1]: CryptoKey"),
        ({"keys": [AES | {"name": "projects/p/secrets/s"}]}, "keys[0].name"),
        ({"keys": [AES | {"name": KEY.replace("/p/", "/q/")}]}, "keys[0].name"),
        ({"keys": [AES | {"name": KEY.replace("global", "mars")}]}, "keys[0]: The request concerns location"),
        ({"keys": [AES | {"algorithm": "EC_SIGN_P256_SHA256"}]}, "keys[0].algorithm"),
        ({"keys": [AES | {"protectionLevel": "EXTERNAL"}]}, "keys[0].protectionLevel"),
        ({"keys": [AES | {"versions": [{"material": "AAAA"}]}]}, "keys[0].versions[0].material"),
        ({"keys": [AES | {"versions": [{"material": "!"}]}]}, "keys[0].versions[0].material"),
        ({"keys": [AES | {"versions": [{"state": "LOST"}]}]}, "keys[0].versions[0].state"),
        ({"keys": [AES | {"more": 1}]}, "keys[0]: unknown member"),
        ({"secrets": [SECRET, SECRET]}, "secrets[1]: Secret"),
        ({"secrets": [SECRET | {"versions": [{}]}]}, "secrets[0].versions[0]"),
        ({"secrets": [SECRET | {"versions": [{"data": "!"}]}]}, "secrets[0].versions[0]"),
        ({"bindings": [{"resource": "p", "role": "r", "members": []}]}, "bindings[0].resource"),
        ({"bindings": [{"resource": KEY, "role": "r", "members": ["user:a@b"]}]}, "bindings[0]: Role r"),
        ({"bindings": [{"resource": KEY, "role": "roles/owner", "members": ["a"]}]}, "bindings[0]: The member"),
    ],
)
def test_a_setup_that_is_wrong_is_refused_with_its_place(tmp_path, change, place):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD | change)
    assert place in str(caught.value)


def run(tmp_path, **environment):
    path = tmp_path / "setup.json"
    path.write_text(json.dumps(GOOD), "utf-8")
    return [sys.executable, "-m", "local.google", "--setup", str(path)], {**os.environ, **environment}


def test_it_is_refused_on_cloud_run(tmp_path):
    command, env = run(tmp_path, K_SERVICE="kas")
    ports = ["--port", "1", "--grpc-port", "2"]
    ended = subprocess.run([*command, *ports], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, "Cloud Run" in ended.stderr) == (1, True)


@pytest.mark.parametrize("taken", ["--port", "--grpc-port"])
def test_a_port_that_is_taken_ends_it(tmp_path, taken):
    command, env = run(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ports = {"--port": free_port(), "--grpc-port": free_port(), taken: holder.getsockname()[1]}
        arguments = [text for name, number in ports.items() for text in (name, str(number))]
        ended = subprocess.run([*command, *arguments], cwd=ROOT, env=env, capture_output=True, timeout=120)
    assert ended.returncode == 1


def test_it_ends_at_once_even_with_an_answer_held_back(tmp_path):
    path = tmp_path / "setup.json"
    path.write_text(json.dumps(GOOD), "utf-8")
    with google(path) as running, grpc.insecure_channel(running.rpc_target) as channel:
        running.control.latency(600_000)
        name = "projects/p/secrets/s"
        call = channel.unary_unary("/google.cloud.secretmanager.v1.SecretManagerService/GetSecret")
        waiting = call.future(secretmanager_v1.GetSecretRequest.serialize({"name": name}), timeout=60)
        while not running.control.waiting():
            time.sleep(0.01)
        running.service.process.send_signal(signal.SIGTERM)
        assert running.service.process.wait(60) == 0
        assert waiting.exception() is not None


def test_only_loopback_is_listened_on(tmp_path):
    path = tmp_path / "setup.json"
    path.write_text(json.dumps(GOOD), "utf-8")
    with google(path) as running, socket.socket() as other:
        place = ("127.0.0.2", int(running.base.rpartition(":")[2]))
        other.bind(place)  # taken, if it listened everywhere
        assert other.getsockname() == place


def test_the_enumerations_are_googles():
    versions = kms_v1.CryptoKeyVersion
    for own, googles in (
        (kinds.Algorithm, versions.CryptoKeyVersionAlgorithm),
        (kinds.KeyState, versions.CryptoKeyVersionState),
        (kinds.Level, kms_v1.ProtectionLevel),
        (kinds.Purpose, kms_v1.CryptoKey.CryptoKeyPurpose),
        (kinds.SecretState, secretmanager_v1.SecretVersion.State),
    ):
        assert {value.name: value.value for value in own} == {value.name: googles[value.name].value for value in own}
