"""The metadata server, as google-auth asks it: no key file, a token that runs out."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from local.client import Http
from tests.google.project import KAS, NUMBER, SECRET
from tests.google.transports import StaticToken, clients_over, refused

TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
FLAVOR = [("Metadata-Flavor", "Google")]
DEFAULT = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(project, credentials.service_account_email, credentials.token)
"""


@pytest.fixture(scope="module")
def http():
    client = Http()
    yield client
    client.close()


@pytest.mark.usefixtures("control")
def test_google_auth_finds_its_account_and_a_token_that_is_good(cloud, transport, tmp_path):
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "CLOUDSDK_", "GCLOUD_"))
    }
    env = own | cloud.metadata_environment() | {"HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", DEFAULT], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    project, email, token = ended.stdout.split()
    assert (project, email) == ("kas-test", KAS.member.partition(":")[2])
    with clients_over(transport, cloud, token) as clients:
        name = f"{SECRET}/versions/2"
        assert clients.secrets.access_secret_version(name=name).name.startswith(f"projects/{NUMBER}/")
    assert StaticToken(token).valid


def test_a_token_runs_out(cloud, control, http, transport):
    answer = http("GET", cloud.base + TOKEN_PATH, FLAVOR).json()
    assert (answer["expires_in"], answer["token_type"]) == (600, "Bearer")
    with clients_over(transport, cloud, answer["access_token"]) as clients:
        name = f"{SECRET}/versions/2"
        control.advance(599)
        assert clients.secrets.access_secret_version(name=name).payload.data == b"second"
        control.advance(1)
        with refused("UNAUTHENTICATED"):
            clients.secrets.access_secret_version(name=name, retry=None)


def test_the_token_can_be_in_trouble_too(cloud, control, http):
    control.fail("UNAVAILABLE", method="GetAccessToken")
    assert http("GET", cloud.base + TOKEN_PATH, FLAVOR).status == 503
    assert http("GET", cloud.base + TOKEN_PATH, FLAVOR).status == 200
    assert [(row["outcome"], row["count"]) for row in control.operations("GetAccessToken")] == [
        ("OK", 1),
        ("UNAVAILABLE", 1),
    ]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (TOKEN_PATH, [], 403),
        (TOKEN_PATH, [("Metadata-Flavor", "Other")], 403),
        ("/computeMetadata/v1/instance/attributes/", FLAVOR, 404),
        (TOKEN_PATH.replace("default", "other@example.com"), FLAVOR, 404),
        ("/", FLAVOR, 200),
    ],
)
def test_it_answers_who_asks_as_one_asks_a_metadata_server(cloud, http, path, headers, status):
    answer = http("GET", cloud.base + path, headers)
    assert (answer.status, answer.headers["Metadata-Flavor"]) == (status, "Google")
