"""The real host: which paths and methods each entry point answers, always in our form, and nothing of the tree."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kas.keys.folder import make_local_keys
from local.client import Answer
from local.client.rewrap import post_rewrap
from local.processes import ROOT, Service
from tests.attacks.proof_requests import released, worker_of
from tests.host.functions import (
    ISSUERS,
    MODULE,
    SCRIPT,
    connect,
    exchange,
    function,
    local_settings,
    receive,
    refused_in_form,
    write_issuers,
)
from tests.kit import Attempt, Kit, running_kit

READ = ("GET", "HEAD", "OPTIONS")
ASKED = ("POST", "OPTIONS")
ROUTES = {"/rewrap": ASKED, "/explain": ASKED, "/.well-known/jwks.json": READ, "/health": READ}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X-ANY"]
ALONE = {"rewrap": "/rewrap", "explain": "/explain", "public_keys": "/.well-known/jwks.json", "health": "/health"}


def ask(base: str, path: str, method: str = "GET", *headers: str) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: kas", "Content-Length: 0", *headers]
    return exchange(base, "\r\n".join(lines) + "\r\n\r\n", method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", [*ROUTES, "/", "/nowhere", "/static/x", "/static/", "/robots.txt", "/favicon.ico"])
def test_every_path_and_method_is_answered_in_our_form(kit: Kit, path: str, method: str) -> None:
    """404 for no path of ours, 405 with what it takes, which OPTIONS says too, else the route: JSON every time."""
    answer = ask(kit.base, path, method)
    assert answer.headers.get("Content-Type") == (None if answer.status == 204 else "application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    allowed = ROUTES.get(path)
    if allowed is None:
        assert answer.status == 404
    elif method not in allowed:
        assert (answer.status, answer.headers["Allow"]) == (405, ", ".join(allowed))
    elif method == "OPTIONS":
        assert (answer.status, answer.headers["Allow"], answer.body) == (204, ", ".join(allowed), b"")
    else:
        assert answer.status == (401 if allowed == ASKED else 200)
    if method == "HEAD":
        assert answer.body == b""
    elif answer.status >= 400:
        refused_in_form(answer, answer.status, answer.json()["code"])


@pytest.mark.parametrize(
    "path",
    [
        "//rewrap",
        "/rewrap/",
        "/REWRAP",
        "/rewrap//",
        "/./rewrap",
        "/x/../rewrap",
        "/rewrap%2F",
        "/%2Frewrap",
        "/%2572ewrap",
        "/rewrap%00",
        "/rewrap%20",
        "/rewrap;v=1",
        "/kas/rewrap",
        "/rewrap/health",
        "/Health",
        "/health/",
        "/.well-known/jwks.json/",
        "/%ff",
    ],
)
def test_paths_are_exact(kit: Kit, path: str) -> None:
    """No folding, no redirect, no trailing slash, no case."""
    for method in ("GET", "POST"):
        refused_in_form(ask(kit.base, path, method), 404, "not_found")


def test_path_is_decoded_once(kit: Kit) -> None:
    """An escaped letter is the letter (RFC 3986 §6.2.2.2), and credentials are asked for as ever."""
    refused_in_form(ask(kit.base, "/%72ewrap", "POST"), 401, "credentials_missing")
    assert ask(kit.base, "/health?x=/rewrap").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/main.py",
        "/static/",
        "/static/../main.py",
        "/static/%2e%2e/main.py",
        "/static/kas/config.py",
        "/main.py",
        "/../main.py",
        "/%2e%2e/main.py",
        "/kas/config.py",
        "/config/issuers.json",
        "/.local/keys/keys.json",
        "/robots.txt",
        "/favicon.ico",
        "/templates/",
        "/console",
    ],
)
def test_nothing_of_the_source_tree_is_served(kit: Kit, path: str) -> None:
    """What the host would serve by itself is not there."""
    refused_in_form(ask(kit.base, path), 404, "not_found")


def test_folder_named_static_is_not_served(tmp_path: Path) -> None:
    """The host serves one beside the function by itself, without asking the function."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static/notes.txt").write_text("left there", "utf-8")
    with function("health", local_settings(tmp_path), source=str(ROOT / "main.py"), cwd=tmp_path) as service:
        for path in ("/static/notes.txt", "/static/other.txt", "/static/"):
            refused_in_form(ask(service.base, path), 404, "not_found")


@pytest.mark.parametrize("path", [*ROUTES, "/"])
def test_websocket_handshake_is_an_ordinary_request(kit: Kit, path: str) -> None:
    """Nothing here is upgraded (RFC 9110 §7.8)."""
    plain = ask(kit.base, path, "GET")
    answer = ask(
        kit.base,
        path,
        "GET",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    assert answer.status == plain.status != 101
    assert set(answer.headers) == set(plain.headers)


@pytest.mark.parametrize("host", ["a b", "[", "a@b", "", "évil", "kas:99999", "kas:x", "../.."])
def test_malformed_host_header_is_answered_in_our_form(kit: Kit, host: str) -> None:
    """Nothing here is built from it, so nothing fails by it."""
    answer = exchange(kit.base, f"POST /rewrap HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
    refused_in_form(answer, 401, "credentials_missing")


def test_connection_stays_open_after_what_the_host_would_refuse_itself(tmp_path: Path) -> None:
    """The answer ends in order: the next request of the connection is served, and nothing is in the log."""
    with function("kas", local_settings(tmp_path), log=tmp_path / "log") as service, connect(service.base) as line:
        for path in ("/favicon.ico", "/robots.txt", "//health", "/nowhere", "/health"):
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: kas\r\n\r\n".encode())
            assert receive(line).status == (200 if path == "/health" else 404)
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")


def test_overlong_host_header_is_answered_in_our_form(kit: Kit) -> None:
    """It leads nowhere: no address is made of it."""
    answer = exchange(kit.base, f"POST /rewrap HTTP/1.1\r\nHost: {'x' * 4000}\r\nContent-Length: 0\r\n\r\n")
    refused_in_form(answer, 401, "credentials_missing")


# ---- Each entry point alone


@pytest.mark.parametrize("target", ALONE)
def test_entry_point_alone_serves_its_own_paths(tmp_path: Path, target: str) -> None:
    """Its path and the root, by the methods of its route; everything else is 404."""
    with function(target, local_settings(tmp_path)) as service:
        for path, allowed in ROUTES.items():
            answer = ask(service.base, path, allowed[0])
            if path == ALONE[target]:
                assert answer.status == (401 if allowed == ASKED else 200)
                assert ask(service.base, "/", allowed[0]).status == answer.status
                assert ask(service.base, "/", "DELETE").status == 405
            else:
                refused_in_form(answer, 404, "not_found")
        for path in ("//", "/nowhere", "/static/main.py", f"{ALONE[target]}/"):
            refused_in_form(ask(service.base, path), 404, "not_found")


def _at_root(kit: Kit, service: Service) -> Attempt:
    """A good request whose nonce is of ``service``, to be posted to its root."""
    attempt = kit.attempt()
    attempt.nonce = kit.http("POST", f"{service.base}/").headers["DPoP-Nonce"]
    attempt.proof = attempt.make_proof()
    return attempt


def test_rewrap_alone_releases_at_the_root_what_the_public_address_signed(kit: Kit) -> None:
    """The platform strips the function's name: the proof names the public address, the request arrives at ``/``."""
    folder = kit.log.parent
    env = {
        "KAS_MODE": "local",
        "KAS_ISSUERS_PATH": str(folder / "issuers.json"),
        "KAS_KEYS_DIR": str(folder / "keys"),
        "KAS_PUBLIC_BASES": kit.base,
    }
    with function("rewrap", env) as service:
        attempt = _at_root(kit, service)
        body = json.dumps(attempt.request).encode()
        answer = post_rewrap(kit.http, f"{service.base}/", body, token=attempt.token, proof=str(attempt.proof))
        assert answer.status == 200, answer.body
        assert attempt.open(answer) == attempt.data_keys


# ---- The process


DECOYS = ["kas", "main", "local"]


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_our_package_is_loaded_though_another_of_its_name_is_installed(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The host puts our folder last on the path; a stranger's `kas` would answer in our name."""
    decoys = tmp_path / "installed"
    for name in DECOYS:
        (decoys / name).mkdir(parents=True)
        (decoys / name / "__init__.py").write_text("raise SystemExit('decoy')\n", "utf-8")
    env = {**local_settings(tmp_path), "PYTHONPATH": str(decoys)}
    with function("kas", env, command=command, source=str(ROOT / "main.py"), cwd=tmp_path) as service:
        assert ask(service.base, "/health").json() == {"status": "ok"}
        refused_in_form(ask(service.base, "/rewrap", "POST"), 401, "credentials_missing")


def test_execution_ids_leave_audit_lines_whole(tmp_path: Path) -> None:
    """The host then replaces the standard streams; each event is still one JSON line."""
    with running_kit(tmp_path, LOG_EXECUTION_ID="true") as kit:
        attempt = kit.attempt()
        answer = released(attempt)
        events = kit.events(answer.headers["X-Request-Id"])
        assert [(event["event"], event["outcome"]) for event in events] == [("rewrap", "released")]
        assert not [name for name in events[0] if "." in name], "the host has rewritten the line"
        refusal = ask(kit.base, "/nowhere")
        assert [event["code"] for event in kit.events(refusal.headers["X-Request-Id"])] == ["not_found"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_host_and_worker(tmp_path: Path, number: signal.Signals) -> None:
    """Cloud Run sends SIGTERM; nothing is left behind."""
    with function("health", local_settings(tmp_path)) as service:
        worker = worker_of(service)
        service.process.send_signal(number)
        assert service.process.wait(timeout=30) == 0
        assert not Path(f"/proc/{worker}").exists()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A KAS outside local mode, as it is behind whoever ends TLS."""
    folder = tmp_path_factory.mktemp("production")
    make_local_keys(folder / "keys")
    env = {
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": "https://kas.example",
        "KAS_ISSUERS_PATH": str(write_issuers(folder, ISSUERS)),
        "KAS_KEYS_DIR": str(folder / "keys"),
    }
    with function("kas", env) as service:
        yield service


@pytest.mark.parametrize("proto", ["https", "http, https", "http,https"])
def test_kas_req_021_production_answers_over_tls(production: Service, proto: str) -> None:
    """Whoever ends TLS appends what it saw: the last word counts."""
    header = f"X-Forwarded-Proto: {proto}"
    assert ask(production.base, "/health", "GET", header).json() == {"status": "ok"}
    assert len(ask(production.base, "/.well-known/jwks.json", "GET", header).json()["keys"]) == 4
    refused_in_form(ask(production.base, "/rewrap", "POST", header), 401, "credentials_missing")


@pytest.mark.parametrize("path", ["/static/x", "/robots.txt"])
def test_kas_req_021_what_the_host_would_answer_by_itself_is_refused_without_tls(
    production: Service, path: str
) -> None:
    """Its own answer to OPTIONS would go round every step of ours."""
    for method in ("OPTIONS", "GET", "POST"):
        refused_in_form(ask(production.base, path, method), 403, "https_required")


@pytest.mark.parametrize("proto", [None, "", "http", "https, http", "https,", "httpsx", "ftp"])
@pytest.mark.parametrize("path", ROUTES)
def test_kas_req_021_production_refuses_what_did_not_come_over_tls(
    production: Service, path: str, proto: str | None
) -> None:
    """Missing or anything but https: no answer but this one."""
    headers = [] if proto is None else [f"X-Forwarded-Proto: {proto}"]
    refused_in_form(ask(production.base, path, ROUTES[path][0], *headers), 403, "https_required")


def test_the_redirect_of_the_host_is_never_sent(kit: Kit) -> None:
    """A target without a path would be sent on to wherever the Host header says."""
    answer = exchange(kit.base, "GET http://x HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    refused_in_form(answer, 404, "not_found")
    assert "Location" not in answer.headers
