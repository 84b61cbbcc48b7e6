"""The parts of `local.rehearsal` that need no gcloud: names that lead here, certificates, definitions, policies."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from local.google.status import GoogleError
from local.processes import ROOT
from local.rehearsal.access import OWNER, ProjectPolicies
from local.rehearsal.authority import Authority
from local.rehearsal.builds import BuildFailed, look_at
from local.rehearsal.compute import path_of
from local.rehearsal.definitions import Definitions, Method, pattern_of
from local.rehearsal.issuer import HOST, issuer
from local.rehearsal.journal import DRY_RUN, Entry, Journal
from local.rehearsal.launch import names_lead_here
from local.rehearsal.proxy import proxy
from local.rehearsal.resources import LongRunning, Resources
from local.rehearsal.standard import masked
from local.rehearsal.storage import parts_of
from local.rehearsal.wire import Reply, Request, refusal

NAME = "run.googleapis.com"
PROJECT, LEAD = "projects/p", "user:lead@example.com"


@pytest.fixture
def running(tmp_path):
    """A proxy that stands in for one name, whose front tells what it got."""

    def front(request: Request) -> Reply:
        return Reply(200, f"{request.verb} {request.host}{request.path} {request.body.decode()}".encode())

    with proxy({NAME: front}.get, Authority(tmp_path / "authority.pem")) as one:
        yield one


def through(one, url, data=None):
    handlers = (
        urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{one.port}"}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=one.authority.trust)),
    )
    with urllib.request.build_opener(*handlers).open(url, data, timeout=10) as answer:
        return answer.read().decode()


def test_a_tunnel_ends_in_a_server_of_the_name_that_was_asked_for(running):
    assert through(running, f"https://{NAME}/v2/a?b=c", b"{}") == f"POST {NAME}/v2/a {{}}"
    assert running.refused == []


def test_a_name_that_is_not_stood_in_for_is_refused_and_remembered(running):
    with pytest.raises(urllib.error.URLError, match="403"):
        through(running, "https://example.org/")
    assert running.refused == ["example.org:443"]


def test_a_front_that_fails_is_remembered_and_not_asked_again(tmp_path):
    def broken(request: Request) -> Reply:
        raise KeyError("a mistake")

    with proxy({NAME: broken}.get, Authority(tmp_path / "authority.pem")) as one:
        with pytest.raises(urllib.error.HTTPError, match="400"):
            through(one, f"https://{NAME}/")
        assert one.refused == [f"GET {NAME}/: KeyError('a mistake')"]


def python(code, **env):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=30)


def test_every_name_leads_here_for_a_python_that_uses_no_proxy(running):
    env = {**names_lead_here({443: running.direct_port}), "SSL_CERT_FILE": str(running.authority.trust)}
    ask = "import urllib.request as u; print(u.urlopen('{}').read().decode())"
    assert python(ask.format(f"https://{NAME}/v1"), **env).stdout == f"GET {NAME}/v1 \n"
    assert "not stood in for" in python(ask.format("http://example.org/"), **env).stderr
    assert python(ask.format("https://example.org/"), **env).returncode == 1
    assert running.refused == ["example.org"]
    loopback = f"import socket; socket.create_connection(('127.0.0.1', {running.direct_port})).close(); print('ok')"
    assert python(loopback, **env).stdout == "ok\n"


def over_tls_1_2(one, way) -> bytes:
    """The first line of what is answered, if anything is."""
    context = ssl.create_default_context(cafile=one.authority.trust)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", getattr(one, way))) as plain:
        if way == "port":
            plain.sendall(f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode())
            assert plain.recv(1000).startswith(b"HTTP/1.1 200")
        try:
            with context.wrap_socket(plain, server_hostname=NAME) as secured:
                secured.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return secured.recv(1000).partition(b"\r\n")[0]
        except OSError:
            return b""


@pytest.mark.parametrize("way", ["port", "direct_port"])
def test_no_tls_is_spoken_that_is_older_than_a_name_allows(running, way):
    assert over_tls_1_2(running, way) == b"HTTP/1.1 200 OK"
    running.authority.floor_of = lambda _: ssl.TLSVersion.TLSv1_3
    assert over_tls_1_2(running, way) == b""


def test_without_gcloud_there_is_nothing_to_rehearse():
    command = [sys.executable, "-m", "local.rehearsal", "true"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (1, ["local.rehearsal: gcloud is not installed"])


def test_the_issuer_has_the_name_that_the_service_is_told(tmp_path):
    with issuer(tmp_path) as one:
        (entry,) = json.loads(one.document())["issuers"]
        request = Request("GET", HOST, "/.well-known/openid-configuration", "", {}, b"")
        told = json.loads(one.answer(request).body)
    assert told["issuer"] == entry["issuer"] == f"https://{HOST}"
    assert (told["jwks_uri"], told["token_endpoint"]) == (entry["jwksUrl"], entry["tokenEndpoint"])


# ---- definitions

TYPES = {
    "Request": {"fields": {"parent": ["string", False], "thing": ["Thing", False]}},
    "Thing": {
        "fields": {"size": ["int", False], "kind": ["Kind", False], "labels": ["Labels", False], "all": ["any", True]}
    },
    "Kind": {"values": ["BIG", "SMALL"]},
    "Labels": {"map": ["string", False]},
}
CREATE = Method(
    "api/v1",
    "api.things.create",
    "POST",
    pattern_of("v1/{+parent}/things", "v1/projects/{id}/things"),
    frozenset({"thingId"}),
    "thing",
    "Request",
    "Thing",
)
DEFINITIONS = Definitions((CREATE,), {"api/v1": TYPES})


def test_a_method_is_found_by_the_form_of_its_path():
    ((method, parameters),) = DEFINITIONS.find("api", "POST", "v1/projects/p/things")
    assert (method.name, parameters) == ("api.things.create", {"parent": "projects/p"})
    assert DEFINITIONS.find("api", "POST", "v1/projects/p/locations/l/things") == []
    assert DEFINITIONS.find("api", "GET", "v1/projects/p/things") == []


def test_what_fits_is_taken():
    body = {"size": "12", "kind": "small", "labels": {"a": "b"}, "all": [1, {"b": True}]}
    assert DEFINITIONS.check_body(CREATE, body) is None
    assert DEFINITIONS.check_query(CREATE, iter(["thingId", "alt", "$.xgafv"])) is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"sise": 1}, 'Unknown name "sise"'),
        ({"size": "many"}, "Invalid value at 'size'"),
        ({"size": True}, "Invalid value at 'size'"),
        ({"kind": "HUGE"}, "Invalid value at 'kind'"),
        ({"labels": {"a": 1}}, "Invalid value at 'labels.a'"),
        ({"all": {}}, "a list is expected"),
        ([], "an object is expected"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(body, text):
    with pytest.raises(GoogleError, match=re.escape(text)):
        DEFINITIONS.check_body(CREATE, body)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(GoogleError, match="Cannot bind query parameter"):
        DEFINITIONS.check_query(CREATE, iter(["thing"]))


# ---- what is kept


def test_an_account_must_exist_and_its_roles_end_with_it():
    accounts = {"kas@p.iam.gserviceaccount.com"}
    policies = ProjectPolicies(accounts.__contains__)
    policies.give(PROJECT, OWNER, LEAD)
    policies.give(PROJECT, "roles/viewer", "serviceAccount:kas@p.iam.gserviceaccount.com")
    with pytest.raises(GoogleError, match=r"nobody@p\S+ does not exist"):
        policies.give(PROJECT, "roles/viewer", "serviceAccount:nobody@p.iam.gserviceaccount.com")
    policies.forget("kas@p.iam.gserviceaccount.com", "7")
    assert not policies.has_role(PROJECT, "serviceAccount:kas@p.iam.gserviceaccount.com", "roles/viewer")
    assert policies.has_role(PROJECT, "deleted:serviceAccount:kas@p.iam.gserviceaccount.com?uid=7", "roles/viewer")
    assert policies.allows(LEAD, "anything.at.all", f"{PROJECT}/secrets/s")
    assert not policies.allows("user:other@example.com", "anything.at.all", PROJECT)


def test_an_operation_is_done_when_it_has_been_asked_after():
    operations, results = LongRunning(polls=1), [{"done": False}, {"done": True, "response": {}}]
    operations.start("run", "o/1", {"metadata": {}}, lambda: results.pop(0))
    answers = [operations.poll("run", "o/1").get("done") for _ in range(4)]
    assert answers == [None, False, True, True]
    with pytest.raises(GoogleError, match="not found"):
        operations.poll("run", "o/2")


def test_a_resource_is_made_once():
    resources = Resources()
    resources.add("run", "a/b", {})
    with pytest.raises(GoogleError, match="already exists"):
        resources.add("run", "a/b", {})
    assert resources.under("run", "a") == [{}]
    resources.remove("run", "a/b")
    with pytest.raises(GoogleError, match="not found"):
        resources.find("run", "a/b")


def test_a_mask_changes_what_it_names():
    held = {"a": {"b": 1, "c": 2}, "d": 3}
    assert masked(held, {"a": {"b": 9}}, "a.b,d") == {"a": {"b": 9, "c": 2}}
    assert masked(held, {"cleanUp": 1}, "clean_up") == {**held, "cleanUp": 1}


def test_what_only_reads_is_no_change():
    journal = Journal()
    for verb, method in (
        ("GET", "run.services.get"),
        ("POST", "cloudresourcemanager.projects.getIamPolicy"),
        (DRY_RUN, "run.namespaces.services.create"),
        ("POST", "cloudkms.AsymmetricDecrypt"),
    ):
        journal.add(Entry(verb, method, "r", "m", "OK", ""))
    assert journal.changes() == []
    journal.add(Entry("POST", "run.namespaces.services.create", "r", "m", "NOT_FOUND", ""))
    journal.add(Entry("GET", "pubsub GET /v1", "", "m", "UNIMPLEMENTED", ""))
    assert (journal.changes(), journal.missing()) == (["run.namespaces.services.create r"], ["pubsub GET /v1 "])


def test_an_upload_in_two_parts_is_read_as_gcloud_writes_it():
    body = b'--==1==\nContent-Type: application/json\n\n{"name": "a"}\n--==1==\nContent-Type: application/zip\n\nPK\n\x00\n--==1==--'
    assert parts_of("multipart/related; boundary='==1=='", body) == ({"name": "a"}, b"PK\n\x00")


def test_a_build_wants_the_function_and_the_pins_that_run_it(tmp_path):
    with pytest.raises(BuildFailed, match=r"missing main\.py"):
        look_at(tmp_path, "kas")
    (tmp_path / "main.py").write_text("def kas(request):\n    return ''\n", "utf-8")
    with pytest.raises(BuildFailed, match="the function other is not"):
        look_at(tmp_path, "other")
    with pytest.raises(BuildFailed, match="does not pin functions-framework"):
        look_at(tmp_path, "kas")
    (tmp_path / "requirements.txt").write_text("functions-framework==0.0.1\n", "utf-8")
    with pytest.raises(BuildFailed, match="other versions"):
        look_at(tmp_path, "kas")


def test_links_of_either_host_name_the_same_part():
    for host in ("www", "compute"):
        assert path_of(f"https://{host}.googleapis.com/compute/v1/projects/p/global/a/b") == "projects/p/global/a/b"


def test_what_is_not_stood_in_for_is_not_asked_again():
    reply = refusal(GoogleError("UNIMPLEMENTED", "no"))
    assert (reply.status, b'"code": 400' in reply.body) == (400, True)
