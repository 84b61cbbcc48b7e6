"""What is released is what the document promises: real answers against its schemas.

Schemathesis does the same for what it makes up; it holds no key that a request must be signed with, so it sees refusals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft202012Validator

from kas.federation.breaker import Breaker
from kas.federation.calls import SideBySideCalls
from kas.federation.line import Line
from kas.federation.views import registry_view, status_view
from kas.protocol.bounds import JsonBounds
from local.client import Answer
from tests.explain.asking import Question
from tests.federation.nations import Nations, running_nations
from tests.federation.registry_documents import good, load
from tests.kit import Kit, policy
from tests.metadata import with_metadata
from tests.opentdf.pieces import RSA_CLIENT_KEY
from tests.opentdf.tdf_client import Route, TdfAttempt

CLIENT_KEYS = {"rsa": RSA_CLIENT_KEY, "ec": ec.generate_private_key(ec.SECP256R1())}


@pytest.fixture(scope="module")
def document(kit: Kit) -> dict[str, Any]:
    found: dict[str, Any] = kit.http("GET", f"{kit.base}/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    """A KAS and another that it knows."""
    with running_nations(tmp_path_factory.mktemp("pair"), ("usa", "fra")) as running:
        yield running


@pytest.fixture(scope="module")
def federated(pair: Nations) -> dict[str, Any]:
    """The document of the first."""
    found: dict[str, Any] = pair["usa"].http("GET", f"{pair['usa'].base}/openapi.json").json()
    return found


def validator(document: dict[str, Any], path: str, status: int, method: str = "post") -> Draft202012Validator:
    """Of the JSON answers of this status."""
    response = document["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": document["components"]})


def is_as_promised(document: dict[str, Any], path: str, answer: Answer) -> None:
    """Asserts that the schema takes the answer, and takes none with one member more or less."""
    schema, body = validator(document, path, answer.status), answer.json()
    assert [error.message for error in schema.iter_errors(body)] == []
    assert not schema.is_valid({**body, "more": 1})
    assert not schema.is_valid({name: value for name, value in body.items() if name != "responses"})
    result = body["responses"][0]["results"][0]
    result["status"] = "perhaps"
    assert not schema.is_valid(body)


@pytest.mark.parametrize("receiving", ["RSA", "P-256", "P-384", "P-521"])
def test_acp240_release_is_as_the_document_says(kit: Kit, document: dict[str, Any], receiving: str) -> None:
    """To an RSA key and to those on each curve."""
    attempt = kit.attempt(receiving=receiving)
    answer = attempt.send()
    assert attempt.open(answer) == attempt.data_keys
    is_as_promised(document, "/rewrap", answer)


def test_acp240_answer_with_a_failure_in_it_is_as_the_document_says(kit: Kit, document: dict[str, Any]) -> None:
    """One released, one not."""
    answer = kit.attempt(policies=[policy(), policy(releasabilityTo=["FRA"], COI=None)]).send()
    results = [result["status"] for group in answer.json()["responses"] for result in group["results"]]
    assert sorted(results) == ["error", "success"]
    is_as_promised(document, "/rewrap", answer)


def test_acp240_release_with_metadata_is_as_the_document_says(kit: Kit, document: dict[str, Any]) -> None:
    """Its fields stand in the result."""
    attempt = with_metadata(kit.attempt(), {"fields": {"title": "Ü", "pages": [1, None, {}]}})
    answer = attempt.send()
    assert attempt.result(answer)["metadata"] == {"title": "Ü", "pages": [1, None, {}]}
    is_as_promised(document, "/rewrap", answer)


def test_acp240_release_of_splits_is_as_the_document_says(kit: Kit, document: dict[str, Any]) -> None:
    """One result has the key of all, the others none."""
    attempt = kit.attempt(kaos=3)
    attempt.request["requests"][0] |= {"mode": "allOf", "combine": "xor"}
    answer = attempt.send()
    results = answer.json()["responses"][0]["results"]
    assert ["kasWrappedKey" in result for result in results] == [True, False, False]
    assert results[0]["combined"] is True
    is_as_promised(document, "/rewrap", answer)
    is_no_success_without_key(document, answer)


def test_explanations_are_as_the_document_says(kit: Kit, document: dict[str, Any]) -> None:
    """A permit, a denial, and a text that is no policy; neither says what is the other's."""
    question = Question.of(kit, "usa-secret", policy(), policy(COI=["EU"]), "!")
    answer = question.send()
    body, schema = answer.json(), validator(document, "/explain", answer.status)
    permit, deny, unreadable = body["explanations"]
    assert (permit["decision"], deny["decision"]) == ("permit", "deny")
    assert [error.message for error in schema.iter_errors(body)] == []
    wrong = [{**permit, "code": "embargoed"}, {**deny, "decision": "permit"}, {**unreadable, "checks": []}]
    for odd in (*wrong, {**permit, "more": 1}):
        assert not schema.is_valid({"explanations": [odd]})


def is_no_success_without_key(document: dict[str, Any], answer: Answer) -> None:
    """A wrapped key comes with the name of its wrapping."""
    body = answer.json()
    del body["responses"][0]["results"][0]["wrapAlg"]
    assert not validator(document, "/rewrap", answer.status).is_valid(body)


def test_result_of_another_service_is_as_the_document_says(pair: Nations, federated: dict[str, Any]) -> None:
    """Released and refused; members that we do not know are under its signature. In our name nothing is added."""
    attempt = pair.attempt("fra-secret", at="usa", holders=("usa", "fra", "fra"))
    attempt.request["requests"][0]["keyAccessObjects"][2]["kid"] = "unknown"
    attempt.resign()
    answer = attempt.send()
    body, schema = answer.json(), validator(federated, "/rewrap", answer.status)
    results = body["responses"][0]["results"]
    assert [result["status"] for result in results] == ["success", "success", "error"]
    assert [result["signature"]["kas"] for result in results] == ["kas-usa", "kas-fra", "kas-fra"]
    is_as_promised(federated, "/rewrap", answer)
    for result in results[1:]:
        result.update(more=1, code="another")
    assert schema.is_valid(body)
    results[0]["more"] = 1
    assert not schema.is_valid(body)


def test_what_is_to_be_seen_of_the_federation_is_as_the_document_says(
    tmp_path: Path, federated: dict[str, Any]
) -> None:
    """With and without agreement, in each state of a line; nothing beside it."""
    time = [0.0]
    registry = load(tmp_path, good())
    peers = {**registry.peers, "kas-off": replace(registry.peers["kas-gbr"], kas_id="kas-off", is_active=False)}
    registry = replace(registry, peers=peers)
    lines = {}
    for kas_id, peer in peers.items():
        breaker = Breaker(lambda: time[0], failures=1)
        lines[kas_id] = Line(
            peer, lambda *_: (200, b""), breaker, SideBySideCalls(1), JsonBounds(9, 9, 9), lambda _: None
        )
    lines["kas-fra"].breaker.failed()
    time[0] = 30.0
    lines["kas-gbr"].breaker.failed()
    seen = {"/federation/registry": registry_view(registry), "/federation/status": status_view(registry, lines)}
    states = [peer["breaker"]["state"] for peer in seen["/federation/status"]["peers"]]
    assert states == ["half-open", "open", "closed"]
    assert [peer["agreement"] is None for peer in seen["/federation/registry"]["peers"]] == [False, True, True]
    for path, body in seen.items():
        schema = validator(federated, path, 200, "get")
        assert [error.message for error in schema.iter_errors(body)] == []
        assert not schema.is_valid({**body, "peers": [{**body["peers"][0], "more": 1}]})


@pytest.mark.parametrize("client_key", CLIENT_KEYS)
@pytest.mark.parametrize(("route", "version"), [("rest", 1), ("rest", 2), ("connect-json", 1), ("connect-json", 2)])
def test_opentdf_release_is_as_the_document_says(
    kit: Kit, document: dict[str, Any], route: Route, version: int, client_key: str
) -> None:
    """In both versions, by REST and by Connect's JSON."""
    attempt = TdfAttempt.good(kit, route, version=version, client_key=CLIENT_KEYS[client_key])
    answer = attempt.send()
    assert list(attempt.open(attempt.read(answer)).values()) == list(attempt.data_keys.values())
    is_as_promised(document, attempt.path, answer)
