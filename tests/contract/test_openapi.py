"""The document of the contract: valid OpenAPI 3.1, of the routes that there are, with the answers that there can be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import flask
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import EnvironBuilder

from kas.errors import Denial, Internal, InvalidForwarding, KaoRefusal, leaves
from kas.jose import to_jwk
from kas.protocol.connect import CODES
from kas.service import Service
from kas.web.openapi.document import build_document
from kas.web.replies import Route, Routes
from tests.federation.registry_documents import good, write
from tests.unit.good_edge import sent
from tests.unit.test_service import production
from tests.vectors.primitives import ec_key
from tests.vectors.replay import KEYS

ERRORS = {leaf.code: leaf for leaf in leaves()}
# What depends on whether there are other services, and on whether another program decides.
OF_SERVICES = {"agreement_exceeded", "peer_refused", "peer_unavailable"}
OF_ANOTHER_PROGRAM = {"policy_denied", "policy_unavailable"}
OF_ATTRIBUTES = {"policy_empty", "attribute_unknown", "attribute_not_entitled", "not_in_dissem"}
FORWARDING = {leaf.code for leaf in leaves(InvalidForwarding)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """With the settings of production and all that can be switched on: metrics, other services, another who decides."""
    folder = tmp_path_factory.mktemp("contract")
    return production(folder, KAS_METRICS="on", KAS_POLICY_BACKEND="opa", **federated(folder))


def federated(folder: Path) -> dict[str, str]:
    """Settings of one of three services."""
    registry = good()
    own = to_jwk(ec_key(KEYS["keys"]["signing"]).public_key())
    registry["kases"][0]["jwks"]["keys"] = [{**own, "kid": "s-1", "use": "sig", "alg": "ES256"}]
    path = write(folder, registry)
    return {"KAS_FEDERATION_CONFIG_PATH": str(path), "KAS_PUBLIC_BASES": "https://kas.usa.example"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of a service that knows no other and decides itself."""
    return json.loads(ask(production(tmp_path_factory.mktemp("plain")), "GET").get_data())


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    return json.loads(ask(service, "GET").get_data())


def ask(service: Service, method: str, headers: dict[str, str] | None = None) -> flask.Response:
    over_tls = {"X-Forwarded-Proto": "https", **(headers or {})}
    environ = EnvironBuilder("/openapi.json", method=method, headers=over_tls).get_environ()
    request = flask.Request({**environ, "REMOTE_ADDR": "127.0.0.1"})
    return sent(service.answer(request, service.mounts.everything), request)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def refusals(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Status, name and response of each refusal."""
    for status, response in operation["responses"].items():
        if "$ref" in response:
            name = response["$ref"].rpartition("/")[2]
            yield int(status), name, document["components"]["responses"][name]


def codes_of(response: dict[str, Any]) -> set[str]:
    """Those that a response lists: as values of ``code``, or in words where the form has no member for them."""
    schema = response["content"]["application/json"]["schema"]
    if "anyOf" in schema:
        return set(schema["properties"]["code"]["enum"])
    return set(re.findall(r"`(\w+)`", response["description"]))


def test_the_document_is_valid_openapi(document):
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_is_described_with_its_methods_and_no_other(service, document):
    """Both ways, prefixes included."""
    table = {path: set(route.methods) for path, route in service.mounts.everything.exact.items()}
    table |= {
        prefix + "{procedure}": set(route.methods) for prefix, route in service.mounts.everything.prefixes.items()
    }
    described = {path: {method.upper() for method in item} for path, item in document["paths"].items()}
    assert described == table


def test_a_route_without_description_is_no_document(service):
    """Whoever adds a route describes it."""
    routes = service.mounts.everything
    more = Routes({**routes.exact, "/new": Route(("GET",), lambda _request, _journal: None)})
    with pytest.raises(Internal, match="/new"):
        build_document(more, None)


def test_metrics_and_federation_are_described_where_they_are_on(document, plain):
    of_federation = {"/federation/registry", "/federation/status"}
    assert set(document["paths"]) - set(plain["paths"]) == {"/metrics", *of_federation}
    assert set(document["components"]["schemas"]) - set(plain["components"]["schemas"]) == {
        "KaoOfAnother",
        "Registry",
        "FederationStatus",
    }


def test_every_operation_has_a_name_of_its_own(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 30


def test_every_code_is_an_error_of_that_status(document):
    """Of ours, or Connect's status for it."""
    seen = set()
    for path, _, operation in operations(document):
        for status, name, response in refusals(document, operation):
            codes = codes_of(response)
            assert codes, name
            statuses = {ERRORS[code].status for code in codes}
            expected = {CODES[one][1] for one in statuses} if name.startswith("Connect") else statuses
            assert expected == {status}, (path, status)
            seen |= codes
    # Those of local mode, of paths and methods that there are not, and what stands for no status.
    assert set(ERRORS) - seen == {"loopback_only", "not_found", "method_not_allowed", "not_attempted"}


def test_only_what_has_a_body_can_be_late_with_it(document):
    """No GET promises a time-out."""
    late = {method for _, method, operation in operations(document) if {"408", "504"} & operation["responses"].keys()}
    assert late == {"post"}


def test_wherever_a_body_is_read_it_may_be_waited_for_in_vain(document):
    """Late, too large, or one too many: on each route that takes a body."""
    of_bodies = {"request_timeout", "content_too_large", "too_many_bodies"}
    taking = [(path, operation) for path, _, operation in operations(document) if "requestBody" in operation]
    assert len(taking) > 9
    for path, operation in taking:
        codes = {code for _, _, response in refusals(document, operation) for code in codes_of(response)}
        assert of_bodies <= codes, path


def test_every_error_is_explained_once(document):
    explained = {one["const"]: one["description"] for one in document["components"]["schemas"]["Code"]["oneOf"]}
    assert explained == {code: leaf.message() for code, leaf in ERRORS.items()}


def refused_with(document: dict[str, Any], path: str, *statuses: int) -> set[str]:
    """The codes of a route, of all statuses or of these."""
    found = [
        codes_of(response)
        for where, _, operation in operations(document)
        for status, _, response in refusals(document, operation)
        if where == path and (status in statuses or not statuses)
    ]
    return set().union(*found)


def test_codes_of_results_are_those_that_this_service_can_give(document, plain):
    """Another program may deny for any reason; without one, and without other services, some cannot come up."""
    every = {leaf.code for leaf in leaves(KaoRefusal)}
    given, given_by_plain = (
        set(one["components"]["schemas"]["KaoFailure"]["properties"]["code"]["enum"]) for one in (document, plain)
    )
    assert given == every
    assert given_by_plain == every - OF_SERVICES - OF_ANOTHER_PROGRAM - OF_ATTRIBUTES


def test_whole_rewraps_are_refused_as_their_results_may_be(tmp_path, document, plain):
    """Whatever stands for a status; with other services all of them, for what they say of theirs is passed on."""
    standing = {leaf.code for leaf in leaves(KaoRefusal) if leaf.status}
    assert refused_with(document, "/rewrap") & standing == standing
    assert refused_with(plain, "/rewrap") & standing == standing - OF_SERVICES - OF_ANOTHER_PROGRAM - OF_ATTRIBUTES
    brokering = json.loads(ask(production(tmp_path, **federated(tmp_path)), "GET").get_data())
    assert refused_with(brokering, "/rewrap") & standing == standing
    own = set(brokering["components"]["schemas"]["KaoFailure"]["properties"]["code"]["enum"])
    assert own & (OF_SERVICES | OF_ANOTHER_PROGRAM | OF_ATTRIBUTES) == OF_SERVICES


@pytest.mark.parametrize("path", ["/kas/v2/rewrap", "/kas.AccessService/Rewrap"])
def test_another_program_denies_on_opentdf_routes_too(document, plain, path):
    denials = {leaf.code for leaf in leaves(Denial)}
    assert (denials | {"policy_unavailable"}) - refused_with(document, path) == set()
    assert refused_with(plain, path) & (OF_SERVICES | OF_ANOTHER_PROGRAM) == set()


def test_forwarding_is_refused_on_rewraps_alone_and_nowhere_else(document, plain):
    """In every way where it may happen at all; elsewhere whoever forwards is unknown."""
    found = {path: refused_with(document, path, 401) & FORWARDING for path in document["paths"]}
    unknown = {"forwarder_unknown"}
    others = {"/kas/v2/rewrap": unknown, "/kas.AccessService/Rewrap": unknown, "/explain": unknown}
    assert {path: codes for path, codes in found.items() if codes} == {"/rewrap": FORWARDING, **others}
    assert refused_with(plain, "/rewrap", 401) & FORWARDING == unknown


def test_the_header_of_forwarders_is_described_where_it_is_taken(document, plain):
    def described(one: dict[str, Any]) -> set[str]:
        return {
            path
            for path, _, operation in operations(one)
            if "Forwarded-KAS" in {parameter.get("name") for parameter in operation["parameters"]}
        }

    assert (described(document), described(plain)) == ({"/rewrap"}, set())


def test_who_may_see_the_federation_is_limited_like_who_may_see_readiness(document):
    """By the window of callers who ask what is wrong."""
    for path in ("/federation/registry", "/federation/status"):
        assert {"health_limit", "network_limit", "global_limit"} == refused_with(document, path, 429) - {
            "replay_share_exhausted"
        }


def test_only_rewraps_explanations_and_the_federation_ask_who_the_caller_is(document):
    """Each is bound to a key by DPoP; readiness answers whoever asks, and more to whom it knows."""
    asked = {path: operation["security"] for path, _, operation in operations(document) if operation["security"]}
    bound = {"DPoP": [], "Proof": []}
    assert asked == {
        "/rewrap": [bound, {"Bearer": [], "Proof": []}],
        "/explain": [bound],
        "/kas/v2/rewrap": [bound],
        "/kas.AccessService/Rewrap": [bound],
        "/health/ready": [{}, bound],
        "/federation/registry": [bound],
        "/federation/status": [bound],
    }


def test_every_refusal_names_the_headers_of_its_status(document):
    """A challenge with 401, a time with 429 and 503, a nonce wherever one is offered, our id always."""
    for path, _, operation in operations(document):
        nonced = {"DPoP-Nonce"} if operation["security"] else set()
        for status, _, response in refusals(document, operation):
            wanted = {"X-Request-Id"} | nonced
            wanted |= {"WWW-Authenticate"} if status == HTTPStatus.UNAUTHORIZED else set()
            wanted |= {"Retry-After"} if status in {429, 503} else set()
            assert wanted <= set(response["headers"]), (path, status)
            assert ("DPoP-Nonce" in response["headers"]) == bool(nonced)


def test_explanations_are_refused_where_no_decision_can_be_had_and_for_no_key(document, plain):
    """A denial is an answer; what has results is a rewrap's alone."""
    of_keys = {leaf.code for leaf in leaves(KaoRefusal)}
    assert refused_with(document, "/explain") & of_keys == {"policy_unavailable"}
    assert refused_with(plain, "/explain") & of_keys == set()
    late = document["components"]["responses"]["ExplainError503"]["content"]["application/json"]["schema"]
    assert late["anyOf"] == [{"$ref": "#/components/schemas/Error"}]


def test_explanations_have_words_for_every_check_unless_another_program_makes_it(document, plain):
    def required(one: dict[str, Any]) -> list[set[str]]:
        explained = one["components"]["schemas"]["ExplainAnswer"]["properties"]["explanations"]["items"]["oneOf"]
        checks = explained[0]["properties"]["checks"]["items"]["oneOf"]
        return [set(check["required"]) for check in checks]

    named = {"name", "passed"}
    assert required(document) == [named, named | {"code"}]
    assert required(plain) == [named | {"needed", "found"}, named | {"needed", "found", "code"}]


def test_bearer_and_nonces_are_described_as_they_are_set(tmp_path):
    """What a deployment does not take or offer is not promised."""
    other = production(tmp_path, KAS_REWRAP_SCHEMES="DPoP", KAS_REWRAP_DPOP_NONCE="off", KAS_OPENTDF_BEARER="allow")
    found = json.loads(ask(other, "GET").get_data())
    rewrap = found["paths"]["/rewrap"]["post"]
    assert rewrap["security"] == [{"DPoP": [], "Proof": []}]
    assert "DPoP-Nonce" not in rewrap["responses"]["200"]["headers"]
    unauthorised = codes_of(found["components"]["responses"]["RewrapError401"])
    assert unauthorised & {"nonce_required", "nonce_invalid", "token_scheme_not_accepted"} == {
        "token_scheme_not_accepted"
    }
    assert {"Bearer": []} in found["paths"]["/kas/v2/rewrap"]["post"]["security"]


def test_limits_are_those_in_force(tmp_path):
    other = production(tmp_path, KAS_MAX_GROUPS="3", KAS_MAX_ID_CHARS="77", KAS_MAX_METADATA_CHARS="88")
    schemas = json.loads(ask(other, "GET").get_data())["components"]["schemas"]
    assert schemas["RewrapBody"]["properties"]["requests"]["maxItems"] == 3
    assert schemas["ExplainRequest"]["properties"]["policies"]["maxItems"] == 20
    assert schemas["KeyAccessObject"]["properties"]["kid"]["maxLength"] == 77
    assert schemas["KeyAccessObject"]["properties"]["encryptedMetadata"]["maxLength"] == 88


def test_the_document_may_be_kept_and_asked_for_again(service):
    """304 for whoever has it; the tag is that of the same document each time."""
    first = ask(service, "GET")
    assert first.headers["Cache-Control"] == "public, max-age=300"
    again = ask(service, "GET", {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data(), again.headers["ETag"]) == (304, b"", first.headers["ETag"])


def test_a_cold_start_does_not_make_the_document():
    """Modules that only the document needs are not imported by the wiring."""
    script = "import sys, kas.service; print('kas.web.openapi.document' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
