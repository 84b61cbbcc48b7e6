"""Protobuf costs time to import, so nobody pays for it who does not speak it."""

from __future__ import annotations

import subprocess
import sys

from local.processes import ROOT, environment_without_settings
from tests.kit import Kit

ASK = """
import sys
import flask
import main

def ask(method, path, content_type, body):
    with flask.Flask("test").test_request_context(path, method=method, content_type=content_type, data=body,
                                                  environ_base={"REMOTE_ADDR": "127.0.0.1"}) as context:
        return main.kas(context.request).status

JSON, PROTO = "application/json", "application/proto"
statuses = [
    ask("POST", "/kas.AccessService/PublicKey", JSON, b"{}"),
    ask("GET", "/kas.AccessService/PublicKey?connect=v1&encoding=json&message=%7B%7D", None, b""),
    ask("POST", "/kas.AccessService/Rewrap", JSON, b"{}"),
    ask("POST", "/kas.AccessService/Rewrap", PROTO, b""),
    ask("POST", "/kas/v2/rewrap", JSON, b"{}"),
    ask("POST", "/kas.AccessService/Unknown", PROTO, b""),
    ask("POST", "/grpc.health.v1.Health/Check", JSON, b"{}"),
    ask("GET", "/.well-known/opentdf-configuration", None, b""),
    ask("GET", "/.well-known/jwks.json", None, b""),
]
assert statuses == [200, 200, 401, 401, 401, 501, 200, 200, 200], statuses
assert not [name for name in sys.modules if name.startswith("google.protobuf")]
assert ask("POST", "/grpc.health.v1.Health/Check", PROTO, b"") == 200
assert "google.protobuf" in sys.modules
"""


def test_protobuf_is_loaded_by_the_first_who_speaks_it(tdf_kit: Kit) -> None:
    """JSON, refusals and public keys are answered without; the first protobuf request brings it in."""
    folder = tdf_kit.log.parent
    env = {
        **environment_without_settings(),
        "KAS_MODE": "local",
        "HOST": "127.0.0.1",
        "KAS_ISSUERS_PATH": str(folder / "issuers.json"),
        "KAS_KEYS_DIR": str(folder / "cold-keys"),
    }
    done = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
