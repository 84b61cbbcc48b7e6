"""The smoke test against a real service, and against services that are wrong in one way each: a failed request fails it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy import measured
from deploy.smoke_rewrap import CACHED, WARM
from tests.deploy.conftest import ROOT
from tests.kit import Kit, running_kit


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Iterator[Kit]:
    with running_kit(tmp_path_factory.mktemp("kas")) as kit:
        yield kit


def smoke(base: str, *flags: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "no_proxy": "*", **environ}
    command = [sys.executable, "-m", "deploy.smoke", base, *flags]
    return subprocess.run(command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, timeout=120)


def credentials(kit: Kit, client: str = "usa-secret", secret: str = "dev") -> dict[str, str]:
    url = f"{kit.world.provider.base}/token"
    return {"SMOKE_TOKEN_URL": url, "SMOKE_CLIENT_ID": client, "SMOKE_CLIENT_SECRET": secret}


def test_without_credentials_it_asks_what_anybody_may(kit):
    done = smoke(kit.base)
    assert done.returncode == 0, done.stderr
    assert [line[:2] for line in done.stdout.splitlines()] == ["ok", "ok", "ok", "ok", "--"]
    assert "a rewrap was not asked for: SMOKE_TOKEN_URL" in done.stdout


def test_with_credentials_it_opens_a_key_in_each_dialect(kit):
    done = smoke(kit.base, **credentials(kit))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "ok  acp240: a file was encrypted and opened again",
        "ok  opentdf: a data key was wrapped and released",
    ]
    released = [json.loads(line) for line in kit.log.read_text("utf-8").splitlines() if '"released"' in line]
    assert [(line["dialect"], line["outcome"]) for line in released[-2:]] == [
        ("acp240", "released"),
        ("opentdf", "released"),
    ]


def test_a_dialect_that_is_not_served_is_not_asked_for(kit):
    done = smoke(kit.base, "--dialects=acp240", **credentials(kit))
    assert done.returncode == 0, done.stderr
    assert "opentdf" not in done.stdout


def test_the_clients_secret_may_come_by_standard_input(kit):
    done = smoke(kit.base, "--dialects=acp240", stdin="dev\n", **credentials(kit, secret="-"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("client", "secret", "said"),
    [("usa-secret", "wrong", "TokenRefused: 401 invalid_client"), ("fra-secret", "dev", "RewrapRefused: 403")],
)
def test_who_gets_no_key_fails_it_and_says_why(kit, client, secret, said):
    done = smoke(kit.base, **credentials(kit, client, secret))
    assert done.returncode == 1
    assert said in done.stderr
    assert "wrong" not in done.stdout + done.stderr


def test_half_of_the_credentials_are_none(kit):
    done = smoke(kit.base, SMOKE_CLIENT_ID="usa-secret")
    assert done.returncode == 1
    assert "not set: SMOKE_TOKEN_URL, SMOKE_CLIENT_SECRET" in done.stderr


def test_what_is_measured_stands_beside_the_targets(kit, tmp_path):
    kit.log.write_bytes(b"")
    done = smoke(kit.base, "--dialects=acp240", f"--measure={tmp_path / 'seen'}", **credentials(kit))
    assert done.returncode == 0, done.stderr
    lines = [line for line in kit.log.read_text("utf-8").splitlines() if line.startswith("{")]
    audited = measured.audited("\n".join(lines))
    assert len(audited) == 1 + WARM + CACHED, "no more is asked than is said"
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text("utf-8").splitlines()]
    rows = {row[:34].strip(): row[34:].split(maxsplit=2) for row in measured.table(seen, audited, 3, "812")}
    assert rows["mean of 3 starts in a week"] == ["812", "<", "3000"]
    assert rows["hit rate, repeats"][:2] == ["100", "%"]
    operations = {
        kind: {audited[one["id"]]["keyOperations"] for one in seen if one["kind"] == kind}
        for kind in ("warm", "cached")
    }
    assert operations == {"warm": {1}, "cached": {0}}
    for kind, target in (("warm", "< 100"), ("cached", "< 10")):
        for share in (50, 95, 99):
            here, inside, text = rows[f"{kind}, p{share}"]
            assert 0 <= int(inside) <= int(here)
            assert text == target


def test_what_the_services_own_lines_do_not_say_is_not_known(kit):
    seen = [{"kind": kind, "id": "x", "ms": 1.0} for kind in ("first", "alive", "warm", "cached")]
    rows = list(measured.table(seen, {}, 0, ""))
    assert sum("not known" in row for row in rows) == 8


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert measured.percentile([float(one) for one in range(100, 0, -1)], share) == value


GOOD: dict[str, tuple[int, dict[str, str], Any]] = {
    "/health": (200, {}, {"status": "ok"}),
    "/health/ready": (200, {}, {"status": "ready"}),
    "/.well-known/jwks.json": (
        200,
        {},
        {"keys": [{"use": "enc", "alg": "RSA-OAEP-256"}, {"use": "enc", "alg": "RSA-OAEP"}, {"use": "sig"}]},
    ),
    "/rewrap": (401, {"WWW-Authenticate": 'DPoP algs="ES256"'}, {"error": "unauthorized"}),
}


@contextlib.contextmanager
def answering(**changes: tuple[int, dict[str, str], Any]) -> Iterator[str]:
    """A service that is right but for ``changes``."""
    answers = {**GOOD, **{f"/{name}": answer for name, answer in changes.items()}}

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            status, headers, body = answers[self.path]
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = respond  # noqa: N815 - the names are the base class's

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_is_right_passes():
    with answering() as base:
        assert smoke(base).returncode == 0


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("health", (503, {}, {}), "GET /health: 503 instead of 200"),
        ("health/ready", (503, {}, {"code": "not_ready"}), "GET /health/ready: 503 instead of 200"),
        (".well-known/jwks.json", (200, {}, {"keys": [{"use": "enc", "alg": "RSA-OAEP-256"}]}), "no key for opentdf"),
        (
            ".well-known/jwks.json",
            (200, {}, {"keys": [{"use": "enc", "alg": alg} for alg in ("RSA-OAEP", "RSA-OAEP-256")]}),
            "no key for signatures",
        ),
        ("rewrap", (200, {}, {}), "POST /rewrap without credentials: 200 instead of 401"),
        ("rewrap", (401, {"WWW-Authenticate": "Bearer"}, {}), "the challenge is 'Bearer'"),
        ("rewrap", (403, {}, {}), "POST /rewrap without credentials: 403 instead of 401"),
    ],
)
def test_a_service_that_is_wrong_in_one_way_fails_it(path, answer, said):
    with answering(**{path: answer}) as base:
        done = smoke(base)
    assert done.returncode == 1
    assert said in done.stderr


def test_nothing_that_answers_fails_it():
    done = smoke("http://127.0.0.1:9")
    assert done.returncode == 1
    assert "GET http://127.0.0.1:9/health: nothing answers" in done.stderr


def test_an_address_past_the_load_balancer_fails_it():
    with answering() as base:
        open_ = smoke(base, f"--closed={base}")
        closed = smoke(base, "--closed=http://127.0.0.1:9")
    assert (open_.returncode, closed.returncode) == (1, 0)
    assert "leads past the load balancer" in open_.stderr
    assert "ok  http://127.0.0.1:9 leads nowhere" in closed.stdout


def test_the_rewrap_can_be_imported_before_the_rest_and_neither_needs_the_other():
    code = "import sys, deploy.smoke_rewrap; sys.exit('deploy.smoke' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
