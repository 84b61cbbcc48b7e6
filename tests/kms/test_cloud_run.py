"""As on Cloud Run: `K_SERVICE` is set, everything is called over TLS, keys are in Cloud KMS and secrets by reference."""

from __future__ import annotations

import json

import pytest

from local.google.remote import google
from local.google_world import KAS_MEMBER, NONCE_SECRET, SIGNING_SECRET, make_project
from local.ports import free_port
from tests.canaries import CANARIES
from tests.host.functions import ISSUERS, exchange, function, refused_start, write_issuers
from tests.interop.tls_front import make_certificates, tls_front
from tests.kms.google_kit import watch_project

ACCESSOR = "roles/secretmanager.secretAccessor"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """The stand-in behind TLS, with an authority of its own; and the variables of a service on it."""
    folder = tmp_path_factory.mktemp("cloud-run")
    project = make_project(folder / "google")
    watch_project(project)
    CANARIES.watch(folder, folder / "google")
    trust, certificate = make_certificates(folder)
    with (
        (folder / "log").open("wb") as log,
        google(project.setup_path, log) as running,
        tls_front(certificate, free_port(), running.base) as front,
    ):
        yield (
            running,
            front,
            {
                "K_SERVICE": "kas",
                "KAS_ID": "kas-usa",
                "KAS_PUBLIC_BASES": "https://kas.example",
                "KAS_ISSUERS_PATH": str(write_issuers(folder, ISSUERS)),
                "KAS_KEYS_DIR": str(folder / "none"),
                "SSL_CERT_FILE": str(trust),
                **project.environment(running),
                "KAS_KMS_ENDPOINT": front.base,
                "KAS_SECRETS_ENDPOINT": front.base,
            },
            folder,
        )


@pytest.fixture
def control(deployment):
    running = deployment[0]
    running.control.reset()
    yield running.control
    running.control.reset()


@pytest.fixture
def environ(deployment, control):
    return deployment[2]


def test_keys_in_cloud_kms_and_secrets_by_reference_start_on_cloud_run(deployment, environ):
    """And are served: the public halves of all of them."""
    with function("kas", environ, log=deployment[3] / "log-kas") as service:
        request = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: kas\r\nX-Forwarded-Proto: https\r\n\r\n"
        answer = exchange(service.base, request)
    index = json.loads(environ["KAS_KEYS"])
    kids = [key["kid"] for key in (*index["unwrapKeys"], *index["signingKeys"])]
    assert [key["kid"] for key in answer.json()["keys"]] == kids
    assert {passed.path.rpartition(":")[2] for passed in deployment[1].seen} >= {"access", "decrypt"}


def last_line(deployment, environ, **changes):
    """What is said of a start that is refused; nothing of a secret is in it, as the canaries of this run see to."""
    said = refused_start({**environ, **changes})
    (deployment[3] / "log-refused").write_text(said)
    assert "Traceback" not in said
    return said.splitlines()[-1]


def test_a_denied_secret_stops_the_start_by_setting_and_status(deployment, environ, control):
    control.take(NONCE_SECRET, ACCESSOR, KAS_MEMBER)
    try:
        line = last_line(deployment, environ)
    finally:
        control.give(NONCE_SECRET, ACCESSOR, KAS_MEMBER)
    assert line.startswith(
        f"The Key Access Service does not start: KAS_NONCE_SECRET: sm://{NONCE_SECRET}/versions/1: PERMISSION_DENIED: "
    )


def test_a_secret_that_is_no_such_value_stops_the_start_and_is_not_shown(deployment, environ):
    """A private key in the place of a nonce secret: the canaries of this run look for it in what was said."""
    line = last_line(deployment, environ, KAS_NONCE_SECRET=f"sm://{SIGNING_SECRET}/versions/1")
    assert line.startswith("The Key Access Service does not start: KAS_NONCE_SECRET: must be 1–2 of base64url")


def test_fault_20_an_authority_that_is_not_trusted_stops_the_start(deployment, environ):
    """Nothing falls back to plain HTTP, or to no verification."""
    line = last_line(deployment, environ, SSL_CERT_FILE=None)
    assert "KAS_NONCE_SECRET: sm://" in line
    assert "UNAVAILABLE: call: SSLCertVerificationError" in line
